//! What is watched: executors, and the pings that they are to run.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::pulse::Pulse;

/// Something that runs tasks, and that a [`StallDetector`](crate::StallDetector) watches.
///
/// [`executor`] makes one of whatever can spawn a future. An executor of one's own may implement it.
///
/// # Examples
///
/// A worker that takes closures from a queue:
///
/// ```
/// use std::{sync::mpsc, thread};
///
/// use health_stall::{Executor, Ping, StallDetector};
///
/// type Job = Box<dyn FnOnce() + Send>;
///
/// struct Worker(mpsc::Sender<Job>);
///
/// impl Executor for Worker {
///     fn name(&self) -> &str {
///         "worker"
///     }
///
///     fn ping(&self, ping: Ping) {
///         // When the worker is gone the ping is dropped, which the detector takes for what it is.
///         let _ = self.0.send(Box::new(|| ping.answer()));
///     }
/// }
///
/// let (queue, jobs) = mpsc::channel::<Job>();
/// thread::spawn(move || jobs.into_iter().for_each(|job| job()));
/// let detector = StallDetector::builder().executor(Worker(queue)).start()?;
/// # Ok::<(), health_stall::StallError>(())
/// ```
pub trait Executor: Send + 'static {
    /// Its name in findings, unique in its detector.
    fn name(&self) -> &str;

    /// Has the executor run `ping`, as it would run any task: behind those that wait already.
    ///
    /// Called in the detector's thread, every interval, but never while an earlier ping is neither run nor
    /// dropped. It must not block: put the ping in a queue and return. What cannot take it drops it.
    fn ping(&self, ping: Ping);
}

/// An [`Executor`] of whatever can spawn a future.
///
/// # Examples
///
/// tokio, both flavours. The handle of a worker of actix-web is the same, taken inside the worker:
///
/// ```
/// use health_stall::executor;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let handle = tokio::runtime::Handle::current();
/// executor("main", move |ping| drop(handle.spawn(ping)));
/// # });
/// ```
///
/// smol, whose tasks end when they are dropped:
///
/// ```
/// use std::sync::Arc;
///
/// use health_stall::executor;
///
/// executor("global", |ping| smol::spawn(ping).detach());
///
/// let own = Arc::new(smol::Executor::new());
/// executor("own", move |ping| own.spawn(ping).detach());
/// ```
///
/// An actix arbiter:
///
/// ```
/// use health_stall::executor;
///
/// # let system = actix_rt::System::new();
/// # system.block_on(async {
/// let arbiter = actix_rt::Arbiter::current();
/// executor("arbiter", move |ping| {
///     arbiter.spawn(ping);
/// });
/// # });
/// ```
///
/// What is spawned must run: a task that is dropped at once counts as one that the executor refused.
pub fn executor<F>(name: impl Into<Arc<str>>, spawn: F) -> SpawnExecutor<F>
where
    F: Fn(Ping) + Send + 'static,
{
    SpawnExecutor { name: name.into(), spawn }
}

/// An executor that [`executor`] made.
#[must_use = "it is watched by nobody before a detector has it"]
pub struct SpawnExecutor<F> {
    name: Arc<str>,
    spawn: F,
}

impl<F: Fn(Ping) + Send + 'static> Executor for SpawnExecutor<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn ping(&self, ping: Ping) {
        (self.spawn)(ping);
    }
}

impl<F> fmt::Debug for SpawnExecutor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnExecutor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A task that shows that its executor runs tasks: done when it is first polled, or
/// [answered](Self::answer).
///
/// Dropping it before that says that the executor does not take tasks any more.
#[must_use = "a ping that is dropped says that the executor is gone"]
pub struct Ping {
    pulse: Arc<Pulse>,
    is_answered: bool,
}

impl Ping {
    pub(crate) const fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, is_answered: false }
    }

    /// Says that the executor has got here, for executors that do not run futures.
    pub fn answer(mut self) {
        self.mark();
    }

    fn mark(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.pulse.answered();
        }
    }
}

impl Future for Ping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.mark();
        Poll::Ready(())
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        if !self.is_answered {
            self.pulse.dropped();
        }
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").field("executor", &self.pulse.name()).finish_non_exhaustive()
    }
}
