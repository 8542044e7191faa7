//! What every adapter's server has in common: it runs beside the commands, and may not end.

use std::io::{self, Write as _};
use std::{process, thread};

/// Runs `serve` on a thread of its own; the process ends with an error if it returns.
pub(crate) fn keep(serve: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("server".to_owned())
        .spawn(move || {
            let ended = serve()
                .err()
                .map_or_else(|| "nobody asked".to_owned(), |e| e.to_string());
            let _ = writeln!(io::stderr(), "subject: the server ended by itself: {ended}");
            process::exit(1);
        })?;
    Ok(())
}
