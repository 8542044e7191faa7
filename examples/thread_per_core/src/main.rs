//! Serves the health of `greet.GreetService` on every core, and drains on SIGTERM or Ctrl-C.

#![expect(clippy::print_stderr, reason = "where the program tells what went wrong")]

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use health_core::{Registry, ServingStatus, http::HealthService};
use health_example_compio_server::{CompioTimer, Server, Threads, service};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Serves the health of greet.GreetService with a thread for each core, over every protocol, until SIGTERM or
/// Ctrl-C.
///
/// Waits on io_uring, and by polling where the system has no io_uring or does not allow it; the first line of
/// output says which.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20003")]
    listen: SocketAddr,

    /// How many threads serve [default: one for each core that this process may use].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Waits by polling, also where there is io_uring.
    #[arg(long)]
    polling: bool,

    /// How long, once told to stop, to go on telling everybody NOT_SERVING before the end.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    grace: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let registry = Registry::new();
    registry.set("greet.GreetService", ServingStatus::Serving);
    let health = HealthService::new(&registry, Arc::new(CompioTimer::default()));

    let mut threads = Threads::one_a_core();
    if let Some(number) = options.threads {
        threads = threads.number(number);
    }
    if options.polling {
        threads = threads.polling();
    }
    let address = options.listen;
    let server = Server::start(address, threads, &service(health)).map_err(|error| {
        let what_to_do = match error.kind() {
            ErrorKind::AddrInUse => {
                ": end the program that has this port, or choose another one \
                 (--listen 127.0.0.1:0 takes one that is free)"
            }
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot serve on {address}{what_to_do}"))
    })?;
    let how = if server.driver().is_iouring() { "io_uring" } else { "polling" };
    let (address, number) = (server.address(), server.threads());
    // That nobody reads it is no reason to end.
    writeln!(io::stdout(), "listening on {address} ({number} threads, {how})").ok();

    // This thread serves nobody, so it may block.
    signals.forever().next();
    server.drain(&registry, Duration::from_secs(options.grace));
    Ok(())
}
