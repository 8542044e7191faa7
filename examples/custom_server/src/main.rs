//! A server on `health_core` alone: no adapter, no framework, no async runtime.
//!
//! Sockets are the standard library's, a connection is a thread, and futures run on that thread
//! ([`block_on`]). All that stands between the socket and the health service is HTTP/1.1:
//! [`request`] and [`body`] read it, [`response`] writes it, [`connection`] repeats the two.
//!
//! ```text
//! cargo run -p health-example-custom-server
//! curl -d '{"service":"greet.GreetService"}' -H 'content-type: application/json' \
//!     127.0.0.1:20001/grpc.health.v1.Health/Check
//! ```

#![expect(clippy::print_stderr, reason = "where the program tells what went wrong")]

mod block_on;
mod body;
mod connection;
mod input;
mod request;
mod response;

use std::{
    io::{self, BufRead as _, ErrorKind, Write as _},
    net::TcpListener,
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::Parser;
use health_core::{OVERALL, Registry, ServingStatus, http::HealthService};

/// Serves the health of greet.GreetService over HTTP/1.1: JSON and protobuf POSTs, streams that need
/// no HTTP/2, and the probes /livez and /readyz.
///
/// A line on standard input sets a status: "greet.GreetService NOT_SERVING", or "NOT_SERVING" alone
/// for the server as a whole.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20001")]
    listen: String,

    /// How many connections are served at a time; further ones wait their turn.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
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
    let address = options.listen.as_str();
    let listener = TcpListener::bind(address).map_err(|error| cannot_listen(address, error))?;
    say(&format!("listening on {}", listener.local_addr()?));

    let registry = Registry::new();
    registry.set("greet.GreetService", ServingStatus::Serving);
    // Without a timer there are no deadlines; the sockets' own time-outs bound what a peer can hold.
    let health = HealthService::without_deadlines(&registry);

    // As many threads as connections: each serves one to its end and then takes the next, so the
    // number of peers cannot grow beyond them.
    thread::scope(|scope| {
        for _ in 0..options.connections {
            scope.spawn(|| accept(&listener, &health));
        }
        obey_standard_input(&registry);
    });
    Ok(())
}

/// The error, with what to do about it.
fn cannot_listen(address: &str, error: io::Error) -> anyhow::Error {
    let what_to_do = match error.kind() {
        ErrorKind::AddrInUse => {
            ": end the program that has this port, or choose another one \
             (--listen 127.0.0.1:0 takes one that is free)"
        }
        ErrorKind::InvalidInput => ": write IP:PORT, such as 127.0.0.1:20001",
        _ => "",
    };
    anyhow::Error::new(error).context(format!("cannot listen on {address}{what_to_do}"))
}

fn accept(listener: &TcpListener, health: &HealthService) {
    loop {
        match listener.accept() {
            Ok((stream, _peer)) => connection::serve(&stream, health),
            // Out of file descriptors, as a rule: trying again at once would only burn the processor.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Takes statuses from standard input until it ends.
fn obey_standard_input(registry: &Registry) {
    for line in io::stdin().lock().split(b'\n') {
        match line {
            Ok(line) => say(&obey(registry, &line)),
            Err(error) => {
                eprintln!("error: no more statuses are taken from standard input: {error}");
                return;
            }
        }
    }
}

/// Sets the status that `line` asks for; returns what to say to that.
fn obey(registry: &Registry, line: &[u8]) -> String {
    let Ok(line) = str::from_utf8(line) else {
        return "the line is not UTF-8; write the name of a service and its status".to_owned();
    };
    let line = line.trim();
    let (service, status) = line.rsplit_once(' ').unwrap_or((OVERALL, line));
    match ServingStatus::from_name(status) {
        Some(status) => format!("{:?}", registry.set(service, status)),
        None => format!("{status:?} is no status; one is SERVING, another NOT_SERVING"),
    }
}

/// Prints a line; that nobody reads it is no reason to end.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}
