//! The runtime boundary: all that this crate needs from an async runtime is a clock that can wait.

use std::{
    fmt::Debug,
    future::Future,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    pin::Pin,
    time::Instant,
};

/// A clock that a future can wait for.
///
/// Object-safe, so that one `Arc<dyn Timer>` serves every part of a program. Implement it for the
/// runtime that the server runs on; `health-tokio` has it for tokio.
///
/// # Examples
///
/// A timer on a thread of its own, for a server without any runtime:
///
/// ```
/// use std::{future::Future, pin::Pin, sync::{Arc, Mutex}, task::{Context, Poll}, thread, time::Instant};
/// use health_core::rt::{Sleep, Timer};
///
/// #[derive(Debug)]
/// struct ThreadTimer;
///
/// impl Timer for ThreadTimer {
///     fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
///         Box::pin(ThreadSleep(deadline))
///     }
/// }
///
/// struct ThreadSleep(Instant);
///
/// impl Future for ThreadSleep {
///     type Output = ();
///     fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         let left = self.0.saturating_duration_since(Instant::now());
///         if left.is_zero() {
///             return Poll::Ready(());
///         }
///         let waker = cx.waker().clone();
///         thread::spawn(move || {
///             thread::sleep(left);
///             waker.wake();
///         });
///         Poll::Pending
///     }
/// }
///
/// impl Sleep for ThreadSleep {
///     fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
///         self.0 = deadline;
///     }
/// }
///
/// let timer: Arc<dyn Timer> = Arc::new(ThreadTimer);
/// futures_lite::future::block_on(timer.sleep_until(timer.now()));
/// ```
pub trait Timer: Debug + Send + Sync + 'static {
    /// The time now. A simulated clock overrides it.
    fn now(&self) -> Instant {
        system_now()
    }

    /// A future that completes at `deadline`, at once if that has passed.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>>;

    /// What chance is drawn from, such as the jitter of a monitor: another number at every call and in
    /// every process. A simulated clock overrides it, so that a test can be repeated.
    fn seed(&self) -> u64 {
        random()
    }
}

/// A wait that [`Timer::sleep_until`] returned.
pub trait Sleep: Future<Output = ()> + Send {
    /// Moves the deadline, whether or not the wait has completed.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}

/// The system's clock: the only place where this crate reads one.
pub(crate) fn system_now() -> Instant {
    Instant::now()
}

/// From the keys of a hash map, which the operating system draws.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
