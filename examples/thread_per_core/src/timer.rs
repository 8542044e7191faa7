//! The clock that deadlines run on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use compio::time::sleep_until;
use health_core::rt::{Sleep, Timer};
use send_wrapper::SendWrapper;

/// A [`Timer`] on the ring of whichever core waits.
///
/// A [`Sleep`] is `Send`; compio's stays with its ring. So each begins where it is first polled, and from then on
/// is used only there: the tasks of a thread-per-core runtime never move. One that did would panic, not race.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct CompioTimer;

impl Timer for CompioTimer {
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(CompioSleep { deadline, begun: None })
    }
}

struct CompioSleep {
    deadline: Instant,
    begun: Option<SendWrapper<Pin<Box<dyn Future<Output = ()>>>>>,
}

impl Future for CompioSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let begin = || SendWrapper::new(Box::pin(sleep_until(deadline)) as _);
        self.begun.get_or_insert_with(begin).as_mut().poll(cx)
    }
}

impl Sleep for CompioSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        *self = Self { deadline, begun: None };
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use compio::runtime::Runtime;

    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(20);

    #[test]
    fn a_sleep_may_be_made_on_one_thread_and_waited_for_on_another() {
        let begun = Instant::now();
        let sleep = CompioTimer.sleep_until(begun + A_MOMENT);
        let waiting = thread::spawn(|| Runtime::new().map(|runtime| runtime.block_on(sleep)));
        assert!(matches!(waiting.join(), Ok(Ok(()))));
        assert!(begun.elapsed() >= A_MOMENT, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_sleep_is_set_anew_before_and_after_it_completes() -> std::io::Result<()> {
        Runtime::new()?.block_on(async {
            let begun = Instant::now();
            let mut sleep = CompioTimer.sleep_until(begun + 1000 * A_MOMENT);
            assert!(futures_lite::future::poll_once(sleep.as_mut()).await.is_none());
            for times in 1..3 {
                sleep.as_mut().reset(begun + times * A_MOMENT);
                sleep.as_mut().await;
                let took = begun.elapsed();
                assert!((times * A_MOMENT..100 * A_MOMENT).contains(&took), "{took:?}");
            }
        });
        Ok(())
    }
}
