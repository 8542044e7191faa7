//! What a health service shows, as metrics of the [`metrics`] facade: whichever exporter a program has
//! installed for it, Prometheus, StatsD or another, sends them on.
//!
//! [`HealthMetrics`] has three parts, and a program uses those that it needs:
//!
//! - [`follow`](HealthMetrics::follow), a future for any runtime: the statuses, and how they change;
//! - the [`Observer`](health_core::condition::Observer) of a
//!   [`Monitor`](health_core::condition::Monitor): how the evaluations of its conditions go;
//! - [`collect`](HealthMetrics::collect), before each scrape: what no event tells.
//!
//! Which metrics there are, what each of them means and how it comes about is told in [`metric`].
//!
//! # Cardinality
//!
//! The labels are chosen by the program alone: names of services that it registered, and of conditions
//! that it added. A name that a peer asks for or watches makes no series.
//!
//! # Examples
//!
//! ```
//! use std::{io, sync::Arc, time::Duration};
//!
//! use health_core::{Registry, condition::{Monitor, Shared, every}};
//! use health_metrics::{HealthMetrics, metric};
//! use health_tokio::TokioTimer;
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//!
//! # use futures_lite::StreamExt;
//! # async fn ping() -> io::Result<()> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = PrometheusBuilder::new()
//!     .set_buckets_for_metric(
//!         Matcher::Full(metric::EVALUATION_DURATION.to_owned()),
//!         &metric::EVALUATION_DURATION_BUCKETS,
//!     )?
//!     .install_recorder()?;
//!
//! // After the recorder: only one that is there takes the descriptions.
//! let metrics = HealthMetrics::new();
//! let health = Registry::new();
//! let monitor = Monitor::builder(&health, TokioTimer::shared())
//!     .condition("greet.GreetService", Shared::new("postgres", || ping()), every(Duration::from_secs(5)))
//!     .observer(Arc::new(metrics))
//!     .build()?;
//! tokio::spawn(metrics.follow(&health));
//! tokio::spawn(monitor.run());
//! # let mut watch = health.watch("greet.GreetService")?;
//! # while watch.next().await != Some(health_core::ServingStatus::Serving) {}
//! # tokio::task::yield_now().await;
//!
//! // What answers a scrape:
//! metrics.collect(&health);
//! let text = exporter.render();
//! assert!(text.contains(r#"grpc_health_status{service="greet.GreetService",status="SERVING"} 1"#));
//! # Ok(())
//! # }
//! ```

mod follow;
pub mod metric;
mod recording;

pub use follow::FollowFuture;
pub use recording::HealthMetrics;
