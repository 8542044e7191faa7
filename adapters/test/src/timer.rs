//! A clock that moves when it is told to.
//!
//! The tests of `health-core` include this file too, for they cannot depend on the crate that it is in.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use health_core::rt::{Sleep, Timer};

/// A [`Timer`] that stands still until it is told to move. Clones show the same time; whoever moves it wakes
/// those whose time has come.
///
/// Its sleeps are as strict as a [`Sleep`] may be: polling one that has completed panics, unless it was
/// reset.
#[derive(Clone, Debug)]
pub struct ManualTimer(Arc<Mutex<Clock>>);

#[derive(Debug)]
struct Clock {
    now: Instant,
    /// Who sleeps, until when.
    sleepers: BTreeMap<u64, (Instant, Waker)>,
    next_sleeper: u64,
}

struct ManualSleep {
    timer: ManualTimer,
    deadline: Instant,
    id: u64,
    is_done: bool,
}

impl ManualTimer {
    /// A clock that shows some time.
    #[must_use]
    pub fn new() -> Self {
        let (now, sleepers) = (Instant::now(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Clock { now, sleepers, next_sleeper: 0 })))
    }

    /// The same, as the shared object that builders take.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::new())
    }

    /// Moves the clock, and wakes those whose time has come.
    pub fn advance(&self, time: Duration) {
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

    /// When the first one is to be woken of those who sleep.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let clock = self.clock();
        let deadlines = clock.sleepers.values().map(|(deadline, _)| *deadline);
        deadlines.filter(|deadline| *deadline > clock.now).min()
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualTimer {
    fn default() -> Self {
        Self::new()
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

    /// Always the same one: what a test sees, it sees again.
    fn seed(&self) -> u64 {
        0
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
