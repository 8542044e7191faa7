//! `Schedule`: when which condition is to be evaluated. Sans-IO: it knows no clock, no future and no
//! condition, only names of them and instants that it is given.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    hash::BuildHasher as _,
    time::{Duration, Instant},
};

/// The name of a condition in a [`Schedule`].
pub(super) type Id = u64;

/// When which condition is to be evaluated.
///
/// The methods are of three kinds: `handle_*` tell it what has happened, `poll_*` say what is to be done
/// and count it as done, `next_*` say how long there is nothing to do. `now` must not go back. Whatever
/// comes next, whether in time or late, this order is right:
///
/// 1. [`handle_add`](Self::handle_add), [`handle_remove`](Self::handle_remove): what was asked for;
/// 2. [`handle_finish`](Self::handle_finish): for every evaluation that has ended;
/// 3. [`poll_timeout`](Self::poll_timeout) until `None`: each is an evaluation to be cancelled;
/// 4. [`poll_start`](Self::poll_start) until `None`, or until that is enough for now: each is an
///    evaluation to be started;
/// 5. [`next_start`](Self::next_start) and [`next_timeout`](Self::next_timeout): come again at the
///    earlier one of them, or when something has happened.
///
/// A condition goes through these states, and may be removed in any:
///
/// ```text
///                poll_start             handle_finish
///   Waiting  ------------------> Running ------------> Waiting for its next period
///                                   |                     ^
///                      poll_timeout |                     |
///                                   v     handle_finish   |
///                                 Ending -----------------+
/// ```
///
/// A condition that is Running or Ending is not started, so that no two evaluations of it run at once.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    slots: Slots,
    /// How many are not Waiting.
    in_flight: usize,
    starts: Timers,
    timeouts: Timers,
}

/// How often a condition is evaluated.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    /// By how much at most a start comes after the beginning of its period; at most the period.
    pub(super) jitter: Duration,
    /// What the jitter is drawn from.
    pub(super) seed: u64,
}

/// What came of one evaluation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    /// From when it was to start until it started.
    pub(super) lateness: Duration,
    /// From its start to its end.
    pub(super) duration: Duration,
}

type Slots = HashMap<Id, Slot, foldhash::fast::RandomState>;

#[derive(Debug)]
struct Slot {
    pace: Pace,
    /// When the current period began. Periods follow each other without gaps, whatever the jitter, so
    /// that the rate is exact in the long run.
    period: Instant,
    /// How many periods have been gone to.
    turn: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// To be started at this time.
    Waiting(Instant),
    Running {
        due: Instant,
        started: Instant,
        timeout: Instant,
    },
    /// To be ended, and not ended yet.
    Ending,
}

impl Schedule {
    /// Adds a condition that is to be started at `first`. One that is there already is replaced.
    pub(super) fn handle_add(&mut self, id: Id, pace: Pace, first: Instant) {
        self.handle_remove(id);
        let slot = Slot { pace, period: first, turn: 0, state: State::Waiting(first) };
        self.slots.insert(id, slot);
        self.starts.push(first, id);
    }

    /// Removes a condition, in whatever state it is.
    pub(super) fn handle_remove(&mut self, id: Id) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        if !matches!(slot.state, State::Waiting(_)) {
            self.in_flight -= 1;
        }
        self.tidy();
    }

    /// An evaluation has ended: the next one may start.
    ///
    /// Returns how it went if its result counts; it does not if its timeout came first, or if the
    /// condition is not there any more.
    pub(super) fn handle_finish(&mut self, id: Id, now: Instant) -> Option<Run> {
        let slot = self.slots.get_mut(&id)?;
        let run = match slot.state {
            State::Waiting(_) => return None,
            State::Running { due, started, .. } => Some(Run::new(due, started, now)),
            State::Ending => None,
        };
        self.starts.push(slot.wait(now), id);
        self.in_flight -= 1;
        self.tidy();
        run
    }

    /// The next evaluation whose time is up, and how long it ran: it is to be cancelled.
    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<(Id, Run)> {
        self.next_timeout().filter(|at| *at <= now)?;
        let (_, id) = self.timeouts.pop()?;
        let slot = self.slots.get_mut(&id)?;
        let State::Running { due, started, .. } = slot.state else {
            return None;
        };
        slot.state = State::Ending;
        Some((id, Run::new(due, started, now)))
    }

    /// The next condition that is due: it is to be evaluated.
    pub(super) fn poll_start(&mut self, now: Instant) -> Option<Id> {
        let due = self.next_start().filter(|at| *at <= now)?;
        let (_, id) = self.starts.pop()?;
        let slot = self.slots.get_mut(&id)?;
        let timeout = later(now, slot.pace.timeout);
        slot.state = State::Running { due, started: now, timeout };
        self.timeouts.push(timeout, id);
        self.in_flight += 1;
        Some(id)
    }

    /// When the next condition is due.
    pub(super) fn next_start(&mut self) -> Option<Instant> {
        self.starts.next(|at, id| is_start(&self.slots, at, id))
    }

    /// When the time of the next evaluation is up.
    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        self.timeouts.next(|at, id| is_timeout(&self.slots, at, id))
    }

    /// How many evaluations have started and not ended.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Keeps the timers that count for nothing any more from outnumbering the others.
    fn tidy(&mut self) {
        let waiting = self.slots.len() - self.in_flight;
        self.starts.tidy(waiting, |at, id| is_start(&self.slots, at, id));
        self.timeouts.tidy(self.in_flight, |at, id| is_timeout(&self.slots, at, id));
    }
}

