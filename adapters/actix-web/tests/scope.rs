//! The scope inside an ordinary `actix_web::HttpServer`: everything but native gRPC, which is refused in
//! its own terms.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use actix_web::dev::{ServerHandle, Service as _};
use actix_web::{App, HttpServer, web};
use health_actix_web::{scope, scope_with};
use health_core::{Registry, ServingStatus::NotServing, http::HealthService};
use http::Request;
use peer::{
    CHECK, LIST, NOT_SERVING, SERVING, WATCH, fetch, grpc_frame, grpc_web_watch, http2, json_check,
    read_grpc_web, read_response, read_to_end, within,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

struct Server {
    address: SocketAddr,
    registry: Registry,
    handle: ServerHandle,
    /// Requests that passed the middleware of the scope.
    wrapped: Arc<AtomicUsize>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn start() -> Server {
    let registry = Registry::new();
    let wrapped = Arc::new(AtomicUsize::new(0));
    let (health, counted) = (registry.clone(), Arc::clone(&wrapped));
    let server = HttpServer::new(move || {
        let counted = Arc::clone(&counted);
        let health = scope(&health).wrap_fn(move |request, service| {
            counted.fetch_add(1, SeqCst);
            service.call(request)
        });
        App::new()
            .service(health)
            .route("/hello", web::get().to(|| async { "hello" }))
            .route("/livez/", web::get().to(|| async { "its own" }))
    });
    let server = server.workers(1).disable_signals();
    let server = server.bind_auto_h2c("127.0.0.1:0").unwrap();
    let address = server.addrs().pop().unwrap();
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Server { address, registry, handle, wrapped }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

fn post(path: &str, content_type: &str) -> http::request::Builder {
    Request::post(format!("http://test{path}")).header("content-type", content_type)
}

#[tokio::test]
async fn native_grpc_gets_a_refusal_that_names_the_way_out() {
    let server = start().await;
    let mut requests = http2(server.connect().await).await;
    for path in [CHECK, LIST, WATCH, "/grpc.health.v1.Health/Nope"] {
        for content_type in
            ["application/grpc", "application/grpc+proto", "application/grpc+json; x=y"]
        {
            let call = post(path, content_type).body(()).unwrap();
            requests = requests.ready().await.unwrap();
            let (response, mut body) = requests.send_request(call, false).unwrap();
            body.send_data(grpc_frame(""), true).unwrap();
            let response = within(response).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let headers = response.headers();
            let echoed = content_type.split(';').next().unwrap();
            assert_eq!(headers["content-type"], echoed, "{path}");
            assert_eq!(headers["grpc-status"], "12", "{path}");
            let message = headers["grpc-message"].to_str().unwrap();
            assert!(message.contains("health_actix_web::HttpServer"), "{message}");
            assert!(!message.contains('%'), "{message}");
            assert!(response.body().is_end_stream(), "Trailers-Only");
        }
    }
    assert_eq!(server.registry.watchers(), 0);
}

#[tokio::test]
async fn the_other_protocols_are_served_over_http2() {
    let server = start().await;
    server.registry.set("a", NotServing);
    let mut requests = http2(server.connect().await).await;

    let json = post(CHECK, "application/json");
    let (head, body) = fetch(&mut requests, json, br#"{"service":"a"}"#).await;
    assert_eq!((head.status.as_u16(), &body[..]), (200, &br#"{"status":"NOT_SERVING"}"#[..]));
    let unknown = post(CHECK, "application/json");
    let (head, body) = fetch(&mut requests, unknown, br#"{"service":"b"}"#).await;
    assert_eq!(head.status, 404);
    assert!(String::from_utf8_lossy(&body).contains("not_found"));

    let grpc_web = post(CHECK, "application/grpc-web+proto");
    let (head, body) = fetch(&mut requests, grpc_web, &grpc_frame("a")).await;
    assert_eq!(head.headers["content-type"], "application/grpc-web+proto");
    assert_eq!(body[..7], [0, 0, 0, 0, 2, 8, NOT_SERVING]);
    assert_eq!(body[7], 0x80);

    let connect = post(WATCH, "application/connect+json").body(()).unwrap();
    let (response, mut body) = requests.send_request(connect, false).unwrap();
    body.send_data(b"\0\0\0\0\x02{}"[..].into(), true).unwrap();
    let mut body = within(response).await.unwrap().into_body();
    assert_eq!(within(body.data()).await.unwrap().unwrap()[5..], *br#"{"status":"SERVING"}"#);
    server.registry.set("", NotServing);
    assert_eq!(within(body.data()).await.unwrap().unwrap()[5..], *br#"{"status":"NOT_SERVING"}"#);

    let get = Request::get(format!("http://test{CHECK}?encoding=json&message=%7B%7D"));
    let (head, _) = fetch(&mut requests, get, b"").await;
    assert_eq!(head.status, 200);
    let (head, _) = fetch(&mut requests, Request::get("http://test/readyz"), b"").await;
    assert_eq!(head.status, 503);
}

#[tokio::test]
async fn the_other_protocols_are_served_over_http1() {
    let server = start().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(&json_check(b"{}", "")).await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
    }
    stream.write_all(&grpc_web_watch()).await.unwrap();
    read_grpc_web(&mut stream, SERVING).await;
    server.registry.set("", NotServing);
    read_grpc_web(&mut stream, NOT_SERVING).await;

    let answer = server.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let request = String::from_utf8(json_check(b"", "")).unwrap().replace("/json", "/grpc");
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
}

#[tokio::test]
async fn only_the_health_paths_are_the_scopes() {
    let server = start().await;
    for path in ["/livez", "/readyz", "/healthz", "/startupz", "/livez/ping"] {
        let answer = server.get(path).await;
        assert!(answer.ends_with("\r\n\r\nok"), "{path}: {answer}");
    }
    assert_eq!(server.wrapped.load(SeqCst), 5);
    for (path, expected) in [("/hello", "hello"), ("/livez/", "its own"), ("/nowhere", "")] {
        let answer = server.get(path).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{path}: {answer}");
    }
    assert_eq!(server.wrapped.load(SeqCst), 5);
}

#[actix_web::test]
async fn a_service_of_ones_own_in_a_test_of_actix_web() {
    let registry = Registry::new();
    let health = HealthService::builder(&registry).max_request_bytes(8).build();
    let app = actix_web::test::init_service(App::new().service(scope_with(health))).await;
    for (body, status) in [("{}", 200), (r#"{"service":"a"}"#, 429)] {
        let request = actix_web::test::TestRequest::post()
            .uri(CHECK)
            .insert_header(("content-type", "application/json"))
            .set_payload(body)
            .to_request();
        let response = actix_web::test::call_service(&app, request).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
    }
}
