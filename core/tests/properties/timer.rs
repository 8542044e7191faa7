//! A clock that moves when it is told to.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use health_core::rt::{Sleep, Timer};

#[derive(Clone, Debug)]
pub(crate) struct ManualTimer(Arc<Mutex<Instant>>);

/// Wakes nobody: whoever moves the clock polls again.
struct ManualSleep {
    timer: ManualTimer,
    deadline: Instant,
}

impl ManualTimer {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Moves past every deadline that a header can state, 99999999 hours being the latest.
    pub(crate) fn pass_every_deadline(&self) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += Duration::from_secs(100_000_000 * 3_600);
    }
}

impl Timer for ManualTimer {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(ManualSleep { timer: self.clone(), deadline })
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.timer.now() < self.deadline {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Sleep for ManualSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
    }
}
