//! The health service on [hyper](https://docs.rs/hyper) and [compio](https://docs.rs/compio), a runtime
//! without a scheduler between threads: each core has its own thread, with its own ring, listener and
//! connections. One `Registry` is shared by all of them, and a status that is set anywhere wakes the watches
//! of every core.
//!
//! compio drives io_uring where Linux offers it, and falls back to polling where it does not, as in most
//! containers.
//!
//! ```text
//! cargo run -p health-example-compio-server
//! curl -d '{"service":"greet.GreetService"}' -H 'content-type: application/json' \
//!     127.0.0.1:20003/grpc.health.v1.Health/Check
//! ```

mod io;
mod serve;
mod server;
mod timer;

pub use serve::service;
pub use server::{Server, Threads};
pub use timer::CompioTimer;
