//! What ends by itself: heartbeats, findings, holds. On a clock that moves when it is told to.

#[path = "../../adapters/test/src/timer.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is what the users of health-test get")]
mod timer;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{StreamExt, future::block_on, future::poll_once};
use health_core::ServingStatus::{NotServing, Serving, Unknown};
use health_core::condition::Monitor;
use health_core::probe::{Probe, ProbeConfig};
use health_core::rt::Timer;
use health_core::{Cause, Finding, Hold, OVERALL, Reason, Registry, Update};
use timer::ManualTimer;

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(10);
/// Beyond anything that is set here.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

fn registry() -> (Registry, Arc<ManualTimer>) {
    let timer = ManualTimer::shared();
    let clock: Arc<dyn Timer> = timer.clone();
    (Registry::builder().clock(clock).build(), timer)
}

#[test]
fn a_heartbeat_is_pending_until_its_first_beat_which_must_come_in_time() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    assert_eq!(health.check("svc"), Some(Unknown));
    timer.advance(TTL);
    assert_eq!(health.check("svc"), Some(NotServing));
    worker.beat();
    assert_eq!(health.check("svc"), Some(Serving), "it may still come");
    assert_eq!(worker.ttl(), TTL);
}

#[test]
fn silence_for_a_ttl_fails_every_kind_of_question() {
    type Ask = fn(&Registry) -> bool;
    let asks: [(&str, Ask); 6] = [
        ("Check", |health| health.check("svc") == Some(NotServing)),
        ("List", |health| {
            health.list().unwrap().iter().any(|(name, it)| &**name == "svc" && *it == NotServing)
        }),
        ("a new Watch", |health| block_on(health.watch("svc").unwrap().next()) == Some(NotServing)),
        ("why", |health| {
            health.why("svc").as_deref() == Some("worker: stale: nothing heard for 10 s")
        }),
        ("conditions", |health| health.conditions("svc")[0].finding == Finding::Failing),
        ("readiness", |health| {
            !ProbeConfig::new().readiness(["svc"]).report(Probe::Readiness, health).is_healthy()
        }),
    ];
    for (name, is_failed) in asks {
        let (health, timer) = registry();
        let worker = health.heartbeat("svc", "worker", TTL).unwrap();
        worker.beat();
        timer.advance(TTL - Duration::from_nanos(1));
        assert!(!is_failed(&health), "{name}: a nanosecond too early");
        timer.advance(Duration::from_nanos(1));
        assert!(is_failed(&health), "{name}");
    }
}

#[test]
fn liveness_fails_with_a_heartbeat_that_is_bound_to_it() {
    let (health, timer) = registry();
    let pump = health.liveness_heartbeat("pump", TTL).unwrap();
    pump.beat();
    let alive = || ProbeConfig::new().report(Probe::Liveness, &health).is_healthy();
    assert!(alive());
    timer.advance(TTL);
    assert!(!alive());
    assert_eq!(health.check(OVERALL), Some(Serving), "liveness is no service");
}

#[test]
fn an_open_watch_learns_of_silence_from_any_question_or_from_a_monitor() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    worker.beat();
    let mut watch = health.watch("svc").unwrap();
    assert_eq!(block_on(watch.next()), Some(Serving));
    assert_eq!(block_on(poll_once(watch.next())), None);

    // A monitor without any condition does it, when its sleep is over.
    let clock: Arc<dyn Timer> = timer.clone();
    let monitor = Monitor::builder(&health, clock).build().unwrap();
    let mut running = pin!(monitor.run());
    block_on(poll_once(&mut running));
    timer.advance(TTL);
    block_on(poll_once(&mut running));
    let mut feed = health.transitions(NonZeroUsize::MIN);
    assert_eq!(block_on(poll_once(feed.next())), None, "it happened before");
    assert_eq!(block_on(poll_once(watch.next())), Some(Some(NotServing)));

    worker.beat();
    assert_eq!(block_on(poll_once(watch.next())), Some(Some(Serving)));
}

