//! A clock that moves when it is told to.

#![allow(dead_code, reason = "each of those who share it needs a part of it")]

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use health_core::rt::{Sleep, Timer};

/// Clones show the same time. Whoever moves it wakes those whose time has come.
#[derive(Clone, Debug)]
pub(crate) struct ManualTimer(Arc<Mutex<Clock>>);

#[derive(Debug)]
struct Clock {
    now: Instant,
    /// Who sleeps, until when.
    sleepers: BTreeMap<u64, (Instant, Waker)>,
    next_sleeper: u64,
}

/// As strict as a sleep may be: it must not be polled after it has completed, unless it was reset.
struct ManualSleep {
    timer: ManualTimer,
    deadline: Instant,
    id: u64,
    is_done: bool,
}

impl ManualTimer {
    pub(crate) fn new() -> Self {
        let (now, sleepers) = (Instant::now(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Clock { now, sleepers, next_sleeper: 0 })))
    }

    pub(crate) fn shared() -> Arc<Self> {
        Arc::new(Self::new())
    }

    pub(crate) fn advance(&self, time: Duration) {
        let mut clock = self.clock();
        clock.now += time;
        let now = clock.now;
        let (due, later) = std::mem::take(&mut clock.sleepers)
            .into_iter()
            .partition(|(_, (deadline, _))| *deadline <= now);
        clock.sleepers = later;
        drop(clock);
        let due: BTreeMap<u64, (Instant, Waker)> = due;
        due.into_values().for_each(|(_, waker)| waker.wake());
    }

    /// Moves past every deadline that a header can state, 99999999 hours being the latest.
    pub(crate) fn pass_every_deadline(&self) {
        self.advance(Duration::from_secs(100_000_000 * 3_600));
    }

    /// When the first sleeper is to be woken.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.clock().sleepers.values().map(|(deadline, _)| *deadline).min()
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for ManualTimer {
    fn now(&self) -> Instant {
        self.clock().now
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut clock = self.clock();
        clock.next_sleeper += 1;
        let id = clock.next_sleeper;
        drop(clock);
        Box::pin(ManualSleep { timer: self.clone(), deadline, id, is_done: false })
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.is_done, "polled after it has completed");
        let mut clock = self.timer.clock();
        if clock.now < self.deadline {
            clock.sleepers.insert(self.id, (self.deadline, cx.waker().clone()));
            return Poll::Pending;
        }
        clock.sleepers.remove(&self.id);
        drop(clock);
        self.is_done = true;
        Poll::Ready(())
    }
}

impl Sleep for ManualSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        self.is_done = false;
        self.timer.clock().sleepers.remove(&self.id);
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.timer.clock().sleepers.remove(&self.id);
    }
}
