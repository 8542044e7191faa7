//! The clock that deadlines run on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use health_core::rt::{Sleep, Timer};

/// A [`Timer`] on smol's reactor.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SmolTimer;

impl Timer for SmolTimer {
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(SmolSleep(smol::Timer::at(deadline)))
    }
}

struct SmolSleep(smol::Timer);

impl Future for SmolSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Sleep for SmolSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.set_at(deadline);
    }
}
