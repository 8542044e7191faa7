//! What a detector takes, what it refuses, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod ask;

use std::{error::Error as _, sync::mpsc, time::Duration};

use ask::{ask, until, within};
use futures_lite::StreamExt as _;
use health_core::{
    Finding, Registry,
    ServingStatus::{NotServing, Serving, Unknown},
};
use health_stall::{Executor, Ping, StallDetector, StallDetectorBuilder, executor};

const GREET: &str = "greet.GreetService";
const MS: Duration = Duration::from_millis(1);

fn quick() -> StallDetectorBuilder {
    StallDetector::builder().threshold(50 * MS).interval(5 * MS)
}

/// An executor that runs everything at once.
fn prompt(name: &str) -> impl Executor + use<> {
    executor(name, Ping::answer)
}

#[test]
fn what_cannot_work_is_refused_and_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let main = || StallDetector::builder().executor(prompt("main"));
    let error = StallDetector::builder().start().unwrap_err();
    assert!(error.is_no_executor());
    assert_eq!(error.to_string(), "there is no executor to watch; name one with `executor`");
    for (builder, text) in [
        (main().threshold(Duration::ZERO), "threshold is 0ns; it must be greater than zero"),
        (main().interval(Duration::ZERO), "interval is 0ns; it must be greater than zero"),
        (main().threshold(999 * MS), "interval is 1s; it must be at most the threshold"),
    ] {
        let error = builder.start().unwrap_err();
        assert!(error.is_value());
        assert_eq!(error.to_string(), text);
    }
    let error = main().executor(prompt("main")).start().unwrap_err();
    assert!(error.is_duplicate());
    assert_eq!(error.to_string(), "two executors are named \"main\"; each needs a name of its own");
    let error = main().listen(addr).start().unwrap_err();
    assert!(error.is_listen());
    assert_eq!(error.to_string(), format!("cannot listen on {addr}"));
    assert!(error.source().unwrap().to_string().contains("in use"));
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let health = Registry::new();
    let _taken = health.local_signal("inventory", "executor second").unwrap();
    let error = quick()
        .executor(prompt("main"))
        .executor(prompt("second"))
        .liveness(&health)
        .service(&health, GREET)
        .service(&health, "inventory")
        .start()
        .unwrap_err();
    assert!(error.is_duplicate());
    assert!(error.source().unwrap().to_string().contains("\"executor second\""));
    assert_eq!(health.check(GREET), None);
    assert_eq!(health.liveness_conditions(), []);
    assert_eq!(health.conditions("inventory").len(), 1);
}

#[test]
fn a_service_is_unknown_until_every_executor_has_run_a_ping() {
    let (queue, pings) = mpsc::channel::<Ping>();
    let health = Registry::new();
    let mut watch = health.watch(GREET).unwrap();
    // Nothing but the bell wakes the detector in time.
    let _detector = StallDetector::builder()
        .threshold(3 * ask::LIMIT)
        .interval(3 * ask::LIMIT)
        .executor(prompt("main"))
        .executor(executor("late", move |ping| drop(queue.send(ping))))
        .service(&health, GREET)
        .start()
        .unwrap();
    let ping = pings.recv_timeout(ask::LIMIT).unwrap();
    until(&mut watch, Unknown);
    assert_eq!(health.check(GREET), Some(Unknown));
    ping.answer();
    assert_eq!(within(watch.next()), Some(Serving));
}

#[test]
fn executors_come_and_go_while_it_runs() {
    let health = Registry::new();
    let detector = quick().executor(prompt("main")).service(&health, GREET).start().unwrap();
    let executors = detector.executors();
    let mut watch = health.watch(GREET).unwrap();
    until(&mut watch, Serving);
    assert!(executors.add(prompt("main")).unwrap_err().is_duplicate());

    let (queue, pings) = mpsc::channel::<Ping>();
    executors.add(executor("worker", move |ping| drop(queue.send(ping)))).unwrap();
    until(&mut watch, NotServing);
    assert!(health.why(GREET).unwrap().starts_with("executor worker: stalled "));
    assert!(executors.remove("worker"));
    assert!(!executors.remove("worker"));
    assert_eq!(within(watch.next()), Some(Serving));
    assert_eq!(health.conditions(GREET).len(), 1);
    // A ping that comes late, of one that is watched no more.
    drop(pings);
    assert_eq!(detector.stalls(), []);

    executors.add(prompt("worker")).unwrap();
    drop(detector);
    assert_eq!(health.conditions(GREET), []);
    assert!(executors.add(prompt("worker")).unwrap_err().is_stopped());
    assert!(!executors.remove("main"));
}

