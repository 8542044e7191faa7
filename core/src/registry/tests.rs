//! The rules of Watch, each by its number in the design, and what setters say they did.

use std::{
    num::NonZeroUsize,
    pin::{Pin, pin},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures_core::{FusedStream, Stream};
use futures_lite::{StreamExt, future::block_on};

use super::*;
use crate::{Hold, OVERALL, Transition, rpc};
use ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};

/// A task's waker that counts how often it was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn poll<S: Stream + Unpin>(self: &Arc<Self>, stream: &mut S) -> Poll<Option<S::Item>> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(stream).poll_next(&mut Context::from_waker(&waker))
    }
}

fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Task::new().poll(stream)
}

const READY: fn(ServingStatus) -> Poll<Option<ServingStatus>> = |status| Poll::Ready(Some(status));

/// The registry holds nothing but the overall service, and no watcher.
fn assert_as_new(registry: &Registry) {
    let ledger = registry.inner.lock();
    assert_eq!(ledger.records.len(), 1);
    assert_eq!(ledger.watchers, 0);
    assert!(ledger.records.values().all(|record| record.cell.is_vacant()));
}

#[test]
fn rule_1_the_first_item_comes_at_once() {
    let registry = Registry::new();
    registry.set("svc", NotServing);
    assert_eq!(poll(&mut registry.watch("svc").unwrap()), READY(NotServing));
    assert_eq!(poll(&mut registry.watch(OVERALL).unwrap()), READY(Serving));

    let mut unknown = registry.watch("nope").unwrap();
    assert_eq!(poll(&mut unknown), READY(ServiceUnknown));
    assert_eq!(poll(&mut unknown), Poll::Pending, "the stream stays open");
    registry.set("nope", Serving);
    assert_eq!(poll(&mut unknown), READY(Serving));
}

#[test]
fn rule_2_each_item_differs_from_the_one_before() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    let mut watch = registry.watch("svc").unwrap();
    let task = Task::new();
    assert_eq!(task.poll(&mut watch), READY(Serving));
    assert_eq!(task.poll(&mut watch), Poll::Pending);
    registry.set("svc", NotServing);
    registry.set("svc", Serving);
    assert_eq!(task.poll(&mut watch), Poll::Pending, "a change that was undone is not seen");
    assert_eq!(registry.set("svc", Serving), Update::Unchanged);
    assert_eq!(task.woken(), 1, "setting what is set wakes nobody");
}

#[test]
fn rule_3_a_slow_reader_gets_the_newest_status_only() {
    let registry = Registry::new();
    let mut watch = registry.watch("svc").unwrap();
    assert_eq!(poll(&mut watch), READY(ServiceUnknown));
    for _ in 0..1000 {
        registry.set("svc", Serving);
        registry.set("svc", NotServing);
        registry.set("svc", Unknown);
    }
    assert_eq!(poll(&mut watch), READY(Unknown));
    assert_eq!(poll(&mut watch), Poll::Pending);
}

#[test]
fn rule_4_no_wake_up_is_lost() {
    let registry = Registry::new();
    registry.set("svc", Unknown);
    let rounds = 2_000;
    let turn = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                turn.wait();
                registry.set("svc", if round % 2 == 0 { Serving } else { NotServing });
            }
        });
        let mut watch = registry.watch("svc").unwrap();
        assert_eq!(block_on(watch.next()), Some(Unknown));
        for round in 0..rounds {
            turn.wait();
            // Hangs here if the wake-up of this round is lost.
            let expected = if round % 2 == 0 { Serving } else { NotServing };
            assert_eq!(block_on(watch.next()), Some(expected), "round {round}");
        }
    });
}

#[test]
fn rule_4_after_set_returns_nothing_older_is_seen() {
    let registry = Registry::new();
    let mut watch = registry.watch("svc").unwrap();
    let task = Task::new();
    assert_eq!(task.poll(&mut watch), READY(ServiceUnknown));
    assert_eq!(task.poll(&mut watch), Poll::Pending);
    registry.set("svc", Serving);
    assert_eq!(task.woken(), 1);
    assert_eq!(registry.check("svc"), Some(Serving));
    assert_eq!(task.poll(&mut watch), READY(Serving));
}

