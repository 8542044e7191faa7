//! What connects, for tonic's server.

use std::{io, time::Duration};

use futures_util::stream::{self, Stream};
#[cfg(feature = "tls")]
use health_tls::{Tls, TlsStream};
use socket2::{SockRef, TcpKeepalive};
#[cfg(feature = "tls")]
use tokio::task::JoinSet;
use tokio::{net::TcpListener, time::sleep};
use tracing::warn;

use crate::Connection;

/// The connections of `listener`, for `serve_with_incoming` and `serve_with_incoming_shutdown` of tonic's
/// server.
///
/// Beside what tonic's own `TcpIncoming` does: a peer that leaves in the middle of an HTTP/1.1 answer is
/// seen to leave, and so is one whose host is gone (TCP keep-alive, 20 s); small messages are not held back;
/// and an accept that fails, such as one for want of file descriptors, is logged in one line and tried again
/// half a second later, where tonic would spin.
///
/// # Examples
///
/// ```no_run
/// use health_tonic::{HealthRoutes, Registry, incoming};
/// use tokio::net::TcpListener;
/// use tonic::transport::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let health = Registry::new();
/// Server::builder()
///     .accept_http1(true)
///     .add_routes(HealthRoutes::new(&health).into_routes())
///     .serve_with_incoming(incoming(TcpListener::bind("127.0.0.1:50051").await?))
///     .await?;
/// # Ok(())
/// # }
/// ```
pub fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> + Send {
    keep_alive(&listener);
    stream::unfold(listener, async |listener| Some((Ok(accept(&listener).await), listener)))
}

/// The connections of `listener` over TLS, each after its handshake.
///
/// Handshakes hold up neither each other nor the server; one that fails is dropped. What tonic's users find
/// of a peer is there: `Request::remote_addr`, and its certificates in `Request::peer_certs`.
///
/// # Examples
///
/// Only clients with a certificate, and a second port in plaintext with health alone, for probers that have
/// none:
///
/// ```no_run
/// use health_tls::Tls;
/// use health_tonic::{HealthRoutes, Registry, incoming, incoming_tls};
/// use tokio::net::TcpListener;
/// use tonic::transport::Server;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/greet/mod.rs"));
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let greet = "hello";
/// let health = Registry::new();
/// let plain = Server::builder().accept_http1(true).add_routes(HealthRoutes::new(&health).into_routes());
/// tokio::spawn(plain.serve_with_incoming(incoming(TcpListener::bind("127.0.0.1:50052").await?)));
///
/// let tls = Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?;
/// let routes = HealthRoutes::new(&health).add_service(GreetServiceServer::new(greet)).into_routes();
/// Server::builder()
///     .accept_http1(true)
///     .add_routes(routes)
///     .serve_with_incoming(incoming_tls(TcpListener::bind("0.0.0.0:50051").await?, tls))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "tls")]
pub fn incoming_tls(
    listener: TcpListener,
    tls: Tls,
) -> impl Stream<Item = io::Result<TlsStream<Connection>>> + Send {
    keep_alive(&listener);
    stream::unfold((listener, tls, JoinSet::new()), async |(listener, tls, mut handshakes)| {
        loop {
            tokio::select! {
                Some(shaken) = handshakes.join_next() => {
                    // What failed is logged by `accept`.
                    if let Ok(Ok(stream)) = shaken {
                        return Some((Ok(stream), (listener, tls, handshakes)));
                    }
                }
                connection = accept(&listener) => {
                    let tls = tls.clone();
                    handshakes.spawn(async move { tls.accept(connection).await });
                }
            }
        }
    })
}

async fn accept(listener: &TcpListener) -> Connection {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer is small and whole. Not worth refusing a connection for.
                let _ = stream.set_nodelay(true);
                return Connection::new(stream);
            }
            Err(error) => {
                warn!(%error, "cannot accept");
                // The way out of most failures, such as too many open files, is that a connection ends.
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// Accepted sockets inherit it: a peer whose host is gone watches no longer for ever.
fn keep_alive(listener: &TcpListener) {
    let keep_alive = TcpKeepalive::new().with_time(Duration::from_secs(20));
    let _ = SockRef::from(listener).set_tcp_keepalive(&keep_alive);
}
