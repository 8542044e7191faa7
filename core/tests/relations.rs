//! Services that follow others, by name. Any sequence of such operations: `relations_oracle.rs`.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::num::NonZeroUsize;

use futures_lite::{StreamExt, future::block_on};
use health_core::ServingStatus::{NotServing, Serving, Unknown};
use health_core::probe::{Probe, ProbeConfig};
use health_core::{Cause, Group, Hold, OVERALL, Overall, Reason, Registry, Transition, Update};

fn down() -> Reason {
    Reason::new("down")
}

/// What is noted while `act` runs.
fn noted(health: &Registry, act: impl FnOnce()) -> Vec<Transition> {
    let mut feed = health.transitions(NonZeroUsize::new(64).unwrap());
    act();
    let end = "the end of what is noted";
    health.set(end, Serving);
    block_on(async {
        let mut noted = Vec::new();
        while let Some(transition) = feed.next().await
            && *transition.service != *end
        {
            noted.push(transition);
        }
        health.remove(end);
        noted
    })
}

#[test]
fn a_dependency_is_transitive_and_names_what_is_behind_it() {
    let health = Registry::new();
    for service in ["database", "inventory", "shop"] {
        health.set(service, Serving);
    }
    assert_eq!(health.depends_on("inventory", "database"), Ok(Update::Hidden));
    assert_eq!(health.depends_on("shop", "inventory"), Ok(Update::Hidden));
    assert_eq!(health.depends_on("shop", "inventory"), Ok(Update::Unchanged), "once is enough");

    let noted = noted(&health, || {
        health.set("database", NotServing);
    });
    assert_eq!(health.check("shop"), Some(NotServing));
    let told: Vec<_> =
        noted.iter().map(|it| (&*it.service, it.cause, it.reason.as_deref())).collect();
    let behind = |other| format!("depends on {other:?}, which is NOT_SERVING");
    let expected = [
        ("database", Cause::Set, None),
        ("inventory", Cause::Dependency, Some(behind("database"))),
        ("shop", Cause::Dependency, Some(behind("inventory"))),
    ];
    let expected = expected.each_ref().map(|(name, cause, why)| (*name, *cause, why.as_deref()));
    assert_eq!(told, expected);

    health.set("database", Unknown);
    assert_eq!(health.check("shop"), Some(Unknown));
    assert_eq!(health.independent_of("inventory", "database"), Update::Changed);
    assert_eq!(health.check("shop"), Some(Serving));
    assert_eq!(health.independent_of("inventory", "database"), Update::Unchanged);
}

#[test]
fn a_dependency_that_is_removed_fails_until_it_is_back() {
    let health = Registry::new();
    health.set("database", Serving);
    health.depends_on("shop", "database").unwrap();
    assert_eq!(health.check("shop"), Some(Serving), "registered by its dependency");
    health.remove("database");
    assert_eq!(health.check("shop"), Some(NotServing));
    assert_eq!(
        health.why("shop").unwrap().as_ref(),
        "depends on \"database\", which is SERVICE_UNKNOWN"
    );
    health.set("database", Serving);
    assert_eq!(health.check("shop"), Some(Serving));
}

#[test]
fn two_ways_to_one_dependency_make_one_transition() {
    let health = Registry::new();
    for service in ["base", "left", "right", "top"] {
        health.set(service, Serving);
    }
    for (service, other) in [("left", "base"), ("right", "base"), ("top", "left"), ("top", "right")]
    {
        health.depends_on(service, other).unwrap();
    }
    for status in [NotServing, Unknown, Serving] {
        let noted = noted(&health, || {
            health.set("base", status);
        });
        let mut names: Vec<_> = noted.iter().map(|transition| &*transition.service).collect();
        names.sort_unstable();
        assert_eq!(names, ["base", "left", "right", "top"], "{status}");
        assert!(noted.iter().all(|transition| transition.to == status), "{noted:?}");
    }
}

#[test]
fn a_cycle_is_refused_with_its_path() {
    let health = Registry::new();
    for service in ["a", "b", "c"] {
        health.set(service, Serving);
    }
    health.depends_on("a", "b").unwrap();
    health.depends_on("b", "c").unwrap();
    let told = |error: health_core::ConfigError| {
        assert!(error.is_cycle());
        error.to_string()
    };
    let cycle = told(health.depends_on("c", "a").unwrap_err());
    assert_eq!(cycle, "dependencies form a cycle: c -> a -> b -> c");
    let cycle = told(health.depends_on("a", "a").unwrap_err());
    assert_eq!(cycle, "dependencies form a cycle: a -> a");

    health.overall(&Overall::All).unwrap();
    let cycle = told(health.depends_on("c", OVERALL).unwrap_err());
    assert!(cycle.starts_with("dependencies form a cycle: c -> "), "{cycle}");
    health.overall(&Overall::Independent).unwrap();
    health.depends_on("c", OVERALL).unwrap();
    let cycle = told(health.overall(&Overall::of(["a"])).unwrap_err());
    assert_eq!(cycle, "dependencies form a cycle:  -> a -> b -> c -> ");
    assert!(health.overall(&Overall::All).unwrap_err().is_cycle());
    assert_eq!(health.check("c"), Some(Serving), "what is refused changes nothing");
}

