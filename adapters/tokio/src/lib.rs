//! What a health service needs from tokio: [`TokioTimer`], a [`Timer`](health_core::rt::Timer) over
//! `tokio::time`; [`terminated`], the signals that ask a process to end; and [`drain()`], which takes a
//! server out of service in the order that health clients need.
//!
//! `health-core` runs on any runtime and never waits by itself; this crate is its only tie to tokio.
//!
//! [`guide`] walks from a status that is set to one that follows a database, with maintenance and a drain.
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use health_core::Registry;
//! use health_tokio::{drain, terminated};
//!
//! # async fn serve_until(_: impl Future<Output = ()>) {}
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let health = Registry::new();
//! // A server that stops when this future completes: every watcher has seen NOT_SERVING by then.
//! serve_until(drain(&health, Duration::from_secs(10), terminated())).await;
//! # }
//! ```

mod drain;
mod signal;
mod timer;

#[doc = include_str!("docs/guide.md")]
pub mod guide {}

pub use drain::drain;
pub use health_core::drain::{Drain, Receipt, Stop};
pub use signal::terminated;
pub use timer::TokioTimer;
