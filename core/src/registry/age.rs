//! What ends by itself: findings that grow stale, heartbeats that fall silent, holds with an end.
//!
//! Nothing here waits. Whoever asks the registry looks at one number first, the earliest deadline, and
//! lets go of what is due; whoever changes it does so too, and a monitor without being asked.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    mem,
    sync::{Arc as StdArc, atomic::Ordering},
    task::Waker,
    time::Instant,
};

use super::{
    Inner, Registry,
    ledger::{Changed, Ledger, Moment},
    record::Name,
};
use crate::{Finding, Hold, elapsed::Elapsed, rt::Timer, transition::Cause};

/// What is to be looked at when its time comes, earliest first. What ends sooner, or is renewed, stays
/// until its time comes, or until [`tidy`](Self::tidy).
#[derive(Default)]
pub(super) struct Deadlines {
    queue: BinaryHeap<Reverse<(Instant, Due)>>,
    /// At most so many counted when that was last looked at.
    counted: usize,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Due {
    /// The condition in this place of the ledger.
    Condition(usize),
    /// The hold of this service.
    Hold(Name),
}

impl Deadlines {
    fn push(&mut self, at: Instant, due: Due) {
        self.queue.push(Reverse((at, due)));
    }

    /// Drops those that do not `count`, if they may be more than those that do.
    fn tidy(&mut self, counts: impl Fn(Instant, &Due) -> bool) {
        if self.queue.len() <= 2 * self.counted + SLACK {
            return;
        }
        let mut queue = mem::take(&mut self.queue).into_vec();
        queue.retain(|Reverse((at, due))| counts(*at, due));
        // Of a hold that came back there may be several.
        queue.sort_unstable();
        queue.dedup();
        self.counted = queue.len();
        self.queue = queue.into();
    }

    fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Instant, Due)> {
        if !self.is_due(now) {
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.counted = self.counted.min(self.queue.len());
        Some(due)
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

    /// Every change does this first; here it is all that there is to do.
    fn expire(&self, now: Instant) {
        self.change(now, |_, _| ());
    }

    /// Lets go of what is too old at `now`, and shows the result. One comparison where nothing is.
    pub(super) fn end_what_is_over(&self, ledger: &mut Ledger, now: Instant) -> Changed {
        if !ledger.deadlines.is_due(now) {
            return Changed::default();
        }
        while let Some((at, due)) = ledger.deadlines.pop_due(now) {
            match due {
                Due::Condition(place) => ledger.expire_condition(place, at, now),
                Due::Hold(service) => ledger.expire_hold(&service, now),
            }
        }
        let moment = Moment { now, latched: self.is_latched() };
        ledger.settle(moment, &mut self.index_writer())
    }

    /// Makes the earliest deadline readable without the ledger; returns who waits for a later one.
    pub(super) fn publish_deadline(&self, ledger: &mut Ledger) -> Vec<Waker> {
        let next = ledger.deadlines.next().map_or(NEVER, |at| self.since_epoch(at));
        let before = self.next_deadline.swap(next, Ordering::AcqRel);
        if next < before { mem::take(&mut ledger.drivers) } else { Vec::new() }
    }

    /// Nanoseconds; 584 years are never reached.
    fn since_epoch(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(NEVER - 1)
    }
}

impl Ledger {
    /// Has `due`, which ends at `at` as it stands in the ledger by now, looked at in time.
    pub(super) fn queue(&mut self, at: Instant, due: Due) {
        self.deadlines.push(at, due);
        let (conditions, records) = (&self.conditions, &self.records);
        self.deadlines.tidy(|at, due| match due {
            Due::Condition(place) => {
                conditions.get(*place).is_some_and(|entry| entry.queued == Some(at))
            }
            Due::Hold(service) => {
                let hold = records.get(service).and_then(|record| record.hold.as_ref());
                hold.is_some_and(|hold| hold.end() == Some(at))
            }
        });
    }

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
            let post = entry.post.clone();
            self.mark_post(&post, Cause::Stale);
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

/// Deadlines that do not count and are not worth the time to drop them.
const SLACK: usize = 64;

/// No deadline.
pub(super) const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn queued(registry: &Registry) -> usize {
        registry.inner.lock().deadlines.queue.len()
    }

    #[test]
    fn deadlines_of_what_ended_before_them_do_not_pile_up() {
        let registry = Registry::new();
        let end = registry.now() + HOUR;
        registry.hold("kept", Hold::new("migration").until(end));
        let kept = registry.heartbeat("kept", "worker", HOUR).unwrap();
        for round in 0..10_000 {
            registry.hold("svc", Hold::new("backup").until(end + Duration::from_secs(round)));
            registry.release("svc");
            // One that comes back with the same end stands for one deadline.
            registry.hold("again", Hold::new("backup").until(end));
            registry.release("again");
            registry.heartbeat("svc", "worker", HOUR).unwrap().retire();
        }
        assert!(queued(&registry) <= 2 * 4 + SLACK, "{}", queued(&registry));

        registry.inner.expire(end + HOUR);
        assert_eq!(registry.held("kept"), None);
        assert_eq!(registry.conditions("kept")[0].finding, Finding::Failing);
        drop(kept);
    }

    #[test]
    fn tidying_keeps_every_deadline_that_counts() {
        let registry = Registry::new();
        let start = registry.now();
        let names: Vec<_> = (0..1_000).map(|at| at.to_string()).collect();
        for (at, name) in (1..).zip(&names) {
            registry.hold(name, Hold::new("first").until(start + 2 * at * HOUR));
            registry.hold(name, Hold::new("renewed").until(start + at * HOUR));
        }
        assert!(queued(&registry) >= names.len());
        for (at, name) in (1..).zip(&names) {
            assert!(registry.held(name).is_some(), "{name}");
            registry.inner.expire(start + at * HOUR);
            assert_eq!(registry.held(name), None);
        }
    }
}