#[test]
fn an_alias_shows_its_service_and_ends_with_it() {
    let health = Registry::new();
    health.set("greet", Serving);
    assert_eq!(health.alias("lab/greet:1", "greet"), Ok(Update::Changed));
    assert_eq!(health.alias("lab/greet:1", "greet"), Ok(Update::Unchanged));
    let mut watch = health.watch("lab/greet:1").unwrap();
    assert_eq!(block_on(watch.next()), Some(Serving));

    health.set("greet", NotServing);
    assert_eq!(block_on(watch.next()), Some(NotServing));
    assert_eq!(health.set("lab/greet:1", Serving), Update::Changed, "either name sets both");
    assert_eq!(health.check("greet"), Some(Serving));
    health.hold("lab/greet:1", "upgrade");
    assert_eq!(health.held("greet").unwrap().reason(), "upgrade");
    assert_eq!(health.why("lab/greet:1").as_deref(), Some("held: upgrade"));
    health.release("greet");

    // Removing the alias ends the alias; removing the service ends both.
    health.remove("lab/greet:1");
    assert_eq!((health.check("lab/greet:1"), health.check("greet")), (None, Some(Serving)));
    health.alias("lab/greet:1", "greet").unwrap();
    health.alias("second", "lab/greet:1").unwrap();
    assert_eq!(health.check("second"), Some(Serving), "an alias of an alias is one of the service");
    health.remove("greet");
    assert_eq!((health.check("lab/greet:1"), health.check("second")), (None, None));
    health.set("greet", Serving);
    assert_eq!(health.check("lab/greet:1"), None, "it has ended");
}

#[test]
fn names_that_are_taken_or_unknown_are_refused() {
    let health = Registry::new();
    health.set("a", Serving);
    health.set("b", Serving);
    health.alias("alias", "a").unwrap();
    health.group("group", Group::serving(["a"])).unwrap();
    let taken = "the name \"b\" is that of a service";
    assert_eq!(health.alias("b", "a").unwrap_err().to_string(), taken);
    assert_eq!(health.group("b", Group::serving(["a"])).unwrap_err().to_string(), taken);
    assert!(health.alias("a", "a").unwrap_err().is_duplicate());
    assert!(health.alias("alias", "b").unwrap_err().is_duplicate());
    assert!(health.alias("group", "b").unwrap_err().is_duplicate());
    assert!(health.group("alias", Group::serving(["a"])).unwrap_err().is_duplicate());
    assert!(health.group(OVERALL, Group::serving(["a"])).unwrap_err().is_duplicate());

    let unknown = [
        health.depends_on("a", "nope").unwrap_err().to_string(),
        health.alias("x", "nope").unwrap_err().to_string(),
        health.group("x", Group::serving(["a", "nope"])).unwrap_err().to_string(),
        health.group("x", Group::serving(["a"]).optional(["nope"])).unwrap_err().to_string(),
        health.overall(&Overall::of(["nope"])).unwrap_err().to_string(),
    ];
    let fields = ["depends_on", "alias", "group", "group", "overall"];
    for (text, field) in unknown.iter().zip(fields) {
        assert_eq!(*text, format!("{field} names a service that is not registered: \"nope\""));
    }
    assert!(health.group("x", Group::serving(["a"])).is_ok(), "what was refused left nothing");
    assert!(health.group("x", Group::serving(["x"])).unwrap_err().is_cycle());
}

#[test]
fn critical_members_decide_over_a_group_and_optional_ones_do_not() {
    let health = Registry::new();
    for service in ["a", "b", "extra"] {
        health.set(service, Serving);
    }
    health.group("readiness", Group::serving(["a", "b"]).optional(["extra"])).unwrap();
    health.set("extra", NotServing);
    assert_eq!(health.check("readiness"), Some(Serving));
    health.set("b", Unknown);
    assert_eq!(health.check("readiness"), Some(Unknown));
    health.set("a", NotServing);
    assert_eq!(health.check("readiness"), Some(NotServing));

    // A group of the same name takes its place.
    health.group("readiness", Group::serving(["extra"])).unwrap();
    health.set("extra", Serving);
    assert_eq!(health.check("readiness"), Some(Serving));
    health.remove("readiness");
    assert_eq!(health.check("readiness"), None);
    assert_eq!(
        health.set("readiness", NotServing),
        Update::Changed,
        "now a service like any other"
    );
}

