//! A graceful stop through each adapter's own server, with a thousand watchers of names that are known
//! and names that are not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use clap::ValueEnum as _;
use h2::client::SendRequest;
use health_conformance::Adapter;
use health_core::drain::{Drain, Receipt};
use health_core::http::HealthService;
use health_core::rt::Timer;
use health_core::{Registry, ServingStatus};
use health_example_smol_server::SmolTimer;
use health_tokio::TokioTimer;
use health_tonic::HealthRoutes;
use health_tower::HealthLayer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// How long the servers go on telling NOT_SERVING.
const GRACE: Duration = Duration::from_millis(700);

/// HTTP/2 connections, and the watches on each: no more than `axum::serve` allows.
const CONNECTIONS: usize = 5;
const STREAMS: usize = 190;
/// Watches that have an HTTP/1.1 connection to themselves.
const OVER_HTTP1: usize = 50;

const KNOWN: &str = "known";
const UNKNOWN: &str = "unknown";

/// Serves `registry` on a thread, with a runtime, of its own, and drains it after `stop`; the receiver gets
/// the receipt when the server has ended.
fn start(
    adapter: Adapter,
    registry: &Registry,
    stop: oneshot::Receiver<()>,
) -> (SocketAddr, oneshot::Receiver<Receipt>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let registry = registry.clone();
    let (ending, ended) = oneshot::channel();
    thread::spawn(move || {
        let receipt = match adapter {
            Adapter::Smol => smol::block_on(on_smol(listener, registry, stop)),
            Adapter::ActixWeb => {
                actix_web::rt::System::new().block_on(on_actix_web(listener, registry, stop))
            }
            _ => {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(on_tokio(adapter, listener, registry, stop))
            }
        };
        ending.send(receipt).unwrap();
    });
    (address, ended)
}

async fn asked(stop: oneshot::Receiver<()>) {
    stop.await.unwrap();
}

fn drain(registry: &Registry, timer: Arc<dyn Timer>) -> Drain {
    Drain::new(registry, timer).lame_duck(GRACE)
}

async fn on_smol(
    listener: TcpListener,
    registry: Registry,
    stop: oneshot::Receiver<()>,
) -> Receipt {
    let timer: Arc<dyn Timer> = Arc::new(SmolTimer::default());
    let health = HealthService::new(&registry, Arc::clone(&timer));
    let service = health_example_smol_server::service(health);
    let listener = smol::Async::new(listener).unwrap().into();
    let serve = |stop| health_example_smol_server::serve(listener, service, stop);
    drain(&registry, timer).run(asked(stop), serve).await.1
}

async fn on_actix_web(
    listener: TcpListener,
    registry: Registry,
    stop: oneshot::Receiver<()>,
) -> Receipt {
    let serve = |stop| {
        let server = health_actix_web::HttpServer::new(&registry, actix_web::App::new);
        server.server(|server| server.workers(2)).shutdown_signal(stop).listen(listener).run()
    };
    drain(&registry, TokioTimer::shared()).run(asked(stop), serve).await.1
}

async fn on_tokio(
    adapter: Adapter,
    listener: TcpListener,
    registry: Registry,
    stop: oneshot::Receiver<()>,
) -> Receipt {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let drain = drain(&registry, TokioTimer::shared());
    match adapter {
        Adapter::Hyper => {
            let health = HealthService::new(&registry, TokioTimer::shared());
            let server = health_hyper::serve(listener, health);
            drain.run(asked(stop), |stop| server.with_graceful_shutdown(stop)).await.1
        }
        Adapter::Tonic => {
            let server = Server::builder()
                .accept_http1(true)
                .add_routes(HealthRoutes::new(&registry).into_routes());
            let incoming = TcpIncoming::from(listener);
            let serve = |stop| server.serve_with_incoming_shutdown(incoming, stop);
            drain.run(asked(stop), serve).await.1
        }
        Adapter::Tower => {
            let app = Router::new().layer(HealthLayer::new(&registry, TokioTimer::shared()));
            let server = axum::serve(listener, app);
            drain.run(asked(stop), |stop| server.with_graceful_shutdown(stop)).await.1
        }
        other => panic!("{other} has no server here"),
    }
}

/// An open Watch.
enum Watch {
    Http2(h2::RecvStream),
    /// The connection, and what came that is not read yet.
    Http1(TcpStream, String),
}

impl Watch {
    async fn over_http2(requests: &SendRequest<bytes::Bytes>, service: &str) -> Self {
        let request = http::Request::post("http://localhost/grpc.health.v1.Health/Watch")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut requests = requests.clone().ready().await.unwrap();
        let (response, mut body) = requests.send_request(request, false).unwrap();
        body.send_data(envelope(service).into(), true).unwrap();
        Self::Http2(response.await.unwrap().into_body())
    }

    async fn over_http1(address: SocketAddr, service: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let message = envelope(service);
        let head = format!(
            "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/grpc-web\r\ncontent-length: {}\r\n\r\n",
            message.len()
        );
        stream.write_all(&[head.as_bytes(), &message].concat()).await.unwrap();
        Self::Http1(stream, String::new())
    }

