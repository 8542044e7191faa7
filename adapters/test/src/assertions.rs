//! What is asserted of a service on a test bed, and what is said when it does not hold.

use std::{
    collections::HashSet,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream as _;
use health_core::{
    ServingStatus::{self, Serving},
    Watch,
};

use crate::TestBed;

impl TestBed {
    /// Lets the time pass until `service`, which is in rotation, leaves it: until it is not SERVING, be it for
    /// no time at all. Returns how long that took.
    ///
    /// What was done since the bed last ran counts too, such as a hold, unless it is undone.
    ///
    /// # Panics
    ///
    /// If it takes longer than `limit`, or the service is not in rotation to begin with.
    #[track_caller]
    pub fn assert_leaves_rotation_within(&mut self, service: &str, limit: Duration) -> Duration {
        let seen = self.timeline().len();
        self.record();
        if !self.is_in_rotation(service) && !self.has_left(service, seen) {
            let state = self.state(service);
            self.fail(
                seen,
                &format!("{service:?} is not in rotation to begin with; it is {state}"),
            );
        }
        // What was undone by now is past; what is undone from here on is seen all the same.
        let past = self.timeline().len();
        if let Some(left) = self.advance_until_out(service, limit, past) {
            return left;
        }
        let state = self.state(service);
        let text = format!("{service:?} has not left rotation within {limit:?}; it is {state}");
        self.fail(seen, &text)
    }

    /// Lets the time pass until `service`, which is not in rotation, is SERVING. Returns how long that took.
    ///
    /// One that returns and leaves again within an instant has not returned.
    ///
    /// # Panics
    ///
    /// If it takes longer than `limit`, or the service is in rotation already.
    #[track_caller]
    pub fn assert_returns_within(&mut self, service: &str, limit: Duration) -> Duration {
        let seen = self.timeline().len();
        if self.status_before(service) == Some(Serving) && self.is_in_rotation(service) {
            self.fail(seen, &format!("{service:?} is in rotation already"));
        }
        if let Some(returned) = self.advance_until(limit, |bed| bed.is_in_rotation(service)) {
            return returned;
        }
        let state = self.state(service);
        let text = format!("{service:?} has not returned within {limit:?}; it is {state}");
        self.fail(seen, &text)
    }

    /// Lets `time` pass, in which `service` must be SERVING throughout.
    ///
    /// # Panics
    ///
    /// At the first moment at which it is not.
    #[track_caller]
    pub fn assert_stays_in_rotation_for(&mut self, service: &str, time: Duration) {
        let seen = self.timeline().len();
        if let Some(after) = self.advance_until_out(service, time, seen) {
            let state = self.state(service);
            let text = format!("{service:?} is out of rotation after {after:?}; it is {state}");
            self.fail(seen, &text);
        }
    }

    /// Lets `time` pass, in which `service` must not come back to a status that it has left: it may start,
    /// and it may leave rotation for good, but not to and fro.
    ///
    /// # Panics
    ///
    /// When it comes back.
    #[track_caller]
    pub fn assert_no_flap(&mut self, service: &str, time: Duration) {
        let seen = self.timeline().len();
        let (mut next, mut left, mut flap) = (seen, HashSet::new(), None);
        self.advance_until(time, |bed| {
            let new = std::mem::replace(&mut next, bed.timeline().len());
            flap = bed.timeline().changes(service, new).find_map(|change| {
                left.insert(change.from);
                left.contains(&change.to).then_some(change.to)
            });
            flap.is_some()
        });
        if let Some(status) = flap {
            self.fail(
                seen,
                &format!("{service:?} flaps: it has left {status} and come back to it"),
            );
        }
    }

    /// Opens a watch on `service` and lets the time pass until it has yielded as many statuses as are
    /// `expected`: these, in this order, the present one first.
    ///
    /// # Panics
    ///
    /// If a status is another one, the watch ends, or that takes longer than `limit`; and if too many
    /// watches are open.
    #[track_caller]
    pub fn assert_watch_sequence(
        &mut self,
        service: &str,
        limit: Duration,
        expected: impl IntoIterator<Item = ServingStatus>,
    ) {
        let expected: Vec<_> = expected.into_iter().collect();
        let seen = self.timeline().len();
        let mut watch = self.open(service);
        let mut yielded = Yielded::default();
        // The present status, before anything runs.
        yielded.follow(&mut watch);
        self.advance_until(limit, |_| {
            yielded.follow(&mut watch);
            yielded.has_ended
                || yielded.statuses.len() >= expected.len()
                || !expected.starts_with(&yielded.statuses)
        });
        if yielded.statuses != expected {
            let end = if yielded.has_ended {
                " and then ended".to_owned()
            } else if expected.starts_with(&yielded.statuses) {
                format!(" within {limit:?}")
            } else {
                String::new()
            };
            let (expected, yielded) = (names(&expected), names(&yielded.statuses));
            let text = format!(
                "a watch of {service:?} was to yield {expected}; it yielded {yielded}{end}"
            );
            self.fail(seen, &text);
        }
    }

    #[track_caller]
    pub(crate) fn open(&self, service: &str) -> Watch {
        match self.registry().watch(service) {
            Ok(watch) => watch,
            Err(error) => self.fail(self.timeline().len(), &error.to_string()),
        }
    }

    /// What `service` shows, and why where that is known.
    pub(crate) fn state(&self, service: &str) -> String {
        match (self.registry().check(service), self.registry().why(service)) {
            (None, _) => "not registered".to_owned(),
            (Some(status), None) => status.to_string(),
            (Some(status), Some(why)) => format!("{status} ({why})"),
        }
    }

    /// Panics with what was asserted, and what has happened after the first `seen` events.
    #[track_caller]
    pub(crate) fn fail(&self, seen: usize, text: &str) -> ! {
        let text = format!("{text}\n{}", self.timeline().told_since(seen));
        panic!("{}", text.trim_end());
    }

    /// Lets the time pass until `service` is not SERVING, or was not at some moment after the first `seen`
    /// events.
    #[track_caller]
    fn advance_until_out(
        &mut self,
        service: &str,
        limit: Duration,
        mut seen: usize,
    ) -> Option<Duration> {
        self.advance_until(limit, |bed| {
            let new = std::mem::replace(&mut seen, bed.timeline().len());
            !bed.is_in_rotation(service) || bed.has_left(service, new)
        })
    }

    /// Whether `service` has ceased to be SERVING after the first `seen` events.
    fn has_left(&self, service: &str, seen: usize) -> bool {
        self.timeline().changes(service, seen).any(|change| change.from == Serving)
    }

    fn is_in_rotation(&self, service: &str) -> bool {
        self.registry().check(service) == Some(Serving)
    }
}

/// What a watch has yielded so far.
#[derive(Default)]
pub(crate) struct Yielded {
    pub(crate) statuses: Vec<ServingStatus>,
    pub(crate) has_ended: bool,
}

impl Yielded {
    pub(crate) fn follow(&mut self, watch: &mut Watch) {
        let mut cx = Context::from_waker(Waker::noop());
        while !self.has_ended {
            match Pin::new(&mut *watch).poll_next(&mut cx) {
                Poll::Ready(Some(status)) => self.statuses.push(status),
                Poll::Ready(None) => self.has_ended = true,
                Poll::Pending => return,
            }
        }
    }
}

fn names(statuses: &[ServingStatus]) -> String {
    if statuses.is_empty() {
        return "nothing".to_owned();
    }
    statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ")
}
