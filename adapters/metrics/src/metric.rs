//! The metrics: the name of each, with its meaning, its unit, its labels and how it comes about.
//!
//! The names are those of Prometheus, with the unit and `_total` in them; an exporter that would add
//! these finds them there. The label `service` is the name as it is registered. The server as a whole
//! has the empty name; for Prometheus an empty label is one that is not there, and
//! `grpc_health_status{service=""}` selects it all the same.

/// Gauge `grpc_health_status{service, status}`: 1 for the status that a service shows, 0 for the others.
///
/// # Labels
///
/// `status` is one of `UNKNOWN`, `SERVING` and `NOT_SERVING`, so that each service has three series; the
/// form is OpenMetrics' StateSet, that of `kube_pod_status_phase` too. Unlike a number for each status it
/// adds up: `sum by (status) (grpc_health_status)` counts services, `avg_over_time` of `SERVING` is the
/// availability, and `grpc_health_status{status="SERVING"} == 0` alerts.
///
/// # Derivation
///
/// `Registry::services` when [`follow`](crate::HealthMetrics::follow) begins, and again when it has lost
/// transitions; in between `Registry::check` at each transition. A service that is removed has 0 in all
/// three.
///
/// # Examples
///
/// ```
/// use futures_lite::future::{block_on, poll_once};
/// use health_core::{Registry, ServingStatus};
/// use health_metrics::HealthMetrics;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let health = Registry::new();
/// health.set("greet.GreetService", ServingStatus::Serving);
/// metrics::with_local_recorder(&recorder, || {
///     block_on(async {
///         let mut follow = HealthMetrics::new().follow(&health);
///         poll_once(&mut follow).await;
///         health.set("greet.GreetService", ServingStatus::NotServing);
///         poll_once(&mut follow).await;
///     });
/// });
///
/// let text = recorder.handle().render();
/// for series in [
///     r#"grpc_health_status{service="greet.GreetService",status="UNKNOWN"} 0"#,
///     r#"grpc_health_status{service="greet.GreetService",status="SERVING"} 0"#,
///     r#"grpc_health_status{service="greet.GreetService",status="NOT_SERVING"} 1"#,
/// ] {
///     assert!(text.contains(series), "{text}");
/// }
/// ```
pub const STATUS: &str = "grpc_health_status";

/// Counter `grpc_health_transitions_total{service, from, to, cause}`: how often a service has come to
/// show another status.
///
/// # Labels
///
/// `from` and `to` are statuses, `SERVICE_UNKNOWN` among them: a service that is registered comes from
/// it, one that is removed goes to it. `cause` is that of [`Cause`](health_core::Cause), such as `held`.
///
/// # Derivation
///
/// `Registry::transitions` from the call of [`follow`](crate::HealthMetrics::follow) on. It counts what
/// [`STATUS`] cannot show: a service that fell and came back between two scrapes.
///
/// # Examples
///
/// ```
/// use futures_lite::future::{block_on, poll_once};
/// use health_core::{Registry, ServingStatus};
/// use health_metrics::HealthMetrics;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let health = Registry::new();
/// health.set("greet.GreetService", ServingStatus::Serving);
/// let follow = HealthMetrics::new().follow(&health);
/// health.hold("greet.GreetService", "schema migration");
/// health.release("greet.GreetService");
/// metrics::with_local_recorder(&recorder, || block_on(poll_once(follow)));
///
/// let text = recorder.handle().render();
/// let held = r#"{service="greet.GreetService",from="SERVING",to="NOT_SERVING",cause="held"} 1"#;
/// assert!(text.contains(&format!("grpc_health_transitions_total{held}")), "{text}");
/// assert!(text.contains(r#"grpc_health_status{service="greet.GreetService",status="SERVING"} 1"#));
/// ```
pub const TRANSITIONS: &str = "grpc_health_transitions_total";

/// Counter `grpc_health_transitions_lost_total`: how many transitions [`TRANSITIONS`] has not counted.
///
/// # Derivation
///
/// [`Transition::lost`](health_core::Transition::lost): [`follow`](crate::HealthMetrics::follow) was not
/// polled while more came than its feed holds, 256. [`STATUS`] is right nevertheless. Anything above 0
/// says that the executor starves its tasks.
///
/// # Examples
///
/// ```
/// use futures_lite::future::{block_on, poll_once};
/// use health_core::{Registry, ServingStatus};
/// use health_metrics::HealthMetrics;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let health = Registry::new();
/// let follow = HealthMetrics::new().follow(&health);
/// for service in 0..300 {
///     health.set(&format!("greet.Greet{service}"), ServingStatus::Serving);
/// }
/// metrics::with_local_recorder(&recorder, || block_on(poll_once(follow)));
///
/// let text = recorder.handle().render();
/// assert!(text.contains("grpc_health_transitions_lost_total 44"), "{text}");
/// // The first one, whose transition was lost:
/// assert!(text.contains(r#"grpc_health_status{service="greet.Greet0",status="SERVING"} 1"#));
/// ```
pub const TRANSITIONS_LOST: &str = "grpc_health_transitions_lost_total";

