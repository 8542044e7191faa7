//! A registry and the oracle side by side: after every operation, whatever can be observed is equal.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use arbitrary::{Arbitrary, Unstructured};
use futures_core::{FusedStream as _, Stream};
use health_core::{Code, Hold, Registry, ServingStatus, Transitions, Watch};

use super::oracle::{Change, LIST_LIMIT, MAX_WATCHERS, Oracle, SERVICES, STATUSES};

#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Operation {
    Set(#[arbitrary(with = service)] &'static str, #[arbitrary(with = status)] ServingStatus),
    Remove(#[arbitrary(with = service)] &'static str),
    Replace(#[arbitrary(with = services)] Vec<(&'static str, ServingStatus)>),
    Hold(#[arbitrary(with = service)] &'static str, u8),
    Release(#[arbitrary(with = service)] &'static str),
    Shutdown,
    Resume,
    Close,
    Watch(#[arbitrary(with = service)] &'static str),
    /// Polls the watch at this place, counted around.
    Poll(u8),
    Drop(u8),
    /// Opens a feed of transitions with this capacity, in place of the one that is open.
    OpenFeed(u8),
    /// Reads one transition.
    ReadFeed,
    DropFeed,
}

fn service(input: &mut Unstructured<'_>) -> arbitrary::Result<&'static str> {
    input.choose(&SERVICES).copied()
}

fn status(input: &mut Unstructured<'_>) -> arbitrary::Result<ServingStatus> {
    input.choose(&STATUSES).copied()
}

fn services(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<(&'static str, ServingStatus)>> {
    (0..input.int_in_range(0..=5)?).map(|_| Ok((service(input)?, status(input)?))).collect()
}

/// Runs the operations on a registry and on the oracle.
///
/// # Panics
///
/// At the first observation that differs.
pub(crate) fn run(operations: &[Operation]) {
    let mut pair = Pair::new();
    for operation in operations {
        pair.apply(operation);
        pair.compare();
    }
    pair.watches.clear();
    assert_eq!(pair.registry.watchers(), 0, "every watch was dropped");
}

struct Pair {
    registry: Registry,
    oracle: Oracle,
    watches: Vec<(Watch, Arc<Task>)>,
    /// Keeps up with every change: what it says is compared with the oracle.
    feed: Transitions,
    /// Number of the last transition.
    sequence: u64,
    lagging: Option<Lagging>,
}

/// A feed that is read at times only, and what it must hold.
struct Lagging {
    feed: Transitions,
    capacity: usize,
    held: VecDeque<(u64, Change)>,
    /// The number that comes next if none was lost.
    next: u64,
}

impl Pair {
    fn new() -> Self {
        let registry =
            Registry::builder().max_watchers(MAX_WATCHERS).list_limit(LIST_LIMIT).build();
        // More than one operation can change.
        let feed = registry.transitions(NonZeroUsize::MIN.saturating_add(SERVICES.len()));
        Self {
            registry,
            oracle: Oracle::new(),
            watches: Vec::new(),
            feed,
            // That of the overall service.
            sequence: 1,
            lagging: None,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        let changes = match operation {
            Operation::Poll(watch) => self.poll(usize::from(*watch)),
            Operation::Drop(watch) => self.drop_watch(usize::from(*watch)),
            Operation::Watch(service) => self.watch(service),
            Operation::OpenFeed(capacity) => self.open_feed(*capacity),
            Operation::ReadFeed => self.read_feed(),
            Operation::DropFeed => {
                self.lagging = None;
                Vec::new()
            }
            Operation::Replace(_) | Operation::Shutdown | Operation::Resume | Operation::Close => {
                self.step(operation)
            }
            Operation::Set(..)
            | Operation::Remove(_)
            | Operation::Hold(..)
            | Operation::Release(_) => self.amend(operation),
        };
        self.hear(changes);
    }

    /// The operations on one service.
    fn amend(&mut self, operation: &Operation) -> Vec<Change> {
        // A clone is the same registry.
        let (registry, oracle) = (self.registry.clone(), &mut self.oracle);
        let (did, (should, changes)) = match operation {
            Operation::Set(service, status) => {
                (registry.set(service, *status), oracle.set(service, *status))
            }
            Operation::Remove(service) => (registry.remove(service), oracle.remove(service)),
            Operation::Hold(service, reason) => {
                (registry.hold(service, reason.to_string()), oracle.hold(service, *reason))
            }
            Operation::Release(service) => (registry.release(service), oracle.release(service)),
            other => unreachable!("{other:?} is not on one service"),
        };
        assert_eq!(did, should, "what the operation says it did");
        changes
    }

    /// The operations on the whole registry.
    fn step(&mut self, operation: &Operation) -> Vec<Change> {
        let (registry, oracle) = (&self.registry, &mut self.oracle);
        match operation {
            Operation::Replace(services) => {
                registry.replace(services.iter().copied());
                oracle.replace(services)
            }
            Operation::Shutdown => {
                registry.shutdown();
                oracle.shut_down(true)
            }
            Operation::Resume => {
                registry.resume();
                oracle.shut_down(false)
            }
            Operation::Close => {
                registry.close();
                oracle.close();
                Vec::new()
            }
            other => unreachable!("{other:?} is not on the whole registry"),
        }
    }

    fn watch(&mut self, service: &'static str) -> Vec<Change> {
        let opened = self.registry.watch(service);
        assert_eq!(opened.is_ok(), self.oracle.watch(service), "the limit");
        self.watches.extend(opened.map(|watch| (watch, Task::new())));
        Vec::new()
    }

    fn poll(&mut self, watch: usize) -> Vec<Change> {
        let place = watch.checked_rem(self.watches.len());
        if let Some((place, (watch, task))) = place.and_then(|place| {
            let watch = self.watches.get_mut(place)?;
            Some((place, watch))
        }) {
            assert_eq!(task.poll(watch), self.oracle.poll(place), "poll");
        }
        Vec::new()
    }

    fn drop_watch(&mut self, watch: usize) -> Vec<Change> {
        if let Some(place) = watch.checked_rem(self.watches.len()) {
            let (watch, task) = self.watches.remove(place);
            self.oracle.watches.remove(place);
            drop(watch);
            assert_eq!(Arc::strong_count(&task), 1, "its waker is dropped with it");
        }
        Vec::new()
    }

    fn open_feed(&mut self, capacity: u8) -> Vec<Change> {
        let capacity = NonZeroUsize::MIN.saturating_add(usize::from(capacity % 4));
        self.lagging = Some(Lagging {
            feed: self.registry.transitions(capacity),
            capacity: capacity.get(),
            held: VecDeque::new(),
            next: self.sequence + 1,
        });
        Vec::new()
    }

    fn read_feed(&mut self) -> Vec<Change> {
        let Some(lagging) = &mut self.lagging else {
            return Vec::new();
        };
        match (Task::new().poll(&mut lagging.feed), lagging.held.pop_front()) {
            (Poll::Pending, None) => {}
            (Poll::Ready(Some(told)), Some((sequence, change))) => {
                assert_eq!(told.sequence, sequence, "the oldest that is left");
                assert_eq!((&*told.service, told.from, told.to, told.cause), change);
                assert_eq!(told.lost, sequence - lagging.next, "how many were lost");
                lagging.next = sequence + 1;
            }
            (told, held) => panic!("the feed gave {told:?}, it should have given {held:?}"),
        }
        Vec::new()
    }

    /// Reads what the feed tells: the changes, in any order, numbered without gaps.
    fn hear(&mut self, mut expected: Vec<Change>) {
        let task = Task::new();
        while let Poll::Ready(Some(told)) = task.poll(&mut self.feed) {
            self.sequence += 1;
            assert_eq!((told.sequence, told.lost), (self.sequence, 0));
            let place = expected
                .iter()
                .position(|change| *change == (&*told.service, told.from, told.to, told.cause));
            let change = expected.remove(place.unwrap_or_else(|| {
                panic!("the feed told {told:?}, which did not happen; left: {expected:?}")
            }));
            if let Some(lagging) = &mut self.lagging {
                lagging.held.push_back((self.sequence, change));
                if lagging.held.len() > lagging.capacity {
                    lagging.held.pop_front();
                }
            }
        }
        assert_eq!(expected, [], "the feed did not tell");
    }

    /// Compares everything that can be read at any time.
    fn compare(&self) {
        let (registry, oracle) = (&self.registry, &self.oracle);
        for name in SERVICES {
            assert_eq!(registry.check(name), oracle.check(name), "check {name:?}");
            let has_served = oracle.has_served(name);
            assert_eq!(registry.has_served(name), has_served, "served {name:?}");
            let held = oracle.held(name).map(|reason| reason.to_string());
            assert_eq!(registry.held(name).as_ref().map(Hold::reason), held.as_deref(), "held");
        }
        match (registry.list(), oracle.list()) {
            (Ok(list), Some(expected)) => {
                let list: Vec<_> = list.iter().map(|(name, status)| (&**name, *status)).collect();
                assert_eq!(list, expected, "list");
            }
            (Err(error), None) => assert_eq!(error.code(), Code::ResourceExhausted),
            (list, expected) => panic!("list is {list:?}, it should be {expected:?}"),
        }
        assert_eq!(registry.is_shut_down(), oracle.is_shut_down, "shut down");
        assert_eq!(registry.is_closed(), oracle.is_closed, "closed");
        assert_eq!(registry.watchers(), oracle.watchers(), "open watches");
        for ((watch, task), watcher) in self.watches.iter().zip(&oracle.watches) {
            assert_eq!(watch.is_terminated(), watcher.has_ended, "ended {watcher:?}");
            assert_eq!(task.woken(), watcher.wakes, "wake-ups of {watcher:?}");
        }
    }
}

/// A task's waker that counts how often it was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn poll<S: Stream + Unpin>(self: &Arc<Self>, stream: &mut S) -> Poll<Option<S::Item>> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(stream).poll_next(&mut Context::from_waker(&waker))
    }
}
