//! Every thread answers over both versions of HTTP from the one registry, on io_uring and by polling, and no
//! tokio runtime is there: not where it runs, and not in what is compiled.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use compio::io::{AsyncWrite as _, AsyncWriteExt as _};
use compio::net::TcpStream;
use compio::runtime::{Runtime, spawn, spawn_blocking};
use compio::time::{sleep, timeout};
use cyper_core::HyperStream;
use health_core::http::HealthService;
use health_core::{Registry, ServingStatus};
use health_example_compio_server::{CompioTimer, Server, Threads, service};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use tokio::runtime::Handle;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Far beyond anything that is waited for here; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves `registry` from two threads; every answer names its thread, and a call that comes where a tokio runtime is
/// fails.
fn start(registry: &Registry, threads: Threads) -> Server {
    let health = service(HealthService::new(registry, Arc::new(CompioTimer::default())));
    let service = service_fn(move |request: Request<Incoming>| {
        assert!(Handle::try_current().is_err(), "a tokio runtime is here");
        let answer = health.call(request);
        async move {
            let mut answer = answer.await?;
            let name = thread::current().name().unwrap().parse().unwrap();
            answer.headers_mut().insert("thread", name);
            Ok::<_, Infallible>(answer)
        }
    });
    Server::start(LOOPBACK, threads.number(NonZeroUsize::new(2).unwrap()), &service).unwrap()
}

/// Runs `test` with threads on io_uring, where the system has it, and with threads that poll.
fn on_each_driver<F: Future<Output = ()>>(test: impl Fn(Threads) -> F) {
    for threads in [Threads::one_a_core(), Threads::one_a_core().polling()] {
        Runtime::new().unwrap().block_on(async {
            timeout(PATIENCE, test(threads)).await.expect("hangs");
        });
    }
}

fn call(method: &str, content_type: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post(format!("http://localhost/grpc.health.v1.Health/{method}"))
        .header("host", "localhost")
        .header("content-type", content_type)
        .body(Full::from(body))
        .unwrap()
}

async fn io(address: SocketAddr) -> HyperStream<TcpStream> {
    HyperStream::new_plain(TcpStream::connect(address).await.unwrap())
}

async fn over_http1(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut requests, connection) = http1::handshake(io(address).await).await.unwrap();
    spawn(async { drop(connection.await) }).detach();
    requests.send_request(request).await.unwrap()
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn(future).detach();
    }
}

async fn over_http2(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut requests, connection) = http2::handshake(Local, io(address).await).await.unwrap();
    spawn(async { drop(connection.await) }).detach();
    requests.send_request(request).await.unwrap()
}

fn thread_of(reply: &Response<Incoming>) -> String {
    reply.headers()["thread"].to_str().unwrap().to_owned()
}

/// Calls on new connections, which the system spreads by their ports, until both threads have answered.
async fn by_both<F: Future<Output = Response<Incoming>>>(
    call: impl Fn() -> F,
) -> BTreeMap<String, Response<Incoming>> {
    let mut replies = BTreeMap::new();
    while replies.len() < 2 {
        let reply = call().await;
        replies.entry(thread_of(&reply)).or_insert(reply);
    }
    assert!(replies.keys().eq(["core-0", "core-1"]), "{:?}", replies.keys());
    replies
}

/// Ends a server, which blocks, while this thread goes on to serve the clients.
async fn ended(end: impl FnOnce() + Send + 'static) {
    spawn_blocking(end).await.unwrap();
}

#[test]
fn every_thread_answers_over_both_versions_of_http() {
    on_each_driver(|threads| async move {
        let registry = Registry::new();
        let server = start(&registry, threads);
        let address = server.address();
        let check = || over_http1(address, call("Check", "application/json", b"{}"));
        for (thread, reply) in by_both(check).await {
            let body = reply.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, r#"{"status":"SERVING"}"#, "{thread}");
        }
        let check = || over_http2(address, call("Check", "application/grpc", &[0; 5]));
        for (thread, reply) in by_both(check).await {
            let reply = reply.into_body().collect().await.unwrap();
            assert_eq!(reply.trailers().unwrap()["grpc-status"], "0", "{thread}");
            assert_eq!(reply.to_bytes(), b"\0\0\0\0\x02\x08\x01"[..], "{thread}");
        }
        ended(|| server.stop()).await;
    });
}