#[test]
fn rule_5_removal_yields_service_unknown_and_the_stream_goes_on() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    let mut watch = registry.watch("svc").unwrap();
    assert_eq!(poll(&mut watch), READY(Serving));
    assert_eq!(registry.remove("svc"), Update::Changed);
    assert_eq!(registry.check("svc"), None);
    assert_eq!(poll(&mut watch), READY(ServiceUnknown));
    assert_eq!(poll(&mut watch), Poll::Pending);
    registry.set("svc", NotServing);
    assert_eq!(poll(&mut watch), READY(NotServing));
    assert_eq!(registry.remove("nope"), Update::Unchanged);
}

#[test]
fn rule_6_under_the_latch_streams_yield_not_serving_and_stay_open() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    let mut old = registry.watch("svc").unwrap();
    let mut unknown = registry.watch("nope").unwrap();
    assert_eq!(poll(&mut old), READY(Serving));
    assert_eq!(poll(&mut unknown), READY(ServiceUnknown));
    registry.shutdown();
    registry.shutdown();
    assert_eq!(poll(&mut old), READY(NotServing));
    assert_eq!(poll(&mut old), Poll::Pending);
    assert_eq!(poll(&mut unknown), Poll::Pending, "an unregistered name stays unknown");

    let mut new = registry.watch("svc").unwrap();
    assert_eq!(poll(&mut new), READY(NotServing));
    assert_eq!(poll(&mut new), Poll::Pending);
}

#[test]
fn rule_6_close_ends_streams_after_the_last_status() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    let mut read = registry.watch("svc").unwrap();
    let mut unread = registry.watch("svc").unwrap();
    let mut never_polled = registry.watch("svc").unwrap();
    let task = Task::new();
    assert_eq!(task.poll(&mut read), READY(Serving));
    assert_eq!(poll(&mut unread), READY(Serving));
    registry.shutdown();
    assert_eq!(task.poll(&mut read), READY(NotServing));
    assert_eq!(task.poll(&mut read), Poll::Pending);
    registry.close();
    assert_eq!(task.woken(), 1);
    assert_eq!(task.poll(&mut read), Poll::Ready(None));
    assert!(read.is_terminated());
    for watch in [&mut unread, &mut never_polled] {
        assert_eq!(poll(watch), READY(NotServing));
        // A change after the last status is not told any more.
        registry.resume();
        assert_eq!(poll(watch), Poll::Ready(None));
        registry.shutdown();
    }
    assert_eq!(registry.watchers(), 0, "an ended stream holds no place");
}

#[test]
fn rule_6_after_close_a_watch_fails_without_a_message() {
    let registry = Registry::new();
    registry.close();
    registry.close();
    let mut late = registry.watch(OVERALL).unwrap();
    assert!(late.is_terminated());
    assert_eq!(poll(&mut late), Poll::Ready(None));
    let error = rpc::watch(&registry, OVERALL).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "health service closed"));
    assert_eq!(registry.check(OVERALL), Some(Serving), "Check goes on");
    assert_eq!(registry.set("svc", Serving), Update::Changed);
}

#[test]
fn rule_7_a_million_watches_of_a_million_names_leave_nothing() {
    let registry = Registry::new();
    let mut open: Vec<_> = (0..1000).map(|_| registry.watch("warm-up").unwrap()).collect();
    for number in 0..1_000_000 {
        let mut watch = registry.watch(&format!("peer-chosen-{number}")).unwrap();
        if number % 3 == 0 {
            assert_eq!(poll(&mut watch), READY(ServiceUnknown));
            assert_eq!(poll(&mut watch), Poll::Pending);
        }
        let place = number % open.len();
        open[place] = watch;
    }
    assert_eq!(registry.watchers(), 1000);
    assert_eq!(registry.inner.lock().records.len(), 1001);
    drop(open);
    assert_as_new(&registry);
}

#[test]
fn rule_7_a_dropped_watcher_is_not_woken_and_its_waker_is_dropped() {
    let registry = Registry::new();
    let task = Task::new();
    let mut watch = registry.watch(OVERALL).unwrap();
    assert_eq!(task.poll(&mut watch), READY(Serving));
    assert_eq!(task.poll(&mut watch), Poll::Pending);
    assert_eq!(Arc::strong_count(&task), 2);
    drop(watch);
    assert_eq!(Arc::strong_count(&task), 1);
    registry.set(OVERALL, NotServing);
    assert_eq!(task.woken(), 0);
    assert_as_new(&registry);
}

