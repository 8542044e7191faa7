//! Virtual time: what happens when, exactly, and nothing between.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use health_core::{
    ConfigError, Hold, Registry,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{ConditionConfig, Monitor, Shared, every},
};
use health_test::{Outcome, ScriptedCondition, TaskId, TestBed};

const GREET: &str = "greet.GreetService";
const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// Every 5 s, three failures, no jitter.
const fn five_seconds() -> ConditionConfig {
    every(Duration::from_secs(5)).failure_threshold(3).jitter(0.0)
}

fn run(bed: &mut TestBed, postgres: &ScriptedCondition, config: ConditionConfig) -> TaskId {
    let condition = Shared::new("postgres", postgres.clone());
    let monitor = Monitor::builder(bed.registry(), bed.timer())
        .condition(GREET, condition, config)
        .observer(bed.observer())
        .build();
    bed.spawn(monitor.unwrap().run())
}

#[test]
fn a_service_leaves_and_returns_to_the_millisecond() {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    run(&mut bed, &postgres, five_seconds());
    assert_eq!(bed.assert_returns_within(GREET, Duration::ZERO), Duration::ZERO);
    bed.advance(12 * S);
    assert_eq!(postgres.evaluations(), 3, "at 0 s, 5 s and 10 s");
    postgres.fail("connection refused");
    // At 15 s, 20 s and 25 s.
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 16 * S), 13 * S);
    postgres.pass();
    assert_eq!(bed.assert_returns_within(GREET, 5 * S), 5 * S);
    assert_eq!(bed.elapsed(), 30 * S);
    let changes: Vec<_> =
        bed.timeline().transitions().map(|(at, change)| (at, change.to)).collect();
    let registered = (Duration::ZERO, Unknown);
    let expected = [registered, (Duration::ZERO, Serving), (25 * S, NotServing), (30 * S, Serving)];
    assert_eq!(changes, expected);
}

#[test]
fn the_default_jitter_keeps_within_its_bounds_and_repeats() {
    let leave = || {
        let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
        run(&mut bed, &postgres, every(5 * S).failure_threshold(3));
        bed.assert_returns_within(GREET, Duration::ZERO);
        bed.advance(100 * S);
        postgres.fail("connection refused");
        let left = bed.assert_leaves_rotation_within(GREET, 16 * S);
        postgres.pass();
        (left, bed.assert_returns_within(GREET, 5 * S + 500 * MS))
    };
    let (left, returned) = leave();
    assert!(left > 10 * S && returned > 4 * S, "{left:?} {returned:?}");
    assert_eq!(leave(), (left, returned));
}

#[test]
fn a_condition_that_hangs_is_out_at_its_timeout_and_one_that_panics_at_once() {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    run(&mut bed, &postgres, five_seconds().failure_threshold(1).timeout(700 * MS));
    bed.assert_returns_within(GREET, Duration::ZERO);
    postgres.hang();
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 6 * S), 5 * S + 700 * MS);
    assert_eq!(bed.registry().why(GREET).as_deref(), Some("postgres: timed out after 700ms"));
    postgres.pass();
    bed.assert_returns_within(GREET, 5 * S);
    postgres.panic("poisoned");
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 5 * S), 5 * S);
    assert_eq!(bed.registry().why(GREET).as_deref(), Some("postgres: panicked: poisoned"));
}

#[test]
fn every_third_failure_is_no_flap_and_three_in_a_row_take_it_out() {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    run(&mut bed, &postgres, five_seconds());
    postgres.follow("..x");
    bed.assert_no_flap(GREET, 3600 * S);
    bed.assert_stays_in_rotation_for(GREET, 3600 * S);
    postgres.follow("x-!.");
    bed.assert_watch_sequence(GREET, 60 * S, [Serving, NotServing, Serving, NotServing]);
}

#[test]
fn scripts_come_to_their_outcomes_in_turn_or_by_the_time() {
    let mut bed = TestBed::new();
    let rounds = ScriptedCondition::rounds([Outcome::Pass, Outcome::fail("away")]);
    run(&mut bed, &rounds, five_seconds().failure_threshold(1));
    bed.assert_watch_sequence(GREET, 16 * S, [Unknown, Serving, NotServing, Serving, NotServing]);
    assert_eq!((bed.elapsed(), rounds.evaluations()), (15 * S, 4));

    let mut bed = TestBed::new();
    let away = (7 * S, Outcome::fail("away"));
    let timed = ScriptedCondition::timed(&bed, [(21 * S, Outcome::Pass), away]);
    run(&mut bed, &timed, five_seconds().failure_threshold(1));
    bed.assert_returns_within(GREET, Duration::ZERO);
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 60 * S), 10 * S);
    assert_eq!(bed.assert_returns_within(GREET, 60 * S), 15 * S);

    let mut bed = TestBed::new();
    run(&mut bed, &ScriptedCondition::rounds([]), five_seconds());
    bed.assert_returns_within(GREET, Duration::ZERO);
}

