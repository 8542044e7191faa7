//! The same server over TLS, and health in plaintext beside it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;
#[path = "../../tls/tests/pki/mod.rs"]
mod pki;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use actix_ws::Message;
use futures_util::StreamExt as _;
use health_actix_web::HttpServer;
use health_core::{Registry, ServingStatus::NotServing};
use health_tls::{Tls, TlsBuilder};
use http::Request;
use peer::{
    Call, NOT_SERVING, SERVING, WATCH, fetch, grpc_check, grpc_web_watch, http2, http2_over,
    json_check, read_grpc_web, read_response, read_to_end, within,
};
use pki::{Authority, Client, Files, presented};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

struct Stage {
    authority: Authority,
    files: Files,
    registry: Registry,
}

struct Server {
    address: SocketAddr,
    plain: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new("known");
        let files = Files::new(&authority.issue());
        Self { authority, files, registry: Registry::new() }
    }

    fn tls(&self) -> TlsBuilder {
        Tls::builder(self.files.certificate(), self.files.key()).reload_interval(Duration::ZERO)
    }

    fn mutual_tls(&self) -> TlsBuilder {
        self.tls().client_ca(self.files.write("clients.pem", &self.authority.pem()))
    }

    /// An App over TLS, and health in plaintext.
    fn serve(&self, tls: TlsBuilder) -> Server {
        let app = || {
            App::new().route("/scheme", web::get().to(scheme)).route("/echo", web::get().to(echo))
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        let [address, plain_address] = [&listener, &plain].map(|at| at.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = HttpServer::new(&self.registry, app)
            .server(|server| server.workers(1))
            .shutdown_signal(async { drop(stopped.await) })
            .client_request_timeout(Duration::from_secs(1))
            .listen_tls(listener, tls.build().unwrap())
            .listen_health(plain);
        Server { address, plain: plain_address, stop, running: tokio::spawn(server.run()) }
    }

    fn http1(&self) -> Client {
        self.authority.client(&["http/1.1"])
    }

    fn http2(&self) -> Client {
        self.authority.client(&["h2"])
    }

    async fn watchers(&self, watchers: usize) {
        let counted = async {
            while self.registry.watchers() != watchers {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(counted).await;
    }
}

/// What the App takes the scheme of a request to be.
async fn scheme(request: HttpRequest) -> String {
    request.connection_info().scheme().to_owned()
}

/// Says each text back.
async fn echo(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(Message::Text(text))) = messages.next().await {
            session.text(format!("{text}!")).await.unwrap();
        }
    });
    Ok(response)
}

async fn connect(client: &Client, server: &Server) -> TlsStream<TcpStream> {
    client.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn health_and_the_app_are_served_as_alpn_has_it() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    for alpn in [&["h2"][..], &["http/1.1", "h2"], &[]] {
        let stream = connect(&stage.authority.client(alpn), &server).await;
        let mut requests = http2_over(stream).await;
        assert_eq!(grpc_check(&mut requests, "").await, SERVING, "{alpn:?}");
        let mut watch = Call::open(&mut requests, WATCH, "").await;
        assert_eq!(watch.message().await, Some(SERVING), "{alpn:?}");
        let request = Request::get("https://localhost/scheme");
        let (head, body) = fetch(&mut requests, request, b"").await;
        assert_eq!((head.status.as_u16(), body.as_slice()), (200, &b"https"[..]), "{alpn:?}");
    }
    for alpn in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&stage.authority.client(alpn), &server).await;
        stream.write_all(&json_check(b"{}", "")).await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{alpn:?}: {answer}");
        stream.write_all(b"GET /scheme HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with("\r\n\r\nhttps"), "{alpn:?}: {answer}");
    }
}

