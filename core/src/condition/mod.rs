//! Conditions: what a service's status depends on, evaluated periodically by a [`Monitor`].
//!
//! # Examples
//!
//! A status that follows the truth, on any runtime:
//!
//! ```
//! # use std::{io, pin::Pin, sync::Arc, task::{Context, Poll}, time::{Duration, Instant}};
//! # use health_core::{Registry, ServingStatus::{Serving, Unknown}, rt::{Sleep, Timer}};
//! # #[derive(Debug)]
//! # struct TokioTimer;
//! # struct Never;
//! # impl TokioTimer { fn shared() -> Arc<dyn Timer> { Arc::new(Self) } }
//! # impl Timer for TokioTimer {
//! #     fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> { Box::pin(Never) }
//! # }
//! # impl Future for Never {
//! #     type Output = ();
//! #     fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> { Poll::Pending }
//! # }
//! # impl Sleep for Never { fn reset(self: Pin<&mut Self>, _: Instant) {} }
//! # #[derive(Clone)]
//! # struct Pool;
//! # async fn ping(_: Pool) -> io::Result<()> { Ok(()) }
//! # fn spawn(future: impl Future<Output = std::convert::Infallible> + Send + 'static) {
//! #     let mut future = Box::pin(future);
//! #     assert!(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
//! #     std::mem::forget(future);
//! # }
//! use health_core::condition::{Monitor, Shared, every};
//!
//! # let pool = Pool;
//! # let secs = Duration::from_secs;
//! # let health = Registry::new();
//! # health.set("inventory.v1.Inventory", Serving);
//! let monitor = Monitor::builder(&health, TokioTimer::shared())
//!     .condition(
//!         "greet.GreetService",
//!         Shared::new("postgres", move || ping(pool.clone())),
//!         every(secs(5)).timeout(secs(1)),
//!     )
//!     .depends_on("greet.GreetService", "inventory.v1.Inventory")
//!     .build()?;
//! # assert_eq!(health.check("greet.GreetService"), Some(Unknown));
//! spawn(monitor.run()); // tokio::spawn, smol::spawn, actix_rt::spawn, block_on: the same future
//! # assert_eq!(health.check("greet.GreetService"), Some(Serving));
//! # Ok::<(), health_core::ConfigError>(())
//! ```
//!
//! # How to read it
//!
//! | module | decides |
//! |---|---|
//! | `config`, `scoped`, `builder` | what the user says, and whether it can be |
//! | `schedule` | when which condition is evaluated. Pure |
//! | `threshold` | how many results it takes to believe them. Pure |
//! | `task` | how one evaluation starts, ends and is cancelled |
//! | `driver`, `alarm` | what is done in one poll |
//! | `monitor`, `roster` | who polls, who adds and who removes |

mod alarm;
mod builder;
mod config;
mod driver;
mod monitor;
mod observer;
mod roster;
mod schedule;
mod scoped;
mod task;
mod threshold;

use std::future::Future;

use crate::Reason;

pub use builder::MonitorBuilder;
pub use config::{ConditionConfig, every};
pub use monitor::{Monitor, MonitorFuture, MonitorHandle};
pub use observer::{Evaluation, Observer};
pub use roster::ConditionId;
pub use scoped::{Local, Scoped, Shared};

/// Something that a service needs, and that can be asked whether it is there.
///
/// A closure that returns a future is a condition. Whatever else keeps state between evaluations
/// implements the trait.
///
/// # Semantics
///
/// A [`Monitor`] evaluates a condition once in a period, and never twice at a time.
///
/// - `Ok`: it passed.
/// - `Err`: it failed, for this [`Reason`].
/// - A panic, in `evaluate` or in its future, is a failure; the reason is the panic's message.
/// - A future that is not done at the timeout is dropped, which is a failure too. The condition itself
///   stays, and is evaluated again in the next period.
///
/// # Concurrency
///
/// All conditions of a monitor share its task. A future that awaits delays no other condition; one that
/// blocks its thread delays all of them, and its timeout cannot end it. What blocks belongs on a thread
/// pool (`tokio::task::spawn_blocking`, `blocking::unblock`).
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use health_core::{Reason, condition::Condition};
///
/// /// Fails when the disk has been full in three evaluations.
/// struct DiskSpace {
///     full: u32,
/// }
///
/// # async fn free_bytes() -> io::Result<u64> { Ok(1) }
/// impl Condition for DiskSpace {
///     async fn evaluate(&mut self) -> Result<(), Reason> {
///         if free_bytes().await? > 0 {
///             return Ok(());
///         }
///         self.full += 1;
///         if self.full < 3 { Ok(()) } else { Err(Reason::new("the disk is full")) }
///     }
/// }
///
/// fn is_condition(_: impl Condition) {}
/// is_condition(DiskSpace { full: 0 });
/// is_condition(|| async { free_bytes().await.map(drop) });
/// ```
pub trait Condition: Send + 'static {
    /// Finds out whether the condition holds.
    fn evaluate(&mut self) -> impl Future<Output = Result<(), Reason>> + Send;
}

impl<F, Fut, E> Condition for F
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<Reason>,
{
    async fn evaluate(&mut self) -> Result<(), Reason> {
        self().await.map_err(Into::into)
    }
}
