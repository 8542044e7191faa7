//! The wire engine in process: one call of each protocol from request head to the last frame of the
//! reply, without a connection and without a runtime. The reply is polled with a waker that does
//! nothing, as nothing here ever waits.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use health_core::http::{Body, HealthService};
use health_core::{Registry, ServingStatus};
use http::{Request, Version};
use http_body::{Body as _, Frame};
use http_body_util::Full;

const SERVICE: &str = "greet.GreetService";

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// `CHECK` as a Connect GET that asks for `SERVICE` in JSON.
const CHECK_GET: &str = "/grpc.health.v1.Health/Check?connect=v1&encoding=json\
     &message=%7B%22service%22%3A%22greet.GreetService%22%7D";

const PROTO: &[u8] = b"\x0a\x12greet.GreetService";

const JSON: &[u8] = br#"{"service":"greet.GreetService"}"#;

const SERVING_PROTO: &[u8] = &[0x08, 1];

const SERVING_JSON: &[u8] = br#"{"status":"SERVING"}"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    let service = HealthService::without_deadlines(&registry);
    check(&mut criterion, &service);
    probe(&mut criterion, &service);
    watch(&mut criterion, &service, &registry);
    criterion.final_summary();
}

fn check(criterion: &mut Criterion, service: &HealthService) {
    let web_trailers: &[u8] = b"\x80\0\0\0\x10grpc-status: 0\r\n";
    let web_reply = [&frame(SERVING_PROTO), web_trailers].concat();
    let triple = [("content-type", "application/json"), ("triple-protocol-version", "0.1.0")];

    let mut group = criterion.benchmark_group("wire/check");
    let mut bench =
        |name, request, reply: &[u8]| bench_call(&mut group, name, service, &request, reply);
    bench("grpc proto", grpc("application/grpc", CHECK, PROTO), &frame(SERVING_PROTO));
    bench("grpc json", grpc("application/grpc+json", CHECK, JSON), &frame(SERVING_JSON));
    bench("grpc-web", grpc("application/grpc-web+proto", CHECK, PROTO), &web_reply);
    bench("connect proto", post(&[("content-type", "application/proto")], PROTO), SERVING_PROTO);
    bench("connect json", post(&[("content-type", "application/json")], JSON), SERVING_JSON);
    bench("connect get", get(CHECK_GET), SERVING_JSON);
    bench("triple json", post(&triple, JSON), SERVING_JSON);
    group.finish();
}

fn probe(criterion: &mut Criterion, service: &HealthService) {
    let mut group = criterion.benchmark_group("wire/probe");
    bench_call(&mut group, "readyz", service, &get("/readyz"), b"ok");
    group.finish();
}

/// A status that is set and read as the next frame of an open stream.
fn watch(criterion: &mut Criterion, service: &HealthService, registry: &Registry) {
    let request = grpc("application/grpc", "/grpc.health.v1.Health/Watch", PROTO);
    let mut task = Context::from_waker(Waker::noop());
    let mut body = answer(service, request, &mut task).into_body();
    let first = next_frame(&mut body, &mut task).expect("the first frame comes at once");
    assert_eq!(first.into_data().expect("a message"), frame(SERVING_PROTO));

    let mut status = ServingStatus::Serving;
    let mut group = criterion.benchmark_group("wire/watch");
    group.bench_function("grpc set and frame", |bencher| {
        bencher.iter(|| {
            status = match status {
                ServingStatus::Serving => ServingStatus::NotServing,
                _ => ServingStatus::Serving,
            };
            registry.set(SERVICE, status);
            let frame = next_frame(&mut body, &mut task).and_then(|frame| frame.into_data().ok());
            assert_eq!(frame.map(|data| data.len()), Some(7));
        });
    });
    group.finish();
    registry.set(SERVICE, ServingStatus::Serving);
}

/// Measures one call, after it was seen to give `reply`.
fn bench_call(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    service: &HealthService,
    request: &Request<Full<Bytes>>,
    reply: &[u8],
) {
    let mut task = Context::from_waker(Waker::noop());
    let response = answer(service, request.clone(), &mut task);
    assert_eq!(response.status(), 200, "{name}");
    let mut body = response.into_body();
    let mut got = Vec::new();
    while let Some(frame) = next_frame(&mut body, &mut task) {
        match frame.into_data() {
            Ok(data) => got.extend_from_slice(&data),
            Err(frame) => {
                let status = frame.trailers_ref().and_then(|trailers| trailers.get("grpc-status"));
                assert_eq!(status.map(|value| value.as_bytes()), Some(b"0".as_slice()), "{name}");
            }
        }
    }
    assert_eq!(got, reply, "{name}");

    group.bench_function(name, |bencher| {
        let call = |request| {
            let mut body = answer(service, request, &mut task).into_body();
            while next_frame(&mut body, &mut task).is_some() {}
        };
        bencher.iter_batched(|| request.clone(), call, BatchSize::SmallInput);
    });
}

fn answer(
    service: &HealthService,
    request: Request<Full<Bytes>>,
    task: &mut Context<'_>,
) -> http::Response<Body> {
    match pin!(service.call(request)).poll(task) {
        Poll::Ready(response) => response,
        Poll::Pending => panic!("the request is complete, so its answer must be"),
    }
}

/// The next frame of a reply, `None` at its end.
fn next_frame(body: &mut Body, task: &mut Context<'_>) -> Option<Frame<Bytes>> {
    match Pin::new(body).poll_frame(task) {
        Poll::Ready(frame) => frame.map(|Ok(frame)| frame),
        Poll::Pending => panic!("the next frame must be there"),
    }
}

/// A gRPC or gRPC-Web request: `message` in one envelope.
fn grpc(content_type: &str, path: &str, message: &[u8]) -> Request<Full<Bytes>> {
    let headers = [("content-type", content_type), ("te", "trailers")];
    let mut request = post(&headers, &frame(message));
    *request.uri_mut() = path.parse().expect("a path");
    *request.version_mut() = Version::HTTP_2;
    request
}

fn post(headers: &[(&'static str, &str)], body: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::post(CHECK);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::copy_from_slice(body))).expect("a valid request")
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).expect("a valid request")
}

/// An uncompressed envelope.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}
