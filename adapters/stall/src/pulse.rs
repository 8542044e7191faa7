//! `Pulse`: what is known of one executor's progress. It reads no clock: `now` is an argument.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    bell::{Bell, lock},
    executor::Ping,
    stall::{Lasted, Stall},
};

/// The progress of one executor, between its pings and those who judge it.
pub(crate) struct Pulse {
    name: Arc<str>,
    /// Innermost lock.
    beat: Mutex<Beat>,
    bell: Arc<Bell>,
}

/// At most one ping is out at a time, so that a stalled executor is not flooded.
///
/// ```text
///              send                   answered
///   (at rest) ------> since: now, out ---------> (at rest)
///                        |   ^
///                dropped |   | send: `since` stays
///                        v   |
///                     since, not out
/// ```
#[derive(Debug, Default)]
struct Beat {
    /// When the first ping was sent that has not been followed by one that ran.
    since: Option<Instant>,
    /// A ping is neither run nor dropped.
    is_out: bool,
    /// One was dropped, and none has run since.
    has_refused: bool,
    /// One has run.
    has_run: bool,
    /// The detector has told that it makes progress.
    is_known_to_move: bool,
}

/// How an executor stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// It has not run a ping yet, and need not have.
    Unknown,
    Moving,
    Stuck(Lasted),
}

impl Pulse {
    pub(crate) fn new(name: Arc<str>, bell: Arc<Bell>) -> Self {
        Self { name, beat: Mutex::default(), bell }
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The next ping, unless one is out.
    pub(crate) fn send(self: &Arc<Self>, now: Instant) -> Option<Ping> {
        let mut beat = lock(&self.beat);
        if std::mem::replace(&mut beat.is_out, true) {
            return None;
        }
        beat.since.get_or_insert(now);
        Some(Ping::new(Arc::clone(self)))
    }

    /// A ping has run. The detector hears of it at once where it believes otherwise.
    pub(crate) fn answered(&self) {
        let mut beat = lock(&self.beat);
        (beat.since, beat.is_out) = (None, false);
        (beat.has_refused, beat.has_run) = (false, true);
        let is_news = !beat.is_known_to_move;
        drop(beat);
        if is_news {
            self.bell.ring();
        }
    }

    /// A ping will never run.
    pub(crate) fn dropped(&self) {
        let mut beat = lock(&self.beat);
        (beat.is_out, beat.has_refused) = (false, true);
    }

    /// How the executor stands, for the detector, who tells it.
    pub(crate) fn take_progress(&self, now: Instant, threshold: Duration) -> Progress {
        let mut beat = lock(&self.beat);
        let progress = beat.progress(now, threshold);
        beat.is_known_to_move = progress == Progress::Moving;
        progress
    }

    /// The same for anybody.
    pub(crate) fn stall(&self, now: Instant, threshold: Duration) -> Option<Stall> {
        match lock(&self.beat).progress(now, threshold) {
            Progress::Unknown | Progress::Moving => None,
            Progress::Stuck(lasted) => Some(Stall::new(Arc::clone(&self.name), lasted)),
        }
    }
}

impl Beat {
    fn progress(&self, now: Instant, threshold: Duration) -> Progress {
        let age = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.since.is_some() && age >= threshold {
            let lasted = if self.has_refused { Lasted::Gone(age) } else { Lasted::Stalled(age) };
            return Progress::Stuck(lasted);
        }
        if self.has_run { Progress::Moving } else { Progress::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const THRESHOLD: Duration = Duration::from_secs(5);

    fn pulse() -> (Arc<Pulse>, Instant) {
        (Arc::new(Pulse::new("main".into(), Arc::default())), Instant::now())
    }

    fn progress(pulse: &Pulse, now: Instant) -> Progress {
        pulse.take_progress(now, THRESHOLD)
    }

    #[test]
    fn it_is_unknown_until_the_first_ping_has_run() {
        let (pulse, start) = pulse();
        assert_eq!(progress(&pulse, start), Progress::Unknown);
        let ping = pulse.send(start).unwrap();
        assert_eq!(progress(&pulse, start + 4 * S), Progress::Unknown);
        ping.answer();
        assert_eq!(progress(&pulse, start + 4 * S), Progress::Moving);
    }

    #[test]
    fn it_is_stuck_from_the_threshold_on_and_the_age_grows() {
        let (pulse, start) = pulse();
        pulse.send(start).unwrap().answer();
        let ping = pulse.send(start + S).unwrap();
        let just_before = start + S + THRESHOLD - Duration::from_nanos(1);
        assert_eq!(progress(&pulse, just_before), Progress::Moving);
        for age in [5, 6, 60] {
            let stuck = Progress::Stuck(Lasted::Stalled(age * S));
            assert_eq!(progress(&pulse, start + S + age * S), stuck);
        }
        ping.answer();
        assert_eq!(progress(&pulse, start + 62 * S), Progress::Moving);
    }

    #[test]
    fn no_second_ping_is_sent_while_one_is_out() {
        let (pulse, start) = pulse();
        let ping = pulse.send(start);
        assert!(ping.is_some() && pulse.send(start + S).is_none());
        drop(ping);
        assert!(pulse.send(start + S).is_some());
    }

    #[test]
    fn one_that_drops_its_pings_is_gone_from_the_first_of_them_on() {
        let (pulse, start) = pulse();
        pulse.send(start).unwrap().answer();
        for second in 1..=6 {
            drop(pulse.send(start + second * S));
        }
        assert_eq!(progress(&pulse, start + 5 * S), Progress::Moving, "4 s");
        assert_eq!(progress(&pulse, start + 7 * S), Progress::Stuck(Lasted::Gone(6 * S)));
        let ping = pulse.send(start + 8 * S).unwrap();
        assert_eq!(progress(&pulse, start + 8 * S), Progress::Stuck(Lasted::Gone(7 * S)));
        ping.answer();
        assert_eq!(progress(&pulse, start + 9 * S), Progress::Moving, "it has come back");
    }

    #[test]
    fn a_clock_that_goes_back_is_no_stall() {
        let (pulse, start) = pulse();
        let _ping = pulse.send(start + 60 * S);
        assert_eq!(progress(&pulse, start), Progress::Unknown);
    }
}
