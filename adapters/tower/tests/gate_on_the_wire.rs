//! The gate between real peers: a tonic server and client, and refused bodies over HTTP/1.1 and HTTP/2.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use h2::Reason;
use health_core::{
    Registry,
    ServingStatus::{NotServing, Serving},
    http::Gate,
};
use health_tokio::TokioTimer;
use health_tower::{GateLayer, HealthLayer};
use http::uri::PathAndQuery;
use peer::{CHECK, Call, SERVING, grpc_status, http2, open, start, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::{
    Code, Status,
    body::Body,
    server::{NamedService, UnaryService},
    service::Routes,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

const GREET: &str = "/greet.GreetService/Greet";

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
}

/// `greet.GreetService` as `tonic-build` would write it: one method, which answers what it was told.
#[derive(Clone, Copy)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.GreetService";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            let codec = ProstCodec::<Greeting, Greeting>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Greet, request).await)
        })
    }
}

struct Greet;

impl UnaryService<Greeting> for Greet {
    type Response = Greeting;
    type Future = Ready<Result<tonic::Response<Greeting>, Status>>;

    fn call(&mut self, request: tonic::Request<Greeting>) -> Self::Future {
        ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

/// A call of the greeter through tonic's client.
async fn greet(address: SocketAddr) -> Result<String, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(Greeting { text: String::from("hello") });
    let codec = ProstCodec::<Greeting, Greeting>::default();
    let reply = within(grpc.unary(request, PathAndQuery::from_static(GREET), codec)).await?;
    Ok(reply.into_inner().text)
}

#[tokio::test]
async fn a_tonic_server_behind_health_and_the_gate() {
    let registry = Registry::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(HealthLayer::new(&registry, TokioTimer::shared()))
        .layer(GateLayer::new(Gate::new(&registry)))
        .add_routes(Routes::new(Greeter));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    assert_eq!(greet(address).await.unwrap(), "hello", "not registered");
    registry.set(Greeter::NAME, NotServing);
    registry.hold(Greeter::NAME, "the disk is full");
    let status = greet(address).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the service is not serving");
    let mut check = Call::start(&mut http2(address).await, CHECK, &[], Greeter::NAME).await;
    assert_eq!(check.serving_status().await, peer::NOT_SERVING);

    registry.release(Greeter::NAME);
    registry.set(Greeter::NAME, Serving);
    assert_eq!(greet(address).await.unwrap(), "hello");
    registry.shutdown();
    assert_eq!(greet(address).await.unwrap(), "hello", "lame duck");
}

/// An application whose only service is NOT_SERVING.
async fn gated() -> SocketAddr {
    let registry = Registry::new();
    registry.set("a", NotServing);
    let app = Router::new()
        .route("/a/Upload", post(|body: Bytes| async move { body.len().to_string() }))
        .layer(GateLayer::new(Gate::new(&registry)))
        .layer(HealthLayer::new(&registry, TokioTimer::shared()));
    start(app).await
}

#[tokio::test]
async fn a_grpc_stream_is_refused_at_once_and_reset_without_an_error() {
    let address = gated().await;
    let mut requests = http2(address).await;
    let (response, mut sending) = open(&mut requests, "/a/Upload", &[]);
    // The client goes on sending; it has neither ended nor sent a message yet.
    let response = response.await;
    assert_eq!(grpc_status(response.headers()), 14);
    assert!(response.body().is_end_stream(), "headers and trailers in one");
    let reset = within(std::future::poll_fn(|cx| sending.poll_reset(cx))).await;
    assert_eq!(reset.unwrap(), Reason::NO_ERROR);

    let mut check = Call::start(&mut requests, CHECK, &[], "").await;
    assert_eq!(check.serving_status().await, SERVING, "the connection lives");
}

#[tokio::test]
async fn a_body_that_was_announced_is_read_before_the_refusal() {
    let address = gated().await;
    let mut requests = http2(address).await;
    let length = [("content-length", "10")];
    let (response, mut sending) = open(&mut requests, "/a/Upload", &length);
    let mut response = Box::pin(response);
    sending.send_data(peer::frame("abc").slice(..5), false).unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), &mut response);
    assert!(early.await.is_err(), "half of the body is missing");
    sending.send_data(peer::frame("abc").slice(5..), true).unwrap();
    assert_eq!(grpc_status(response.await.headers()), 14);
}

#[tokio::test]
async fn ten_bodies_of_1_mib_on_one_connection_get_ten_refusals() {
    let address = gated().await;
    let body = vec![b' '; 1024 * 1024];
    let request = peer::post("/a/Upload", "application/json", "", &body);
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..10 {
        // All of it is written before anything is read: a reset would fail either.
        within(stream.write_all(&request)).await.unwrap();
        let answer = read_refusal(&mut stream).await;
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_read_costs_the_http1_connection_only() {
    let address = gated().await;
    let five_mib = peer::post("/a/Upload", "text/plain", "", &vec![b' '; 5 * 1024 * 1024]);
    let expects = peer::post("/a/Upload", "text/plain", "expect: 100-continue\r\n", &[b' '; 9]);
    // The request, and how much of it is sent: the head, and a piece of the body at most.
    let table =
        [("large", five_mib.as_slice(), 1000), ("expects", expects.as_slice(), expects.len() - 9)];
    for (name, request, sent) in table {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request[..sent]).await.unwrap();
        let answer = read_refusal(&mut stream).await;
        assert!(answer.ends_with("\r\n\r\n"), "{name}: {answer}");
        let mut rest = Vec::new();
        within(stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{name}: closed");
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_read_to_its_end_and_the_connection_goes_on() {
    let address = gated().await;
    let head = "POST /a/Upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"3\r\nabc\r\n").await.unwrap();
        let mut byte = [0];
        let early = tokio::time::timeout(Duration::from_millis(100), stream.peek(&mut byte));
        assert!(early.await.is_err(), "the body has not ended");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        read_refusal(&mut stream).await;
    }
}

/// The head of a refusal by HTTP, and its body, which is as long as `content-length` says.
async fn read_refusal(stream: &mut TcpStream) -> String {
    let mut read = String::new();
    loop {
        if let Some((head, body)) = read.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.expect(head).parse().unwrap() {
                return read;
            }
        }
        let byte = within(stream.read_u8()).await.expect(&read);
        read.push(char::from(byte));
    }
}
