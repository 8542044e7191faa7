//! Models of what several threads do to one registry. loom runs each in every order that the threads
//! and the memory model allow. `core/loom.sh` runs them.
//!
//! A wake-up that is lost shows as a deadlock, which loom reports. Each model keeps to one service:
//! the order in which a map holds several is another in each run, and loom needs the same.

#![cfg(loom)]

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use futures_core::Stream as _;
use health_core::{
    OVERALL, Registry,
    ServingStatus::{self, NotServing, ServiceUnknown, Serving, Unknown},
    Watch,
};
use loom::{
    sync::{
        Notify,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const SERVICE: &str = "svc";

/// A task that sleeps until it is woken.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self(Notify::new()))
    }

    fn poll(self: &Arc<Self>, watch: &mut Watch) -> Poll<Option<ServingStatus>> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(watch).poll_next(&mut Context::from_waker(&waker))
    }

    /// Waits for the next item.
    fn next(self: &Arc<Self>, watch: &mut Watch) -> Option<ServingStatus> {
        loop {
            match self.poll(watch) {
                Poll::Ready(item) => return item,
                Poll::Pending => self.0.wait(),
            }
        }
    }

    /// Reads until `wanted` comes. Every item differs from the one before.
    fn read_to(self: &Arc<Self>, watch: &mut Watch, wanted: ServingStatus) {
        let mut last = None;
        while last != Some(wanted) {
            let item = self.next(watch);
            assert_ne!(item, None, "the stream ended before {wanted}");
            assert_ne!(item, last, "the same status twice");
            last = item;
        }
    }

    /// Reads what is there without waiting; returns the last item.
    fn drain(self: &Arc<Self>, watch: &mut Watch) -> Option<ServingStatus> {
        let mut last = None;
        while let Poll::Ready(Some(item)) = self.poll(watch) {
            last = Some(item);
        }
        last
    }
}

/// A registry without any service.
fn empty() -> Registry {
    let registry = Registry::new();
    registry.remove(OVERALL);
    registry
}

/// A registry with one service.
fn with(status: ServingStatus) -> Registry {
    let registry = empty();
    registry.set(SERVICE, status);
    registry
}

fn spawn<T: 'static>(
    registry: &Registry,
    act: impl FnOnce(&Registry) -> T + 'static,
) -> thread::JoinHandle<T> {
    let registry = registry.clone();
    thread::spawn(move || act(&registry))
}

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let registry = with(NotServing);
        let mut watch = registry.watch(SERVICE).unwrap();
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Serving));
        Task::new().read_to(&mut watch, Serving);
        setter.join().unwrap();
    });
}

#[test]
fn a_status_carries_what_its_setter_did_before() {
    loom::model(|| {
        let registry = with(NotServing);
        let mut watch = registry.watch(SERVICE).unwrap();
        let work = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&work);
        // The reader is the one that is spawned: loom does not try a load by one thread between the
        // load and the store of another that runs later.
        let reader = thread::spawn(move || {
            Task::new().read_to(&mut watch, Serving);
            assert!(done.load(Ordering::Relaxed));
        });
        work.store(true, Ordering::Relaxed);
        registry.set(SERVICE, Serving);
        reader.join().unwrap();
    });
}

#[test]
fn of_two_setters_the_last_value_is_observed() {
    loom::model(|| {
        let registry = with(Unknown);
        let mut watch = registry.watch(SERVICE).unwrap();
        let task = Task::new();
        assert_eq!(task.poll(&mut watch), Poll::Ready(Some(Unknown)));
        let setters = [Serving, NotServing]
            .map(|status| spawn(&registry, move |registry| registry.set(SERVICE, status)));
        // Parks between the setters, before or after both.
        let mut last = task.drain(&mut watch);
        for setter in setters {
            setter.join().unwrap();
        }
        last = task.drain(&mut watch).or(last);
        assert!(last.is_some_and(|last| last != Unknown));
        assert_eq!(last, registry.check(SERVICE));
    });
}

#[test]
fn a_dropped_watch_leaves_nothing_while_a_setter_wakes() {
    loom::model(|| {
        let registry = with(NotServing);
        let mut watch = registry.watch(SERVICE).unwrap();
        let task = Task::new();
        assert_eq!(task.poll(&mut watch), Poll::Ready(Some(NotServing)));
        assert_eq!(task.poll(&mut watch), Poll::Pending);
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Serving));
        drop(watch);
        setter.join().unwrap();
        assert_eq!(registry.watchers(), 0);
        assert_eq!(Arc::strong_count(&task), 1, "its waker is gone too");
    });
}

