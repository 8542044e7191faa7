//! Conditions that most services need, ready to be given to a
//! [`Monitor`](health_core::condition::Monitor): each is a few lines over the library that is made for
//! the question.
//!
//! | condition | asks | feature |
//! |---|---|---|
//! | [`tcp()`] | whether something accepts connections at an address | |
//! | [`dns()`] | whether a name resolves | |
//! | [`disk_space()`] | how much room is left where a path lies | |
//! | [`available_memory()`] | how much memory is left, of the machine and of the container | |
//! | [`resident_memory()`] | how much memory this process takes | |
//! | [`file_age()`] | whether a file was written lately | |
//! | `http_get` | whether a GET is answered with the right status, and the right text | `http` |
//! | `postgres` | whether PostgreSQL answers `SELECT 1` | `postgres` |
//! | `redis` | whether Redis answers PING | `redis` |
//!
//! [`HoldFile`] is no condition but an operator's switch: a service is in maintenance while a file is
//! there.
//!
//! What other processes depend on too is [`Shared`](health_core::condition::Shared), and cannot decide
//! over liveness by mistake; what a restart may cure is [`Local`](health_core::condition::Local). Each
//! is named after what it asks, without passwords; `named` gives it another name.
//!
//! None of them blocks the task that evaluates it: what the operating system may take its time for, such
//! as a file on a share that is gone, is asked on a thread of the `blocking` crate's pool, one at a time
//! for each condition. `tcp`, `http_get`, `postgres` and `redis` need tokio; the rest runs anywhere. None
//! has a timeout of its own: that of its [configuration](health_core::condition::ConditionConfig) ends it.
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use health_conditions::{Amount, HoldFile, disk_space, tcp};
//! use health_core::{
//!     Registry,
//!     condition::{Monitor, every},
//! };
//! use health_tokio::TokioTimer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Registry::new();
//! let room = disk_space("/var/lib/uploads", Amount::Percent(5))?;
//! let monitor = Monitor::builder(&health, TokioTimer::shared())
//!     .condition("greet.GreetService", tcp("inventory.internal:443")?, every(Duration::from_secs(5)))
//!     .condition("greet.GreetService", room.named("uploads"), every(Duration::from_secs(30)))
//!     .build()?;
//! tokio::spawn(monitor.run());
//!
//! let file = HoldFile::new("/run/greet/maintenance");
//! tokio::spawn(file.drive(&health, "greet.GreetService", TokioTimer::shared()));
//! # Ok(())
//! # }
//! ```

mod amount;
mod background;
mod disk;
mod dns;
mod error;
mod file_age;
mod hold_file;
mod host;
#[cfg(feature = "http")]
mod http_get;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod kept;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod tcp;

pub use amount::Amount;
pub use disk::disk_space;
pub use dns::dns;
pub use error::InvalidCondition;
pub use file_age::file_age;
pub use hold_file::HoldFile;
#[cfg(feature = "http")]
pub use http_get::{Expected, http_get, http_get_over};
pub use memory::{available_memory, resident_memory};
#[cfg(feature = "postgres")]
pub use postgres::{ping as postgres_ping, postgres, postgres_over};
#[cfg(feature = "redis")]
pub use redis::redis;
pub use tcp::tcp;
