//! Conditions that come and go while the monitor runs.

use std::time::Duration;

use health_core::{
    Reason,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{Condition, Local, every},
};

use crate::world::{
    Behaviour::{Fail, Hang, Wait},
    MS, S, SVC, World, strict,
};

#[test]
fn a_condition_that_is_added_while_the_monitor_runs_decides_from_then_on() {
    let world = World::new();
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    runner.pass(7 * S);

    let script = world.script("postgres");
    script.does(Fail("down"));
    handle.add(SVC, script.local(), strict()).unwrap();
    assert_eq!(world.status(), Some(Unknown), "at once");
    assert!(runner.settle() > 0, "it wakes the monitor");
    assert_eq!(script.starts(), [7 * S]);
    assert_eq!(world.status(), Some(NotServing));
}

#[test]
fn a_condition_that_is_removed_decides_no_more_and_is_evaluated_no_more() {
    let world = World::new();
    let (stays, goes) = (world.script("stays"), world.script("goes"));
    let monitor = world.builder().condition(SVC, stays.local(), strict()).build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    goes.does(Fail("down"));
    let id = handle.add(SVC, goes.local(), strict()).unwrap();
    runner.pass(MS);
    assert_eq!(world.status(), Some(NotServing));

    assert!(handle.remove(&id));
    assert_eq!(world.status(), Some(Serving), "at once");
    assert!(!handle.remove(&id), "it was removed");
    runner.settle();
    assert!(goes.was_dropped());
    runner.pass(60 * S);
    assert_eq!((goes.starts().len(), stays.starts().len()), (1, 7));
}

#[test]
fn an_evaluation_that_runs_is_dropped_with_its_condition() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    script.does(Hang);
    let id = handle.add(SVC, script.local(), strict()).unwrap();
    runner.settle();
    assert_eq!(script.running(), 1);
    handle.remove(&id);
    runner.settle();
    assert_eq!((script.running(), script.was_dropped()), (0, true));
    runner.pass(60 * S);
    assert_eq!(script.starts().len(), 1);
}

#[test]
fn a_condition_that_panics_when_it_is_dropped_harms_nobody() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    impl Condition for Bad {
        async fn evaluate(&mut self) -> Result<(), Reason> {
            Ok(())
        }
    }
    let world = World::new();
    let other = world.script("other");
    let monitor = world.builder().condition(SVC, other.local(), strict()).build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    let [started, unstarted] = ["started", "unstarted"].map(|name| {
        let id = handle.add(SVC, Local::new(name, Bad), strict()).unwrap();
        if name == "started" {
            runner.pass(S);
        }
        id
    });
    assert!(handle.remove(&started) && handle.remove(&unstarted));
    runner.pass(60 * S);
    assert_eq!((world.status(), other.starts().len()), (Some(Serving), 7));
    handle.add(SVC, Local::new("last", Bad), strict()).unwrap();
    runner.pass(S);
    runner.drop_future();
    assert!(other.was_dropped());
}

#[test]
fn a_result_that_comes_with_the_removal_changes_nothing() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    script.does(Wait);
    let id = handle.add(SVC, script.local(), strict()).unwrap();
    runner.settle();
    script.release();
    handle.remove(&id);
    runner.settle();
    assert_eq!(world.status(), Some(Serving), "registered, without conditions");
    assert!(world.registry.conditions(SVC).is_empty());
}

#[test]
fn a_condition_may_be_removed_before_the_monitor_has_heard_of_it() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    let id = handle.add(SVC, script.local(), strict()).unwrap();
    assert!(handle.remove(&id));
    runner.pass(60 * S);
    assert!(script.starts().is_empty() && script.was_dropped());
}

#[test]
fn a_name_can_be_used_again_once_its_condition_was_removed() {
    let world = World::new();
    let (old, new) = (world.script("postgres"), world.script("postgres"));
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let mut runner = world.start(monitor);
    let id = handle.add(SVC, old.local(), strict()).unwrap();
    runner.settle();
    let error = handle.add(SVC, new.local(), strict()).unwrap_err();
    assert!(error.is_duplicate(), "{error}");
    handle.remove(&id);
    handle.add(SVC, new.local(), strict()).unwrap();
    runner.pass(11 * S);
    assert_eq!((old.starts().len(), new.starts().len()), (1, 2));
}

#[test]
fn an_id_of_another_monitor_removes_nothing() {
    let world = World::new();
    let [one, two] = [(); 2].map(|()| world.builder().build().unwrap());
    let id = one.handle().add(SVC, world.script("a").local(), strict()).unwrap();
    two.handle().add(SVC, world.script("b").local(), strict()).unwrap();
    assert!(!two.handle().remove(&id));
    assert_eq!(world.registry.conditions(SVC).len(), 2);
}

#[test]
fn what_cannot_be_configured_is_refused_and_leaves_nothing() {
    let world = World::new();
    let monitor = world.builder().build().unwrap();
    let script = world.script("postgres");
    let error = monitor.handle().add(SVC, script.local(), every(Duration::ZERO)).unwrap_err();
    assert_eq!(error.to_string(), "period is 0ns; it must be at least 1ms");
    assert_eq!(world.status(), None);
    assert!(script.was_dropped());
}