#[test]
fn a_drop_does_not_take_the_wake_up_of_another() {
    loom::model(|| {
        let registry = with(NotServing);
        let mut stays = registry.watch(SERVICE).unwrap();
        let goes = registry.watch(SERVICE).unwrap();
        let dropper = thread::spawn(move || drop(goes));
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Serving));
        Task::new().read_to(&mut stays, Serving);
        dropper.join().unwrap();
        setter.join().unwrap();
        assert_eq!(registry.watchers(), 1);
    });
}

#[test]
fn a_watch_of_an_unknown_name_meets_its_registration() {
    loom::model(|| {
        let registry = empty();
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Serving));
        let mut watch = registry.watch(SERVICE).unwrap();
        Task::new().read_to(&mut watch, Serving);
        setter.join().unwrap();
        assert_eq!(registry.check(SERVICE), Some(Serving));
    });
}

#[test]
fn a_watch_follows_a_name_that_is_removed_and_registered_again() {
    loom::model(|| {
        let registry = with(Unknown);
        let mut watch = registry.watch(SERVICE).unwrap();
        let setter = spawn(&registry, |registry| {
            registry.remove(SERVICE);
            registry.set(SERVICE, Serving);
        });
        Task::new().read_to(&mut watch, Serving);
        setter.join().unwrap();
    });
}

#[test]
fn the_last_drop_of_a_name_does_not_cut_a_new_watch_off() {
    loom::model(|| {
        let registry = empty();
        let last = registry.watch(SERVICE).unwrap();
        let dropper = thread::spawn(move || drop(last));
        let mut new = registry.watch(SERVICE).unwrap();
        let task = Task::new();
        assert_eq!(task.poll(&mut new), Poll::Ready(Some(ServiceUnknown)));
        registry.set(SERVICE, Serving);
        assert_eq!(task.poll(&mut new), Poll::Ready(Some(Serving)));
        dropper.join().unwrap();
        assert_eq!(registry.watchers(), 1);
        registry.set(SERVICE, NotServing);
        assert_eq!(task.poll(&mut new), Poll::Ready(Some(NotServing)));
    });
}

#[test]
fn shutdown_covers_what_is_set_at_the_same_time() {
    loom::model(|| {
        let registry = with(Serving);
        let mut watch = registry.watch(SERVICE).unwrap();
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Unknown));
        registry.shutdown();
        assert_eq!(registry.check(SERVICE), Some(NotServing));
        let task = Task::new();
        assert_eq!(task.poll(&mut watch), Poll::Ready(Some(NotServing)));
        setter.join().unwrap();
        assert_eq!(task.poll(&mut watch), Poll::Pending, "nothing shines through");
        registry.resume();
        assert_eq!(task.poll(&mut watch), Poll::Ready(Some(Unknown)));
    });
}

#[test]
fn a_service_registered_while_shutting_down_is_never_left_serving() {
    loom::model(|| {
        let registry = empty();
        let setter = spawn(&registry, |registry| registry.set(SERVICE, Serving));
        registry.shutdown();
        setter.join().unwrap();
        assert_eq!(registry.check(SERVICE), Some(NotServing));
    });
}

#[test]
fn close_ends_a_watch_that_is_about_to_park() {
    loom::model(|| {
        let registry = with(Serving);
        let mut watch = registry.watch(SERVICE).unwrap();
        let closer = spawn(&registry, Registry::close);
        let task = Task::new();
        assert_eq!(task.next(&mut watch), Some(Serving));
        assert_eq!(task.next(&mut watch), None);
        assert_eq!(registry.watchers(), 0);
        closer.join().unwrap();
    });
}

#[test]
fn a_watch_opened_while_closing_ends() {
    loom::model(|| {
        // Nobody knows the name: the watch brings it in, before the close or after.
        let registry = empty();
        let closer = spawn(&registry, Registry::close);
        let mut watch = registry.watch(SERVICE).unwrap();
        let task = Task::new();
        if let Some(status) = task.next(&mut watch) {
            assert_eq!(status, ServiceUnknown);
            assert_eq!(task.next(&mut watch), None);
        }
        closer.join().unwrap();
        assert_eq!(registry.watchers(), 0);
    });
}
