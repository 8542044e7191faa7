//! The layers and the service as tower sees them: what is answered, what is passed on, and when.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_lite::future::{block_on, poll_once};
use health_core::{
    Registry,
    ServingStatus::{NotServing, Serving},
    http::{Gate, HealthService},
};
use health_tower::{GateLayer, HealthLayer, HealthTower, ReplyBody, is_health_request};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_layer::Layer;
use tower_service::Service;

fn layer(registry: &Registry) -> HealthLayer {
    // Nothing here has a deadline.
    HealthLayer::from_service(HealthService::without_deadlines(registry))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// Answers with the path that it was asked for.
#[derive(Clone, Copy, Debug)]
struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path().to_owned();
        ready(Ok(Response::new(Full::from(path))))
    }
}

/// Is never ready.
#[derive(Clone, Copy, Debug)]
struct Stuck;

impl<B> Service<Request<B>> for Stuck {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        panic!("called before it was ready")
    }
}

/// Fails to become ready.
#[derive(Clone, Copy, Debug)]
struct Broken;

impl<B> Service<Request<B>> for Broken {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err("broken"))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        panic!("called although it is broken")
    }
}

async fn text<B: http_body::Body<Data = Bytes>>(response: Response<B>) -> String {
    let Ok(body) = response.into_body().collect().await else {
        panic!("the body failed");
    };
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[test]
fn health_paths_are_answered_and_the_rest_is_passed_on() {
    let service = layer(&Registry::new()).layer(Echo);
    let table = [
        ("/livez", "ok"),
        ("/readyz", "ok"),
        ("/readyz/serving", "ok"),
        ("/", "/"),
        ("/hello", "/hello"),
        ("/readyz/", "/readyz/"),
        ("/grpc.health.v1.HealthX/Check", "/grpc.health.v1.HealthX/Check"),
    ];
    for (path, expected) in table {
        assert_eq!(is_health_request(&get(path)), path != expected, "{path} is judged by its path");
        let response = block_on(service.clone().oneshot(get(path))).unwrap();
        assert_eq!(block_on(text(response)), expected, "{path}");
    }
}

#[test]
fn the_service_alone_answers_unknown_paths_too() {
    let health = HealthService::without_deadlines(&Registry::new());
    let service = HealthTower::new(health);
    let table = [("/livez", StatusCode::OK), ("/hello", StatusCode::NOT_FOUND)];
    for (path, expected) in table {
        let response = block_on(service.clone().oneshot(get(path))).unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
    let call = Request::post("/greet.GreetService/Greet")
        .header("content-type", "application/grpc-web")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = block_on(service.oneshot(call)).unwrap();
    let body = block_on(text(response));
    assert!(body.contains("grpc-status: 12\r\n"), "{body}");
}

#[test]
fn health_and_refusals_do_not_wait_for_the_service_behind_them() {
    let registry = Registry::new();
    registry.set("a", NotServing);
    let service = ServiceBuilder::new()
        .layer(layer(&registry))
        .layer(GateLayer::new(Gate::new(&registry)))
        .service(Stuck);
    let table = [
        ("/livez", Some(StatusCode::OK)),
        ("/a/Read", Some(StatusCode::SERVICE_UNAVAILABLE)),
        ("/b/Read", None),
    ];
    for (path, expected) in table {
        let response = block_on(poll_once(service.clone().oneshot(get(path))));
        let status = response.map(|response| response.unwrap().status());
        assert_eq!(status, expected, "{path}");
    }
}

#[test]
fn health_and_refusals_do_not_fail_with_the_service_behind_them() {
    let registry = Registry::new();
    registry.set("a", NotServing);
    let service = ServiceBuilder::new()
        .layer(layer(&registry))
        .layer(GateLayer::new(Gate::new(&registry)))
        .service(Broken);
    let table = [
        ("/livez", Ok(StatusCode::OK)),
        ("/a/Read", Ok(StatusCode::SERVICE_UNAVAILABLE)),
        ("/b/Read", Err("broken")),
    ];
    for (path, expected) in table {
        let response = block_on(service.clone().oneshot(get(path)));
        let status = response.map(|response| response.status());
        assert_eq!(status, expected, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_passed_on_waits_until_it_may_go() {
    let limit = ConcurrencyLimitLayer::new(1);
    let slow = service_fn(|_: Request<Full<Bytes>>| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
    });
    let service = ServiceBuilder::new().layer(layer(&Registry::new())).layer(limit).service(slow);
    let mut first = Box::pin(service.clone().oneshot(get("/first")));
    let mut second = Box::pin(service.clone().oneshot(get("/second")));
    assert!(poll_once(&mut first).await.is_none(), "under way");
    assert!(poll_once(&mut second).await.is_none(), "waits for the first");
    let probe = poll_once(service.oneshot(get("/livez"))).await;
    assert_eq!(probe.expect("health waits").unwrap().status(), 200);
    assert_eq!(text(first.await.unwrap()).await, "done");
    assert_eq!(text(second.await.unwrap()).await, "done");
}

#[test]
fn requests_and_replies_pass_untouched() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    let registry = Registry::new();
    registry.set("a", Serving);
    let inner = service_fn(|request: Request<Full<Bytes>>| async {
        let (head, body) = request.into_parts();
        let mut response = Response::new(body);
        *response.headers_mut() = head.headers;
        *response.extensions_mut() = head.extensions;
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new()
        .layer(layer(&registry))
        .layer(GateLayer::new(Gate::new(&registry)))
        .service(inner);
    let request = Request::put("/a/Write?x=1")
        .header("x-mark", "1")
        .extension(Mark(7))
        .body(Full::from("body"))
        .unwrap();
    let response = block_on(service.oneshot(request)).unwrap();
    assert_eq!(response.headers()["x-mark"], "1");
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.extensions().get(), Some(&Mark(7)));
    let body = response.body();
    assert_eq!(http_body::Body::size_hint(body).exact(), Some(4));
    assert!(!http_body::Body::is_end_stream(body));
    assert_eq!(block_on(text(response)), "body");
}

#[test]
fn the_frames_and_the_errors_of_a_body_pass_as_they_are() {
    let inner = service_fn(|_: Request<Full<Bytes>>| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"a"))),
            Ok(Frame::trailers(trailers)),
            Err(io::ErrorKind::BrokenPipe),
        ];
        let body = StreamBody::new(futures_lite::stream::iter(frames));
        Ok::<_, Infallible>(Response::new(body))
    });
    let service = layer(&Registry::new()).layer(inner);
    let response = block_on(service.oneshot(get("/"))).unwrap();
    let mut body = response.into_body();
    let mut next = || block_on(body.frame()).unwrap();
    assert_eq!(next().unwrap().into_data().unwrap(), "a");
    assert_eq!(next().unwrap().into_trailers().unwrap()["x-sum"], "1");
    assert_eq!(next().unwrap_err(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_layer_further_out_can_put_an_empty_body_in_place() {
    // What tower-http's timeout and CORS layers ask of the body of the service that they are around.
    let empty = ReplyBody::<Full<Bytes>>::default();
    assert!(http_body::Body::is_end_stream(&empty));
    assert_eq!(block_on(text(Response::new(empty))), "");
}

#[test]
fn public_types_cross_threads() {
    /// A request body that is no more than `Send`.
    struct SendOnly(std::marker::PhantomData<std::cell::Cell<()>>);

    impl http_body::Body for SendOnly {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
    }

    fn shared<T: Clone + std::fmt::Debug + Send + Sync + Unpin + 'static>(_: T) {}
    fn sent<T: Send + 'static>(_: &T) {}

    let registry = Registry::new();
    shared(layer(&registry));
    shared(GateLayer::new(Gate::new(&registry)));
    shared(layer(&registry).layer(Echo));
    shared(GateLayer::new(Gate::new(&registry)).layer(Echo));
    let mut alone = HealthTower::new(HealthService::without_deadlines(&registry));
    shared(alone.clone());

    let request = || Request::new(SendOnly(std::marker::PhantomData));
    sent(&alone.call(request()));
    let beside = layer(&registry).layer(Echo).call(request());
    sent(&beside);
    sent(&block_on(beside).unwrap());
    let gate = GateLayer::new(Gate::new(&registry)).layer(Echo).call(request());
    sent(&gate);
    sent(&block_on(gate).unwrap());
}
