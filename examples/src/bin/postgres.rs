//! A gRPC service that needs a PostgreSQL, and whose status follows it.
//!
//! ```text
//! cargo run -p health-examples --bin postgres -- --database postgres://postgres@127.0.0.1/postgres
//! ```

use std::{num::NonZeroUsize, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use futures_util::StreamExt;
use health_conditions::postgres;
use health_core::{
    Overall, Registry, Transition, Transitions,
    condition::{Monitor, every},
    http::HealthService,
    probe::ProbeConfig,
};
use health_examples::{
    greet::{self, SERVICE},
    options::{exit_code, listen, seconds},
    say,
};
use health_hyper::HealthHyper;
use health_tokio::{TokioTimer, drain, terminated};
use hyper::service::service_fn;

/// Serves greet.GreetService, and its health (grpc.health.v1.Health) as that of a PostgreSQL; prints
/// each change of the status and the reason for it.
///
/// The service is NOT_SERVING at the latest period x failure-threshold + timeout after the database
/// stopped answering, and SERVING again a period after it answers; the jitter adds a tenth of a period
/// to either.
#[derive(Debug, Parser)]
struct Options {
    /// The database: postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(long, value_name = "URL")]
    database: String,

    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    listen: String,

    /// How often to ask the database.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    period: Duration,

    /// How long an answer may take.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    timeout: Duration,

    /// How often in a row it must fail until the service is NOT_SERVING.
    #[arg(long, value_name = "TIMES", default_value = "3")]
    failure_threshold: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let health = Registry::new();
    let printer = tokio::spawn(print_all(health.transitions(LAG)));
    // Probes ask for "", the server as a whole: without this they would stay green whatever the service is.
    health.overall(&Overall::All)?;

    // The condition registers the service: UNKNOWN until the database has answered.
    let database = postgres(&options.database).context("--database")?;
    let config =
        every(options.period).timeout(options.timeout).failure_threshold(options.failure_threshold);
    let monitor = Monitor::builder(&health, TokioTimer::shared())
        .condition(SERVICE, database, config)
        .build()?;
    let monitor = tokio::spawn(monitor.run());

    let listener = listen(&options.listen).await?;
    say!("{SERVICE} and its health are served on {}.", listener.local_addr()?);
    // "" was SERVING before there was a condition; what has to start up is the service.
    let probes = ProbeConfig::new().startup([SERVICE]);
    let answers =
        HealthService::builder(&health).timer(TokioTimer::shared()).probes(probes).build();
    let service = HealthHyper::beside(answers, service_fn(greet::answer));
    health_hyper::serve_with(listener, service)
        .with_graceful_shutdown(drain(&health, GRACE, terminated()))
        .await?;

    // The feed ends with the registry, which the monitor has a hand on.
    monitor.abort();
    drop(health);
    printer.await?;
    Ok(())
}

async fn print_all(mut transitions: Transitions) {
    while let Some(transition) = transitions.next().await {
        print(&transition);
    }
}

/// `greet.GreetService: SERVING -> NOT_SERVING after 12.3s: REASON`
fn print(transition: &Transition) {
    let Transition { service, from, to, cause, .. } = transition;
    let lasted = transition.lasted.map(|time| Duration::from_millis(time.as_millis() as u64));
    let lasted = lasted.map_or_else(String::new, |time| format!(" after {time:?}"));
    let reason = transition.reason.as_deref().unwrap_or_else(|| cause.as_str());
    say!("{service:?}: {from} -> {to}{lasted}: {reason}");
}

/// More changes than can come while one is printed.
const LAG: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// For balancers to learn of the end before it comes.
const GRACE: Duration = Duration::from_secs(1);
