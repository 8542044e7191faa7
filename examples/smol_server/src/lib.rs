//! The health service on [hyper](https://docs.rs/hyper) and [smol](https://docs.rs/smol), without
//! tokio's runtime: all that the two need from a runtime is in [`SmolTimer`] and [`serve()`].
//!
//! ```text
//! cargo run -p health-example-smol-server
//! curl -d '{"service":"greet.GreetService"}' -H 'content-type: application/json' \
//!     127.0.0.1:20002/grpc.health.v1.Health/Check
//! ```

mod io;
mod serve;
mod timer;

pub use serve::{serve, service};
pub use timer::SmolTimer;
