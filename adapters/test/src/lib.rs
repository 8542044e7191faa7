//! Tests of one's own readiness, in virtual time: no runtime, no sleeping, no flakes.
//!
//! A [`TestBed`] owns a registry and a clock that stands still. What the program would spawn, its
//! [`Monitor`](health_core::condition::Monitor) above all, is spawned there; a [`ScriptedCondition`] stands
//! for the database. The assertions let the time pass, from one deadline to the next, so that an hour takes
//! milliseconds and an instant is exact. One that fails tells what was seen:
//!
//! ```text
//! "greet.GreetService" has not left rotation within 9s; it is SERVING
//!    10.000 s  "greet.GreetService"  postgres failed: connection refused
//!    15.000 s  "greet.GreetService"  postgres failed: connection refused
//! ```
//!
//! # Examples
//!
//! A service that needs postgres. What is tested is the function that the program calls:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use health_core::{
//!     ConfigError, Registry,
//!     ServingStatus::{NotServing, Serving, Unknown},
//!     condition::{Condition, Monitor, Observer, Shared, every},
//!     rt::Timer,
//! };
//! use health_test::{ScriptedCondition, TestBed};
//!
//! const fn secs(seconds: u64) -> Duration {
//!     Duration::from_secs(seconds)
//! }
//!
//! /// Of the program: what its readiness depends on.
//! fn monitor(
//!     health: &Registry,
//!     timer: Arc<dyn Timer>,
//!     observer: Arc<dyn Observer>,
//!     postgres: impl Condition,
//! ) -> Result<Monitor, ConfigError> {
//!     let every_five_seconds = every(secs(5)).failure_threshold(3).jitter(0.0);
//!     Monitor::builder(health, timer)
//!         .condition("greet.GreetService", Shared::new("postgres", postgres), every_five_seconds)
//!         .observer(observer)
//!         .build()
//! }
//!
//! # fn main() -> Result<(), ConfigError> {
//! let postgres = ScriptedCondition::passing();
//! let mut bed = TestBed::new();
//! let monitor = monitor(bed.registry(), bed.timer(), bed.observer(), postgres.clone())?;
//! bed.spawn(monitor.run());
//!
//! // It starts, and then leaves rotation and returns with postgres.
//! bed.assert_returns_within("greet.GreetService", secs(0));
//! postgres.fail("connection refused");
//! bed.assert_leaves_rotation_within("greet.GreetService", secs(16));
//! postgres.pass();
//! bed.assert_returns_within("greet.GreetService", secs(5));
//!
//! // An evaluation in three that fails is not enough, however long that goes on.
//! postgres.follow("..x");
//! bed.assert_no_flap("greet.GreetService", secs(3600));
//!
//! // What a client sees that watches.
//! postgres.hang();
//! bed.assert_watch_sequence("greet.GreetService", secs(17), [Serving, NotServing]);
//! # Ok(())
//! # }
//! ```
//!
//! With jitter, which a fleet needs, the bounds are wider by a jitter; the times are the same in every run.

mod assertions;
mod bed;
mod drain;
mod scripted;
mod task;
mod timeline;
mod timer;

pub use bed::TestBed;
pub use scripted::{Outcome, ScriptedCondition};
pub use task::TaskId;
pub use timeline::Timeline;
pub use timer::ManualTimer;
