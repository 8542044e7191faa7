//! What the adapters' servers have in common: each runs beside the commands, and may not end.

use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::{process, thread};

use health_tls::Tls;
use tokio::runtime::Runtime;

use crate::greeter::Greet;
use crate::state::State;

/// What a server is to serve.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) state: State,
    /// The greeter beside health, if it was asked for.
    pub(crate) greet: Option<Greet>,
}

/// Where a server is to listen.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) listener: TcpListener,
    /// What the connections of `listener` begin with, unless it is plaintext.
    pub(crate) tls: Option<Tls>,
    /// A further one, in plaintext.
    pub(crate) plain: Option<TcpListener>,
}

/// Listens on `address`; the error says what to do.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let what_to_do = match error.kind() {
            ErrorKind::AddrInUse => {
                "end the program that has this port, or choose another one \
                 (port 0 takes one that is free): "
            }
            _ => "",
        };
        let text = format!("cannot listen on {address}: {what_to_do}{error}");
        io::Error::new(error.kind(), text)
    })
}

/// Runs `serve` on a tokio runtime with threads of its own.
pub(crate) fn on_tokio(
    serve: impl Future<Output = io::Result<()>> + Send + 'static,
) -> io::Result<()> {
    let runtime = Runtime::new()?;
    keep(move || runtime.block_on(serve))
}

/// `listener` as tokio has it; to be called on its runtime.
pub(crate) fn tokio_listener(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// Runs `serve` on a thread of its own; the process ends with an error if it returns.
pub(crate) fn keep(serve: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("server".to_owned()).spawn(move || {
        let ended = serve().err().map_or_else(|| "nobody asked".to_owned(), |e| e.to_string());
        let _ = writeln!(io::stderr(), "subject: the server ended by itself: {ended}");
        process::exit(1);
    })?;
    Ok(())
}
