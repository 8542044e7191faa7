//! Health beside the routes of an axum application, over real sockets.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::{any, get, post},
};
use health_core::{
    OVERALL, Registry,
    ServingStatus::{NotServing, Serving},
    http::{Cors, HealthService},
};
use health_tokio::TokioTimer;
use health_tower::{HealthLayer, HealthTower, is_health_request};
use http::{StatusCode, header::AUTHORIZATION};
use peer::{
    CHECK, Call, NOT_SERVING, SERVICE_UNKNOWN, SERVING, WATCH, grpc_status, http2, raw, start,
};

fn layer(registry: &Registry) -> HealthLayer {
    HealthLayer::new(registry, TokioTimer::shared())
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello" }))
}

#[tokio::test]
async fn routes_probes_and_unknown_paths_over_http1() {
    let registry = Registry::new();
    let address = start(hello().layer(layer(&registry))).await;
    let table = [
        ("/hello", 200, "hello"),
        ("/livez", 200, "ok"),
        ("/readyz", 200, "ok"),
        ("/readyz/nope", 404, ""),
        ("/nope", 404, ""),
    ];
    for (path, status, body) in table {
        let answer = peer::get(address, path, "").await;
        assert_eq!(answer, (status, body.to_owned()), "{path}");
    }
    registry.set(OVERALL, NotServing);
    let (status, body) = peer::get(address, "/readyz", "").await;
    assert_eq!(status, 503, "{body}");
}

#[tokio::test]
async fn a_check_in_json_over_http1() {
    let registry = Registry::new();
    registry.set("greet.GreetService", NotServing);
    let address = start(hello().layer(layer(&registry))).await;
    let answer = raw(
        address,
        peer::post(
            CHECK,
            "application/json",
            "connection: close\r\n",
            br#"{"service":"greet.GreetService"}"#,
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"NOT_SERVING\"}"), "{answer}");
}

#[tokio::test]
async fn routes_checks_and_watches_over_http2() {
    let registry = Registry::new();
    let address = start(hello().layer(layer(&registry))).await;
    let mut requests = http2(address).await;

    let request = http::Request::get("http://test/hello").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    assert_eq!(peer::within(response).await.unwrap().status(), 200);

    let mut check = Call::start(&mut requests, CHECK, &[], "").await;
    assert_eq!(check.serving_status().await, SERVING);
    assert_eq!(check.status().await, 0);

    let mut watch = Call::start(&mut requests, WATCH, &[], "a").await;
    assert_eq!(watch.serving_status().await, SERVICE_UNKNOWN);
    registry.set("a", Serving);
    assert_eq!(watch.serving_status().await, SERVING);
    registry.shutdown();
    assert_eq!(watch.serving_status().await, NOT_SERVING);
    registry.close();
    assert_eq!(watch.status().await, 14);
}

#[tokio::test]
async fn a_grpc_error_is_one_block_of_headers() {
    // axum writes a content-length where the size of a reply is known, but only behind a handler.
    for app in [hello(), hello().fallback(|| async { "fallback" })] {
        let address = start(app.layer(layer(&Registry::new()))).await;
        let mut requests = http2(address).await;
        let mut check = Call::start(&mut requests, CHECK, &[], "nope").await;
        assert_eq!(grpc_status(&check.headers), 5);
        assert_eq!(check.headers.get("content-length"), None);
        assert_eq!(check.message().await, None);
    }
}