#[test]
fn the_name_of_an_executor_that_was_removed_can_be_had_at_once() {
    let health = Registry::new();
    let detector =
        quick().executor(prompt("main")).liveness(&health).service(&health, GREET).start().unwrap();
    let executors = detector.executors();
    for _ in 0..100 {
        assert!(executors.remove("main"));
        assert_eq!(health.conditions(GREET), []);
        executors.add(prompt("main")).unwrap();
    }
    let mut watch = health.watch(GREET).unwrap();
    until(&mut watch, Serving);
}

#[test]
fn one_that_refuses_its_pings_or_panics_is_gone() {
    let refusing = executor("main", drop);
    let panicking = executor("main", |_| panic!("out of order"));
    fn gone(executor: impl Executor) {
        let health = Registry::new();
        let mut watch = health.watch(GREET).unwrap();
        let detector = quick()
            .executor(executor)
            .service(&health, GREET)
            .listen(([127, 0, 0, 1], 0).into())
            .start()
            .unwrap();
        until(&mut watch, NotServing);
        let (status, text) = ask(detector.local_addr().unwrap(), "GET");
        assert!(status == 503 && text.starts_with("executor main gone "), "{status} {text}");
        assert!(detector.stalls()[0].is_gone());
        assert!(health.why(GREET).unwrap().starts_with("executor main: gone "));
    }
    gone(refusing);
    gone(panicking);
}

#[test]
fn a_runtime_that_was_dropped_is_gone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = runtime.handle().clone();
    let health = Registry::new();
    let pinged = executor("main", move |ping| drop(handle.spawn(ping)));
    let _detector = quick().executor(pinged).service(&health, GREET).start().unwrap();
    let mut watch = health.watch(GREET).unwrap();
    until(&mut watch, Serving);
    drop(runtime);
    assert_eq!(within(watch.next()), Some(NotServing));
    assert!(health.why(GREET).unwrap().starts_with("executor main: gone "));
}

#[test]
fn every_stalled_executor_is_told_one_a_line() {
    let (queue, _pings) = mpsc::channel::<Ping>();
    let other = queue.clone();
    let health = Registry::new();
    let detector = quick()
        .executor(executor("main", move |ping| drop(queue.send(ping))))
        .executor(prompt("moving"))
        .executor(executor("worker 1", move |ping| drop(other.send(ping))))
        .liveness(&health)
        .service(&health, GREET)
        .listen(([127, 0, 0, 1], 0).into())
        .start()
        .unwrap();
    let mut watch = health.watch(GREET).unwrap();
    until(&mut watch, NotServing);
    let livez = detector.local_addr().unwrap();
    let mut told = ask(livez, "GET");
    while !told.1.contains('\n') {
        told = ask(livez, "GET");
    }
    let lines: Vec<_> = told.1.lines().collect();
    assert_eq!((told.0, lines.len()), (503, 2));
    assert!(lines[0].starts_with("executor main stalled ") && lines[0].ends_with(" ms"));
    assert!(lines[1].starts_with("executor worker 1 stalled ") && lines[1].ends_with(" ms"));
}

#[test]
fn dropping_it_takes_its_conditions_away() {
    let (queue, _pings) = mpsc::channel::<Ping>();
    let health = Registry::new();
    health.set(GREET, Serving);
    let detector = quick()
        .executor(executor("main", move |ping| drop(queue.send(ping))))
        .liveness(&health)
        .service(&health, GREET)
        .start()
        .unwrap();
    let mut watch = health.watch(GREET).unwrap();
    until(&mut watch, NotServing);
    assert_eq!(health.liveness_conditions()[0].finding, Finding::Failing);
    drop(detector);
    assert_eq!(health.check(GREET), Some(Serving));
    assert_eq!(health.liveness_conditions(), []);
}
