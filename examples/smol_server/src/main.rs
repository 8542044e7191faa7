//! Serves the health of `greet.GreetService` on smol, and drains on SIGTERM or Ctrl-C.

#![expect(clippy::print_stderr, reason = "where the program tells what went wrong")]

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use clap::Parser;
use health_core::{Registry, ServingStatus, drain::Drain, http::HealthService, rt::Timer};
use health_example_smol_server::{SmolTimer, serve, service};
use smol::net::TcpListener;
use smol::stream::StreamExt as _;

/// Serves the health of greet.GreetService on smol, over every protocol, until SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20002")]
    listen: String,

    /// How long, once told to stop, to go on telling everybody NOT_SERVING before the end.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    grace: u64,
}

fn main() -> ExitCode {
    match smol::block_on(run(&Options::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let address = options.listen.as_str();
    let listener =
        TcpListener::bind(address).await.map_err(|error| cannot_listen(address, error))?;
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    say(format_args!("listening on {}", listener.local_addr()?));

    let registry = Registry::new();
    registry.set("greet.GreetService", ServingStatus::Serving);
    let timer: Arc<dyn Timer> = Arc::new(SmolTimer::default());
    let service = service(HealthService::new(&registry, Arc::clone(&timer)));

    let asked_to_end = async { drop(signals.next().await) };
    let drain = Drain::new(&registry, timer).lame_duck(Duration::from_secs(options.grace));
    let (_, receipt) = drain.run(asked_to_end, |stop| serve(listener, service, stop)).await;
    say(format_args!("{receipt}"));
    Ok(())
}

/// The error, with what to do about it.
fn cannot_listen(address: &str, error: io::Error) -> anyhow::Error {
    let what_to_do = match error.kind() {
        ErrorKind::AddrInUse => {
            ": end the program that has this port, or choose another one \
             (--listen 127.0.0.1:0 takes one that is free)"
        }
        ErrorKind::InvalidInput => ": write IP:PORT, such as 127.0.0.1:20002",
        _ => "",
    };
    anyhow::Error::new(error).context(format!("cannot listen on {address}{what_to_do}"))
}

/// Prints a line; that nobody reads it is no reason to end.
fn say(line: Arguments<'_>) {
    writeln!(io::stdout(), "{line}").ok();
}
