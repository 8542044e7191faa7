//! The liveness of the process: what the probe and the service of that name say, and who may have a say.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use health_core::ServingStatus::{NotServing, Serving};
use health_core::probe::{Probe, ProbeConfig};
use health_core::{Finding, Group, OVERALL, Reason, Registry, ServingStatus, Update};

const LIVENESS: &str = "liveness";

/// A registry with the names of the probes as services.
fn registered() -> Registry {
    let health = Registry::new();
    ProbeConfig::new().register(&health).unwrap();
    health
}

/// What an HTTP probe is told.
fn is_alive(health: &Registry) -> bool {
    ProbeConfig::new().report(Probe::Liveness, health).is_healthy()
}

fn stuck() -> Reason {
    Reason::new("stuck")
}

#[test]
fn what_becomes_of_the_name_is_nothing_to_the_process() {
    let takes: [fn(&Registry); 4] = [
        |health| health.replace([(OVERALL, Serving)]),
        |health| health.replace([(OVERALL, Serving), (LIVENESS, Serving)]),
        |health| assert_eq!(health.remove(LIVENESS), Update::Changed),
        |health| {
            health.remove(LIVENESS);
            health.alias(LIVENESS, OVERALL).unwrap();
        },
    ];
    for (case, take) in takes.into_iter().enumerate() {
        let health = registered();
        let pump = health.liveness_signal("pump").unwrap();
        take(&health);
        let queue = health.liveness_signal("queue").unwrap();
        assert!(is_alive(&health), "{case}");
        pump.fail(stuck());
        assert!(!is_alive(&health), "{case}");
        pump.pass();
        queue.fail(stuck());
        assert!(!is_alive(&health), "{case}");
    }
}

#[test]
fn the_probes_can_be_registered_again() {
    let health = registered();
    let pump = health.liveness_signal("pump").unwrap();
    let db = health.signal(LIVENESS, "db").unwrap();
    health.replace([(OVERALL, Serving)]);
    assert_eq!(health.check(LIVENESS), None);
    pump.fail(stuck());
    assert_eq!(health.check(LIVENESS), None);

    ProbeConfig::new().register(&health).unwrap();
    assert_eq!(health.check(LIVENESS), Some(NotServing));
    assert_eq!(health.why(LIVENESS).as_deref(), Some("pump: stuck"));
    pump.retire();
    assert_eq!(health.check(LIVENESS), Some(Serving));
    db.retire();
}

#[test]
fn a_service_may_be_called_liveness() {
    let health = Registry::new();
    let pump = health.liveness_signal("pump").unwrap();
    assert_eq!(health.set(LIVENESS, Serving), Update::Changed);
    pump.fail(stuck());
    assert_eq!(health.check(LIVENESS), Some(Serving), "it has that name and nothing else");
    assert_eq!(health.conditions(LIVENESS), []);
    assert!(!is_alive(&health));

    let db = health.signal(LIVENESS, "pump").unwrap();
    db.fail(Reason::new("down"));
    assert_eq!(health.check(LIVENESS), Some(NotServing));
    pump.pass();
    assert!(is_alive(&health));
    assert!(ProbeConfig::new().register(&health).unwrap_err().is_duplicate());
}

#[test]
fn nothing_that_no_restart_mends_gets_into_liveness_by_its_name() {
    let health = registered();
    health.set("database", NotServing);
    let serving = |said: &str| {
        assert!(is_alive(&health), "{said}");
        assert_eq!(health.check(LIVENESS), Some(Serving), "{said}");
        assert_eq!(health.why(LIVENESS), None, "{said}");
    };

    let postgres = health.signal(LIVENESS, "postgres").unwrap();
    serving("a condition that is pending");
    postgres.fail(Reason::new("down"));
    serving("a shared condition that fails");
    health.depends_on(LIVENESS, "database").unwrap();
    serving("a dependency");
    assert_eq!(health.hold(LIVENESS, "maintenance"), Update::Hidden);
    serving("a hold");
    health.shutdown();
    serving("a shutdown");
    health.resume();

    let disk = health.local_signal(LIVENESS, "disk").unwrap();
    disk.fail(Reason::new("read-only"));
    assert_eq!(health.check(LIVENESS), Some(NotServing), "a restart may mend that");
    assert_eq!(health.why(LIVENESS).as_deref(), Some("disk: read-only"));
}

#[test]
fn any_group_that_reads_liveness_is_as_deaf() {
    let health = Registry::new();
    health.set("worker", Serving);
    health.group("alive", Group::alive(["worker"])).unwrap();
    let postgres = health.signal("alive", "postgres").unwrap();
    postgres.fail(Reason::new("down"));
    health.hold("alive", "maintenance");
    let pump = health.liveness_signal("pump").unwrap();
    pump.fail(stuck());
    assert_eq!(health.check("alive"), Some(Serving), "what is bound to the process is not its own");

    let disk = health.local_signal("worker", "disk").unwrap();
    disk.fail(Reason::new("read-only"));
    assert_eq!(health.check("alive"), Some(NotServing));
}

#[test]
fn the_service_and_the_probe_agree_on_what_is_bound_to_liveness() {
    let health = registered();
    let pump = health.liveness_signal("pump").unwrap();
    let told = |finding, status: ServingStatus| {
        assert_eq!(health.liveness_conditions()[0].finding, finding);
        assert_eq!(is_alive(&health), status == Serving, "{finding}");
        assert_eq!(health.check(LIVENESS), Some(status), "{finding}");
    };
    told(Finding::Pending, Serving);
    pump.pass();
    told(Finding::Passing, Serving);
    pump.fail(stuck());
    told(Finding::Failing, NotServing);
    pump.pending();
    told(Finding::Pending, Serving);
    drop(pump);
    told(Finding::Failing, NotServing);
    let shown = health.conditions(LIVENESS);
    assert_eq!((shown.len(), &*shown[0].name), (1, "pump"), "it shows what decides over it");
}

#[test]
fn the_probes_are_registered_all_or_none() {
    let health = Registry::new();
    let before = health.history().len();
    let typo = ProbeConfig::new().readiness(["typo"]);
    assert!(typo.register(&health).is_err());
    for name in [LIVENESS, "readiness", "startup"] {
        assert_eq!(health.check(name), None, "{name}");
    }
    assert_eq!(health.history().len(), before, "no reader saw half of it");

    // What they were before stays, and so does what else has their names.
    health.set("worker", NotServing);
    ProbeConfig::new().liveness(["worker"]).register(&health).unwrap();
    assert_eq!(health.check(LIVENESS), Some(NotServing));
    health.remove("startup");
    health.set("startup", NotServing);
    assert!(ProbeConfig::new().register(&health).unwrap_err().is_duplicate());
    assert_eq!(health.check(LIVENESS), Some(NotServing), "it has its member still");
    assert_eq!(health.check("startup"), Some(NotServing));
    health.set("worker", Serving);
    assert_eq!(health.check(LIVENESS), Some(Serving));
    health.set(OVERALL, NotServing);
    assert_eq!(health.check("readiness"), Some(NotServing), "and this one too");
}

#[test]
fn a_probe_may_be_made_up_of_one_before_it() {
    let health = Registry::new();
    let probes = ProbeConfig::new().readiness([OVERALL, LIVENESS]).startup(["readiness"]);
    probes.register(&health).unwrap();
    assert_eq!(health.check("startup"), Some(Serving));
    let circle = ProbeConfig::new().liveness(["startup"]);
    assert!(circle.register(&health).unwrap_err().is_cycle());
    assert_eq!(health.check("startup"), Some(Serving));
}
