//! When conditions are evaluated.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use health_core::{
    Reason,
    ServingStatus::{NotServing, Serving},
    condition::{Local, Monitor, MonitorBuilder, every},
    rt::{Sleep, Timer},
};

use crate::world::{
    Behaviour::{Fail, Hang},
    MS, ManualTimer, S, SVC, Script, World, strict,
};

#[test]
fn evaluations_keep_their_rate_and_skip_the_periods_that_were_missed() {
    let world = World::new();
    let script = world.script("postgres");
    let mut runner = world.run([(&script, strict())]);
    runner.pass(20 * S);
    // The machine sleeps for a while.
    world.timer.advance(45 * S);
    runner.settle();
    runner.pass(15 * S);
    let starts: Vec<_> = script.starts().iter().map(|at| at.as_secs()).collect();
    assert_eq!(starts, [0, 10, 20, 65, 70, 80]);
}

#[test]
fn the_first_evaluation_waits_for_the_initial_delay() {
    let world = World::new();
    let script = world.script("postgres");
    let mut runner = world.run([(&script, strict().initial_delay(30 * S))]);
    runner.pass(40 * S);
    assert_eq!(script.starts(), [30 * S, 40 * S]);
}

#[test]
fn conditions_that_are_added_together_start_one_after_the_other() {
    let world = World::new();
    let scripts: Vec<_> = (0..1_000).map(|at| world.script(&at.to_string())).collect();
    let add =
        |builder: MonitorBuilder, script: &Script| builder.condition(SVC, script.local(), strict());
    let monitor = scripts.iter().fold(world.builder(), add).build().unwrap();
    let mut runner = world.start(monitor);
    assert_eq!(scripts[0].starts(), [Duration::ZERO], "the first one at once");
    assert!(scripts[1].starts().is_empty());
    runner.pass(S);
    for (script, at) in scripts.iter().zip(0..) {
        let due = at * Duration::from_micros(100);
        assert!((due..due + MS).contains(&script.starts()[0]), "{at}: {:?}", script.starts());
    }
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn a_burst_starts_a_bounded_number_for_each_poll_and_lets_others_run_in_between() {
    let world = World::new();
    let starts = Arc::new(AtomicUsize::new(0));
    let mut builder = world.builder();
    for at in 0..1_000 {
        let starts = Arc::clone(&starts);
        let count = move || {
            starts.fetch_add(1, Ordering::Relaxed);
            async { Ok::<(), Reason>(()) }
        };
        let name = at.to_string();
        builder = builder.condition(SVC, Local::new(name, count), strict());
    }
    let mut runner = world.start(builder.build().unwrap());
    runner.pass(S);
    assert_eq!(starts.swap(0, Ordering::Relaxed), 1_000);
    // All of them are due at once.
    world.timer.advance(60 * S);
    let mut polls = 0;
    while runner.was_woken() {
        runner.poll();
        polls += 1;
        assert!(starts.load(Ordering::Relaxed) <= 64 * polls, "in {polls} polls");
    }
    assert_eq!(starts.load(Ordering::Relaxed), 1_000);
}

#[test]
fn the_shortest_period_neither_makes_the_monitor_spin_nor_its_results_stale() {
    for jitter in [0.0, 0.1, 1.0] {
        let world = World::new();
        let script = world.script("postgres");
        let mut runner = world.run([(&script, every(MS).jitter(jitter))]);
        let before = world.registry.history().len();
        runner.pass(S);
        assert!((400..=1_001).contains(&script.starts().len()), "{}", script.starts().len());
        assert_eq!(world.registry.history().len(), before, "with a jitter of {jitter}");
    }
}

#[test]
fn the_monitor_is_woken_no_more_often_than_there_is_something_to_do() {
    let world = World::new();
    let script = world.script("postgres");
    let mut runner = world.run([(&script, strict())]);
    for _ in 0..10 {
        world.timer.advance(10 * S - MS);
        assert_eq!(runner.settle(), 0, "nothing is due");
        world.timer.advance(MS);
        assert!(runner.settle() <= 2, "one evaluation");
    }
    assert_eq!(script.starts().len(), 11);
}

/// When a condition of the monitor that `of` makes is evaluated in the first minute.
fn starts(of: impl FnOnce(&World) -> MonitorBuilder) -> Vec<Duration> {
    let world = World::new();
    let script = world.script("postgres");
    let builder = of(&world).condition(SVC, script.local(), every(10 * S));
    world.start(builder.build().expect("a valid condition")).pass(60 * S);
    script.starts()
}

#[test]
fn the_processes_of_a_fleet_that_start_together_draw_apart() {
    let (one, two) = (starts(unsimulated), starts(unsimulated));
    assert_eq!((one[0], two[0]), (Duration::ZERO, Duration::ZERO), "readiness does not wait");
    // Each draw has a thousand outcomes: that five of them agree by chance is not to be seen.
    assert_ne!(one[1..6], two[1..6]);
}

#[test]
fn monitors_with_one_seed_evaluate_at_the_same_times() {
    let seeded = |seed| starts(|world| unsimulated(world).seed(seed));
    assert_eq!(seeded(7), seeded(7));
    assert_ne!(seeded(7), seeded(8));
}

#[test]
fn a_simulated_clock_repeats_the_jitter() {
    assert_eq!(starts(World::builder), starts(World::builder));
}

fn unsimulated(world: &World) -> MonitorBuilder {
    Monitor::builder(&world.registry, Arc::new(Unsimulated(world.timer.clone())))
}

/// A manual clock that has chance left to the system.
#[derive(Debug)]
struct Unsimulated(ManualTimer);

impl Timer for Unsimulated {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.sleep_until(deadline)
    }
}

/// Its sleeps are pending for ever, as those of tokio are for a task that has used up its budget.
#[derive(Debug)]
struct Exhausted(ManualTimer);

struct NeverDone;

impl Timer for Exhausted {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(NeverDone)
    }
}

impl Future for NeverDone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for NeverDone {
    fn reset(self: Pin<&mut Self>, _: Instant) {}
}

#[test]
fn a_sleep_that_is_pending_past_its_deadline_stops_nothing() {
    let world = World::new();
    let script = world.script("postgres");
    let timer = Arc::new(Exhausted(world.timer.clone()));
    let monitor = Monitor::builder(&world.registry, timer)
        .condition(SVC, script.local(), every(10 * S).jitter(0.0).failure_threshold(1).timeout(S))
        .build()
        .unwrap();
    let mut runner = world.start(monitor);
    script.does(Fail("down"));
    world.timer.advance(10 * S);
    // Something else has woken the task.
    runner.poll();
    assert_eq!(world.status(), Some(NotServing));
    script.does(Hang);
    world.timer.advance(10 * S);
    runner.poll();
    world.timer.advance(S);
    runner.poll();
    assert_eq!(world.reason("postgres").as_deref(), Some("timed out after 1s"));
}
