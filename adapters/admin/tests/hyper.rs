//! Health on one port and administration on another one, served by hyper, over real sockets.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_lite::StreamExt;
use health_admin::AdminService;
use health_core::{
    Registry,
    ServingStatus::{NotServing, Serving},
    http::HealthService,
};
use health_hyper::{serve, serve_with};
use health_tokio::TokioTimer;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const TOKEN: &str = "kTgqLS6h5ErXqvZx/A+vIKUfEbhcRc2UGlmsBBiVwlE=";

struct Server {
    health: Registry,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let health = Registry::new();
        health.set("lab/greet.GreetService:1.0.0", Serving);
        let admin = AdminService::new(&health, TokioTimer::shared(), TOKEN).unwrap();
        let admin = service_fn(move |request: Request<Incoming>| {
            let answer = admin.call(request);
            async { Ok::<_, Infallible>(answer.await) }
        });
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (public_at, admin_at) = (public.local_addr().unwrap(), local.local_addr().unwrap());
        let service = HealthService::new(&health, TokioTimer::shared());
        tokio::spawn(serve(public, service).into_future());
        tokio::spawn(serve_with(local, admin).into_future());
        Self { health, public: public_at, admin: admin_at }
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        send(self.admin, method, path, body.to_owned(), Some(TOKEN)).await
    }
}

async fn send(
    to: SocketAddr,
    method: Method,
    path: &str,
    body: String,
    token: Option<&str>,
) -> (StatusCode, Value) {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", to.to_string());
    request = request.header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::<Bytes>::from(body)).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_service_is_held_and_released_and_its_watchers_see_it() {
    const PATH: &str = "/holds/lab%2Fgreet.GreetService%3A1.0.0";
    let server = Server::start().await;
    let mut watch = server.health.watch("lab/greet.GreetService:1.0.0").unwrap();
    assert_eq!(watch.next().await, Some(Serving));

    let hold = r#"{"reason": "schema migration", "by": "ada"}"#;
    let (status, answer) = server.ask(Method::PUT, PATH, hold).await;
    assert_eq!((status, &answer["status"]), (StatusCode::CREATED, &json!("NOT_SERVING")));
    assert_eq!(watch.next().await, Some(NotServing));

    let (status, answer) = server.ask(Method::GET, "/services", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["services"][1]["why"], "held by ada: schema migration");

    let (status, _) = server.ask(Method::DELETE, PATH, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(watch.next().await, Some(Serving));
}

#[tokio::test]
async fn a_hold_ends_on_time_for_those_who_ask() {
    let server = Server::start().await;
    let (status, _) =
        server.ask(Method::POST, "/holds", r#"{"service":"","reason":"x","for":"50ms"}"#).await;
    assert_eq!(status, StatusCode::CREATED);
    let ends = async {
        while server.health.check("") != Some(Serving) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
    assert_eq!(server.ask(Method::GET, "/holds", "").await.1, json!({"holds": []}));
}

#[tokio::test]
async fn the_public_port_has_none_of_it() {
    let server = Server::start().await;
    for (method, path) in [(Method::GET, "/services"), (Method::PUT, "/holds/svc")] {
        let (status, _) = send(server.public, method, path, String::new(), Some(TOKEN)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(server.health.holds(), []);
}

#[tokio::test]
async fn a_body_that_is_not_wanted_does_not_hide_the_answer() {
    let server = Server::start().await;
    let large = "x".repeat(256 * 1024);
    let (status, answer) = server.ask(Method::PUT, "/holds/svc", &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer["error"].as_str().unwrap().contains("4096"), "{answer}");
    let (status, _) = send(server.admin, Method::PUT, "/holds/svc", large, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_body_in_chunks_is_limited_too() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.admin).await.unwrap();
    let head = format!(
        "PUT /holds/svc HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // 1 KiB at a time, and no end of it.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for _ in 0..5 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

/// A server that hangs fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(20);
