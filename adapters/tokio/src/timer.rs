//! The runtime boundary of `health-core`, kept by tokio's clock.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use health_core::rt::{Sleep, Timer};
use pin_project_lite::pin_project;

/// A [`Timer`] over `tokio::time`.
///
/// It reads tokio's clock, so it stands still under `tokio::time::pause` together with everything
/// else. A wait must be created and polled inside a tokio runtime whose time driver is enabled.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use health_core::rt::Timer;
/// use health_tokio::TokioTimer;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let timer = TokioTimer::shared();
/// let start = timer.now();
/// timer.sleep_until(start + Duration::from_secs(5)).await;
/// assert!(timer.now() >= start + Duration::from_secs(5));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TokioTimer;

impl TokioTimer {
    /// The timer as the shared object that `HealthService::new` and other parts of `health-core`
    /// take.
    #[must_use]
    pub fn shared() -> Arc<dyn Timer> {
        Arc::new(Self)
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// # Panics
    ///
    /// If called outside a tokio runtime, or inside one that was built without its time driver.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TokioSleep { inner: tokio::time::sleep_until(deadline.into()) })
    }
}

pin_project! {
    struct TokioSleep {
        #[pin]
        inner: tokio::time::Sleep,
    }
}

impl Future for TokioSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let inner = self.project().inner;
        // The clock decides, not the timer wheel: tokio's Sleep stays Pending past its deadline while
        // the task's cooperative budget is spent, and a stream that is always ready would never let
        // its deadline through.
        if inner.deadline() <= tokio::time::Instant::now() {
            return Poll::Ready(());
        }
        inner.poll(cx)
    }
}

impl Sleep for TokioSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().inner.reset(deadline.into());
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, time::Duration};

    use futures_lite::future::poll_once;
    use tokio::task::coop;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_timer_is_shared_between_threads() {
        fn shared<T: Send + Sync + Unpin + 'static>(_: T) {}
        shared(TokioTimer);
        shared(TokioTimer::shared());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_at_its_deadline_and_not_before() {
        let timer = TokioTimer::shared();
        let start = timer.now();
        let mut sleep = timer.sleep_until(start + 3 * SECOND);

        tokio::time::advance(3 * SECOND - Duration::from_millis(1)).await;
        assert_eq!(poll_once(&mut sleep).await, None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(poll_once(&mut sleep).await, Some(()));
        assert_eq!(timer.now(), start + 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_over_at_once() {
        let timer = TokioTimer;
        let start = timer.now();
        tokio::time::advance(SECOND).await;
        assert_eq!(poll_once(timer.sleep_until(start)).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_moves_the_deadline_both_ways_and_revives_a_finished_sleep() {
        let timer = TokioTimer;
        let start = timer.now();
        let mut sleep = timer.sleep_until(start + 5 * SECOND);

        sleep.as_mut().reset(start + 9 * SECOND);
        tokio::time::advance(8 * SECOND).await;
        assert_eq!(poll_once(&mut sleep).await, None, "moved out");
        sleep.as_mut().reset(start + 8 * SECOND);
        assert_eq!(poll_once(&mut sleep).await, Some(()), "moved in");
        sleep.as_mut().reset(start + 10 * SECOND);
        assert_eq!(poll_once(&mut sleep).await, None, "revived");
        (&mut sleep).await;
        assert_eq!(timer.now(), start + 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passed_is_seen_by_a_task_that_spent_its_budget() {
        let timer = TokioTimer;
        let mut sleep = timer.sleep_until(timer.now() + SECOND);
        let mut plain = pin!(tokio::time::sleep(SECOND));
        assert_eq!(poll_once(&mut sleep).await, None);
        assert_eq!(poll_once(&mut plain).await, None);
        tokio::time::advance(SECOND).await;

        poll_fn(|cx| {
            while coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
            assert!(plain.as_mut().poll(cx).is_pending(), "the trap is still there");
            assert!(sleep.as_mut().poll(cx).is_ready());
            Poll::Ready(())
        })
        .await;
    }
}
