//! `TestBed`: a registry, a clock that stands still, and what runs by them.

use std::{
    fmt,
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_core::Stream as _;
use health_core::{
    Registry, ServingStatus, Transitions,
    condition::{Monitor, Observer},
    rt::Timer,
};

use crate::{
    ManualTimer, TaskId, Timeline,
    task::Tasks,
    timeline::{Evaluations, Event},
};

/// A registry, a clock that stands still, and the futures that a program would spawn.
///
/// Nothing runs and no time passes but in a call of a method that says so. Time then goes from one deadline
/// to the next, and whatever is due runs before it goes on, so that nothing is late and nothing depends on the
/// machine. What is spawned must wait for nothing but this clock and what else is spawned here: no socket, no
/// thread, no other runtime's timer.
///
/// Holds that end and findings that grow stale are seen in time, also without a monitor.
///
/// # Panics
///
/// What runs here panics in the test, and so does whatever method runs a task that wakes itself for ever.
pub struct TestBed {
    registry: Registry,
    timer: ManualTimer,
    start: Instant,
    tasks: Tasks,
    feed: Transitions,
    evaluations: Arc<Evaluations>,
    timeline: Timeline,
}

impl TestBed {
    /// A bed with a new registry.
    #[must_use]
    pub fn new() -> Self {
        Self::with_registry(Registry::new())
    }

    /// A bed with this registry, which judges by the bed's clock from here on. A registry that a monitor was
    /// made for before goes by that one's clock, and is of no use here.
    #[must_use]
    pub fn with_registry(registry: Registry) -> Self {
        let timer = ManualTimer::new();
        let mut tasks = Tasks::default();
        // It ends holds and heartbeats when their time comes. Without conditions there is nothing to refuse.
        if let Ok(monitor) = Monitor::builder(&registry, Arc::new(timer.clone())).build() {
            tasks.spawn(monitor.run());
        }
        Self {
            feed: registry.transitions(FEED_CAPACITY),
            start: timer.now(),
            registry,
            timer,
            tasks,
            evaluations: Arc::default(),
            timeline: Timeline::default(),
        }
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The clock, for whatever is to run here.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(self.timer.clone())
    }

    /// An observer for a monitor: it puts each evaluation on the timeline, and so into the message of an
    /// assertion that fails.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        let observer: Arc<Evaluations> = Arc::clone(&self.evaluations);
        observer
    }

    /// Takes in a future that the program would spawn. It first runs with the next call that runs anything.
    pub fn spawn(&mut self, future: impl Future + 'static) -> TaskId {
        self.tasks.spawn(future)
    }

    /// Drops a future that was spawned, as a runtime does that is shut down. `false` if it is done.
    pub fn end(&mut self, task: TaskId) -> bool {
        self.tasks.end(task)
    }

    /// Runs whatever can run before time passes.
    #[track_caller]
    pub fn settle(&mut self) {
        self.tasks.run();
        self.record();
    }

    /// Lets the time pass.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        self.advance_until(time, |_| false);
    }

    /// Lets the time pass until `is_done`, which is asked whenever all that is due has run; for no longer
    /// than `limit`. Returns how long that took, or `None` if it was not to be.
    #[track_caller]
    pub fn advance_until(
        &mut self,
        limit: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.timer.now();
        let end = begin + limit;
        loop {
            self.settle();
            let now = self.timer.now();
            if is_done(self) {
                return Some(now - begin);
            }
            if now >= end {
                return None;
            }
            let next = self.timer.next_deadline().map_or(end, |deadline| deadline.min(end));
            self.timer.advance(next - now);
        }
    }

    /// How much time has passed since the bed was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.timer.now() - self.start
    }

    /// What has happened so far.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// What `service` showed when something here last ran.
    pub(crate) fn status_before(&mut self, service: &str) -> Option<ServingStatus> {
        let seen = self.timeline.len();
        self.record();
        let first = self.timeline.changes(service, seen).next().map(|change| change.from);
        first.or_else(|| self.registry.check(service))
    }

    /// Puts on the timeline what has happened since the last time, before which no time has passed.
    pub(crate) fn record(&mut self) {
        // Also what has grown stale without anybody asking.
        let _ = self.registry.check(health_core::OVERALL);
        let now = self.elapsed();
        for event in self.evaluations.take() {
            self.timeline.push(now, event);
        }
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(change)) = Pin::new(&mut self.feed).poll_next(&mut cx) {
            self.timeline.push(now, Event::Transition(change));
        }
    }
}

impl Default for TestBed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestBed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBed")
            .field("elapsed", &self.elapsed())
            .field("registry", &self.registry)
            .field("tasks", &self.tasks.len())
            .field("events", &self.timeline.len())
            .finish_non_exhaustive()
    }
}

/// What may change between two looks at the feed, which no time passes between.
const FEED_CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
