//! `Alarm`: one sleep that is set to the next deadline, over and over.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use crate::rt::{Sleep, Timer};

/// Waits for one instant at a time.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<dyn Sleep>>>,
    /// What the sleep is set to; `None` once it has completed.
    set_to: Option<Instant>,
}

impl Alarm {
    /// Ready at `at`, and pending until then.
    pub(super) fn poll(
        &mut self,
        timer: &dyn Timer,
        at: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if self.set_to != Some(at) {
                    sleep.as_mut().reset(at);
                }
                sleep
            }
            None => self.sleep.insert(timer.sleep_until(at)),
        };
        let polled = sleep.as_mut().poll(cx);
        // One that has completed must be set again before it may be polled.
        self.set_to = polled.is_pending().then_some(at);
        polled
    }
}