#[tokio::test]
async fn a_websocket_over_tls() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    let mut stream = connect(&stage.http1(), &server).await;
    let upgrade = "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    for _ in 0..3 {
        // A text of three bytes, with a mask that changes nothing, and the text that comes back.
        stream.write_all(b"\x81\x83\0\0\0\0one").await.unwrap();
        let mut back = [0; 6];
        within(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"\x81\x04one!");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_the_plaintext_port_answers_for_health_alone()
{
    let stage = Stage::new();
    let server = stage.serve(stage.mutual_tls());
    let known = stage.http2().presenting(&stage.authority.issue());
    let strange = stage.http2().presenting(&Authority::new("stranger").issue());
    for client in [stage.http2(), strange] {
        let refused = async {
            let mut stream = client.connect(server.address).await?;
            stream.read_u8().await
        };
        let refused = within(refused).await.unwrap_err();
        assert!(refused.to_string().contains("alert"), "not told why: {refused}");
    }
    let mut requests = http2_over(connect(&known, &server).await).await;
    let mut probe = http2(TcpStream::connect(server.plain).await.unwrap()).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    assert_eq!(grpc_check(&mut probe, "").await, SERVING);
    stage.registry.set("", NotServing);
    assert_eq!(grpc_check(&mut requests, "").await, NOT_SERVING);
    assert_eq!(grpc_check(&mut probe, "").await, NOT_SERVING);

    let (head, _) = fetch(&mut probe, Request::get("http://test/scheme"), b"").await;
    assert_eq!(head.status, 404, "the App is there in plaintext");
    for (path, status) in [("/readyz", 503), ("/livez", 200), ("/scheme", 404)] {
        let mut probe = TcpStream::connect(server.plain).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        probe.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut probe).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
}

#[tokio::test]
async fn peers_that_fail_their_handshake_are_closed() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls().handshake_timeout(Duration::from_millis(300)));
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let start = Instant::now();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(&json_check(b"{}", "")).await.unwrap();
    let mut alert = Vec::new();
    within(plain.read_to_end(&mut alert)).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_limits_on_time_begin_after_the_handshake() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    for (client, beginning) in [(stage.http1(), &b""[..]), (stage.http2(), b"PRI")] {
        let mut stream = connect(&client, &server).await;
        stream.write_all(beginning).await.unwrap();
        let start = Instant::now();
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
        assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_watcher_that_leaves_is_let_go_whatever_it_left_unread() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    for behind in [&b""[..], b"x", &grpc_web_watch()] {
        for says_so in [true, false] {
            let mut stream = connect(&stage.http1(), &server).await;
            stream.write_all(&grpc_web_watch()).await.unwrap();
            read_grpc_web(&mut stream, SERVING).await;
            stream.write_all(behind).await.unwrap();
            stream.flush().await.unwrap();
            stage.watchers(1).await;
            if says_so {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            stage.watchers(0).await;
        }
    }
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let watch = Call::open(&mut requests, WATCH, "").await;
    stage.watchers(1).await;
    drop((watch, requests));
    stage.watchers(0).await;
}

#[tokio::test]
async fn a_new_certificate_is_seen_and_an_open_watch_goes_on() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    let new = stage.authority.issue();
    stage.files.replace(&new);
    assert_eq!(presented(&connect(&stage.http2(), &server).await), new.der());
    stage.registry.set("", NotServing);
    assert_eq!(watch.message().await, Some(NOT_SERVING));
}

#[tokio::test]
async fn a_stop_ends_connections_in_every_state() {
    let stage = Stage::new();
    let server = stage.serve(stage.tls());
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut idle = connect(&stage.http1(), &server).await;
    idle.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut idle).await;
    let mut requests = http2_over(connect(&stage.http2(), &server).await).await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    let start = Instant::now();
    server.stop.send(()).unwrap();
    assert_eq!(watch.message().await, Some(NOT_SERVING));
    assert_eq!(watch.status().await, 14);
    assert_eq!(read_to_end(&mut silent).await, "");
    let _ = within(idle.read_to_end(&mut Vec::new())).await;
    within(server.running).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
