//! The same server over TLS, and health in plaintext beside it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;
#[path = "../../tls/tests/pki/mod.rs"]
mod pki;

use std::time::{Duration, Instant};
use std::{convert::Infallible, io};

use health_core::{Registry, ServingStatus::NotServing, http::HealthService};
use health_hyper::{HealthHyper, Serve, serve_with};
use health_tls::{Tls, TlsBuilder};
use health_tokio::TokioTimer;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use peer::{
    Call, NOT_SERVING, SERVING, Server, WATCH, grpc_check, grpc_web_watch, http2, http2_over,
    json_check, read_grpc_web, read_response, read_to_end, within,
};
use pki::{Authority, Client, Files, presented};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

struct Stage {
    authority: Authority,
    files: Files,
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new("known");
        let files = Files::new(&authority.issue());
        Self { authority, files }
    }

    fn tls(&self) -> TlsBuilder {
        Tls::builder(self.files.certificate(), self.files.key()).reload_interval(Duration::ZERO)
    }

    fn mutual_tls(&self) -> TlsBuilder {
        self.tls().client_ca(self.files.write("clients.pem", &self.authority.pem()))
    }

    async fn serve(&self) -> Server {
        self.serve_with(self.tls(), |serve| serve).await
    }

    async fn serve_with(
        &self,
        tls: TlsBuilder,
        settings: impl FnOnce(Serve<HealthHyper>) -> Serve<HealthHyper>,
    ) -> Server {
        Server::with(|serve| settings(serve.tls(tls.build().unwrap()))).await
    }

    fn http1(&self) -> Client {
        self.authority.client(&["http/1.1"])
    }

    fn http2(&self) -> Client {
        self.authority.client(&["h2"])
    }
}

