//! The health service of `health-core` on [hyper](https://docs.rs/hyper): [`HealthHyper`], a hyper
//! `Service`, and [`serve()`], a server for it that speaks HTTP/1.1 and cleartext HTTP/2 on one port, or
//! both over TLS with the feature `tls`.
//!
//! What is answered is decided by `health-core`; this crate decides what a connection may cost:
//! how long a peer may take, how much it may send ahead, how the server stops.
//!
//! # Examples
//!
//! ```no_run
//! use health_core::{Registry, http::HealthService};
//! use health_tokio::TokioTimer;
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let health = Registry::new();
//! let listener = TcpListener::bind("127.0.0.1:20000").await?;
//! health_hyper::serve(listener, HealthService::new(&health, TokioTimer::shared())).await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod serve;
mod service;

pub use serve::{Serve, serve, serve_with};
pub use service::{Alone, HealthHyper};
