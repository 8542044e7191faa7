//! The server answers over both versions of HTTP, holds deadlines and drains, and no tokio runtime is
//! there: not where it runs, and not in what is compiled.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::future::pending;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use health_core::drain::Drain;
use health_core::http::HealthService;
use health_core::rt::Timer;
use health_core::{Registry, ServingStatus};
use health_example_smol_server::{SmolTimer, serve, service};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use smol::net::{TcpListener, TcpStream};
use smol_hyper::rt::FuturesIo;
use tokio::runtime::Handle;

/// Serves `registry`, and fails every call that comes where a tokio runtime is.
async fn start(registry: &Registry, stop: impl Future<Output = ()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = service(HealthService::new(registry, Arc::new(SmolTimer::default())));
    let service = service_fn(move |request: Request<Incoming>| {
        assert!(Handle::try_current().is_err(), "a tokio runtime is here");
        health.call(request)
    });
    smol::spawn(serve(listener, service, stop)).detach();
    address
}

async fn io(address: SocketAddr) -> FuturesIo<TcpStream> {
    FuturesIo::new(TcpStream::connect(address).await.unwrap())
}

fn call(method: &str, content_type: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post(format!("http://localhost/grpc.health.v1.Health/{method}"))
        .header("host", "localhost")
        .header("content-type", content_type)
        .body(Full::from(body))
        .unwrap()
}

async fn over_http1(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut requests, connection) = http1::handshake(io(address).await).await.unwrap();
    smol::spawn(connection).detach();
    requests.send_request(request).await.unwrap()
}

#[derive(Clone)]
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        smol::spawn(future).detach();
    }
}

async fn over_http2(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut requests, connection) = http2::handshake(Spawn, io(address).await).await.unwrap();
    smol::spawn(connection).detach();
    requests.send_request(request).await.unwrap()
}

#[test]
fn both_versions_of_http_are_served() {
    smol::block_on(async {
        let address = start(&Registry::new(), pending()).await;
        let reply = over_http1(address, call("Check", "application/json", b"{}")).await;
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"status":"SERVING"}"#);

        let reply = over_http2(address, call("Check", "application/grpc", &[0; 5])).await;
        let reply = reply.into_body().collect().await.unwrap();
        assert_eq!(reply.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(reply.to_bytes(), b"\0\0\0\0\x02\x08\x01"[..]);
    });
}

#[test]
fn a_deadline_is_held() {
    smol::block_on(async {
        let address = start(&Registry::new(), pending()).await;
        let mut watch = call("Watch", "application/grpc", &[0; 5]);
        watch.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
        let begun = Instant::now();
        let reply = over_http2(address, watch).await;
        let reply = reply.into_body().collect().await.unwrap();
        assert_eq!(reply.trailers().unwrap()["grpc-status"], "4");
        let took = begun.elapsed();
        assert!((Duration::from_millis(50)..Duration::from_secs(5)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_drain_ends_watches_and_the_server() {
    smol::block_on(async {
        let registry = Registry::new();
        registry.set("svc", ServingStatus::Serving);
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let timer: Arc<dyn Timer> = Arc::new(SmolTimer::default());
        let health = service(HealthService::new(&registry, Arc::clone(&timer)));
        let drain = Drain::new(&registry, timer).lame_duck(Duration::from_millis(50));
        let asked = async move { _ = stopped.recv().await };
        let served = smol::spawn(drain.run(asked, |stop| serve(listener, health, stop)));
        let request = call("Watch", "application/grpc", b"\0\0\0\0\x05\x0a\x03svc");
        let mut watch = over_http2(address, request).await.into_body();
        let serving = watch.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(serving, b"\0\0\0\0\x02\x08\x01"[..]);
        drop(stop);
        let rest = watch.collect().await.unwrap();
        assert_eq!(rest.trailers().unwrap()["grpc-status"], "14");
        assert_eq!(rest.to_bytes(), b"\0\0\0\0\x02\x08\x02"[..]);
        let (_, receipt) = served.await;
        assert_eq!((receipt.watchers_told(), receipt.streams_cut()), (1, 0), "{receipt}");
        assert!(TcpStream::connect(address).await.is_err(), "it still listens");
    });
}

#[test]
fn no_runtime_of_tokio_is_compiled() {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "-p", env!("CARGO_PKG_NAME"), "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p} {f}"])
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let tokio = tree.lines().find(|line| line.starts_with("tokio v")).unwrap();
    let features: Vec<_> = tokio.rsplit(' ').next().unwrap().split(',').collect();
    assert!(features.contains(&"io-util"), "features are read: {features:?}");
    for runtime in ["rt", "rt-multi-thread", "net", "time"] {
        assert!(!features.contains(&runtime), "{runtime} is in {features:?}");
    }
}
