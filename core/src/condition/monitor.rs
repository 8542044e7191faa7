//! `Monitor`: the future that evaluates conditions.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::lock::Mutex;

use crate::{
    ConfigError, Registry,
    condition::{
        ConditionConfig, ConditionId, Local, MonitorBuilder, Scoped,
        driver::Driver,
        roster::{Candidate, Post, Roster},
    },
    rt::Timer,
};

/// Evaluates conditions, and lets the statuses of their services follow them.
///
/// It does nothing by itself: [`run`](Self::run) makes it a future for any executor. There it also ends
/// holds and heartbeats that are over, and lets results grow stale, so that watchers learn of it without
/// any question being asked; for that alone a monitor without conditions is enough.
///
/// # Semantics
///
/// - A service with conditions is UNKNOWN until each of them is passing, and NOT_SERVING while one of
///   them is failing; [`ConditionConfig`] says when a condition is what.
/// - No condition waits for another one, however slow that is, and no two evaluations of one condition
///   run at once.
/// - Conditions that are added together start 100 µs apart, each within its first period.
/// - When the monitor is dropped, or the future that runs it, all its conditions fail: its services are
///   NOT_SERVING, for nobody looks after them any more.
///
/// # Examples
///
/// ```
/// use std::{io, sync::Arc, time::Duration};
///
/// use futures_lite::future::{block_on, or};
/// use health_core::{
///     Registry, ServingStatus,
///     condition::{Monitor, Shared, every},
///     rt::Timer,
/// };
/// # use std::{pin::Pin, task::{Context, Poll}, time::Instant};
/// # #[derive(Debug)]
/// # struct SomeTimer;
/// # struct Never;
/// # impl Timer for SomeTimer {
/// #     fn sleep_until(&self, _: Instant) -> Pin<Box<dyn health_core::rt::Sleep>> { Box::pin(Never) }
/// # }
/// # impl Future for Never {
/// #     type Output = ();
/// #     fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> { Poll::Pending }
/// # }
/// # impl health_core::rt::Sleep for Never { fn reset(self: Pin<&mut Self>, _: Instant) {} }
/// # async fn ping() -> io::Result<()> { Ok(()) }
///
/// let health = Registry::new();
/// let timer: Arc<dyn Timer> = Arc::new(SomeTimer);
/// let monitor = Monitor::builder(&health, timer)
///     .condition("greet.GreetService", Shared::new("postgres", || ping()), every(Duration::from_secs(5)))
///     .build()?;
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Unknown));
///
/// let mut watch = health.watch("greet.GreetService")?;
/// # use futures_lite::StreamExt;
/// let serving = async {
///     while watch.next().await != Some(ServingStatus::Serving) {}
/// };
/// // A server spawns `monitor.run()`; here it runs until the condition has passed.
/// block_on(or(serving, async { match monitor.run().await {} }));
///
/// // The monitor is gone.
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a monitor does nothing until it runs, and fails its conditions when it is dropped"]
pub struct Monitor {
    /// Held by the one who polls it.
    driver: Mutex<Driver>,
    handle: MonitorHandle,
}

/// Runs a [`Monitor`], for ever. Dropping it fails the monitor's conditions.
#[derive(Debug)]
#[must_use = "a future does nothing unless polled"]
pub struct MonitorFuture {
    driver: Driver,
}

/// Adds and removes the conditions of a [`Monitor`], while it runs too. A cheap handle.
#[derive(Clone)]
pub struct MonitorHandle {
    roster: Arc<Roster>,
}

impl Monitor {
    /// Starts with a monitor without conditions.
    ///
    /// `registry` judges by this `timer` how old a result is, unless it has one already.
    pub fn builder(registry: &Registry, timer: Arc<dyn Timer>) -> MonitorBuilder {
        MonitorBuilder::new(registry, timer)
    }

    pub(super) fn new(driver: Driver, roster: Arc<Roster>) -> Self {
        Self { driver: Mutex::new(driver), handle: MonitorHandle { roster } }
    }

    /// The future to spawn, on whatever executor there is; the [module](super) has an example.
    pub fn run(self) -> MonitorFuture {
        MonitorFuture { driver: self.driver.into_inner() }
    }

    /// A handle that adds and removes conditions.
    #[must_use]
    pub fn handle(&self) -> MonitorHandle {
        self.handle.clone()
    }

    /// Evaluates what is due, for a program that cannot run the monitor: one that is called now and then,
    /// and has no executor in between.
    ///
    /// Conditions that come due while it evaluates wait for the next call. A condition that is added is
    /// due after its initial delay, and not spread.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: evaluations that have begun go on with the next call.
    ///
    /// # Concurrency
    ///
    /// One caller at a time evaluates; the others wait for it, and then find nothing due.
    pub async fn refresh(&self) {
        let mut driver = self.driver.lock().await;
        let mut horizon = None;
        poll_fn(|cx| driver.poll_refresh(&mut horizon, cx)).await;
    }
}

impl Future for MonitorFuture {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.driver.poll_run(cx)
    }
}

impl MonitorHandle {
    /// Adds a condition to `service`, which registers it if it is not registered.
    ///
    /// The service is UNKNOWN from here on, until the condition has passed. If the monitor was dropped,
    /// the condition fails, as all others of it do.
    ///
    /// # Errors
    ///
    /// If the configuration is invalid ([`ConditionConfig::validate`]), or the service has a condition of
    /// this name.
    pub fn add(
        &self,
        service: impl Into<Arc<str>>,
        scoped: impl Scoped,
        config: ConditionConfig,
    ) -> Result<ConditionId, ConfigError> {
        self.enlist(Post::Service(service.into()), scoped, config)
    }

    /// Adds a condition to the liveness of the process, as [`MonitorBuilder::liveness`] does.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_liveness<C>(
        &self,
        local: Local<C>,
        config: ConditionConfig,
    ) -> Result<ConditionId, ConfigError>
    where
        Local<C>: Scoped,
    {
        self.enlist(Post::Liveness, local, config)
    }

    /// Removes a condition; the service shows what the others make of it. An evaluation that runs is
    /// dropped. `false` if it was removed before, or is one of another monitor.
    #[expect(clippy::must_use_candidate, reason = "whether it was there matters to few callers")]
    pub fn remove(&self, id: &ConditionId) -> bool {
        self.roster.discharge(*id)
    }

    fn enlist(
        &self,
        post: Post,
        scoped: impl Scoped,
        config: ConditionConfig,
    ) -> Result<ConditionId, ConfigError> {
        self.roster.enlist(Candidate::new(post, scoped, config, self.roster.outbox()))
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("driver", &self.driver).finish()
    }
}

impl fmt::Debug for MonitorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorHandle").finish_non_exhaustive()
    }
}
