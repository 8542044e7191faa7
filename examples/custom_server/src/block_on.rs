//! An executor in the standard library's own means: it polls on the calling thread and parks it.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Runs `future` to its end on the calling thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    const A_WHILE: Duration = Duration::from_secs(3600);
    let mut future = pin!(future);
    loop {
        if let Some(output) = block_on_for(future.as_mut(), A_WHILE) {
            return output;
        }
    }
}

/// Runs `future` on the calling thread for at most `limit`; `None` when it needs longer.
pub(crate) fn block_on_for<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let deadline = Instant::now() + limit;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        // A wake-up between the poll and the park is not lost: `unpark` leaves a token behind.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let mut polls = 0;
        let answer = block_on(poll_fn(|context| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready("woken");
            }
            let waker = context.waker().clone();
            thread::spawn(move || waker.wake());
            Poll::Pending
        }));
        assert_eq!(answer, "woken");
    }

    #[test]
    fn a_future_that_needs_longer_is_given_up() {
        assert_eq!(block_on_for(pending::<()>(), Duration::from_millis(10)), None);
    }
}
