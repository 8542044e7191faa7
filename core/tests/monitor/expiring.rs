//! What ends by itself, ends without being asked.

use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use futures_lite::{
    StreamExt as _,
    future::{block_on, poll_once},
};
use health_core::{
    Hold, Registry, ServingStatus,
    ServingStatus::{NotServing, Serving},
    Watch,
    rt::Timer as _,
};

use crate::world::{Behaviour::Hang, MS, ManualTimer, S, SVC, Task, World, strict};

/// A reader of [`SVC`] that only looks when it is woken.
struct Watcher {
    watch: Watch,
    task: Arc<Task>,
}

impl Watcher {
    fn new(world: &World) -> Self {
        let watch = world.registry.watch(SVC).expect("few watches are open");
        let mut watcher = Self { watch, task: Arc::new(Task::default()) };
        watcher.read();
        watcher
    }

    fn read(&mut self) -> Vec<ServingStatus> {
        let waker = Waker::from(Arc::clone(&self.task));
        let mut cx = Context::from_waker(&waker);
        let mut read = Vec::new();
        while let Poll::Ready(Some(status)) = Pin::new(&mut self.watch).poll_next(&mut cx) {
            read.push(status);
        }
        read
    }

    fn told(&mut self) -> Vec<ServingStatus> {
        if self.task.was_woken() { self.read() } else { Vec::new() }
    }
}

#[test]
fn a_monitor_without_conditions_tells_watchers_of_a_heart_that_stops() {
    let world = World::new();
    let mut runner = world.start(world.builder().build().unwrap());
    let heartbeat = world.registry.heartbeat(SVC, "worker", 5 * S).unwrap();
    heartbeat.beat();
    let mut watcher = Watcher::new(&world);
    assert!(runner.settle() > 0, "the new deadline wakes the monitor");
    runner.pass(5 * S - MS);
    heartbeat.beat();
    runner.pass(5 * S - MS);
    assert_eq!(watcher.told(), []);
    runner.pass(MS);
    assert_eq!(watcher.told(), [NotServing]);
}

#[test]
fn a_monitor_without_conditions_tells_watchers_of_a_hold_that_ends() {
    let world = World::new();
    world.registry.set(SVC, Serving);
    let mut runner = world.start(world.builder().build().unwrap());
    world.registry.hold(SVC, Hold::new("upgrade").until(world.timer.now() + 5 * S));
    let mut watcher = Watcher::new(&world);
    assert!(runner.settle() > 0, "the new deadline wakes the monitor");
    runner.pass(5 * S - MS);
    assert_eq!(watcher.told(), []);
    runner.pass(MS);
    assert_eq!(watcher.told(), [Serving]);
}

#[test]
fn a_result_is_believed_for_three_periods_when_the_monitor_is_never_polled_again() {
    let world = World::new();
    let script = world.script("postgres");
    let _runner = world.run([(&script, strict())]);
    world.timer.advance(30 * S - MS);
    assert_eq!(world.status(), Some(Serving));
    world.timer.advance(MS);
    assert_eq!(world.status(), Some(NotServing));
    assert!(world.reason("postgres").unwrap().contains("stale"), "{:?}", world.reason("postgres"));
}

#[test]
fn a_result_is_believed_for_as_long_as_it_was_configured() {
    let world = World::new();
    let script = world.script("postgres");
    let _runner = world.run([(&script, strict().max_age(60 * S))]);
    world.timer.advance(60 * S - MS);
    assert_eq!(world.status(), Some(Serving));
    world.timer.advance(MS);
    assert_eq!(world.status(), Some(NotServing));
}

#[test]
fn results_of_a_monitor_that_runs_are_never_stale() {
    let world = World::new();
    let (quick, slow) = (world.script("quick"), world.script("slow"));
    let tight = strict().timeout(10 * S).failure_threshold(100).jitter(1.0);
    slow.does(Hang);
    let mut runner = world.run([(&quick, strict().jitter(1.0)), (&slow, tight)]);
    for _ in 0..600 {
        runner.pass(S);
        assert!(!world.reason("slow").is_some_and(|reason| reason.contains("stale")));
        assert!(world.reason("quick").is_none());
    }
}

#[test]
fn of_several_monitors_each_is_woken_for_an_earlier_deadline() {
    let world = World::new();
    let [mut one, mut two] = [(); 2].map(|()| world.start(world.builder().build().unwrap()));
    let heartbeat = world.registry.heartbeat(SVC, "worker", 5 * S).unwrap();
    heartbeat.beat();
    assert!(one.settle() > 0 && two.settle() > 0);
    two.drop_future();
    let mut watcher = Watcher::new(&world);
    one.pass(5 * S);
    assert_eq!(watcher.told(), [NotServing]);
}

#[test]
fn a_result_grows_old_by_the_clock_of_the_registry_whatever_that_of_the_monitor_shows() {
    for (registry_is_ahead, monitor_is_ahead) in [(1_000 * S, MS), (MS, 1_000 * S)] {
        let (by_registry, by_monitor) = (ManualTimer::new(), ManualTimer::new());
        by_registry.advance(registry_is_ahead);
        by_monitor.advance(monitor_is_ahead);
        let world = World::by(by_monitor, Registry::builder().clock(Arc::new(by_registry.clone())));
        let script = world.script("postgres");
        let mut runner = world.run([(&script, strict())]);
        assert_eq!(world.status(), Some(Serving), "{:?}", world.reason("postgres"));
        by_registry.advance(30 * S - MS);
        assert_eq!(world.status(), Some(Serving), "{:?}", world.reason("postgres"));
        by_registry.advance(MS);
        assert_eq!(world.status(), Some(NotServing));

        // Watchers are told although no question is asked, and before the next result.
        let heartbeat = world.registry.heartbeat("other", "worker", 5 * S).unwrap();
        heartbeat.beat();
        runner.settle();
        let mut feed = world.registry.transitions(NonZeroUsize::MIN);
        by_registry.advance(5 * S);
        runner.pass(5 * S);
        let told = block_on(poll_once(feed.next())).flatten().expect("a transition");
        assert_eq!((&*told.service, told.to), ("other", NotServing));
    }
}
