//! The accept loop and its end.

use std::{error::Error, future::pending, io, pin::Pin, time::Duration};

use futures_util::future::{join, join_all, select};
use health_core::http::HealthService;
#[cfg(feature = "tls")]
use health_tls::Tls;
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response, body::Body, body::Incoming, service::Service};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpListener, sync::Semaphore, sync::watch, time::timeout};

use crate::HealthHyper;
use crate::connection::{Connection, Entrance, Protocols};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Serves `service` on `listener`, over HTTP/1.1 and cleartext HTTP/2 (by prior knowledge) alike.
///
/// # Examples
///
/// A server that drains when the process is asked to end:
///
/// ```no_run
/// use std::time::Duration;
///
/// use health_core::{Registry, http::HealthService};
/// use health_tokio::{TokioTimer, drain, terminated};
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let health = Registry::new();
/// let listener = TcpListener::bind("127.0.0.1:20000").await?;
/// health_hyper::serve(listener, HealthService::new(&health, TokioTimer::shared()))
///     .with_graceful_shutdown(drain(&health, Duration::from_secs(10), terminated()))
///     .await?;
/// # Ok(())
/// # }
/// ```
pub fn serve(listener: TcpListener, service: HealthService) -> Serve<HealthHyper> {
    serve_with(listener, HealthHyper::new(service))
}

/// Serves any hyper service the way [`serve()`] does: health beside one's own, with
/// [`HealthHyper::beside`].
///
/// # Examples
///
/// ```no_run
/// use std::convert::Infallible;
///
/// use health_core::{Registry, http::HealthService};
/// use health_hyper::{HealthHyper, serve_with};
/// use health_tokio::TokioTimer;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::{body::{Bytes, Incoming}, service::service_fn};
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let health = HealthService::new(&Registry::new(), TokioTimer::shared());
/// let hello = service_fn(|_: Request<Incoming>| async {
///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
/// });
/// let listener = TcpListener::bind("127.0.0.1:20000").await?;
/// serve_with(listener, HealthHyper::beside(health, hello)).await?;
/// # Ok(())
/// # }
/// ```
pub fn serve_with<S>(listener: TcpListener, service: S) -> Serve<S> {
    keep_alive(&listener);
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).half_close(true);
    // The longest legitimate header block has a message of 16 KiB in the query of a Connect GET.
    http1.max_buf_size(64 * 1024);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2.timer(TokioTimer::new()).max_header_list_size(16 * 1024);
    // Streams in the life of a connection that this side had to reset (RUSTSEC-2024-0003).
    http2.max_local_error_reset_streams(1024);
    // Bytes that wait on one stream: who reads slowly gets the newest status later, not every status.
    http2.max_send_buf_size(16 * 1024);
    Serve {
        listener,
        entrance: Entrance::Plaintext,
        health: Vec::new(),
        service,
        protocols: Protocols { http1, http2, header_limit: Duration::from_secs(10) },
        signal: Box::pin(pending()),
        max_connections: Semaphore::MAX_PERMITS,
        shutdown_timeout: Duration::from_secs(5),
    }
    .idle_timeout(Duration::from_secs(75))
    .max_concurrent_streams(1000)
}

/// A server, made by [`serve()`] or [`serve_with`]: `.await` runs it.
///
/// # Semantics
///
/// It runs until the signal of [`with_graceful_shutdown`](Self::with_graceful_shutdown) completes, for
/// ever without one. Dropping the future closes the listener and every connection.
///
/// A failing accept, such as one for want of file descriptors, does not end the server: it is logged in
/// one line and tried again half a second later. A peer's FIN on HTTP/1.1 leaves an answer that is under
/// way one more second. PINGs are answered and never counted. One connection may have as many calls
/// cancelled at a time as it may have open. HTTP upgrades are not served.
///
/// # Errors
///
/// None today: what can go wrong concerns one connection or passes.
#[expect(missing_debug_implementations, reason = "a signal is any future")]
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    entrance: Entrance,
    /// Further listeners, for health alone.
    health: Vec<(TcpListener, HealthService)>,
    service: S,
    protocols: Protocols,
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
    max_connections: usize,
    shutdown_timeout: Duration,
}

impl<S> Serve<S> {
    /// Stops gracefully when `signal` completes: no new connections, GOAWAY on HTTP/2 and
    /// `connection: close` on HTTP/1.1, and what runs may finish within
    /// [`shutdown_timeout`](Self::shutdown_timeout).
    ///
    /// Watch streams finish when the registry is closed; `health_tokio::drain` is a signal that does so.
    pub fn with_graceful_shutdown<F>(mut self, signal: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.signal = Box::pin(signal);
        self
    }

