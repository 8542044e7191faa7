//! The server: what actix-web's own `HttpServer` does, with the connections of this crate.

use std::net::{TcpListener, ToSocketAddrs};
use std::{convert::Infallible, fmt, future::ready, io, pin::pin, sync::Arc, time::Duration};

use actix_http::{KeepAlive, Request, Response, body::MessageBody};
use actix_rt::time::sleep;
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, ServiceExt as _, ServiceFactory};
use actix_service::{boxed::rc_service, fn_factory, fn_service};
use actix_web::{Error, dev::AppConfig};
use bytes::Bytes;
use futures_util::future::select;
use health_core::{Registry, http::HealthService};
#[cfg(feature = "tls")]
use health_tls::Tls;
use health_tokio::TokioTimer;
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tower_service::Service;
use tracing::error;

use crate::connection::{App, Port, Settings, Worker};
use crate::counted::counted;
use crate::grpc::{self, BoxError};
use crate::http2::Local;

/// A server for an actix-web App, with the health service before it on the same ports.
///
/// It takes the place of actix-web's own `HttpServer`: the same App, over HTTP/1.1 and cleartext HTTP/2 (by
/// prior knowledge) alike, or both over TLS, and native gRPC health, which actix-web's own cannot serve.
///
/// # Semantics
///
/// Health paths are answered first and never reach the App or its middleware. Every other request is the
/// App's, with the peer's address and its body as it comes, and the answer's body goes out as the peer
/// takes it. WebSockets and other upgrades work over HTTP/1.1.
///
/// SIGTERM and [`shutdown_signal`](Self::shutdown_signal) stop the server gracefully: it closes the
/// registry, so that open watches see NOT_SERVING and then UNAVAILABLE, takes no new connections or
/// requests, lets those under way finish, and ends with the last of them. SIGINT and SIGQUIT stop it at
/// once. To give load balancers time before the stop, use `health_tokio::drain` as the signal.
///
/// # Limits
///
/// A first HTTP/1.1 header block and the HTTP/2 preface must come within
/// [`client_request_timeout`](Self::client_request_timeout); a header list has 16 KiB over HTTP/2, and over
/// HTTP/1.1 what actix-http allows (128 KiB, 96 headers). One connection may have as many calls cancelled
/// at a time as it may have open. PINGs are answered and never counted. An HTTP/1.1 Watch ends a second
/// after the peer's FIN.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use actix_web::{App, web};
/// use health_actix_web::HttpServer;
/// use health_core::Registry;
/// use health_tokio::{drain, terminated};
///
/// # #[actix_web::main]
/// # async fn main() -> std::io::Result<()> {
/// let health = Registry::new();
/// let app = || App::new().route("/hello", web::get().to(|| async { "hello" }));
/// HttpServer::new(&health, app)
///     .shutdown_signal(drain(&health, Duration::from_secs(10), terminated()))
///     .bind("0.0.0.0:20000")?
///     .run()
///     .await
/// # }
/// ```
#[expect(missing_debug_implementations, reason = "an App is any closure")]
#[must_use = "a server does nothing unless it is run"]
pub struct HttpServer<F> {
    app: F,
    settings: Settings,
    server: ServerBuilder,
    listeners: Vec<(TcpListener, Port)>,
}

