//! What a builder takes, and that it takes all or nothing.

use health_core::{
    ConfigError,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{MonitorBuilder, Shared, every},
};

use crate::world::{Behaviour::Fail, S, SVC, World, strict};

#[test]
fn a_service_follows_another_one() {
    let world = World::new();
    let script = world.script("disk");
    let monitor = world
        .builder()
        .depends_on(SVC, "inventory")
        .condition("inventory", script.local(), strict())
        .build()
        .unwrap();
    let mut runner = world.start(monitor);
    assert_eq!(world.status(), Some(Serving));
    script.does(Fail("full"));
    runner.pass(10 * S);
    assert_eq!(world.status(), Some(NotServing));
}

#[test]
fn liveness_follows_local_conditions() {
    let world = World::new();
    let script = world.script("deadlock");
    script.does(Fail("stuck"));
    let monitor = world.builder().liveness(script.local(), strict()).build().unwrap();
    let handle = monitor.handle();
    let _runner = world.start(monitor);
    let conditions = world.registry.liveness_conditions();
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0].reason.as_deref(), Some("stuck"));
    assert_eq!(world.registry.check(SVC), None);
    let error = handle.add_liveness(world.script("deadlock").local(), strict()).unwrap_err();
    assert!(error.is_duplicate(), "{error}");
}

#[test]
fn a_shared_condition_gets_into_liveness_by_its_loud_name_only() {
    let world = World::new();
    let postgres = Shared::new("postgres", world.script("").condition());
    let builder = world.builder();
    let monitor =
        builder.liveness_shared_may_restart_the_fleet(postgres, strict()).build().unwrap();
    assert_eq!(world.registry.liveness_conditions()[0].scope, health_core::Scope::Shared);
    drop(monitor);
}

/// Builds what `add` adds to a builder with a fine condition, which must fail and leave nothing.
fn refused(add: impl FnOnce(MonitorBuilder, &World) -> MonitorBuilder) -> ConfigError {
    let world = World::new();
    world.registry.set("known", Serving);
    let fine = world.script("fine");
    let builder = world.builder().condition(SVC, fine.local(), strict());
    let builder = builder.condition("known", fine.local(), strict()).depends_on("known", SVC);
    let error = add(builder, &world).build().expect_err("refused");
    assert_eq!(world.status(), None, "{error}");
    assert_eq!(world.registry.check("known"), Some(Serving), "{error}");
    assert!(world.registry.conditions("known").is_empty(), "{error}");
    assert!(fine.was_dropped());
    world.registry.set(SVC, NotServing);
    assert_eq!(world.registry.check("known"), Some(Serving), "it depends on nothing: {error}");
    error
}

#[test]
fn a_builder_takes_all_or_nothing() {
    let error = refused(|builder, world| {
        builder.condition("other", world.script("a").local(), every(S).timeout(2 * S))
    });
    assert_eq!(error.to_string(), "timeout is 2s; it must be at most the period");

    let error = refused(|builder, world| {
        builder.condition("known", world.script("fine").local(), strict())
    });
    assert!(error.is_duplicate(), "{error}");

    let error = refused(|builder, _| builder.depends_on(SVC, "nope"));
    assert!(error.is_unknown_service(), "{error}");

    let error = refused(|builder, _| builder.depends_on(SVC, "known"));
    assert!(error.is_cycle(), "{error}");
}

#[test]
fn a_condition_of_another_monitor_stays_when_a_builder_fails() {
    let world = World::new();
    let first =
        world.builder().condition(SVC, world.script("a").local(), strict()).build().unwrap();
    let second = world.builder().condition(SVC, world.script("a").local(), strict());
    assert!(second.build().unwrap_err().is_duplicate());
    assert_eq!(world.status(), Some(Unknown));
    assert_eq!(world.registry.conditions(SVC).len(), 1);
    drop(first);
}

#[test]
fn a_builder_that_fails_leaves_the_condition_whose_place_it_would_have_taken() {
    let world = World::new();
    let build = |other| {
        let builder = world.builder().condition(SVC, world.script("postgres").local(), strict());
        builder.depends_on(SVC, other).build()
    };
    drop(build("").unwrap());
    assert_eq!(world.status(), Some(NotServing));
    assert!(build("nope").unwrap_err().is_unknown_service());
    assert_eq!(world.status(), Some(NotServing), "nobody looks after it");
    assert_eq!(world.reason("postgres").as_deref(), Some("the monitor was dropped"));
    let next = build("").unwrap();
    assert_eq!(world.status(), Some(Unknown), "its place can be taken");
    drop(next);
}

#[test]
fn a_builder_that_fails_is_not_seen() {
    let world = World::new();
    world.registry.set(SVC, Serving);
    let before = world.registry.history().len();
    let deadlock = world.script("deadlock");
    let error = world
        .builder()
        .condition(SVC, world.script("postgres").local(), strict())
        .condition("other", world.script("disk").local(), strict())
        .liveness(deadlock.local(), strict())
        .depends_on("third", SVC)
        .depends_on(SVC, "other")
        .depends_on("other", "third")
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("dependencies form a cycle: other -> third -> {SVC} -> other")
    );
    assert_eq!(world.registry.history().len(), before);
    assert_eq!(world.registry.list().unwrap().len(), 2, "the server as a whole, and the one set");
    assert!(world.registry.liveness_conditions().is_empty());
    world.registry.set("liveness", NotServing);
    assert_eq!(world.registry.check("liveness"), Some(NotServing), "the name is free");
}

#[test]
fn what_a_builder_takes_is_seen_in_one_step() {
    let world = World::new();
    world.registry.set(SVC, Serving);
    let before = world.registry.history().len();
    let monitor = world
        .builder()
        .depends_on(SVC, "third")
        .condition(SVC, world.script("postgres").local(), strict())
        .condition(SVC, world.script("disk").local(), strict())
        .depends_on("third", "other")
        .condition("other", world.script("queue").local(), strict());
    // A dependency may name what a later line registers.
    let monitor = monitor.condition("third", world.script("queue").local(), strict());
    let monitor = monitor.build().unwrap();
    let seen: Vec<_> = world.registry.history().into_iter().skip(before).collect();
    let mut changes: Vec<_> = seen.iter().map(|seen| (&*seen.service, seen.to)).collect();
    changes.sort_unstable_by_key(|(service, _)| *service);
    assert_eq!(changes, [(SVC, Unknown), ("other", Unknown), ("third", Unknown)]);
    drop(monitor);
}
