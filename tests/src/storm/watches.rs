//! Watches of names that nobody registers: opened by the thousand, dropped, and counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{Done, MAX_WATCHERS, Storm, eventually};
use crate::client::{Call, Piece, connect_http2};
use crate::vector::{HttpVersion, Request};

/// HTTP/2 connections, and watches that each holds open at once. Together well below
/// [`MAX_WATCHERS`].
const CONNECTIONS: u32 = 4;
const OPEN: u32 = 100;

/// One watch in so many has an HTTP/1.1 connection to itself.
const HTTP1_EVERY: u32 = 1_000;

/// A gRPC message that says SERVICE_UNKNOWN.
const SERVICE_UNKNOWN: &[u8] = b"\0\0\0\0\x02\x08\x03";

/// Spawns the tasks that open and drop the watches of `storm`.
pub(super) async fn spawn(
    tasks: &mut JoinSet<io::Result<()>>,
    address: SocketAddr,
    storm: Storm,
    done: &Done,
) -> io::Result<()> {
    let next = Done::default();
    for _ in 0..CONNECTIONS {
        let connection = Arc::new(Connection::open(address).await?);
        for _ in 0..OPEN {
            let connection = Arc::clone(&connection);
            tasks.spawn(lane(address, connection, storm, Arc::clone(&next), Arc::clone(done)));
        }
    }
    Ok(())
}

/// Opens and drops one watch after the other.
async fn lane(
    address: SocketAddr,
    connection: Arc<Connection>,
    storm: Storm,
    next: Done,
    done: Done,
) -> io::Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= storm.watches {
            return Ok(());
        }
        let name = format!("unknown.{:x}.{number}", storm.seed);
        let watch = open_and_drop(address, &connection.requests, &name, number);
        let late = |_| io::Error::other(format!("a watch of {name:?} got no message in time"));
        timeout(storm.patience, watch).await.map_err(late)??;
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn open_and_drop(
    address: SocketAddr,
    requests: &SendRequest<Bytes>,
    name: &str,
    number: u32,
) -> io::Result<()> {
    if number.is_multiple_of(HTTP1_EVERY) {
        let request = Request::post("Watch", "application/grpc-web", envelope(name));
        let mut call = Call::start(HttpVersion::Http1, address, &request).await?;
        call.head().await?;
        // The message may come in pieces, as the client reads it.
        let mut message = Vec::new();
        while message.len() < SERVICE_UNKNOWN.len() {
            match call.piece().await? {
                Piece::Body(bytes) => message.extend_from_slice(&bytes),
                other => return Err(unexpected(name, &other)),
            }
        }
        let is_expected = message == SERVICE_UNKNOWN;
        return if is_expected { Ok(()) } else { Err(unexpected(name, &message)) };
    }
    match watch(requests, address, name).await? {
        Opened::Watch(_) => Ok(()),
        Opened::Refused(why) => Err(unexpected(name, &why)),
    }
}

fn unexpected(name: &str, came: &impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("a watch of {name:?} got {came:?} in place of SERVICE_UNKNOWN"))
}

/// One HTTP/2 connection; dropping it closes it.
struct Connection {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let (requests, driver) = connect_http2(address).await?;
        Ok(Self { requests, driver })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What became of a watch.
enum Opened {
    /// It is open, and stays so until this is dropped.
    Watch(h2::RecvStream),
    /// The server ended it with this status.
    Refused(String),
}

/// Opens a gRPC watch of a name that is unknown and waits for its first message.
async fn watch(
    requests: &SendRequest<Bytes>,
    address: SocketAddr,
    name: &str,
) -> io::Result<Opened> {
    let head = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Watch"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(io::Error::other)?;
    let mut requests = requests.clone().ready().await.map_err(io::Error::other)?;
    let (response, mut sender) = requests.send_request(head, false).map_err(io::Error::other)?;
    sender.send_data(envelope(name).into(), true).map_err(io::Error::other)?;
    let (head, mut body) = response.await.map_err(io::Error::other)?.into_parts();
    if let Some(status) = head.headers.get("grpc-status") {
        return Ok(Opened::Refused(format!("{status:?}")));
    }
    let Some(message) = body.data().await.transpose().map_err(io::Error::other)? else {
        let trailers = body.trailers().await.map_err(io::Error::other)?.unwrap_or_default();
        return Ok(Opened::Refused(format!("{:?}", trailers.get("grpc-status"))));
    };
    // Gives the window back, as a client that reads on does: the connection serves many watches.
    body.flow_control().release_capacity(message.len()).map_err(io::Error::other)?;
    if *message != *SERVICE_UNKNOWN {
        return Err(unexpected(name, &message));
    }
    Ok(Opened::Watch(body))
}

/// Checks that no watcher is left over from before: all that may be open can be opened, and then
/// not one more.
pub(super) async fn none_is_held(address: SocketAddr, patience: Duration) -> io::Result<()> {
    eventually(patience, || async move {
        let connection = Connection::open(address).await?;
        let mut open = Vec::new();
        for number in 0..MAX_WATCHERS {
            match watch(&connection.requests, address, &format!("free.{number}")).await? {
                Opened::Watch(body) => open.push(body),
                Opened::Refused(why) => {
                    let held = MAX_WATCHERS - open.len();
                    return Err(io::Error::other(format!("{held} watchers are held: {why}")));
                }
            }
        }
        match watch(&connection.requests, address, "one.too.many").await? {
            Opened::Refused(_) => Ok(()),
            Opened::Watch(_) => {
                Err(io::Error::other(format!("more than {MAX_WATCHERS} watchers are allowed")))
            }
        }
    })
    .await
}

fn envelope(name: &str) -> Vec<u8> {
    let length = name.len() as u8;
    [&[0, 0, 0, 0, length + 2, 0x0a, length], name.as_bytes()].concat()
}
