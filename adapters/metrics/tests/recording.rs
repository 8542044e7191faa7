//! What is recorded, value by value, as a recorder for debugging sees it.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use futures_lite::future::{block_on, pending, poll_once};
use health_core::{
    Hold, Registry,
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{ConditionConfig, Local, Monitor, Shared},
};
use health_metrics::{FollowFuture, HealthMetrics, metric};
use health_tokio::TokioTimer;
use metrics::Unit;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// A recorder that is in force on this thread while a test works.
struct Recorder(DebuggingRecorder);

impl Recorder {
    fn new() -> Self {
        Self(DebuggingRecorder::new())
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.0, work)
    }

    /// Has `follow` take in what has happened.
    fn poll(&self, follow: &mut FollowFuture) {
        let done = self.during(|| block_on(poll_once(follow)));
        assert_eq!(done, None, "it follows for as long as it lives");
    }

    /// What was recorded. The end of the recorder, as a snapshot takes the values out of it.
    fn seen(self) -> Seen {
        let mut seen = Seen::default();
        for (key, unit, description, value) in self.0.snapshotter().snapshot().into_vec() {
            let name = key.key().name().to_owned();
            seen.described.insert(name.clone(), (unit, description.map(|text| text.to_string())));
            seen.series.entry(name).or_default().insert(labels(key.key()), numbers(value));
        }
        seen
    }
}

#[derive(Default)]
struct Seen {
    described: BTreeMap<String, (Option<Unit>, Option<String>)>,
    series: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

impl Seen {
    /// Every series of `name`, by the values of its labels; of a histogram, how many values it has.
    fn series(&self, name: &str) -> BTreeMap<String, f64> {
        let series = self.series.get(name).cloned().unwrap_or_default().into_iter();
        let number = |values: Vec<f64>| match name {
            metric::EVALUATION_DURATION => values.len() as f64,
            _ => values.iter().sum(),
        };
        series.map(|(labels, values)| (labels, number(values))).collect()
    }
}

fn labels(key: &metrics::Key) -> String {
    key.labels().map(metrics::Label::value).collect::<Vec<_>>().join(" ")
}

fn numbers(value: DebugValue) -> Vec<f64> {
    match value {
        DebugValue::Counter(value) => vec![value as f64],
        DebugValue::Gauge(value) => vec![*value],
        DebugValue::Histogram(values) => values.into_iter().map(|value| *value).collect(),
    }
}

fn map(series: &[(&str, f64)]) -> BTreeMap<String, f64> {
    series.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect()
}

/// The three series of a service that shows `status`.
fn stands(service: &str, status: &str) -> BTreeMap<String, f64> {
    let value = |state| f64::from(u8::from(state == status));
    let states = ["UNKNOWN", "SERVING", "NOT_SERVING"].into_iter();
    states.map(|state| (format!("{service} {state}"), value(state))).collect()
}

#[test]
fn statuses_start_with_what_is() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    health.set("svc", Unknown);
    recorder.poll(&mut HealthMetrics::new().follow(&health));
    let seen = recorder.seen();
    let mut expected = stands("", "SERVING");
    expected.extend(stands("svc", "UNKNOWN"));
    assert_eq!(seen.series(metric::STATUS), expected);
    assert_eq!(seen.series(metric::TRANSITIONS), map(&[]), "what was before is not counted");
}

#[test]
fn statuses_follow_what_changes() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    health.set("svc", Unknown);
    let mut follow = HealthMetrics::new().follow(&health);
    recorder.poll(&mut follow);
    health.set("svc", Serving);
    health.set("new", NotServing);
    recorder.poll(&mut follow);
    let mut expected = stands("", "SERVING");
    expected.extend(stands("svc", "SERVING"));
    expected.extend(stands("new", "NOT_SERVING"));
    assert_eq!(recorder.seen().series(metric::STATUS), expected);
}

#[test]
fn a_service_that_is_removed_has_zero_everywhere() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    health.remove("");
    health.set("gone", Serving);
    health.set("back", Serving);
    let mut follow = HealthMetrics::new().follow(&health);
    recorder.poll(&mut follow);
    health.remove("gone");
    health.remove("back");
    recorder.poll(&mut follow);
    health.set("back", NotServing);
    recorder.poll(&mut follow);
    let mut expected = stands("gone", "nothing");
    expected.extend(stands("back", "NOT_SERVING"));
    assert_eq!(recorder.seen().series(metric::STATUS), expected);
}

#[test]
fn transitions_are_counted_by_what_they_were_and_why() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let mut follow = HealthMetrics::new().follow(&health);
    health.set("svc", Serving);
    for _ in 0..2 {
        health.hold("svc", "x");
        health.release("svc");
    }
    health.remove("svc");
    recorder.poll(&mut follow);
    let expected = [
        ("svc SERVICE_UNKNOWN SERVING set", 1.0),
        ("svc SERVING NOT_SERVING held", 2.0),
        ("svc NOT_SERVING SERVING released", 2.0),
        ("svc SERVING SERVICE_UNKNOWN removed", 1.0),
    ];
    let seen = recorder.seen();
    assert_eq!(seen.series(metric::TRANSITIONS), map(&expected));
    assert_eq!(seen.series(metric::TRANSITIONS_LOST), map(&[("", 0.0)]));
}