#[test]
fn a_status_that_is_set_here_reaches_the_watches_of_every_thread() {
    on_each_driver(|threads| async move {
        let registry = Registry::new();
        let server = start(&registry, threads);
        let address = server.address();
        let watch =
            || over_http2(address, call("Watch", "application/grpc", b"\0\0\0\0\x05\x0a\x03svc"));
        let watches = by_both(watch).await;
        let mut watches: Vec<_> = watches.into_values().map(Response::into_body).collect();
        for (status, number) in
            [(None, 3), (Some(ServingStatus::Serving), 1), (Some(ServingStatus::NotServing), 2)]
        {
            // The test's own thread: nothing of the server runs on it.
            status.map(|status| registry.set("svc", status));
            for watch in &mut watches {
                let frame = watch.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(frame, [0, 0, 0, 0, 2, 8, number][..]);
            }
        }
        registry.close();
        for watch in watches {
            let rest = watch.collect().await.unwrap();
            assert_eq!(rest.trailers().unwrap()["grpc-status"], "14");
        }
        ended(|| server.stop()).await;
    });
}

#[test]
fn a_deadline_is_held_on_every_thread() {
    on_each_driver(|threads| async move {
        let server = start(&Registry::new(), threads);
        let address = server.address();
        let watch = || {
            let mut watch = call("Watch", "application/grpc", &[0; 5]);
            watch.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
            over_http2(address, watch)
        };
        let begun = Instant::now();
        for (thread, reply) in by_both(watch).await {
            let reply = reply.into_body().collect().await.unwrap();
            assert_eq!(reply.trailers().unwrap()["grpc-status"], "4", "{thread}");
        }
        assert!(begun.elapsed() >= Duration::from_millis(50), "{:?}", begun.elapsed());
        ended(|| server.stop()).await;
    });
}

#[test]
fn a_watcher_that_leaves_is_forgotten() {
    on_each_driver(|threads| async move {
        let registry = Registry::new();
        let server = start(&registry, threads);
        // A Watch over HTTP/1.1 with the next request behind it, which hyper does not read past.
        let head = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\n\
                    content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head.repeat(2)).await.0.unwrap();
        watchers(&registry, 1).await;
        stream.shutdown().await.unwrap();
        watchers(&registry, 0).await;
        ended(|| server.stop()).await;
    });
}

/// Waits until as many watches are open.
async fn watchers(registry: &Registry, number: usize) {
    while registry.watchers() != number {
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_drain_ends_watches_and_threads() {
    on_each_driver(|threads| async move {
        let registry = Registry::new();
        registry.set("svc", ServingStatus::Serving);
        let server = start(&registry, threads);
        let address = server.address();
        let watch =
            || over_http2(address, call("Watch", "application/grpc", b"\0\0\0\0\x05\x0a\x03svc"));
        let watches = by_both(watch).await;
        let begun = Instant::now();
        let drained = ended(move || server.drain(&registry, Duration::from_millis(50)));
        let drained = spawn(drained);
        for (thread, watch) in watches {
            let all = watch.into_body().collect().await.unwrap();
            assert_eq!(all.trailers().unwrap()["grpc-status"], "14", "{thread}");
            assert_eq!(all.to_bytes(), b"\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x02"[..], "{thread}");
        }
        drained.await.unwrap();
        // Five seconds are for calls that do not end.
        let took = begun.elapsed();
        assert!((Duration::from_millis(50)..Duration::from_secs(4)).contains(&took), "{took:?}");
        // Nobody listens any more. The kernel takes a ring apart, and the sockets that it held, in its own time.
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let server = start(&Registry::new(), Threads::one_a_core());
    let health = HealthService::new(&Registry::new(), Arc::new(CompioTimer::default()));
    let second = Server::start(server.address(), Threads::one_a_core(), &service(health));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
    server.stop();
}

#[test]
fn polling_is_what_was_asked_for() {
    let server = start(&Registry::new(), Threads::one_a_core().polling());
    assert!(server.driver().is_polling(), "{:?}", server.driver());
    assert_eq!(server.threads(), 2);
    server.stop();
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
