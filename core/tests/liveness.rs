//! The liveness of the process: what the probe and the service of that name say, and who may have a say.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use health_core::ServingStatus::{NotServing, Serving};
use health_core::probe::{Probe, ProbeConfig};
use health_core::{OVERALL, Reason, Registry, Update};

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