async fn connect(client: &Client, server: &Server) -> TlsStream<TcpStream> {
    client.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn alpn_decides_and_without_it_the_first_bytes_do() {
    let stage = Stage::new();
    let server = stage.serve().await;
    for alpn in [&["h2"][..], &["http/1.1", "h2"], &[]] {
        let stream = connect(&stage.authority.client(alpn), &server).await;
        let mut requests = http2_over(stream).await;
        assert_eq!(grpc_check(&mut requests, "").await, SERVING, "{alpn:?}");
        let mut watch = Call::open(&mut requests, WATCH, "").await;
        assert_eq!(watch.message().await, Some(SERVING), "{alpn:?}");
    }
    for alpn in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&stage.authority.client(alpn), &server).await;
        for _ in 0..2 {
            stream.write_all(&json_check(b"{}", "")).await.unwrap();
            let answer = read_response(&mut stream).await;
            assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{alpn:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_does_not_keep_to_what_was_agreed_is_refused() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let stage = Stage::new();
    let server = stage.serve().await;
    let ask = async |client: Client, request: &[u8]| {
        let mut stream = connect(&client, &server).await;
        stream.write_all(request).await.unwrap();
        let mut read = Vec::new();
        let _ = within(stream.read_to_end(&mut read)).await;
        read
    };
    let http1 = ask(stage.http2(), &json_check(b"{}", "")).await;
    assert!(!http1.starts_with(b"HTTP/1.1"), "{}", String::from_utf8_lossy(&http1));
    // Not the SETTINGS frame that a server begins with.
    let http2 = ask(stage.http1(), PREFACE).await;
    assert_eq!(String::from_utf8_lossy(&http2), "");
}

#[tokio::test]
async fn peers_that_fail_their_handshake_cost_nothing_and_are_closed() {
    let stage = Stage::new();
    let tls = stage.tls().handshake_timeout(Duration::from_millis(300));
    let server = stage.serve_with(tls, |serve| serve.max_connections(2)).await;
    let start = Instant::now();
    let mut plain = server.connect().await;
    plain.write_all(&json_check(b"{}", "")).await.unwrap();
    let mut alert = Vec::new();
    within(plain.read_to_end(&mut alert)).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    drop(plain);

    // These take both places, and leave them in time.
    let mut silent = [server.connect().await, server.connect().await];
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    for stream in &mut silent {
        assert_eq!(read_to_end(stream).await, "");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_limits_on_time_begin_after_the_handshake() {
    const LIMIT: Duration = Duration::from_millis(200);
    let stage = Stage::new();
    let server = stage.serve_with(stage.tls(), |serve| serve.header_read_timeout(LIMIT)).await;
    for client in [stage.http1(), stage.http2()] {
        let mut stream = connect(&client, &server).await;
        stream.write_all(b"P").await.unwrap();
        let start = Instant::now();
        // Without a close_notify, as the peer did not say anything whole either.
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
        assert!(start.elapsed() >= LIMIT / 2, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_watcher_that_leaves_is_let_go_whatever_it_left_unread() {
    let stage = Stage::new();
    let server = stage.serve().await;
    for behind in [&b""[..], b"x", &grpc_web_watch()] {
        for says_so in [true, false] {
            let mut stream = connect(&stage.http1(), &server).await;
            stream.write_all(&grpc_web_watch()).await.unwrap();
            read_grpc_web(&mut stream, SERVING).await;
            stream.write_all(behind).await.unwrap();
            stream.flush().await.unwrap();
            server.watchers(1).await;
            if says_so {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            server.watchers(0).await;
        }
    }
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let watch = Call::open(&mut requests, WATCH, "").await;
    server.watchers(1).await;
    drop((watch, requests));
    server.watchers(0).await;
}

#[tokio::test]
async fn a_body_that_is_far_too_large_gets_its_answer() {
    let stage = Stage::new();
    let server = stage.serve().await;
    let mut stream = connect(&stage.http1(), &server).await;
    let request = json_check(&vec![b' '; 1024 * 1024], "connection: close\r\n");
    within(stream.write_all(&request)).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_seen_and_an_open_watch_goes_on() {
    let stage = Stage::new();
    let server = stage.serve().await;
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    let new = stage.authority.issue();
    stage.files.replace(&new);
    assert_eq!(presented(&connect(&stage.http2(), &server).await), new.der());
    server.registry.set("", NotServing);
    assert_eq!(watch.message().await, Some(NOT_SERVING));
}

#[tokio::test]
async fn a_stop_ends_connections_in_every_state() {
    let stage = Stage::new();
    let server = stage
        .serve_with(stage.tls(), |serve| serve.shutdown_timeout(Duration::from_secs(3600)))
        .await;
    let mut silent = server.connect().await;
    let mut unborn = connect(&stage.http1(), &server).await;
    let mut idle = connect(&stage.http1(), &server).await;
    idle.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut idle).await;
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    let start = Instant::now();
    server.stop();
    server.registry.shutdown();
    server.registry.close();
    assert_eq!(watch.message().await, Some(NOT_SERVING));
    assert_eq!(watch.status().await, 14);
    assert_eq!(read_to_end(&mut silent).await, "");
    let _ = within(unborn.read_to_end(&mut Vec::new())).await;
    // With a close_notify: the server has said all it had to say.
    assert_eq!(read_to_end(&mut idle).await, "");
    server.ended().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_the_plaintext_port_answers_for_health_alone()
{
    let stage = Stage::new();
    let (listener, plain) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await);
    let plain = plain.unwrap();
    let [address, plain_address] = [&listener, &plain].map(|at| at.local_addr().unwrap());
    let registry = Registry::new();
    let hello = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    });
    let health = HealthService::new(&registry, TokioTimer::shared());
    let server = serve_with(listener, HealthHyper::beside(health, hello))
        .tls(stage.mutual_tls().build().unwrap())
        .max_connections(1)
        .listen_health(plain);
    let running = tokio::spawn(server.into_future());

    let known = stage.http2().presenting(&stage.authority.issue());
    let strange = stage.http2().presenting(&Authority::new("stranger").issue());
    for client in [stage.http2(), strange] {
        let refused = async {
            let mut stream = client.connect(address).await?;
            stream.read_u8().await
        };
        let refused: io::Result<u8> = within(refused).await;
        assert!(refused.unwrap_err().to_string().contains("alert"), "not told why");
    }
    // It has the one place of the port, and none of the other's.
    let mut requests = http2_over(known.connect(address).await.unwrap()).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    let mut probe = http2(TcpStream::connect(plain_address).await.unwrap()).await;
    assert_eq!(grpc_check(&mut probe, "").await, SERVING);
    registry.set("", NotServing);
    assert_eq!(grpc_check(&mut requests, "").await, NOT_SERVING);
    assert_eq!(grpc_check(&mut probe, "").await, NOT_SERVING);
    drop(probe);

    for (path, status) in [("/readyz", 503), ("/livez", 200), ("/hello", 404)] {
        let mut probe = TcpStream::connect(plain_address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        probe.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut probe).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    running.abort();
}

#[tokio::test]
async fn the_plaintext_port_stops_with_the_server() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let server = Server::with(|serve| serve.listen_health(plain)).await;
    let mut probe = http2(TcpStream::connect(address).await.unwrap()).await;
    let mut watch = Call::open(&mut probe, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));
    server.stop();
    let registry = server.registry.clone();
    registry.close();
    assert_eq!(watch.status().await, 14);
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}
