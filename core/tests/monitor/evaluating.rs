//! What an evaluation comes to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use health_core::{
    Finding,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{Evaluation, Observer, Shared, every},
};

use crate::world::{
    Behaviour::{Fail, Hang, HangAndPanicInDrop, Panic, PanicAtOnce, Pass, Wait},
    MS, S, SVC, World, strict,
};

#[test]
fn a_service_with_conditions_is_unknown_until_each_has_passed_once() {
    let world = World::new();
    let (quick, slow) = (world.script("quick"), world.script("slow"));
    slow.does(Wait);
    let monitor = world
        .builder()
        .condition(SVC, quick.local(), strict().timeout(10 * S))
        .condition(SVC, slow.local(), strict().timeout(10 * S))
        .build()
        .unwrap();
    assert_eq!(world.status(), Some(Unknown), "before it runs");
    let mut runner = world.start(monitor);
    runner.pass(5 * S);
    assert_eq!(world.condition("quick").finding, Finding::Passing);
    assert_eq!(world.status(), Some(Unknown), "one has not passed");
    slow.release();
    runner.settle();
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn it_takes_the_thresholds_to_change_a_status() {
    let world = World::new();
    let script = world.script("postgres");
    let config = every(10 * S).jitter(0.0).failure_threshold(3).success_threshold(2);
    let mut runner = world.run([(&script, config)]);
    let mut statuses = vec![world.status().unwrap()];
    for behaviour in [Pass, Fail("a"), Fail("b"), Pass, Fail("c"), Fail("d"), Fail("e"), Pass, Pass]
    {
        script.does(behaviour);
        runner.pass(10 * S);
        statuses.push(world.status().unwrap());
    }
    let expected = [
        Unknown, Serving, Serving, Serving, Serving, Serving, Serving, NotServing, NotServing,
        Serving,
    ];
    assert_eq!(statuses, expected);
}

#[test]
fn the_reason_of_a_failure_stays_until_the_condition_passes() {
    let world = World::new();
    let script = world.script("postgres");
    let config = every(10 * S).jitter(0.0).failure_threshold(2).success_threshold(2);
    script.does(Fail("connection refused"));
    let mut runner = world.run([(&script, config)]);
    assert_eq!(world.reason("postgres").as_deref(), Some("connection refused"), "pending, and why");
    runner.pass(10 * S);
    script.does(Pass);
    runner.pass(10 * S);
    assert_eq!(world.condition("postgres").finding, Finding::Failing);
    assert_eq!(world.reason("postgres").as_deref(), Some("connection refused"));
    runner.pass(10 * S);
    assert_eq!(world.condition("postgres").finding, Finding::Passing);
    assert_eq!(world.reason("postgres"), None);
    script.does(Fail("once"));
    runner.pass(10 * S);
    assert_eq!(world.condition("postgres").finding, Finding::Passing);
    assert_eq!(world.reason("postgres"), None, "too few failures are no reason");
    runner.pass(10 * S);
    assert_eq!(world.reason("postgres").as_deref(), Some("once"));
}

#[test]
fn a_panic_is_a_failure_with_its_message_and_the_condition_is_evaluated_again() {
    for behaviour in [Panic("no connection"), PanicAtOnce("no connection")] {
        let world = World::new();
        let (script, other) = (world.script("postgres"), world.script("other"));
        script.does(behaviour.clone());
        let mut runner = world.run([(&script, strict()), (&other, strict())]);
        runner.pass(S);
        assert_eq!(world.status(), Some(NotServing), "{behaviour:?}");
        assert_eq!(world.reason("postgres").as_deref(), Some("panicked: no connection"));
        assert_eq!(world.condition("other").finding, Finding::Passing);
        script.does(Pass);
        runner.pass(10 * S);
        assert_eq!(world.status(), Some(Serving), "{behaviour:?}");
    }
}

#[test]
fn a_panic_without_a_message_is_a_failure_too() {
    let world = World::new();
    let odd = Shared::new("odd", || async {
        std::panic::panic_any(7);
        #[expect(unreachable_code, reason = "the type of the result")]
        Ok::<(), health_core::Reason>(())
    });
    let monitor = world.builder().condition(SVC, odd, strict()).build().unwrap();
    let _runner = world.start(monitor);
    assert_eq!(world.reason("odd").as_deref(), Some("panicked"));
}

#[test]
fn a_condition_whose_panic_panics_when_it_is_dropped_is_evaluated_again() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let world = World::new();
    let mut is_first = true;
    let odd = Shared::new("odd", move || {
        let panics = std::mem::take(&mut is_first);
        async move {
            if panics {
                std::panic::panic_any(Bomb);
            }
            Ok::<(), health_core::Reason>(())
        }
    });
    let monitor = world.builder().condition(SVC, odd, strict()).build().unwrap();
    let mut runner = world.start(monitor);
    assert_eq!(world.reason("odd").as_deref(), Some("panicked"));
    runner.pass(10 * S);
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn a_timeout_is_a_failure_that_drops_the_evaluation_and_keeps_the_condition() {
    let world = World::new();
    let script = world.script("postgres");
    script.does(Hang);
    let mut runner = world.run([(&script, strict().timeout(S))]);
    runner.pass(S - MS);
    assert_eq!((world.status(), script.running()), (Some(Unknown), 1));
    runner.pass(MS);
    assert_eq!((world.status(), script.running()), (Some(NotServing), 0));
    assert_eq!(world.reason("postgres").as_deref(), Some("timed out after 1s"));
    assert!(!script.was_dropped());
    script.does(Pass);
    runner.pass(9 * S);
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn an_evaluation_that_panics_when_it_is_dropped_harms_nobody() {
    let world = World::new();
    let (script, other) = (world.script("postgres"), world.script("other"));
    script.does(HangAndPanicInDrop);
    let mut runner = world.run([(&script, strict()), (&other, strict())]);
    runner.pass(S);
    assert_eq!(world.reason("postgres").as_deref(), Some("timed out after 1s"));
    script.does(Pass);
    runner.pass(10 * S);
    assert_eq!(world.status(), Some(Serving));
    assert_eq!(other.starts().len(), 2);
}

#[test]
fn what_is_done_when_the_monitor_looks_counts_although_its_time_is_up() {
    let world = World::new();
    let script = world.script("postgres");
    script.does(Wait);
    let mut runner = world.run([(&script, strict().timeout(S))]);
    script.release();
    // The executor was busy with something else.
    world.timer.advance(5 * S);
    runner.settle();
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn a_slow_condition_never_delays_another() {
    let world = World::new();
    let (slow, quick) = (world.script("slow"), world.script("quick"));
    slow.does(Hang);
    let each_second = every(S).jitter(0.0).timeout(S);
    let mut runner = world.run([(&slow, strict().timeout(10 * S)), (&quick, each_second)]);
    runner.pass(20 * S + MS);
    let starts = quick.starts();
    let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 20, "one each second: {starts:?}");
    assert!(gaps.iter().all(|gap| (S - MS..S + MS).contains(gap)), "{gaps:?}");
    assert_eq!(slow.starts().len(), 3);
}

#[test]
fn no_two_evaluations_of_one_condition_run_at_once() {
    let world = World::new();
    let script = world.script("postgres");
    script.does(Hang);
    let mut runner = world.run([(&script, every(S).jitter(1.0).timeout(S))]);
    runner.pass(60 * S);
    assert_eq!(script.most_running(), 1);
    assert!((20..60).contains(&script.starts().len()), "{:?}", script.starts());
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn evaluated(&self, evaluation: &Evaluation<'_>) {
        let Evaluation { service, condition, result, finding, duration, lateness, .. } = evaluation;
        let result = result.map_err(ToString::to_string);
        let line = format!("{service} {condition} {result:?} {finding} {duration:?} {lateness:?}");
        self.0.lock().expect("no writer panics").push(line);
    }
}

#[derive(Debug, Default)]
struct Broken(AtomicUsize);

impl Observer for Broken {
    fn evaluated(&self, _: &Evaluation<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("the counter is broken");
    }
}

#[test]
fn observers_are_told_of_every_evaluation_even_if_one_of_them_panics() {
    let world = World::new();
    let (script, log, broken) =
        (world.script("postgres"), Arc::new(Log::default()), Arc::new(Broken::default()));
    let monitor = world
        .builder()
        .condition(SVC, script.local(), every(10 * S).jitter(0.0).failure_threshold(2))
        .observer(broken.clone())
        .observer(log.clone())
        .build()
        .unwrap();
    let mut runner = world.start(monitor);
    script.does(Wait);
    runner.pass(10 * S);
    runner.pass(500 * MS);
    script.release();
    runner.settle();
    script.does(Hang);
    runner.pass(12 * S);
    let lines = log.0.lock().unwrap().clone();
    let expected = [
        format!("{SVC} postgres Ok(()) passing 0ns 0ns"),
        format!("{SVC} postgres Ok(()) passing 500ms 0ns"),
        format!("{SVC} postgres Err(\"timed out after 1s\") passing 1s 0ns"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(broken.0.load(Ordering::Relaxed), lines.len());
}