    /// Serves over TLS: HTTP/2 or HTTP/1.1 as ALPN has it, or by the first bytes from a peer without ALPN. The
    /// limits are the same; those on time begin after the handshake, which has one of its own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use health_core::{Registry, http::HealthService};
    /// use health_tls::Tls;
    /// use health_tokio::TokioTimer;
    /// use tokio::net::TcpListener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let health = HealthService::new(&Registry::new(), TokioTimer::shared());
    /// let listener = TcpListener::bind("0.0.0.0:20000").await?;
    /// health_hyper::serve(listener, health)
    ///     .tls(Tls::from_pem_files("/etc/tls/tls.crt", "/etc/tls/tls.key")?)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.entrance = Entrance::Tls(tls);
        self
    }

    /// How long connections may take to finish after the signal; then they are dropped. 5 s unless set. Under a
    /// [`Drain`](health_core::drain::Drain), its `stop_timeout` ends them too, if that is shorter.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// How many connections of one listener are served at a time; further ones wait in its backlog. Unlimited
    /// unless set.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.min(Semaphore::MAX_PERMITS);
        self
    }

    /// How many calls one HTTP/2 connection may have open: 1 000 unless set, as each Watch is one for as
    /// long as it lasts.
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        // Whoever may open so many may cancel so many at once. What was reset before it was handled stays
        // bounded (CVE-2023-44487).
        let resets = streams as usize;
        let http2 = &mut self.protocols.http2;
        http2.max_concurrent_streams(streams).max_pending_accept_reset_streams(resets);
        self
    }

    /// How long a peer may take for the HTTP/2 preface or a first HTTP/1.1 header block. 10 s unless set. A block
    /// longer than 1 KiB must end within [`idle_timeout`](Self::idle_timeout).
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        self.protocols.header_limit = timeout;
        self
    }

    /// How long an HTTP/1.1 connection may take from one answer to the end of the next header block. 75 s
    /// unless set: longer than the 60 s of common load balancers, which must be the first to close.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.protocols.http1.header_read_timeout(timeout.min(FAR));
        self
    }

    /// After how long a silence an HTTP/2 peer is sent a PING, whose answer may take as long again before
    /// the connection is closed. None unless set; TCP keep-alive finds peers that are gone without it.
    ///
    /// It also ends a peer that is stuck inside a frame or a header block, for that one cannot answer.
    /// hyper's bookkeeping for it makes a Check 4 % dearer (`tests/benches/instructions.sh`).
    pub fn http2_ping_interval(mut self, interval: Duration) -> Self {
        let (http2, interval) = (&mut self.protocols.http2, interval.min(FAR));
        http2.keep_alive_interval(interval).keep_alive_timeout(interval);
        self
    }
}

impl<S> Serve<HealthHyper<S>> {
    /// Answers for health, and for nothing else, on a further listener in plaintext: for probers that cannot
    /// present a client certificate or speak TLS, such as the kubelet's gRPC probe. To be bound to the
    /// loopback interface or to the pod's address. May be called again.
    ///
    /// The limits, and the stop, are the same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::convert::Infallible;
    /// use health_core::{Registry, http::HealthService};
    /// use health_hyper::{HealthHyper, serve_with};
    /// use health_tokio::TokioTimer;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use hyper::{body::{Bytes, Incoming}, service::service_fn};
    /// use tokio::net::TcpListener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let app = service_fn(|_: Request<Incoming>| async {
    /// #     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    /// # });
    /// let health = HealthService::new(&Registry::new(), TokioTimer::shared());
    /// let server = serve_with(TcpListener::bind("0.0.0.0:20000").await?, HealthHyper::beside(health, app));
    /// # #[cfg(feature = "tls")]
    /// let tls = health_tls::Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?;
    /// # #[cfg(feature = "tls")]
    /// let server = server.tls(tls);
    /// server.listen_health(TcpListener::bind("0.0.0.0:20001").await?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen_health(mut self, listener: TcpListener) -> Self {
        keep_alive(&listener);
        self.health.push((listener, self.service.health().clone()));
        self
    }
}

impl<S: Clone + Send + 'static, B> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let (stop, stopping) = watch::channel(false);
        let Self { listener, entrance, health, protocols, service, max_connections, .. } = self;
        let health = health.into_iter().map(|(listener, health)| {
            let (protocols, stop) = (protocols.clone(), stopping.clone());
            let connection = Connection { protocols, service: HealthHyper::new(health), stop };
            connection.accept(listener, Entrance::Plaintext, max_connections)
        });
        let health = join_all(health);
        let connection = Connection { protocols, service, stop: stopping };
        let accepting = join(connection.accept(listener, entrance, max_connections), health);
        Box::pin(async move {
            // Dropping what accepts closes the listeners.
            drop(select(Box::pin(accepting), self.signal).await);
            stop.send_replace(true);
            let _ = timeout(self.shutdown_timeout, stop.closed()).await;
            Ok(())
        })
    }
}

/// Longer than any connection lasts, and short enough for any clock to add.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Accepted sockets inherit it: a peer whose host is gone watches no longer for ever.
fn keep_alive(listener: &TcpListener) {
    let keep_alive = TcpKeepalive::new().with_time(Duration::from_secs(20));
    let _ = SockRef::from(listener).set_tcp_keepalive(&keep_alive);
}
