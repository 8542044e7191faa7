//! A monitor that is gone must not leave a service SERVING.

use health_core::{
    Finding, Reason, Registry,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::Local,
};

use crate::world::{Behaviour::Hang, S, SVC, World, strict};

#[test]
fn every_service_of_a_monitor_that_is_dropped_is_not_serving() {
    let world = World::new();
    let [one, two] = ["one", "two"].map(|name| world.script(name));
    let builder = world.builder().condition(SVC, one.local(), strict());
    let monitor = builder.condition("other", two.local(), strict()).build().unwrap();
    world.registry.set("apart", Serving);
    let mut runner = world.start(monitor);
    runner.pass(S);
    assert_eq!((world.status(), world.registry.check("other")), (Some(Serving), Some(Serving)));

    runner.drop_future();
    assert_eq!(
        (world.status(), world.registry.check("other")),
        (Some(NotServing), Some(NotServing))
    );
    assert_eq!(world.reason("one").as_deref(), Some("the monitor was dropped"));
    assert_eq!(world.registry.check("apart"), Some(Serving));
    assert!(one.was_dropped() && two.was_dropped());
}

#[test]
fn a_monitor_that_never_ran_leaves_its_services_not_serving() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = world.builder().condition(SVC, script.local(), strict()).build().unwrap();
    assert_eq!(world.status(), Some(Unknown));
    drop(monitor);
    assert_eq!(world.status(), Some(NotServing));
    assert_eq!(world.reason("postgres").as_deref(), Some("the monitor was dropped"));
}

#[test]
fn a_future_that_was_never_polled_leaves_its_services_not_serving() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = world.builder().condition(SVC, script.local(), strict()).build().unwrap();
    drop(monitor.run());
    assert_eq!(world.status(), Some(NotServing));
}

#[test]
fn evaluations_that_run_are_dropped_with_the_monitor() {
    let world = World::new();
    let script = world.script("postgres");
    script.does(Hang);
    let mut runner = world.run([(&script, strict())]);
    assert_eq!(script.running(), 1);
    runner.drop_future();
    assert_eq!((script.running(), script.was_dropped()), (0, true));
}

#[test]
fn a_condition_that_is_added_to_a_dropped_monitor_fails() {
    let world = World::new();
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    drop(monitor);
    let id = handle.add(SVC, world.script("postgres").local(), strict()).unwrap();
    assert_eq!(world.status(), Some(NotServing));
    assert_eq!(world.reason("postgres").as_deref(), Some("the monitor was dropped"));
    assert!(handle.remove(&id), "it can be taken away");
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn what_a_dropped_monitor_left_can_be_removed_or_taken_over() {
    let world = World::new();
    let monitor = world.builder().build().unwrap();
    let handle = monitor.handle();
    let id = handle.add(SVC, world.script("a").local(), strict()).unwrap();
    handle.add(SVC, world.script("b").local(), strict()).unwrap();
    drop(monitor);
    assert!(handle.remove(&id));
    assert_eq!(world.status(), Some(NotServing), "because of the other one");

    let script = world.script("b");
    let next = world.builder().condition(SVC, script.local(), strict()).build().unwrap();
    let _runner = world.start(next);
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn services_are_not_serving_before_the_conditions_are_dropped() {
    struct Witness(Registry);
    impl Drop for Witness {
        fn drop(&mut self) {
            assert_eq!(self.0.check(SVC), Some(NotServing));
        }
    }
    let world = World::new();
    let witness = Witness(world.registry.clone());
    let condition = Local::new("postgres", move || {
        let _ = &witness;
        async { Ok::<(), Reason>(()) }
    });
    let monitor = world.builder().condition(SVC, condition, strict()).build().unwrap();
    let mut runner = world.start(monitor);
    assert_eq!(world.condition("postgres").finding, Finding::Passing);
    runner.drop_future();
}
