//! The health check of dubbo-go's samples, in Rust: a server with its health, and a look at it from
//! outside.
//!
//! ```text
//! cargo run --release -p health-examples
//! ```

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use health_core::{
    Overall, Registry, ServingStatus,
    condition::{Monitor, every},
    http::HealthService,
};
use health_examples::{
    greet::{self, SERVICE},
    grpc::{HealthClient, Statuses},
    json,
    maintenance::MaintenanceFile,
    options::{exit_code, listen, seconds},
    say,
};
use health_hyper::HealthHyper;
use health_tokio::{Drain, Receipt, TokioTimer, terminated};
use hyper::service::service_fn;

/// Serves greet.GreetService and its health (grpc.health.v1.Health) on one port, shows what a client
/// sees of it, and stays up until Ctrl-C or SIGTERM.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    ///
    /// Dubbo's Java consumers never dial 127.x or localhost: they put the machine's own address in
    /// its place. A server for them listens on more than that, for instance on 0.0.0.0:20000.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    listen: String,

    /// How long, once told to stop, to go on telling everybody NOT_SERVING before the end.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    grace: Duration,

    /// End after the demonstration.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let listener = listen(&options.listen).await?;
    let listening = listener.local_addr()?;

    // What the server says of itself. The service is SERVING once its condition has passed, and as long
    // as it does: a file must not be there. "", the server as a whole, which is what probes ask for, is
    // as its services are; on its own it would be SERVING from the start.
    let health = Registry::new();
    health.overall(&Overall::All)?;
    let maintenance = MaintenanceFile::in_temporary_directory()?;
    let config = every(PERIOD).failure_threshold(1).max_age(MAX_AGE);
    let monitor = Monitor::builder(&health, TokioTimer::shared())
        .condition(SERVICE, maintenance.condition(), config)
        .build()?;
    monitor.refresh().await;
    tokio::spawn(monitor.run());

    // The health paths are answered beside the application, on its port.
    let service = HealthHyper::beside(
        HealthService::new(&health, TokioTimer::shared()),
        service_fn(greet::answer),
    );
    let server = health_hyper::serve_with(listener, service);
    let drain = Drain::new(&health, TokioTimer::shared()).lame_duck(options.grace);
    let asked = told_to_stop(options.grace);
    let server = tokio::spawn(drain.run(asked, |stop| server.with_graceful_shutdown(stop)));
    say!("{SERVICE} and its health are served on {listening}.");

    let address = dialable(listening);
    let statuses = tokio::select! {
        statuses = demonstrate(address, &maintenance) => statuses.context("the demonstration failed")?,
        () = terminated() => return ended(server.await?),
    };
    if options.once {
        return Ok(());
    }
    invite(address, &maintenance);
    let watcher = tokio::spawn(print_all(statuses));

    let drained = server.await?;
    watcher.await?;
    ended(drained)
}

/// What the server returned, and what its drain was like.
fn ended((served, receipt): (Option<io::Result<()>>, Receipt)) -> anyhow::Result<()> {
    served.transpose()?;
    say!("{receipt}");
    say!("Stopped.");
    Ok(())
}

/// Asks, from outside, what there is to ask, and leaves the Watch open.
async fn demonstrate(
    address: SocketAddr,
    maintenance: &MaintenanceFile,
) -> anyhow::Result<Statuses> {
    let mut client = HealthClient::connect(address).await?;

    say!("\nCheck, then Watch, over gRPC:");
    print_status(client.check(SERVICE).await?);
    let mut statuses = client.watch(SERVICE).await?;
    print_next(&mut statuses).await?;

    say!("\nCheck over HTTP/1.1 with JSON:");
    say!("$ {}", json::curl(address, QUESTION));
    say!("{}", json::post(address, QUESTION).await?);

    say!("\nThe same Watch, while a file puts the service into maintenance:");
    say!("$ touch {}", maintenance.path().display());
    maintenance.touch().await?;
    print_next(&mut statuses).await?;
    say!("$ rm {}", maintenance.path().display());
    maintenance.remove().await?;
    print_next(&mut statuses).await?;

    Ok(statuses)
}

fn invite(address: SocketAddr, maintenance: &MaintenanceFile) {
    let curl = json::curl(address, QUESTION);
    let file = maintenance.path().display();
    say!(
        "
The server stays up until Ctrl-C. Try, in another terminal:

  {curl} --http1.1
  {curl} --http2-prior-knowledge
  touch {file}    # the Watch of this program prints NOT_SERVING
  curl -i {address}/readyz    # 503 while the file is there
  rm {file}       # the Watch prints SERVING

and where they are installed (grpcurl at the root of this repository, for the schema):

  grpc-health-probe -addr {address} -service {SERVICE}
  grpcurl -plaintext -import-path proto/proto -proto grpc/health/v1/health.proto \\
    -d '{QUESTION}' {address} grpc.health.v1.Health/Watch
"
    );
}

/// Prints every status that the Watch still brings, and how it ended.
async fn print_all(mut statuses: Statuses) {
    let end = loop {
        match statuses.next().await {
            Ok(Some(status)) => print_status(status),
            Ok(None) => break "without an error".to_owned(),
            Err(error) => break format!("with {:?}: {}", error.code(), error.message()),
        }
    };
    say!("The Watch ended {end}.");
}

async fn print_next(statuses: &mut Statuses) -> anyhow::Result<()> {
    print_status(statuses.next().await?.context("the Watch ended")?);
    Ok(())
}

fn print_status(status: ServingStatus) {
    say!("{SERVICE}'s health status:{status}");
}

/// Resolves when somebody wants the program to end.
async fn told_to_stop(grace: Duration) {
    terminated().await;
    say!("\nDraining: NOT_SERVING from now on; in {grace:?} at most the Watch streams end.");
}

/// An address at which this machine reaches `listening`: 0.0.0.0 is not one to send anything to.
fn dialable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// How long a change of the file may go unnoticed.
const PERIOD: Duration = Duration::from_millis(100);
/// On a machine so busy that this program stands still for three periods, the status is to stay.
const MAX_AGE: Duration = Duration::from_secs(5);
const QUESTION: &str = r#"{"service":"greet.GreetService"}"#;