#[test]
fn rule_8_open_watchers_are_capped() {
    let registry = Registry::builder().max_watchers(2).build();
    let first = registry.watch("a").unwrap();
    let _second = registry.watch("b").unwrap();
    let refused = registry.watch("c").unwrap_err();
    assert_eq!(RpcError::from(refused).code(), Code::ResourceExhausted);
    assert_eq!(registry.inner.lock().records.len(), 3, "a refused name is not kept");
    drop(first);
    assert!(registry.watch("c").is_ok());
}

#[test]
fn every_watcher_of_a_crowd_is_woken_once() {
    let registry = Registry::new();
    let mut watches: Vec<_> =
        (0..1_000).map(|_| (registry.watch("svc").unwrap(), Task::new())).collect();
    for (watch, task) in &mut watches {
        assert_eq!(task.poll(watch), READY(ServiceUnknown));
        assert_eq!(task.poll(watch), Poll::Pending);
    }
    // Holes between those that wait.
    let mut kept = watches.into_iter().step_by(3).collect::<Vec<_>>();
    registry.set("svc", Serving);
    for (watch, task) in &mut kept {
        assert_eq!(task.woken(), 1);
        assert_eq!(task.poll(watch), READY(Serving));
    }
}

#[test]
fn a_waker_that_panics_strands_nobody() {
    struct Faulty;
    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            panic!("this waker is broken on purpose");
        }
    }
    let registry = Registry::new();
    let mut watches: Vec<_> = (0..100).map(|_| registry.watch("svc").unwrap()).collect();
    let task = Task::new();
    for (number, watch) in watches.iter_mut().enumerate() {
        assert_eq!(poll(watch), READY(ServiceUnknown));
        let waker = if number == 50 {
            Waker::from(Arc::new(Faulty))
        } else {
            Waker::from(Arc::clone(&task))
        };
        let pending = Pin::new(watch).poll_next(&mut Context::from_waker(&waker));
        assert_eq!(pending, Poll::Pending);
    }
    assert_eq!(registry.set("svc", Serving), Update::Changed);
    assert_eq!(task.woken(), 99);
    assert_eq!(poll(&mut watches[50]), READY(Serving));
}

#[test]
fn a_waker_may_use_the_registry() {
    struct Busy(Registry);
    impl Wake for Busy {
        fn wake(self: Arc<Self>) {
            self.0.set("other", Serving);
            drop(self.0.watch("svc"));
            let _ = self.0.list();
        }
    }
    let registry = Registry::new();
    let mut watch = registry.watch("svc").unwrap();
    assert_eq!(poll(&mut watch), READY(ServiceUnknown));
    let waker = Waker::from(Arc::new(Busy(registry.clone())));
    let pending = Pin::new(&mut watch).poll_next(&mut Context::from_waker(&waker));
    assert_eq!(pending, Poll::Pending);
    registry.set("svc", Serving);
    assert_eq!(registry.check("other"), Some(Serving));
}

#[test]
fn the_latch_hides_and_keeps_what_is_set() {
    let registry = Registry::new();
    registry.set("down", NotServing);
    registry.set("up", Serving);
    registry.shutdown();
    assert!(registry.is_shut_down());
    assert_eq!(registry.set("up", Unknown), Update::Hidden);
    assert_eq!(registry.set("up", Unknown), Update::Unchanged);
    assert_eq!(registry.set("new", Serving), Update::Changed);
    assert_eq!(registry.check("new"), Some(NotServing), "registered meanwhile, not shown");
    assert_eq!(registry.check("nope"), None);
    registry.resume();
    registry.resume();
    let shown = [("down", NotServing), ("up", Unknown), ("new", Serving), ("", Serving)];
    for (service, status) in shown {
        assert_eq!(registry.check(service), Some(status), "{service:?}");
    }
}

#[test]
fn a_hold_that_is_tried_leaves_those_of_others_alone() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    let by_cron = || Hold::new("backup").by("cron");

    assert_eq!(registry.try_hold("svc", by_cron()), Ok(Update::Changed));
    assert_eq!(registry.try_hold("svc", by_cron()), Ok(Update::Unchanged));
    assert_eq!(registry.try_hold("svc", Hold::new("longer").by("cron")), Ok(Update::Hidden));
    assert_eq!(registry.held("svc").unwrap().reason(), "longer");
    assert_eq!(registry.release_held_by("svc", "ada"), Update::Unchanged);
    assert_eq!(registry.check("svc"), Some(NotServing));

    // Somebody who does not say who it is is somebody else.
    assert_eq!(registry.hold("svc", "disk swap"), Update::Hidden);
    assert_eq!(registry.try_hold("svc", by_cron()), Err(Hold::new("disk swap")));
    assert_eq!(registry.release_held_by("svc", "cron"), Update::Unchanged);
    assert_eq!(registry.held("svc"), Some(Hold::new("disk swap")));

    registry.release("svc");
    assert_eq!(registry.try_hold("svc", by_cron()), Ok(Update::Changed));
    assert_eq!(registry.release_held_by("svc", "cron"), Update::Changed);
    assert_eq!(registry.check("svc"), Some(Serving));
}

