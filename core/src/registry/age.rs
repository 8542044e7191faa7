//! What ends by itself: findings that grow stale, heartbeats that fall silent, holds with an end.
//!
//! Nothing here waits. Whoever asks the registry looks at one number first, the earliest deadline, and
//! lets go of what is due; a monitor does so without being asked.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc as StdArc, atomic::Ordering},
    task::Waker,
    time::Instant,
};

use super::{Inner, Registry, ledger::Ledger, record::Name};
use crate::{Finding, Hold, elapsed::Elapsed, rt::Timer, transition::Cause};

/// What is to be looked at when its time comes, earliest first.
#[derive(Default)]
pub(super) struct Deadlines {
    queue: BinaryHeap<Reverse<(Instant, Due)>>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Due {
    /// The condition in this place of the ledger.
    Condition(usize),
    /// The hold of this service.
    Hold(Name),
}

impl Deadlines {
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        self.queue.push(Reverse((at, due)));
    }

    fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Instant, Due)> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(due)| due)
    }
}

impl Registry {
    /// The registry judges age by `timer` from here on, unless it has a clock already.
    pub(crate) fn set_clock(&self, timer: &StdArc<dyn Timer>) {
        let _ = self.inner.clock.set(StdArc::clone(timer));
    }

    /// The time by the registry's clock, from which the [end of a hold](Hold::until) counts.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.now()
    }

    /// When something recorded here next turns stale or ends, if anything does. It may be too early, for
    /// what was renewed meanwhile, never too late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.inner.lock().deadlines.next()
    }

    /// Lets go of what is too old, shows the result and tells watchers.
    pub(crate) fn expire_due(&self) {
        self.inner.let_go();
    }

    /// Wakes `driver` once when the next deadline becomes an earlier one.
    pub(crate) fn wake_when_earlier(&self, driver: &Waker) {
        let mut cloned = Some(driver.clone());
        let mut ledger = self.inner.lock();
        if !ledger.drivers.iter().any(|known| known.will_wake(driver)) {
            ledger.drivers.extend(cloned.take());
        }
        drop(ledger);
        // User code: dropped where no lock is held.
        drop(cloned);
    }
}

impl Inner {
    /// The time by the registry's clock.
    pub(super) fn now(&self) -> Instant {
        self.clock.get().map_or_else(crate::rt::system_now, |clock| clock.now())
    }

    /// Before a question is answered: lets go of what is too old. One load where nothing can be.
    pub(super) fn let_go(&self) {
        let deadline = self.next_deadline.load(Ordering::Acquire);
        if deadline != NEVER {
            self.let_go_by(deadline);
        }
    }

    #[cold]
    fn let_go_by(&self, deadline: u64) {
        let now = self.now();
        if self.since_epoch(now) >= deadline {
            self.expire(now);
        }
    }

    fn expire(&self, now: Instant) {
        self.change(now, |ledger, _| {
            while let Some((at, due)) = ledger.deadlines.pop_due(now) {
                match due {
                    Due::Condition(place) => ledger.expire_condition(place, at, now),
                    Due::Hold(service) => ledger.expire_hold(&service, now),
                }
            }
        });
    }

    /// Makes the earliest deadline readable without the ledger; returns who waits for a later one.
    pub(super) fn publish_deadline(&self, ledger: &mut Ledger) -> Vec<Waker> {
        let next = ledger.deadlines.next().map_or(NEVER, |at| self.since_epoch(at));
        let before = self.next_deadline.swap(next, Ordering::AcqRel);
        if next < before { std::mem::take(&mut ledger.drivers) } else { Vec::new() }
    }

    /// Nanoseconds; 584 years are never reached.
    fn since_epoch(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(NEVER - 1)
    }
}

impl Ledger {
    fn expire_condition(&mut self, place: usize, at: Instant, now: Instant) {
        let Some(entry) = self.conditions.get_mut(place) else {
            return;
        };
        if entry.queued != Some(at) {
            // Of a condition that was here before, or overtaken by an earlier deadline.
            return;
        }
        entry.queued = None;
        let Some(expires) = entry.expires else {
            return;
        };
        if expires > now {
            return self.expire_at(place, Some(expires));
        }
        entry.expires = None;
        let silent = now.saturating_duration_since(entry.at);
        entry.reason = Some(format!("stale: nothing heard for {}", Elapsed(silent)).into());
        if entry.finding != Finding::Failing {
            entry.finding = Finding::Failing;
            let service = StdArc::clone(&entry.service);
            self.mark(&service, Cause::Stale);
        }
    }

    fn expire_hold(&mut self, service: &Name, now: Instant) {
        let Some(record) = self.records.get_mut(service) else {
            return;
        };
        let is_over = |hold: &Hold| hold.end().is_some_and(|end| end <= now);
        if record.hold.as_ref().is_some_and(is_over) {
            record.hold = None;
            self.mark(service, Cause::Expired);
        }
    }
}

/// No deadline.
pub(super) const NEVER: u64 = u64::MAX;
