//! What the measured servers and their client share: the one call that is counted, and the frame of
//! a server program.
//!
//! Each server runs on a current-thread tokio runtime, prints the address it is bound to as its first
//! line, and ends with exit code 0 at SIGTERM or at the end of its standard input: callgrind writes
//! its counts only where the program ends by itself.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The service that every server reports as SERVING and the client asks about.
pub const SERVICE: &str = "greet.GreetService";

/// The path of the call that is counted.
pub const CHECK_PATH: &str = "/grpc.health.v1.Health/Check";

/// The content type of the requests, and of the replies of most servers.
pub const CONTENT_TYPE: &str = "application/grpc";

/// The same type with its codec spelled out: connectrpc answers with it.
pub const CONTENT_TYPE_PROTO: &str = "application/grpc+proto";

/// The one reply: an uncompressed frame of two bytes, `status` (field 1) = SERVING (1).
pub const REPLY: [u8; 7] = [0, 0, 0, 0, 2, 0x08, 1];

/// Encodes the request frame that asks for `service`.
///
/// # Panics
///
/// If `service` is longer than 125 bytes, as its length must fit one byte of the message.
#[must_use]
pub fn request_frame(service: &str) -> Vec<u8> {
    let length = u8::try_from(service.len()).expect("a service name of at most 125 bytes");
    assert!(length <= 125, "a service name of at most 125 bytes");
    let mut frame = vec![0, 0, 0, 0, length + 2, 0x0a, length];
    frame.extend_from_slice(service.as_bytes());
    frame
}

/// Answers gRPC Checks of greet.GreetService over cleartext HTTP/2, until SIGTERM or the end of its
/// standard input.
#[derive(Debug, clap::Parser)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// The end of a server program: SIGTERM, or the end of its standard input.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    end_of_input: oneshot::Receiver<()>,
}

impl Stop {
    /// Resolves when the program is to end.
    pub async fn requested(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = &mut self.end_of_input => {}
        }
    }

    fn new() -> io::Result<Self> {
        let (at_end, end_of_input) = oneshot::channel();
        // A thread that sits in read(2) costs no instructions, and unlike tokio's stdin it does not
        // hold up the runtime's end.
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
            let _ = at_end.send(());
        });
        Ok(Self { terminate: signal(SignalKind::terminate())?, end_of_input })
    }
}

/// Runs one server program: reads `--listen`, binds, prints the bound address, and serves to the end.
///
/// # Errors
///
/// What binding or `serve` fails with.
pub fn run<Served, Failure>(
    serve: impl FnOnce(TcpListener, Stop) -> Served,
) -> Result<(), Box<dyn std::error::Error>>
where
    Served: Future<Output = Result<(), Failure>>,
    Failure: Into<Box<dyn std::error::Error>>,
{
    let arguments = <Arguments as clap::Parser>::parse();
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        serve(listener, Stop::new()?).await.map_err(Into::into)
    })
}