impl Slot {
    /// Goes to the next period, and returns when it starts. Periods that are over are skipped.
    fn wait(&mut self, now: Instant) -> Instant {
        let missed = now.saturating_duration_since(self.period);
        self.period = later(self.period, self.pace.period);
        self.turn += 1;
        let mut due = later(self.period, self.jitter());
        if due < now {
            let left = self.pace.period - remainder(missed, self.pace.period);
            self.period = later(now, left);
            due = later(self.period, self.jitter());
        }
        self.state = State::Waiting(due);
        due
    }

    /// By how much this period's start comes after the period's beginning.
    fn jitter(&self) -> Duration {
        let drawn = foldhash::quality::FixedState::with_seed(self.pace.seed).hash_one(self.turn);
        // A fraction of 2^32 parts.
        let nanos = (self.pace.jitter.as_nanos() * u128::from(drawn >> 32)) >> 32;
        u64::try_from(nanos).map_or(self.pace.jitter, Duration::from_nanos)
    }
}

impl Pace {
    /// The seed for a condition: another sequence for every name, and for every seed of a monitor.
    pub(super) fn seed(monitor: u64, service: &str, condition: &str) -> u64 {
        foldhash::quality::FixedState::with_seed(monitor).hash_one((service, condition))
    }
}

impl Run {
    fn new(due: Instant, started: Instant, now: Instant) -> Self {
        Self {
            lateness: started.saturating_duration_since(due),
            duration: now.saturating_duration_since(started),
        }
    }
}

/// Timers, earliest first. One that was set for a state that has passed stays until it is at the front,
/// or until [`tidy`](Self::tidy).
#[derive(Debug, Default)]
struct Timers(BinaryHeap<Reverse<(Instant, Id)>>);

impl Timers {
    fn push(&mut self, at: Instant, id: Id) {
        self.0.push(Reverse((at, id)));
    }

    fn pop(&mut self) -> Option<(Instant, Id)> {
        self.0.pop().map(|Reverse(timer)| timer)
    }

    /// When the first timer is that `counts`; those before it are dropped.
    fn next(&mut self, counts: impl Fn(Instant, Id) -> bool) -> Option<Instant> {
        loop {
            let Reverse((at, id)) = *self.0.peek()?;
            if counts(at, id) {
                return Some(at);
            }
            self.0.pop();
        }
    }

    /// Drops the timers that do not count, if they are more than the `live` ones that do.
    fn tidy(&mut self, live: usize, counts: impl Fn(Instant, Id) -> bool) {
        if self.0.len() > 2 * live + SLACK {
            self.0.retain(|Reverse((at, id))| counts(*at, *id));
        }
    }
}

fn is_start(slots: &Slots, at: Instant, id: Id) -> bool {
    slots.get(&id).is_some_and(|slot| matches!(slot.state, State::Waiting(due) if due == at))
}

fn is_timeout(slots: &Slots, at: Instant, id: Id) -> bool {
    let is_set = |state| matches!(state, State::Running { timeout, .. } if timeout == at);
    slots.get(&id).is_some_and(|slot| is_set(slot.state))
}

/// Gives each of many conditions that are added at once a start of its own.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// The first time that nobody has been given yet.
    free: Option<Instant>,
}

impl Spread {
    /// When a condition is to start that is added now: at once if no other is, and within its period.
    pub(super) fn place(&mut self, now: Instant, period: Duration) -> Instant {
        let place = self.free.map_or(now, |free| free.max(now));
        self.free = Some(later(place, SPREAD));
        later(now, remainder(place.saturating_duration_since(now), period))
    }
}

/// `at + by`, or some time that is never reached if there is no such instant.
pub(super) fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).or_else(|| at.checked_add(FAR)).unwrap_or(at)
}

/// What is left of `length` when as many whole `periods` as fit are taken away.
fn remainder(length: Duration, period: Duration) -> Duration {
    if length < period {
        return length;
    }
    let nanos = length.as_nanos().checked_rem(period.as_nanos()).unwrap_or(0);
    // Only what is left of more than 584 years does not fit.
    u64::try_from(nanos).map_or(Duration::ZERO, Duration::from_nanos)
}

/// Between the first starts of conditions that are added at once: 100 000 of them spread over 10 s, the
/// default period, and with 10 there is no delay that anyone would notice.
const SPREAD: Duration = Duration::from_micros(100);

/// Timers that do not count and are not worth the time to drop them.
const SLACK: usize = 64;

/// 30 years, as in tokio's `Instant::far_future`: every platform's clock has room for it.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests;