impl<F, I> HttpServer<F>
where
    F: Fn() -> I + Clone + Send + 'static,
{
    /// A server for what `app` makes, called once for each worker and listener, and for the health service
    /// over `registry`.
    pub fn new(registry: &Registry, app: F) -> Self {
        let health = HealthService::new(registry, TokioTimer::shared());
        Self::with_service(move || health.clone(), app)
    }

    /// The same with a health service that has settings of its own, or changes: `health` is called for each
    /// request that is the health service's, and must be cheap.
    pub fn with_service(
        health: impl Fn() -> HealthService + Send + Sync + 'static,
        app: F,
    ) -> Self {
        let mut http2 = http2::Builder::new(Local);
        http2.timer(hyper_util::rt::TokioTimer::new());
        http2.max_header_list_size(16 * 1024);
        // Streams in the life of a connection that this side had to reset (RUSTSEC-2024-0003).
        http2.max_local_error_reset_streams(1024);
        // Bytes that wait on one stream: who reads slowly gets the newest status later, not every status.
        http2.max_send_buf_size(16 * 1024);
        // As in actix-http. Twice a stream's: an upload that nobody reads holds no other call up.
        http2.initial_connection_window_size(2 * 1024 * 1024);
        http2.initial_stream_window_size(1024 * 1024);
        let settings = Settings {
            port: Port::App,
            health: Arc::new(health),
            grpc: None,
            http2,
            keep_alive: KeepAlive::Timeout(Duration::from_secs(75)),
            client_request_timeout: Duration::from_secs(10),
            on_connect: Arc::new(|_| Box::new(|_| ())),
            stop: Arc::default(),
        };
        Self { app, settings, server: ServerBuilder::new(), listeners: Vec::new() }
            .max_concurrent_streams(1000)
    }

    /// Serves native gRPC services beside the App, which could not send their trailers: tonic's `Routes`, or
    /// any other service of tower's.
    ///
    /// # Semantics
    ///
    /// Every native gRPC call (HTTP/2, content type `application/grpc`) that is not health's is `service`'s, and
    /// passes through nothing of the App's. All else is the App's as before, gRPC-Web included. `service` is
    /// cloned for each call, and runs on the worker that has the connection. tonic's transport is not there: no
    /// address of the peer, and nobody who holds a service to `grpc-timeout`.
    ///
    /// # Examples
    ///
    /// Server reflection on the App's port, so that `grpcurl` lists what there is:
    ///
    /// ```
    /// use actix_web::App;
    /// use health_actix_web::HttpServer;
    /// use health_core::Registry;
    /// use tonic::service::Routes;
    ///
    /// # fn main() -> Result<(), tonic_reflection::server::Error> {
    /// let reflection = tonic_reflection::server::Builder::configure()
    ///     .register_encoded_file_descriptor_set(health_proto::FILE_DESCRIPTOR_SET)
    ///     .build_v1()?;
    /// let server = HttpServer::new(&Registry::new(), App::new).grpc(Routes::new(reflection));
    /// # let _ = server;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `health_tonic::HealthRoutes` makes routes whose services are registered by themselves.
    pub fn grpc<S, B>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Incoming>, Response = http::Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
    {
        self.settings.grpc = Some(grpc::boxed(service));
        self
    }

    /// Sets what actix-server decides: the number of workers, how many connections each takes, the signals,
    /// how long a graceful stop may take.
    ///
    /// ```
    /// use actix_web::App;
    /// use health_actix_web::HttpServer;
    /// use health_core::Registry;
    ///
    /// let server = HttpServer::new(&Registry::new(), App::new)
    ///     .server(|server| server.workers(4).max_concurrent_connections(10_000).shutdown_timeout(30));
    /// # let _ = server;
    /// ```
    pub fn server(mut self, set: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        self.server = set(self.server);
        self
    }

    /// Stops the server gracefully when `signal` completes, and leaves the signals of the system alone.
    pub fn shutdown_signal(self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.server(|server| server.shutdown_signal(signal))
    }

    /// How many requests one HTTP/2 connection may have open: 1 000 unless set, as each Watch is one for as
    /// long as it lasts.
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        // Whoever may open so many may cancel so many at once. What was reset before it was handled
        // stays bounded (CVE-2023-44487).
        let resets = streams as usize;
        let http2 = &mut self.settings.http2;
        http2.max_concurrent_streams(streams).max_pending_accept_reset_streams(resets);
        self
    }

    /// After how long a silence an HTTP/2 peer is sent a PING, whose answer may take as long again before
    /// the connection is closed. None unless set; TCP keep-alive finds peers that are gone without it.
    pub fn http2_ping_interval(mut self, interval: Duration) -> Self {
        let (http2, interval) = (&mut self.settings.http2, interval.min(FAR));
        http2.keep_alive_interval(interval).keep_alive_timeout(interval);
        self
    }

    /// How long an HTTP/1.1 connection may be idle. 75 s unless set: longer than the 60 s of common load
    /// balancers, which must be the first to close. actix-http looks at its clock twice a second.
    pub fn keep_alive(mut self, keep_alive: impl Into<KeepAlive>) -> Self {
        self.settings.keep_alive = match keep_alive.into() {
            KeepAlive::Timeout(timeout) => KeepAlive::Timeout(timeout.min(FAR)),
            other => other,
        };
        self
    }

    /// How long a peer may take for the HTTP/2 preface or a first HTTP/1.1 header block. 10 s unless set.
    ///
    /// actix-http sets no limit to the header blocks that follow on the same connection.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.client_request_timeout = timeout.min(FAR);
        self
    }

    /// Looks at each connection once, when it begins, over TLS before the handshake. What is seen goes into
    /// the extensions of every request that comes over it, where `web::ReqData` finds it.
    ///
    /// `HttpRequest::conn_data` finds nothing: actix-http sets it only for requests that it reads itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_web::{App, web};
    /// use health_actix_web::HttpServer;
    /// use health_core::Registry;
    ///
    /// #[derive(Clone)]
    /// struct Ttl(u32);
    ///
    /// let app = || App::new().route("/", web::get().to(
    ///     |ttl: web::ReqData<Ttl>| async move { format!("TTL {}", ttl.0) }
    /// ));
    /// let server = HttpServer::new(&Registry::new(), app)
    ///     .on_connect(|stream| Ttl(stream.ttl().unwrap_or_default()));
    /// # let _ = server;
    /// ```
    pub fn on_connect<T: Clone + 'static>(
        mut self,
        look: impl Fn(&TcpStream) -> T + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_connect = Arc::new(move |stream| {
            let seen = look(stream);
            Box::new(move |extensions| drop(extensions.insert(seen.clone())))
        });
        self
    }

    /// Listens on `address`; where it stands for several, on the first that can be had. May be called again,
    /// for a further port of the same server.
    ///
    /// # Errors
    ///
    /// If no such address can be had.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(self.listen(TcpListener::bind(address)?))
    }

    /// Listens on a socket that is bound already.
    pub fn listen(self, listener: TcpListener) -> Self {
        self.listen_as(Port::App, listener)
    }

    /// Listens on `address` over TLS, as [`bind`](Self::bind) does in plaintext: HTTP/2, with native gRPC
    /// health, or HTTP/1.1, with WebSockets, as ALPN has it, or by the first bytes from a peer without ALPN.
    ///
    /// The limits are the same; those on time begin after the handshake, which has one of its own.
    ///
    /// # Errors
    ///
    /// If no such address can be had.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use actix_web::{App, web};
    /// use health_actix_web::HttpServer;
    /// use health_core::Registry;
    /// use health_tls::Tls;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let app = || App::new().route("/hello", web::get().to(|| async { "hello" }));
    /// HttpServer::new(&Registry::new(), app)
    ///     .bind_tls("0.0.0.0:20000", Tls::from_pem_files("tls.crt", "tls.key")?)?
    ///     .run()
    ///     .await
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn bind_tls(self, address: impl ToSocketAddrs, tls: Tls) -> io::Result<Self> {
        Ok(self.listen_tls(TcpListener::bind(address)?, tls))
    }

    /// Listens over TLS on a socket that is bound already.
    #[cfg(feature = "tls")]
    pub fn listen_tls(self, listener: TcpListener, tls: Tls) -> Self {
        self.listen_as(Port::AppOverTls(tls), listener)
    }

    /// Answers for health, and for nothing else, in plaintext on `address`: for probers that cannot present a
    /// client certificate or speak TLS, such as the kubelet's gRPC probe. To be the loopback interface or the
    /// pod's address.
    ///
    /// # Errors
    ///
    /// If no such address can be had.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use actix_web::{App, web};
    /// use health_actix_web::HttpServer;
    /// use health_core::Registry;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let app = || App::new().route("/hello", web::get().to(|| async { "hello" }));
    /// let server = HttpServer::new(&Registry::new(), app);
    /// # #[cfg(feature = "tls")]
    /// let tls = health_tls::Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?;
    /// # #[cfg(feature = "tls")]
    /// let server = server.bind_tls("0.0.0.0:20000", tls)?;
    /// server.bind_health("0.0.0.0:20001")?.run().await
    /// # }
    /// ```
    pub fn bind_health(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(self.listen_health(TcpListener::bind(address)?))
    }

    /// Answers for health alone, in plaintext, on a socket that is bound already.
    pub fn listen_health(self, listener: TcpListener) -> Self {
        self.listen_as(Port::Health, listener)
    }

    fn listen_as(mut self, port: Port, listener: TcpListener) -> Self {
        // Accepted sockets inherit it: a peer whose host is gone watches no longer for ever.
        let keep_alive = TcpKeepalive::new().with_time(Duration::from_secs(20));
        let _ = SockRef::from(&listener).set_tcp_keepalive(&keep_alive);
        self.listeners.push((listener, port));
        self
    }

    /// Runs the server, until a signal ends it. Dropping the future closes the listeners and every
    /// connection.
    ///
    /// # Errors
    ///
    /// If nothing was bound, or if an App or a worker cannot be started.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio or actix-rt.
    pub async fn run<S, B>(self) -> io::Result<()>
    where
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig, InitError: fmt::Debug> + 'static,
        S: ServiceFactory<Request, Response: Into<Response<B>>, Error: Into<Error>>,
        B: MessageBody + 'static,
    {
        if self.listeners.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "call bind or listen first"));
        }
        (self.settings.health)().registry().traffic().count();
        let mut server = self.server;
        for (listener, port) in self.listeners {
            let address = listener.local_addr()?;
            let (app, settings) = (self.app.clone(), Settings { port, ..self.settings.clone() });
            server = server.listen("health-actix-web", listener, move || {
                let (app, settings) = (app.clone(), settings.clone());
                fn_factory(move || {
                    let settings = settings.clone();
                    let is_secure = !matches!(settings.port, Port::App | Port::Health);
                    let config =
                        AppConfig::__priv_test_new(is_secure, address.to_string(), address);
                    let has_app = !matches!(settings.port, Port::Health);
                    let app = has_app.then(|| app().into_factory().new_service(config));
                    async move {
                        let Some(app) = app else {
                            return Worker::start(nothing(), settings).await;
                        };
                        let app =
                            app.await.map_err(|error| error!(?error, "cannot start the App"))?;
                        let app = app.map(|answer| answer.into().map_into_boxed_body());
                        let app = app.map_err(|error| Response::from(error.into()));
                        let app = counted(app, Arc::clone(&settings.health));
                        Worker::start(rc_service(app), settings).await
                    }
                })
            })?;
        }
        let stopping = server.graceful_shutdown_signal();
        let stopped = async {
            stopping.notified().await;
            let health = (self.settings.health)();
            health.registry().shutdown();
            self.settings.stop.send_replace(true);
            // A client that sees its Watch end before the GOAWAY would only open another one here.
            sleep(GOAWAY_LEAD).await;
            health.registry().close();
            // actix-server itself looks only once a second whether its connections have ended.
            self.settings.stop.closed().await;
            Ok(())
        };
        select(server.run(), pin!(stopped)).await.factor_first().0
    }
}

/// Longer than any connection lasts, and short enough for any clock to add.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// As [`Drain`](health_core::drain::Drain) gives it.
const GOAWAY_LEAD: Duration = Duration::from_millis(20);

/// The App of a port that is for health alone.
fn nothing() -> App {
    rc_service(fn_service(|_| ready(Ok(Response::not_found()))))
}
