//! The gate as middleware of an App, over both versions of HTTP.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::sync::OnceLock;

use actix_web::{App, web};
use health_actix_web::gate;
use health_core::{Registry, ServingStatus::NotServing, ServingStatus::Serving, http::Gate};
use http::Request;
use peer::{SERVING, Server, fetch, grpc_check, grpc_frame};

/// The registry of the server under test, for its App.
static REGISTRY: OnceLock<Registry> = OnceLock::new();

#[tokio::test]
async fn calls_to_a_service_that_is_not_serving_are_refused_in_their_own_terms() {
    let registry = REGISTRY.get_or_init(Registry::new);
    let app = || {
        let registry = REGISTRY.get_or_init(Registry::new);
        App::new()
            .wrap(gate(Gate::new(registry).prefix("/orders", "shop.Orders")))
            .route("/orders/{id}", web::to(|| async { "order" }))
            .route("/shop.Orders/Place", web::to(|| async { "placed" }))
            .route("/help", web::to(|| async { "help" }))
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let get = |path: &str| Request::get(format!("http://test{path}"));
    registry.set("shop.Orders", Serving);
    let (head, body) = fetch(&mut requests, get("/orders/7"), b"").await;
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"order"[..]));

    registry.set("shop.Orders", NotServing);
    let (head, body) = fetch(&mut requests, get("/orders/7"), b"").await;
    assert_eq!((head.status.as_u16(), &body[..]), (503, &b""[..]));
    assert_eq!(head.headers["retry-after"], "5");
    let (head, _) = fetch(&mut requests, get("/%6frders/7"), b"").await;
    assert_eq!(head.status, 503, "the App routes by the path as it reads decoded");
    let (head, body) = fetch(&mut requests, get("/help"), b"").await;
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"help"[..]));

    let call = || Request::post("http://test/shop.Orders/Place");
    let grpc = call().header("content-type", "application/grpc");
    let (head, body) = fetch(&mut requests, grpc, &grpc_frame("")).await;
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b""[..]));
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(peer::grpc_status(&head.headers), 14, "Trailers-Only");
    let json = call().header("content-type", "application/json");
    let (head, body) = fetch(&mut requests, json, b"{}").await;
    assert_eq!(head.status, 503);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(r#""code":"unavailable""#), "{body}");

    let request = "POST /shop.Orders/Place HTTP/1.1\r\nhost: test\r\ncontent-length: 7\r\n\
                   content-type: application/grpc-web\r\nconnection: close\r\n\r\n\0\0\0\0\x02{}";
    let answer = server.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("grpc-status: 14\r\n"), "{answer}");

    registry.set("shop.Orders", Serving);
    let (head, _) = fetch(&mut requests, get("/orders/7"), b"").await;
    assert_eq!(head.status, 200);
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
}