#[test]
fn a_service_that_came_since_the_bed_last_ran_is_in_rotation_to_begin_with() {
    let mut bed = TestBed::new();
    let (health, timer) = (bed.registry().clone(), bed.timer());
    health.set(GREET, Serving);
    bed.spawn(async move {
        timer.sleep_until(timer.now() + 5 * S).await;
        health.set(GREET, NotServing);
    });
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 5 * S), 5 * S);

    // In and out again, with nothing that ran in between.
    let health = bed.registry().clone();
    health.set(GREET, Serving);
    health.hold(GREET, "maintenance");
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 5 * S), Duration::ZERO);
}

#[test]
fn a_service_that_leaves_and_returns_within_an_instant_has_left() {
    let mut bed = TestBed::new();
    let (health, timer) = (bed.registry().clone(), bed.timer());
    bed.spawn(async move {
        timer.sleep_until(timer.now() + 5 * S).await;
        health.set("", NotServing);
        health.set("", Serving);
    });
    assert_eq!(bed.assert_leaves_rotation_within("", 10 * S), 5 * S);
}

#[test]
fn a_monitor_that_ends_takes_its_services_out_of_rotation() {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    let monitor = run(&mut bed, &postgres, five_seconds());
    bed.assert_returns_within(GREET, Duration::ZERO);
    assert!(bed.end(monitor));
    assert!(!bed.end(monitor));
    assert_eq!(bed.assert_leaves_rotation_within(GREET, Duration::ZERO), Duration::ZERO);
}

#[test]
fn holds_and_heartbeats_end_in_time_without_any_monitor() {
    let mut bed = TestBed::new();
    let worker = bed.registry().heartbeat(GREET, "queue", 3 * S).unwrap();
    worker.beat();
    bed.settle();
    assert_eq!(bed.assert_leaves_rotation_within(GREET, 60 * S), 3 * S);
    worker.beat();
    bed.assert_returns_within(GREET, Duration::ZERO);
    worker.retire();
    let end = bed.timer().now() + 90 * S;
    bed.registry().hold(GREET, Hold::new("migration").until(end));
    bed.assert_leaves_rotation_within(GREET, Duration::ZERO);
    assert_eq!(bed.assert_returns_within(GREET, 120 * S), 90 * S);
}

#[test]
fn time_goes_from_deadline_to_deadline_and_misses_none() {
    let mut bed = TestBed::new();
    let (timer, rounds) = (bed.timer(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&rounds);
    bed.spawn(async move {
        loop {
            let due = timer.now() + 250 * MS;
            timer.sleep_until(due).await;
            assert_eq!(timer.now(), due, "late");
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    bed.advance(10 * S);
    assert_eq!((rounds.load(Ordering::Relaxed), bed.elapsed()), (40, 10 * S));
    let third = bed.advance_until(10 * S, |_| rounds.load(Ordering::Relaxed) == 43);
    assert_eq!(third, Some(750 * MS));
    assert_eq!(bed.advance_until(S, |_| false), None);
    assert_eq!(bed.elapsed(), 11 * S + 750 * MS);
}

#[test]
fn a_sleep_that_is_not_polled_at_its_time_does_not_stop_the_clock() {
    let mut bed = TestBed::new();
    let timer = bed.timer();
    bed.spawn(async move {
        let mut forgotten = timer.sleep_until(timer.now() + S);
        std::future::poll_fn(|cx| {
            let _ = forgotten.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        timer.sleep_until(timer.now() + 3 * S).await;
        drop(forgotten);
    });
    bed.advance(5 * S);
    assert_eq!(bed.elapsed(), 5 * S);
}

#[test]
fn a_registry_of_the_users_own_keeps_its_limits() {
    let registry = Registry::builder().max_watchers(1).build();
    let mut bed = TestBed::with_registry(registry.clone());
    registry.set(GREET, Serving);
    bed.assert_watch_sequence(GREET, Duration::ZERO, [Serving]);
    let _held = registry.watch(GREET).unwrap();
    assert!(bed.registry().watch(GREET).is_err());
}

#[test]
fn a_drain_in_order_is_measured() -> Result<(), ConfigError> {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    run(&mut bed, &postgres, five_seconds());
    bed.assert_returns_within(GREET, Duration::ZERO);
    let (health, timer) = (bed.registry().clone(), bed.timer());
    bed.spawn(async move {
        timer.sleep_until(timer.now() + 2 * S).await;
        health.shutdown();
        timer.sleep_until(timer.now() + 10 * S).await;
        health.close();
    });
    assert_eq!(bed.assert_drain_order(GREET, 10 * S..=11 * S), 10 * S);
    assert_eq!(bed.elapsed(), 12 * S);
    Ok(())
}