#[test]
fn a_reader_that_lags_says_so_and_is_right_again() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    health.remove("");
    health.set("goes", Serving);
    health.set("falls", Serving);
    let mut follow = HealthMetrics::new().follow(&health);
    recorder.poll(&mut follow);

    // Their transitions are the oldest: those that are lost.
    health.remove("goes");
    health.set("falls", NotServing);
    health.set("comes", Serving);
    for _ in 0..128 {
        health.set("busy", Serving);
        health.set("busy", Unknown);
    }
    recorder.poll(&mut follow);

    let seen = recorder.seen();
    assert_eq!(seen.series(metric::TRANSITIONS_LOST), map(&[("", 3.0)]));
    let mut expected = stands("goes", "nothing");
    expected.extend(stands("falls", "NOT_SERVING"));
    expected.extend(stands("comes", "SERVING"));
    expected.extend(stands("busy", "UNKNOWN"));
    assert_eq!(seen.series(metric::STATUS), expected);
}

#[test]
fn names_that_peers_choose_make_no_series() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let mut follow = HealthMetrics::new().follow(&health);
    recorder.poll(&mut follow);
    let watches: Vec<_> =
        (0..100).map(|name| health.watch(&format!("peer.{name}")).unwrap()).collect();
    health.shutdown();
    health.resume();
    recorder.poll(&mut follow);
    recorder.during(|| HealthMetrics::new().collect(&health));
    drop(watches);
    let seen = recorder.seen();
    assert_eq!(seen.series(metric::STATUS), stands("", "SERVING"));
    assert_eq!(seen.series(metric::WATCHERS), map(&[("", 100.0)]));
}

#[test]
fn collecting_ends_what_is_over() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let mut follow = HealthMetrics::new().follow(&health);
    health.hold("", Hold::new("for no time at all").until(health.now()));
    recorder.poll(&mut follow);
    recorder.during(|| HealthMetrics::new().collect(&health));
    recorder.poll(&mut follow);
    let seen = recorder.seen();
    assert_eq!(seen.series(metric::STATUS), stands("", "SERVING"));
    let expired = seen.series(metric::TRANSITIONS);
    assert_eq!(expired.get(" NOT_SERVING SERVING expired"), Some(&1.0), "{expired:?}");
}

#[test]
fn every_evaluation_is_recorded_with_its_outcome() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let config = ConditionConfig::new().timeout(Duration::from_millis(10));
    let passes = Shared::new("passes", || async { Ok::<_, io::Error>(()) });
    let fails = Shared::new("fails", || async { Err(io::Error::other("refused")) });
    let hangs = Local::new("hangs", pending::<io::Result<()>>);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    recorder.during(|| {
        runtime.block_on(async {
            let monitor = Monitor::builder(&health, TokioTimer::shared())
                .condition("svc", passes, config.clone())
                .condition("svc", fails, config.clone())
                .liveness(hangs, config)
                .observer(Arc::new(HealthMetrics::new()))
                .build()
                .unwrap();
            monitor.refresh().await;
        });
    });
    let seen = recorder.seen();
    let expected =
        [("svc passes passed", 1.0), ("svc fails failed", 1.0), ("liveness hangs failed", 1.0)];
    assert_eq!(seen.series(metric::EVALUATION_DURATION), map(&expected));
    let expected = [("svc passes", 0.0), ("svc fails", 1.0), ("liveness hangs", 1.0)];
    assert_eq!(seen.series(metric::EVALUATION_FAILURES), map(&expected));
}

#[test]
fn durations_are_in_seconds_and_failures_add_up() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let mut rounds = 0;
    let flaps = Shared::new("flaps", move || {
        rounds += 1;
        let result = if rounds % 2 == 0 { Err(io::Error::other("refused")) } else { Ok(()) };
        async move {
            tokio::time::sleep(Duration::from_millis(250)).await;
            result
        }
    });
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let config = ConditionConfig::new().period(Duration::from_secs(5)).jitter(0.0);
    recorder.during(|| {
        runtime.block_on(async {
            let builder = Monitor::builder(&health, TokioTimer::shared())
                .condition("svc", flaps, config)
                .observer(Arc::new(HealthMetrics::new()));
            let run = builder.build().unwrap().run();
            // The clock is simulated: rounds at 0 s, 5 s, 10 s and 15 s.
            let _ = tokio::time::timeout(Duration::from_secs(16), run).await;
        });
    });
    let seen = recorder.seen();
    assert_eq!(seen.series(metric::EVALUATION_FAILURES), map(&[("svc flaps", 2.0)]));
    let durations = &seen.series[metric::EVALUATION_DURATION];
    assert_eq!(durations["svc flaps passed"], [0.25, 0.25]);
    assert_eq!(durations["svc flaps failed"], [0.25, 0.25]);
}

#[test]
fn each_metric_is_described_with_its_unit() {
    let (recorder, health) = (Recorder::new(), Registry::new());
    let mut follow = HealthMetrics::new().follow(&health);
    recorder.during(|| {
        let metrics = HealthMetrics::new();
        metrics.collect(&health);
        let fails = Shared::new("fails", || async { Err(io::Error::other("refused")) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let builder = Monitor::builder(&health, TokioTimer::shared())
                .condition("svc", fails, ConditionConfig::new())
                .observer(Arc::new(metrics));
            builder.build().unwrap().refresh().await;
        });
    });
    recorder.poll(&mut follow);
    health.set("svc", NotServing);
    recorder.poll(&mut follow);
    let mut described = BTreeMap::new();
    for (name, (unit, description)) in recorder.seen().described {
        assert!(description.is_some_and(|text| text.ends_with('.')), "{name}");
        described.insert(name, unit.unwrap());
    }
    let expected = [
        (metric::EVALUATION_DURATION, Unit::Seconds),
        (metric::EVALUATION_FAILURES, Unit::Count),
        (metric::STATUS, Unit::Count),
        (metric::TRANSITIONS, Unit::Count),
        (metric::TRANSITIONS_LOST, Unit::Count),
        (metric::WATCHERS, Unit::Count),
    ];
    assert_eq!(described, expected.map(|(name, unit)| (name.to_owned(), unit)).into());
}
