//! What the options of the programs mean.

use std::{io::ErrorKind, process::ExitCode, time::Duration};

use tokio::net::TcpListener;

/// How a program ends: what went wrong is told on standard error, with its causes.
#[must_use]
#[expect(clippy::print_stderr, reason = "where a program tells what went wrong")]
pub fn exit_code(ended: anyhow::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Listens on `--listen ADDR`.
///
/// # Errors
///
/// Where that cannot be done; the text says what to do.
pub async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let what_to_do = match error.kind() {
            ErrorKind::AddrInUse => {
                ": end the program that has this port, or choose another one \
                 (--listen 127.0.0.1:0 takes one that is free)"
            }
            ErrorKind::InvalidInput => ": write IP:PORT, such as 127.0.0.1:20000",
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {address}{what_to_do}"))
    })
}

/// Reads a number of seconds, such as `1.5`.
///
/// # Errors
///
/// What is wrong with it.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