/// Histogram `grpc_health_evaluation_duration_seconds{service, condition, outcome}`: how long
/// evaluations of a condition took.
///
/// # Labels
///
/// `outcome` is `passed` or `failed`; a timeout, which lasts as long as the timeout is, and a panic are
/// failures. `service` is `liveness` for a condition of the process's liveness.
///
/// # Derivation
///
/// [`Evaluation::duration`](health_core::condition::Evaluation::duration), once for each evaluation of a
/// monitor that has [`HealthMetrics`](crate::HealthMetrics) as its observer. Its `_count` is how many
/// there were. For a histogram of Prometheus, and not a summary, the exporter wants to be told
/// [buckets](EVALUATION_DURATION_BUCKETS).
///
/// # Examples
///
/// ```
/// use std::{io, sync::Arc, time::Duration};
///
/// use health_core::{Registry, condition::{Monitor, Shared, every}};
/// use health_metrics::HealthMetrics;
/// use health_tokio::TokioTimer;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// metrics::with_local_recorder(&recorder, || runtime.block_on(async {
///     let health = Registry::new();
///     let ping = || async { Ok::<_, io::Error>(()) };
///     let monitor = Monitor::builder(&health, TokioTimer::shared())
///         .condition("greet.GreetService", Shared::new("postgres", ping), every(Duration::from_secs(5)))
///         .observer(Arc::new(HealthMetrics::new()))
///         .build()?;
///     monitor.refresh().await;
///     Ok::<_, health_core::ConfigError>(())
/// }))?;
///
/// let text = recorder.handle().render();
/// let labels = r#"{service="greet.GreetService",condition="postgres",outcome="passed"}"#;
/// let count = format!("grpc_health_evaluation_duration_seconds_count{labels} 1");
/// assert!(text.contains(&count), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const EVALUATION_DURATION: &str = "grpc_health_evaluation_duration_seconds";

/// Bounds for [`EVALUATION_DURATION`], in seconds: from a check in memory to a timeout of 10 s, fine
/// around 1 s, the timeout by default.
pub const EVALUATION_DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Counter `grpc_health_evaluation_failures_total{service, condition}`: how many evaluations of a
/// condition failed.
///
/// One failure need not change the status: that takes as many in a row as the condition's
/// `failure_threshold` says. A condition that fails now and then is seen here before it matters.
///
/// # Derivation
///
/// One for each evaluation whose [`result`](health_core::condition::Evaluation::result) is an error,
/// timeouts and panics included. It is 0 from the first evaluation on, so that `increase` sees the first
/// failure too.
///
/// # Examples
///
/// ```
/// use std::{io, sync::Arc, time::Duration};
///
/// use health_core::{Registry, condition::{Monitor, Shared, every}};
/// use health_metrics::HealthMetrics;
/// use health_tokio::TokioTimer;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// metrics::with_local_recorder(&recorder, || runtime.block_on(async {
///     let health = Registry::new();
///     let ping = || async { Err(io::Error::other("connection refused")) };
///     let monitor = Monitor::builder(&health, TokioTimer::shared())
///         .condition("greet.GreetService", Shared::new("postgres", ping), every(Duration::from_secs(5)))
///         .observer(Arc::new(HealthMetrics::new()))
///         .build()?;
///     monitor.refresh().await;
///     Ok::<_, health_core::ConfigError>(())
/// }))?;
///
/// let text = recorder.handle().render();
/// let labels = r#"{service="greet.GreetService",condition="postgres"}"#;
/// assert!(text.contains(&format!("grpc_health_evaluation_failures_total{labels} 1")), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const EVALUATION_FAILURES: &str = "grpc_health_evaluation_failures_total";

/// Gauge `grpc_health_watchers`: how many Watch streams are open.
///
/// # Derivation
///
/// `Registry::watchers`, each time that [`collect`](crate::HealthMetrics::collect) is called.
///
/// # Examples
///
/// ```
/// use health_core::Registry;
/// use health_metrics::HealthMetrics;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let health = Registry::new();
/// let _watch = health.watch("a.name.that.nobody.registered")?;
/// metrics::with_local_recorder(&recorder, || HealthMetrics::new().collect(&health));
///
/// let text = recorder.handle().render();
/// assert!(text.contains("grpc_health_watchers 1"), "{text}");
/// # Ok::<(), health_core::TooManyWatchers>(())
/// ```
pub const WATCHERS: &str = "grpc_health_watchers";