#[test]
fn a_group_that_was_removed_may_come_back_with_its_conditions_and_dependencies() {
    let health = Registry::new();
    health.set("a", Serving);
    health.set("b", Serving);
    health.group("group", Group::serving(["a"])).unwrap();
    let pool = health.signal("group", "pool").unwrap();
    health.depends_on("group", "b").unwrap();
    health.remove("group");
    assert!(health.alias("group", "a").unwrap_err().is_duplicate(), "an alias has none of its own");

    assert_eq!(health.group("group", Group::serving(["a"])), Ok(Update::Changed));
    assert_eq!(health.check("group"), Some(Unknown), "the pool is pending");
    pool.pass();
    assert_eq!(health.check("group"), Some(Serving));
    health.set("b", NotServing);
    assert_eq!(health.check("group"), Some(NotServing));
    health.independent_of("group", "b");
    health.set("a", NotServing);
    assert_eq!(health.check("group"), Some(NotServing));
}

#[test]
fn the_overall_status_is_the_worst_of_all_or_of_some() {
    let health = Registry::new();
    health.set("a", Serving);
    health.set("b", NotServing);
    assert_eq!(health.check(OVERALL), Some(Serving), "independent unless told otherwise");

    assert_eq!(health.overall(&Overall::of(["a"])), Ok(Update::Hidden));
    assert_eq!(health.check(OVERALL), Some(Serving));
    health.set("a", NotServing);
    assert_eq!(health.check(OVERALL), Some(NotServing));
    health.set("a", Serving);

    assert_eq!(health.overall(&Overall::All), Ok(Update::Changed));
    let behind = health.why(OVERALL);
    assert_eq!(behind.as_deref(), Some("depends on \"b\", which is NOT_SERVING"));
    // Neither groups nor aliases count twice.
    health.group("readiness", Group::serving(["a"])).unwrap();
    health.alias("alias", "b").unwrap();
    health.set("b", Unknown);
    assert_eq!(health.check(OVERALL), Some(Unknown));
    health.remove("b");
    assert_eq!(health.check(OVERALL), Some(Serving));
    health.set("late", NotServing);
    assert_eq!(health.check(OVERALL), Some(NotServing), "registered later");
    health.set("late", Serving);
    health.set(OVERALL, NotServing);
    assert_eq!(health.check(OVERALL), Some(NotServing), "what is set counts too");
    health.set(OVERALL, Serving);
    health.shutdown();
    health.resume();
    assert_eq!(health.check(OVERALL), Some(Serving));
    health.overall(&Overall::Independent).unwrap();
    health.set("a", NotServing);
    assert_eq!(health.check(OVERALL), Some(Serving));
}

#[test]
fn a_state_in_between_is_not_shown_and_does_not_count_as_started() {
    // In which order the services are looked at differs from registry to registry.
    for _ in 0..50 {
        let health = Registry::new();
        health.set("behind", Serving);
        health.set("shop", NotServing);
        health.depends_on("shop", "behind").unwrap();
        health.group("startup", Group::started(["shop"])).unwrap();
        health.replace([("shop", Serving), ("behind", NotServing), ("startup", Serving)]);
        assert!(!health.has_served("shop"));
        assert_eq!(health.check("startup"), Some(Unknown));

        // Startup begins anew, and is over in the same step: no reader sees it begin.
        health.set("behind", Serving);
        assert_eq!(health.check("startup"), Some(Serving));
        let all = [("shop", Serving), ("behind", Serving), ("startup", Serving)];
        assert_eq!(noted(&health, || health.replace(all)), []);
    }
}

#[test]
fn a_hold_on_a_name_goes_over_to_the_service_that_the_name_then_stands_for() {
    let health = Registry::new();
    health.set("greet", Serving);
    health.hold("lab/greet:1", Hold::new("migration").by("ada"));
    health.alias("lab/greet:1", "greet").unwrap();
    assert_eq!(health.check("greet"), Some(NotServing), "held by either name is held for both");
    assert_eq!(health.check("lab/greet:1"), Some(NotServing));
    assert_eq!(health.holds(), [("greet".into(), Hold::new("migration").by("ada"))]);
    assert_eq!(health.history().pop().unwrap().reason.unwrap(), "held by ada: migration".into());
    assert_eq!(health.release("lab/greet:1"), Update::Changed);
    assert_eq!((health.holds(), health.check("greet")), (vec![], Some(Serving)));

    // Of two holds the service's stays.
    health.hold("greet", "upgrade");
    health.hold("second", "migration");
    health.alias("second", "greet").unwrap();
    assert_eq!(health.holds(), [("greet".into(), Hold::new("upgrade"))]);
    health.release("second");
    assert_eq!(health.holds(), []);
}