#[test]
fn a_heartbeat_that_is_dropped_fails_for_good_and_can_be_made_again() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    worker.beat();
    let again = health.heartbeat("svc", "worker", TTL).unwrap_err();
    assert!(again.is_duplicate());
    assert_eq!(again.to_string(), "service \"svc\" has a condition named \"worker\" already");
    drop(worker);
    assert_eq!(health.why("svc").as_deref(), Some("worker: dropped"));
    timer.advance(100 * TTL);
    assert_eq!(health.check("svc"), Some(NotServing));

    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    assert_eq!(health.check("svc"), Some(Unknown));
    worker.beat();
    assert_eq!(health.check("svc"), Some(Serving));
    worker.retire();
    assert_eq!(health.conditions("svc"), []);
    timer.advance(TTL);
    assert_eq!(health.check("svc"), Some(Serving), "nothing is left to fail");
}

#[test]
fn a_new_condition_does_not_inherit_the_deadline_of_the_one_before() {
    let (health, timer) = registry();
    let short = health.heartbeat("svc", "short", SECOND).unwrap();
    short.beat();
    short.retire();
    let long = health.heartbeat("svc", "long", TTL).unwrap();
    long.beat();
    timer.advance(2 * SECOND);
    assert_eq!(health.check("svc"), Some(Serving));
    timer.advance(TTL - 2 * SECOND);
    assert_eq!(health.check("svc"), Some(NotServing));
}

#[test]
fn a_ttl_of_zero_is_refused() {
    let error = Registry::new().heartbeat("svc", "worker", Duration::ZERO).unwrap_err();
    assert!(error.is_value());
    assert_eq!(error.to_string(), "ttl is 0ns; it must be greater than zero");
    assert_eq!(Registry::new().check("svc"), None);
}

#[test]
fn a_ttl_that_no_clock_reaches_is_for_ever() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", Duration::MAX).unwrap();
    worker.beat();
    timer.advance(FAR);
    assert_eq!(health.check("svc"), Some(Serving));
}

#[test]
fn a_hold_ends_at_its_end() {
    let (health, timer) = registry();
    health.set("svc", Serving);
    let mut feed = health.transitions(NonZeroUsize::new(8).unwrap());
    let hold = Hold::new("upgrade").by("ada").until(timer.now() + TTL);
    assert_eq!(health.hold("svc", hold.clone()), Update::Changed);
    assert_eq!(health.holds(), [(Arc::from("svc"), hold)]);
    assert_eq!(health.why("svc").as_deref(), Some("held by ada: upgrade"));
    timer.advance(TTL - SECOND);
    assert_eq!(health.check("svc"), Some(NotServing));
    timer.advance(SECOND);
    assert_eq!(health.check("svc"), Some(Serving));
    assert_eq!((health.held("svc"), health.holds().len()), (None, 0));

    let told = block_on(feed.next()).unwrap();
    assert_eq!((told.cause, told.reason.as_deref()), (Cause::Held, Some("held by ada: upgrade")));
    let told = block_on(feed.next()).unwrap();
    assert_eq!((told.from, told.to, told.cause), (NotServing, Serving, Cause::Expired));
    assert_eq!(told.lasted, Some(TTL));
}

#[test]
fn what_a_hold_kept_from_serving_has_served_once_it_ends() {
    let started = |health: &Registry| {
        ProbeConfig::new().startup(["svc"]).report(Probe::Startup, health).is_healthy()
    };
    let (health, timer) = registry();
    health.hold("svc", Hold::new("warm-up").until(timer.now() + TTL));
    health.set("svc", Serving);
    assert!(!started(&health));
    timer.advance(TTL);
    assert!(started(&health), "with no other question in between");
}

#[test]
fn a_hold_that_is_renewed_ends_at_the_later_end_and_one_without_an_end_never() {
    let (health, timer) = registry();
    health.set("svc", Serving);
    health.hold("svc", Hold::new("short").until(timer.now() + SECOND));
    assert_eq!(health.hold("svc", Hold::new("long").until(timer.now() + TTL)), Update::Hidden);
    timer.advance(2 * SECOND);
    assert_eq!(health.held("svc").unwrap().reason(), "long");
    health.hold("svc", "for good");
    timer.advance(TTL);
    assert_eq!(health.check("svc"), Some(NotServing));
    assert_eq!(health.release("svc"), Update::Changed);
    assert_eq!(health.release("svc"), Update::Unchanged);
}