#[test]
fn a_hold_covers_one_service_until_it_is_released() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    assert_eq!(registry.hold("svc", "disk swap"), Update::Changed);
    assert_eq!(registry.hold("svc", "still at it"), Update::Hidden);
    assert_eq!(registry.hold("svc", "still at it"), Update::Unchanged);
    assert_eq!(registry.held("svc").as_ref().map(Hold::reason), Some("still at it"));
    assert_eq!(registry.check("svc"), Some(NotServing));
    assert_eq!(registry.check(OVERALL), Some(Serving));
    assert_eq!(registry.set("svc", Unknown), Update::Hidden);
    assert_eq!(registry.release("svc"), Update::Changed);
    assert_eq!(registry.release("svc"), Update::Unchanged);
    assert_eq!(registry.check("svc"), Some(Unknown));
    assert_eq!(registry.held("svc"), None);
}

#[test]
fn a_name_can_be_held_before_it_is_registered() {
    let registry = Registry::new();
    assert_eq!(registry.hold("svc", "not yet"), Update::Hidden);
    assert_eq!(registry.check("svc"), None);
    assert_eq!(registry.set("svc", Serving), Update::Changed);
    assert_eq!(registry.check("svc"), Some(NotServing));
    registry.remove("svc");
    assert_eq!(registry.release("svc"), Update::Hidden);
    assert_eq!(registry.release("never"), Update::Unchanged);
    assert_as_new(&registry);
}

#[test]
fn setting_service_unknown_removes() {
    let registry = Registry::new();
    registry.set("svc", Serving);
    assert_eq!(registry.set("svc", ServiceUnknown), Update::Changed);
    assert_eq!(registry.check("svc"), None);
    assert_as_new(&registry);
}

#[test]
fn replace_is_one_step() {
    let registry = Registry::new();
    registry.set("gone", Serving);
    registry.set("stays", Serving);
    let mut gone = registry.watch("gone").unwrap();
    let mut stays = registry.watch("stays").unwrap();
    assert_eq!(poll(&mut gone), READY(Serving));
    assert_eq!(poll(&mut stays), READY(Serving));
    let nobody = [("nobody", Serving), ("nobody", ServiceUnknown)];
    registry.replace(
        [("stays", Serving), ("new", Unknown), ("new", NotServing)].into_iter().chain(nobody),
    );
    assert_eq!(poll(&mut gone), READY(ServiceUnknown));
    assert_eq!(poll(&mut stays), Poll::Pending, "what stays as it is, is not told");
    let listed: Vec<_> = registry.list().unwrap();
    assert_eq!(listed, [("new".into(), NotServing), ("stays".into(), Serving)]);
    drop(gone);
    assert_eq!(registry.inner.lock().records.len(), 2);
}

#[test]
fn replace_begins_startup_anew() {
    let registry = Registry::new();
    assert!(registry.has_served(OVERALL));
    registry.replace([(OVERALL, NotServing), ("svc", Serving)]);
    assert!(!registry.has_served(OVERALL));
    assert!(registry.has_served("svc"));
    registry.set(OVERALL, Serving);
    registry.set(OVERALL, NotServing);
    assert!(registry.has_served(OVERALL), "latched");
    registry.remove(OVERALL);
    registry.set(OVERALL, NotServing);
    assert!(!registry.has_served(OVERALL), "a service registered anew starts anew");
    registry.shutdown();
    registry.replace([("late", Serving)]);
    assert!(!registry.has_served("late"), "what the latch hides was not served");
    registry.resume();
    assert!(registry.has_served("late"));
}

