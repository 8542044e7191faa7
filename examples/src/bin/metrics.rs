//! Health, and its metrics for Prometheus, on one port.
//!
//! ```text
//! cargo run -p health-examples --bin metrics
//! curl 127.0.0.1:20000/metrics
//! ```

use std::{convert::Infallible, io, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Parser;
use futures_util::StreamExt as _;
use health_core::{
    Registry, ServingStatus,
    condition::{Monitor, Shared, every},
    http::HealthService,
};
use health_examples::{
    greet::SERVICE,
    options::{exit_code, listen},
    say,
    scrape::{METRICS, scrape},
};
use health_hyper::HealthHyper;
use health_metrics::{HealthMetrics, metric};
use health_tokio::{TokioTimer, drain, terminated};
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpStream;

/// Serves the health of greet.GreetService and, at /metrics, its metrics for Prometheus, on one port.
/// The service is SERVING while an upstream can be connected to.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    listen: String,

    /// What the service needs: an address that takes TCP connections [default: this server's own].
    #[arg(long, value_name = "IP:PORT")]
    upstream: Option<SocketAddr>,

    /// Print the metrics once the upstream has been tried, and end.
    #[arg(long)]
    once: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let listener = listen(&options.listen).await?;
    let address = listener.local_addr()?;

    // The recorder first: what is described before there is one, nobody learns of.
    let exporter = exporter()?;
    let metrics = HealthMetrics::new();

    let health = Registry::new();
    let upstream = options.upstream.unwrap_or(address);
    let reachable = Shared::new("upstream", move || reach(upstream));
    let monitor = Monitor::builder(&health, TokioTimer::shared())
        .condition(SERVICE, reachable, every(Duration::from_millis(500)))
        .observer(Arc::new(metrics))
        .build()?;
    tokio::spawn(metrics.follow(&health));
    tokio::spawn(monitor.run());

    let registry = health.clone();
    let page = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, metrics, &registry, &exporter);
        async { Ok::<_, Infallible>(answer) }
    });
    let service = HealthHyper::beside(HealthService::new(&health, TokioTimer::shared()), page);
    let stop = drain(&health, Duration::ZERO, terminated());
    let server = health_hyper::serve_with(listener, service).with_graceful_shutdown(stop);
    let server = tokio::spawn(server.into_future());
    say!("The health of {SERVICE} and {METRICS} are served on {address}.");

    if options.once {
        let mut statuses = health.watch(SERVICE)?;
        while statuses.next().await == Some(ServingStatus::Unknown) {}
        say!("{}", scrape(address).await?.trim_end());
        return Ok(());
    }
    Ok(server.await??)
}

/// Prometheus' recorder without its own listener, and what renders it.
fn exporter() -> anyhow::Result<PrometheusHandle> {
    let durations = Matcher::Full(metric::EVALUATION_DURATION.to_owned());
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &metric::EVALUATION_DURATION_BUCKETS)?
        .install_recorder()?)
}

/// The condition: whether the upstream takes connections.
async fn reach(upstream: SocketAddr) -> io::Result<()> {
    TcpStream::connect(upstream).await.map(drop)
}

/// Whatever is not a path of the health service.
fn answer(
    request: &Request<Incoming>,
    metrics: HealthMetrics,
    health: &Registry,
    exporter: &PrometheusHandle,
) -> Response<Full<Bytes>> {
    if request.uri().path() != METRICS {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    metrics.collect(health);
    let text = exporter.render();
    // Nobody else has the exporter take in its histograms, as its own listener does.
    exporter.run_upkeep();
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT_FORMAT);
    response
}

/// <https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info>
const TEXT_FORMAT: header::HeaderValue =
    header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