#[test]
fn a_setter_finds_what_is_over_as_a_question_would() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    health.hold("svc", "migration");
    worker.beat();
    timer.advance(TTL);
    assert_eq!(health.release("svc"), Update::Hidden, "the worker is silent");
    assert!(!health.has_served("svc"));

    let (health, timer) = registry();
    health.set("svc", Serving);
    health.hold("svc", Hold::new("upgrade").until(timer.now() + TTL));
    timer.advance(TTL);
    assert_eq!(health.set("svc", Unknown), Update::Changed, "the hold is over");
    assert_eq!(health.check("svc"), Some(Unknown));
    let told: Vec<_> = health.history().iter().map(|it| (it.to, it.cause)).collect();
    let last = [(NotServing, Cause::Held), (Serving, Cause::Expired), (Unknown, Cause::Set)];
    assert!(told.ends_with(&last), "{told:?}");
}

#[test]
fn the_history_tells_what_is_over() {
    let (health, timer) = registry();
    let worker = health.heartbeat("svc", "worker", TTL).unwrap();
    worker.beat();
    timer.advance(TTL);
    let last = health.history().pop().unwrap();
    assert_eq!((last.to, last.cause), (NotServing, Cause::Stale));

    worker.beat();
    timer.advance(TTL);
    worker.beat();
    let told: Vec<_> = health.history().iter().map(|it| (it.to, it.cause)).collect();
    let last =
        [(Serving, Cause::Condition), (NotServing, Cause::Stale), (Serving, Cause::Condition)];
    assert!(told.ends_with(&last), "the silence before a late beat counts: {told:?}");
}

#[test]
fn what_ends_at_once_leaves_no_state_in_between_that_counts_as_started() {
    let (health, timer) = registry();
    let worker = health.heartbeat("behind", "worker", TTL).unwrap();
    worker.beat();
    health.hold("svc", Hold::new("upgrade").until(timer.now() + TTL - SECOND));
    health.depends_on("svc", "behind").unwrap();
    timer.advance(TTL);
    assert_eq!(health.check("svc"), Some(NotServing));
    assert!(!health.has_served("svc"), "nobody ever saw it SERVING");
}

#[test]
fn a_signal_is_what_it_is_told() {
    let (health, timer) = registry();
    let pool = health.signal("svc", "postgres").unwrap();
    assert_eq!(health.check("svc"), Some(Unknown));
    pool.pass();
    timer.advance(FAR);
    assert_eq!(health.check("svc"), Some(Serving), "it does not grow old");
    pool.fail(Reason::new("no connection left"));
    assert_eq!(health.check("svc"), Some(NotServing));
    timer.advance(SECOND);
    let state = &health.conditions("svc")[0];
    assert_eq!((&*state.name, state.finding, state.age), ("postgres", Finding::Failing, SECOND));
    assert_eq!(state.reason.as_deref(), Some("no connection left"));
    pool.pending();
    assert_eq!(health.check("svc"), Some(Unknown));
    drop(pool);
    assert_eq!(health.check("svc"), Some(NotServing));
}

#[test]
fn conditions_outlive_the_registration_of_their_service() {
    let (health, _) = registry();
    let pool = health.signal("svc", "postgres").unwrap();
    pool.fail(Reason::new("down"));
    health.remove("svc");
    assert_eq!(health.check("svc"), None);
    health.set("svc", Serving);
    assert_eq!(health.check("svc"), Some(NotServing));
    health.replace([("other", Serving)]);
    assert_eq!(health.check("svc"), None);
    pool.pass();
    assert_eq!(health.check("svc"), None, "being told does not register");
}

#[test]
fn the_history_keeps_the_last_transitions() {
    let timer = ManualTimer::shared();
    let clock: Arc<dyn Timer> = timer.clone();
    let health = Registry::builder().clock(clock).history(3).build();
    for status in [Serving, NotServing, Serving, NotServing] {
        timer.advance(SECOND);
        health.set("svc", status);
    }
    let past = health.history();
    let told: Vec<_> = past.iter().map(|it| (it.sequence, it.to, it.lasted)).collect();
    let second = Some(SECOND);
    assert_eq!(told, [(3, NotServing, second), (4, Serving, second), (5, NotServing, second)]);
    assert_eq!(past[2].at, timer.now());
    assert_eq!(Registry::builder().history(0).build().history(), []);
}