#[tokio::test]
async fn a_deadline_ends_a_watch() {
    let address = start(hello().layer(layer(&Registry::new()))).await;
    let mut requests = http2(address).await;
    let timeout = [("grpc-timeout", "200m")];
    let begin = std::time::Instant::now();
    let mut watch = Call::start(&mut requests, WATCH, &timeout, "").await;
    assert_eq!(watch.serving_status().await, SERVING);
    assert_eq!(watch.status().await, 4);
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn health_comes_before_fallbacks_and_routes_that_would_take_its_paths() {
    let app = Router::new()
        .route("/{anything}", any(|| async { "anything" }))
        .route("/grpc.health.v1.Health/Check", post(|| async { "no" }))
        .fallback(|| async { "fallback" })
        .layer(layer(&Registry::new()));
    let address = start(app).await;
    let table =
        [("/hello", "anything"), ("/a/b", "fallback"), ("/livez", "ok"), ("/readyz/serving", "ok")];
    for (path, expected) in table {
        let (_, body) = peer::get(address, path, "").await;
        assert_eq!(body, expected, "{path}");
    }
    let mut check = Call::start(&mut http2(address).await, CHECK, &[], "").await;
    assert_eq!(check.serving_status().await, SERVING);
}

#[tokio::test]
async fn what_is_added_after_the_layer_is_not_covered_by_it() {
    let app = Router::new()
        .layer(layer(&Registry::new()))
        .route("/{anything}", any(|| async { "anything" }));
    let address = start(app).await;
    let (_, body) = peer::get(address, "/readyz", "").await;
    assert_eq!(body, "anything");
    let (_, body) = peer::get(address, "/readyz/serving", "").await;
    assert_eq!(body, "ok", "no route has taken it");
}

#[tokio::test]
async fn nested_and_merged_routers_have_health_once_outside() {
    let api = hello();
    let app = Router::new()
        .nest("/api", api)
        .merge(Router::new().route("/merged", get(|| async { "merged" })))
        .layer(layer(&Registry::new()));
    let address = start(app).await;
    let table = [
        ("/api/hello", 200, "hello"),
        ("/merged", 200, "merged"),
        ("/readyz", 200, "ok"),
        ("/api/readyz", 404, ""),
    ];
    for (path, status, body) in table {
        let answer = peer::get(address, path, "").await;
        assert_eq!(answer, (status, body.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_layer_on_a_nested_router_is_no_health_of_the_server() {
    let api =
        hello().route("/{anything}", any(|| async { "anything" })).layer(layer(&Registry::new()));
    let address = start(Router::new().nest("/api", api)).await;
    assert_eq!(peer::get(address, "/readyz", "").await.0, 404);
    // The nested router sees the path without its prefix.
    let (_, body) = peer::get(address, "/api/readyz", "").await;
    assert_eq!(body, "ok");
}

#[tokio::test]
async fn the_service_is_the_fallback_of_a_router() {
    let health = HealthService::new(&Registry::new(), TokioTimer::shared());
    let address = start(hello().fallback_service(HealthTower::new(health))).await;
    assert_eq!(peer::get(address, "/hello", "").await.1, "hello");
    assert_eq!(peer::get(address, "/readyz", "").await.1, "ok");
    assert_eq!(peer::get(address, "/nope", "").await.0, 404);

    let mut requests = http2(address).await;
    let mut check = Call::start(&mut requests, CHECK, &[], "").await;
    assert_eq!(check.serving_status().await, SERVING);
    // A gRPC client is told in its own terms.
    let unknown = Call::start(&mut requests, "/greet.GreetService/Greet", &[], "").await;
    assert_eq!(grpc_status(&unknown.headers), 12);
}

async fn strict(request: Request, next: Next) -> Result<Response, StatusCode> {
    if request.headers().contains_key(AUTHORIZATION) {
        Ok(next.run(request).await)
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

async fn lenient(request: Request, next: Next) -> Result<Response, StatusCode> {
    if is_health_request(&request) {
        Ok(next.run(request).await)
    } else {
        strict(request, next).await
    }
}

#[tokio::test]
async fn authentication_inside_outside_and_outside_with_the_predicate() {
    let registry = Registry::new();
    let inside = hello().layer(from_fn(strict)).layer(layer(&registry));
    let outside = hello().layer(layer(&registry)).layer(from_fn(strict));
    let predicate = hello().layer(layer(&registry)).layer(from_fn(lenient));
    let credentials = "authorization: Basic eDp5\r\n";
    // The application, its name, and what a probe without credentials gets.
    let table = [(inside, "inside", 200), (outside, "outside", 401), (predicate, "predicate", 200)];
    for (app, name, probe) in table {
        let address = start(app).await;
        let status = async |path, headers| peer::get(address, path, headers).await.0;
        assert_eq!(status("/readyz", "").await, probe, "{name}");
        assert_eq!(status("/readyz", credentials).await, 200, "{name}");
        assert_eq!(status("/hello", "").await, 401, "{name}");
        assert_eq!(status("/hello", credentials).await, 200, "{name}");
    }
}

#[tokio::test]
async fn head_and_preflight_reply_as_the_engine_has_them() {
    let health = HealthService::builder(&Registry::new())
        .timer(TokioTimer::shared())
        .cors(Cors::new(["https://status.example"]))
        .build();
    let app = hello().fallback(|| async { "fallback" });
    let address = start(app.layer(HealthLayer::from_service(health))).await;
    let head = "HEAD /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let answer = raw(address, head).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: 2\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");

    let preflight = format!(
        "OPTIONS {CHECK} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
         origin: https://status.example\r\naccess-control-request-method: POST\r\n\r\n"
    );
    let answer = raw(address, preflight).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    // RFC 9110, section 8.6: a 204 has no content-length.
    assert!(!answer.contains("content-length"), "{answer}");
}
