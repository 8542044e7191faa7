//! A server under test: health through one adapter, steered by JSON lines on standard input.

mod actix_web;
mod command;
mod greeter;
mod hyper;
mod server;
mod smol;
mod state;
mod tls;
mod tonic;
mod tower;

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use health_conformance::Adapter;
use health_core::ServingStatus;
use health_example_smol_server::SmolTimer;
use health_tokio::TokioTimer;
use serde::Serialize;
use serde_json::json;

use crate::command::Command;
use crate::greeter::Greet;
use crate::server::Site;
use crate::state::{Settings, State};
use crate::tls::TlsArguments;

const ABOUT: &str = "\
Serves health through one adapter, for tests in any language.

The first line of standard output is {\"listening\":\"HOST:PORT\",\"adapter\":\"NAME\"}, which has
\"plain\":\"HOST:PORT\" as well under --plain-listen. Then each line of standard input is a command,
answered by one line, {\"ok\":true} or {\"error\":\"..\"}, after it took effect. End of input stops the
server.";

#[derive(Debug, Parser)]
#[command(name = "subject", about = ABOUT, after_help = format!("Commands: {}", command::ACCEPTED))]
struct Arguments {
    /// The adapter to serve through
    #[arg(long)]
    adapter: Adapter,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The longest request body that is read
    #[arg(long, value_name = "N")]
    max_request_bytes: Option<usize>,

    /// An origin that may call from a browser, `*` for any; may be given again [default: none]
    #[arg(long, value_name = "ORIGIN")]
    cors_allow_origin: Vec<String>,

    /// A further request header that such a call may carry; may be given again
    #[arg(long, value_name = "NAME")]
    cors_allow_header: Vec<String>,

    /// How many watches may be open at once
    #[arg(long, value_name = "N")]
    max_watchers: Option<usize>,

    /// Serve greet.GreetService/Greet too, which answers with HOST:PORT while its status is SERVING
    #[arg(long)]
    greeter: bool,

    #[command(flatten)]
    tls: TlsArguments,
}

/// The first line of output.
#[derive(Debug, Serialize)]
struct Listening {
    listening: SocketAddr,
    adapter: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<SocketAddr>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let listener = server::listen(arguments.listen)?;
    let address = listener.local_addr()?;
    let ports = arguments.tls.ports(arguments.adapter, listener)?;
    let plain = ports.plain.as_ref().map(TcpListener::local_addr).transpose()?;
    let state = State::new(Settings {
        max_request_bytes: arguments.max_request_bytes,
        max_watchers: arguments.max_watchers,
        cors_allow_origins: arguments.cors_allow_origin,
        cors_allow_headers: arguments.cors_allow_header,
        timer: match arguments.adapter {
            Adapter::Smol => Arc::new(SmolTimer::default()),
            _ => TokioTimer::shared(),
        },
    });
    let greet = arguments.greeter.then(|| Greet::new(state.clone(), address));
    // What is mounted in tonic's routes is registered by that.
    if greet.is_some() && arguments.adapter != Adapter::Tonic {
        state.registry().set(greeter::SERVICE, ServingStatus::Serving);
    }
    let site = Site { state: state.clone(), greet };
    match arguments.adapter {
        Adapter::Hyper => hyper::start(ports, site)?,
        Adapter::Tonic => tonic::start(ports, site)?,
        Adapter::ActixWeb => actix_web::start(ports, site)?,
        Adapter::Tower => tower::start(ports.listener, site)?,
        Adapter::Smol => smol::start(ports.listener, site)?,
        other => return Err(format!("this program does not serve through {other} yet").into()),
    }
    say(&Listening { listening: address, adapter: arguments.adapter.as_str(), plain })?;
    for line in io::stdin().lock().split(b'\n') {
        // A line that is not UTF-8 is not JSON either, and is refused as such.
        match Command::parse(&String::from_utf8_lossy(&line?)) {
            Ok(command) => {
                state.apply(command);
                say(&json!({"ok": true}))?;
            }
            Err(error) => say(&json!({"error": error}))?,
        }
    }
    Ok(())
}

fn say(line: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(line)?;
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