#[test]
fn replacing_makes_an_alias_that_is_named_a_service_of_its_own() {
    let health = Registry::new();
    health.set("greet", Serving);
    health.alias("lab/greet:1", "greet").unwrap();
    let services = [(OVERALL, Serving), ("greet", Serving), ("lab/greet:1", NotServing)];
    let noted = noted(&health, || health.replace(services));
    assert_eq!(health.check("lab/greet:1"), Some(NotServing));
    assert_eq!(health.check("greet"), Some(Serving));
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!(health.set("greet", Unknown), Update::Changed);
    assert_eq!(health.check("lab/greet:1"), Some(NotServing), "it follows nothing");
}

#[test]
fn a_dependency_ends_by_the_name_it_was_made_with_and_by_what_that_stands_for_now() {
    for name in ["old", "new"] {
        let health = Registry::new();
        health.set("old", Serving);
        health.set("new", Serving);
        health.depends_on("shop", "old").unwrap();
        health.remove("old");
        health.alias("old", "new").unwrap();
        health.set("new", NotServing);
        assert_eq!(health.check("shop"), Some(NotServing));
        assert_eq!(health.independent_of("shop", name), Update::Changed, "{name}");
        assert_eq!(health.check("shop"), Some(Serving));
        assert_eq!(health.independent_of("shop", name), Update::Unchanged);
    }
}

#[test]
fn saying_the_same_twice_changes_nothing() {
    let health = Registry::new();
    health.set("a", Serving);
    health.set("b", Serving);
    let group = || Group::serving(["a"]).optional(["b"]);
    assert_eq!(health.group("readiness", group()), Ok(Update::Changed));
    assert_eq!(health.group("readiness", group()), Ok(Update::Unchanged));
    assert_eq!(health.group("readiness", Group::serving(["a", "b"])), Ok(Update::Hidden));
    assert_eq!(health.group("readiness", Group::started(["a", "b"])), Ok(Update::Hidden));

    for overall in [Overall::of(["a"]), Overall::All, Overall::Independent] {
        assert_eq!(health.overall(&overall), Ok(Update::Hidden), "{overall:?}");
        assert_eq!(health.overall(&overall), Ok(Update::Unchanged), "{overall:?}");
    }
    health.overall(&Overall::of(["a"])).unwrap();
    assert_eq!(health.overall(&Overall::of(["b"])), Ok(Update::Hidden));
}

#[test]
fn a_long_chain_of_dependencies_takes_no_stack() {
    const LENGTH: usize = 20_000;
    let health = Registry::new();
    let names: Vec<_> = (0..=LENGTH).map(|at| at.to_string()).collect();
    names.iter().for_each(|name| _ = health.set(name, Serving));
    for pair in names.windows(2) {
        health.depends_on(&pair[0], &pair[1]).unwrap();
    }
    let cycle = health.depends_on(&names[LENGTH], &names[0]).unwrap_err();
    assert!(cycle.is_cycle());
    health.set(&names[LENGTH], NotServing);
    assert_eq!(health.check(&names[0]), Some(NotServing));
}

#[test]
fn the_names_of_the_probes_are_services_once_they_are_registered() {
    let health = Registry::new();
    health.set("worker", Serving);
    let alive = health.liveness_signal("loop").unwrap();
    assert_eq!(health.check("liveness"), None, "no RPC knows it yet");
    assert_eq!(health.list().unwrap().len(), 2);

    let probes = ProbeConfig::new().liveness(["worker"]).startup(["worker"]);
    probes.register(&health).unwrap();
    assert_eq!(health.check("liveness"), Some(Serving), "pending is no reason for a restart");
    alive.pass();
    assert_eq!(health.check("liveness"), Some(Serving));
    assert_eq!(health.check("startup"), Some(Serving));

    // What is shared, and a hold, are no reason for a restart; what is local is.
    let database = health.signal("worker", "database").unwrap();
    database.fail(down());
    health.hold("worker", "maintenance");
    assert_eq!(health.check("liveness"), Some(Serving));
    assert!(probes.report(Probe::Liveness, &health).is_healthy());
    let disk = health.local_signal("worker", "disk").unwrap();
    disk.fail(down());
    assert_eq!(health.check("liveness"), Some(NotServing));
    assert!(!probes.report(Probe::Liveness, &health).is_healthy());
    disk.retire();

    // A process that drains is alive, and not ready.
    health.shutdown();
    assert_eq!(health.check("liveness"), Some(Serving));
    assert_eq!(health.check("readiness"), Some(NotServing));
    assert!(probes.report(Probe::Liveness, &health).is_healthy());
    health.resume();
    alive.fail(Reason::new("stuck for 12 s"));
    let report = probes.report(Probe::Liveness, &health);
    let told: Vec<_> = report.components().iter().map(|it| (it.name(), it.reason())).collect();
    assert_eq!(told, [("ping", None), ("worker", None), ("loop", Some("stuck for 12 s"))]);
}