    /// The status that the next message tells, as its number.
    async fn status(&mut self) -> u8 {
        match self {
            Self::Http2(body) => {
                let message = body.data().await.unwrap().unwrap();
                body.flow_control().release_capacity(message.len()).unwrap();
                assert_eq!(message[..6], *b"\0\0\0\0\x02\x08");
                message[6]
            }
            Self::Http1(stream, read) => {
                let mark = "\0\0\0\0\u{2}\u{8}";
                while read.find(mark).is_none_or(|at| read.len() <= at + mark.len()) {
                    receive(stream, read).await;
                }
                let at = read.find(mark).unwrap() + mark.len();
                let status = read.as_bytes()[at];
                read.drain(..=at);
                status
            }
        }
    }

    /// How the stream ends, after which no message may come any more.
    async fn end(&mut self) -> String {
        match self {
            Self::Http2(body) => {
                let extra = body.data().await.transpose().unwrap();
                assert_eq!(extra, None, "a message after the last one");
                let trailers = body.trailers().await.unwrap().unwrap();
                trailers["grpc-status"].to_str().unwrap().to_owned()
            }
            Self::Http1(stream, read) => {
                while !read.ends_with("0\r\n\r\n") {
                    receive(stream, read).await;
                }
                assert!(!read.contains("\0\0\0\0\u{2}\u{8}"), "a message after the last one");
                let (_, status) = read.split_once("grpc-status:").unwrap();
                status.lines().next().unwrap().trim().to_owned()
            }
        }
    }
}

/// Reads what there is; all of it is ASCII.
async fn receive(stream: &mut TcpStream, read: &mut String) {
    let mut bytes = [0; 1024];
    let count = stream.read(&mut bytes).await.unwrap();
    assert_ne!(count, 0, "closed after {read:?}");
    read.extend(bytes[..count].iter().map(|byte| char::from(*byte & 0x7f)));
}

fn envelope(service: &str) -> Vec<u8> {
    let length = service.len() as u8;
    [&[0, 0, 0, 0, length + 2, 0x0a, length], service.as_bytes()].concat()
}

/// Opens every watch, in turn of a name that is known and one that is not, and reads its first status.
async fn open(address: SocketAddr) -> Vec<(&'static str, Watch)> {
    let names = [(KNOWN, ServingStatus::Serving), (UNKNOWN, ServingStatus::ServiceUnknown)];
    let mut watches = Vec::new();
    for connection in 0..CONNECTIONS + OVER_HTTP1 {
        let mut http2 = None;
        let is_http2 = connection < CONNECTIONS;
        if is_http2 {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (requests, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            http2 = Some(requests);
        }
        for number in 0..if is_http2 { STREAMS } else { 1 } {
            let (name, expected) = names[(connection + number) % 2];
            let mut watch = match &http2 {
                Some(requests) => Watch::over_http2(requests, name).await,
                None => Watch::over_http1(address, name).await,
            };
            assert_eq!(watch.status().await, expected as u8, "{name}");
            watches.push((name, watch));
        }
    }
    watches
}

async fn a_stop_of(adapter: Adapter) {
    let registry = Registry::new();
    registry.set(KNOWN, ServingStatus::Serving);
    let (stop, stopped) = oneshot::channel();
    let (address, ended) = start(adapter, &registry, stopped);
    let mut watches = open(address).await;
    assert_eq!(registry.watchers(), 1000, "{adapter}");

    let begun = Instant::now();
    stop.send(()).unwrap();
    // A name that nobody registered stays unknown, as Check goes on answering NOT_FOUND.
    for (_, watch) in watches.iter_mut().filter(|(name, _)| *name == KNOWN) {
        assert_eq!(watch.status().await, ServingStatus::NotServing as u8, "{adapter}");
    }
    assert!(begun.elapsed() < GRACE, "{adapter}: told after {:?}", begun.elapsed());
    for (name, watch) in &mut watches {
        assert_eq!(watch.end().await, "14", "{adapter}: {name}");
    }
    let receipt = ended.await.unwrap();
    let told = watches.iter().filter(|(name, _)| *name == KNOWN).count();
    assert_eq!((receipt.watchers_told(), receipt.streams_cut()), (told, 0), "{adapter}: {receipt}");
    let lame_duck = GRACE..GRACE + Duration::from_millis(200);
    assert!(lame_duck.contains(&receipt.lame_duck()), "{adapter}: {receipt}");
    let took = begun.elapsed();
    let allowed = GRACE..GRACE + Duration::from_secs(1);
    assert!(allowed.contains(&took), "{adapter}: ended after {took:?}");
    assert_eq!(registry.watchers(), 0, "{adapter}");
    let refused = TcpStream::connect(address).await;
    assert!(refused.is_err(), "{adapter}: something still listens");
    // The connections of the watches stay open on this side until here: no server waited for that.
    drop(watches);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_is_told_and_the_server_ends_within_its_grace() {
    for adapter in Adapter::value_variants() {
        let limit = Duration::from_secs(30);
        let stopped = timeout(limit, a_stop_of(*adapter)).await;
        stopped.unwrap_or_else(|_| panic!("{adapter} did not stop within {limit:?}"));
    }
}
