//! What the adapters' servers have in common: each runs beside the commands, and may not end.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::{process, thread};

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

/// Runs `serve` on a tokio runtime with threads of its own.
pub(crate) fn on_tokio<F>(
    listener: TcpListener,
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = Runtime::new()?;
    listener.set_nonblocking(true)?;
    keep(move || {
        runtime.block_on(async { serve(tokio::net::TcpListener::from_std(listener)?).await })
    })
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