#[test]
fn list_is_sorted_and_limited() {
    let registry = Registry::builder().list_limit(3).build();
    registry.set("b", NotServing);
    registry.set("a", Unknown);
    drop(registry.watch("watched only").unwrap());
    let _held = registry.hold("held only", "x");
    let expected = [("".into(), Serving), ("a".into(), Unknown), ("b".into(), NotServing)];
    assert_eq!(registry.list().unwrap(), expected);
    registry.set("c", Serving);
    assert_eq!(registry.list().unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn transitions_tell_what_changed_and_why() {
    let registry = Registry::new();
    let mut feed = registry.transitions(NonZeroUsize::new(16).unwrap());
    let task = Task::new();
    assert_eq!(task.poll(&mut feed), Poll::Pending);
    registry.set("svc", Serving);
    assert_eq!(task.woken(), 1);
    registry.set("svc", Serving);
    registry.hold("svc", "why");
    registry.set("svc", Unknown);
    registry.release("svc");
    registry.shutdown();
    registry.resume();
    registry.remove("svc");
    registry.replace([("", Serving), ("new", NotServing)]);
    let told = |transition: Transition| {
        assert_eq!(transition.lost, 0);
        (transition.service.to_string(), transition.from, transition.to, transition.cause)
    };
    let mut seen = Vec::new();
    let mut sequence = None;
    while let Poll::Ready(Some(transition)) = task.poll(&mut feed) {
        let before = sequence.replace(transition.sequence);
        assert!(before.is_none_or(|before| before + 1 == transition.sequence));
        seen.push(told(transition));
    }
    let svc = |from, to, cause| ("svc".to_owned(), from, to, cause);
    let all = |from, to, cause| (String::new(), from, to, cause);
    // The order within one step that changes several services is not promised.
    let step = seen.iter().position(|(.., cause)| *cause == Cause::Shutdown).unwrap();
    seen[step..step + 2].sort_by(|a, b| a.0.cmp(&b.0));
    seen[step + 2..step + 4].sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        svc(ServiceUnknown, Serving, Cause::Set),
        svc(Serving, NotServing, Cause::Held),
        svc(NotServing, Unknown, Cause::Released),
        all(Serving, NotServing, Cause::Shutdown),
        svc(Unknown, NotServing, Cause::Shutdown),
        all(NotServing, Serving, Cause::Resumed),
        svc(NotServing, Unknown, Cause::Resumed),
        svc(Unknown, ServiceUnknown, Cause::Removed),
        ("new".to_owned(), ServiceUnknown, NotServing, Cause::Replaced),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_slow_reader_of_transitions_loses_the_oldest_and_is_told() {
    let registry = Registry::new();
    let mut slow = registry.transitions(NonZeroUsize::new(2).unwrap());
    let mut quick = registry.transitions(NonZeroUsize::new(16).unwrap());
    for status in [Serving, NotServing, Unknown, Serving, NotServing] {
        registry.set("svc", status);
    }
    let next = |feed: &mut Transitions| block_on(feed.next()).unwrap();
    let first = next(&mut slow);
    assert_eq!((first.lost, first.to), (3, Serving));
    let second = next(&mut slow);
    assert_eq!((second.lost, second.to), (0, NotServing));
    assert_eq!(next(&mut quick).lost, 0);
    drop(slow);
    registry.set("svc", Serving);
    assert_eq!(registry.inner.lock().feeds.open_feeds(), 1, "a dropped feed is forgotten");
    drop(registry);
    let mut quick = pin!(quick);
    let rest = block_on(async { quick.as_mut().count().await });
    assert_eq!(rest, 5);
}

#[test]
fn feeds_that_were_dropped_are_forgotten_without_a_transition() {
    let registry = Registry::new();
    let kept = registry.transitions(NonZeroUsize::MIN);
    for _ in 0..100 {
        drop(registry.transitions(NonZeroUsize::MIN));
    }
    let open = registry.inner.lock().feeds.open_feeds();
    assert!(open <= 2, "{open} feeds, of which the last one may wait for the next to come");
    drop(kept);
}

#[test]
fn concurrent_setters_keep_transitions_in_order() {
    let registry = Registry::new();
    let mut feed = registry.transitions(NonZeroUsize::new(100_000).unwrap());
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let registry = &registry;
            scope.spawn(move || {
                for _ in 0..2_000 {
                    registry.set(name, Serving);
                    registry.set(name, NotServing);
                }
            });
        }
    });
    drop(registry);
    let mut next = 0;
    while let Some(transition) = block_on(feed.next()) {
        assert_eq!(transition.lost, 0);
        assert!(next == 0 || transition.sequence == next, "{} after {next}", transition.sequence);
        next = transition.sequence + 1;
    }
    assert_eq!(next, 2 + 3 * 4_000, "the first transition registered the overall service");
}
