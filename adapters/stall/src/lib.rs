//! A liveness that notices when an async executor stops making progress.
//!
//! A blocking call on an executor's thread, a deadlock, an endless loop: nothing of the program moves any
//! more, and nothing in it can say so, for whatever would answer a probe waits for the same thread. The
//! kubelet sees a time-out, and nobody sees why. A [`StallDetector`] has threads of its own. It hands each
//! executor a [`Ping`] every second; one that leaves it lying for 5 s is stalled. Then
//!
//! - liveness fails, or a service, in a [`Registry`](health_core::Registry), with the name of the executor
//!   and the time: `executor main: stalled 12 s`;
//! - `/livez` on the detector's own port answers `503 executor main stalled 12 s`, whatever state the
//!   server is in.
//!
//! ```
//! use std::time::Duration;
//!
//! use health_core::Registry;
//! use health_stall::{StallDetector, executor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let health = Registry::new();
//! let handle = runtime.handle().clone();
//! let detector = StallDetector::builder()
//!     .executor(executor("main", move |ping| drop(handle.spawn(ping))))
//!     .threshold(Duration::from_secs(5))
//!     .liveness(&health)
//!     .listen(([127, 0, 0, 1], 0).into())
//!     .start()?;
//!
//! println!("livenessProbe on {:?}", detector.local_addr());
//! # Ok(())
//! # }
//! ```
//!
//! # What is a stall
//!
//! An executor is judged by whether it runs a new task, so what is seen depends on how it shares its work.
//!
//! | executor | is stalled when |
//! |---|---|
//! | tokio `current_thread`, an actix arbiter or worker, a smol executor with one thread | its thread is blocked: exact |
//! | tokio `multi_thread`, a smol executor with many threads | all of its threads are blocked |
//!
//! One blocked worker among several is not a stall: the others take its tasks, and no runtime can be asked,
//! portably, to run a task on a given worker. Who must know runs one `current_thread` runtime in each
//! thread and registers each, as actix-web does with its workers.
//!
//! An executor that drops its pings, because it was shut down, is gone rather than stalled; that fails too,
//! after the same time. Remove it ([`Executors::remove`]) where its end is intended.
//!
//! Before its first ping has run, an executor is pending, and from the threshold on it is stalled. A program
//! that blocks for longer while it starts belongs behind a startup probe, as any slow start does.

mod bell;
mod board;
mod builder;
mod detector;
mod error;
mod executor;
mod listener;
mod livez;
mod peer;
mod pulse;
mod signals;
mod stall;
mod watcher;

pub use builder::StallDetectorBuilder;
pub use detector::{Executors, StallDetector};
pub use error::StallError;
pub use executor::{Executor, Ping, SpawnExecutor, executor};
pub use stall::Stall;
