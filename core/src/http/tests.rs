//! The engine as a whole: how bodies are read, deadlines held, streams ended, and the forms of HTTP's own
//! replies. What each protocol answers byte by byte is replayed from the vectors, over every adapter.

use std::{sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Version, header};

use super::{
    Body, Cors, HealthService, HealthServiceBuilder, ResponseFuture,
    testing::{ManualTimer, Reader, Script, Step, now, poll, read},
};
use crate::{Registry, ServingStatus};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const EMPTY: &[u8] = b"\0\0\0\0\0";

fn post(path: &str, content_type: &str) -> http::request::Builder {
    Request::post(path).version(Version::HTTP_2).header("content-type", content_type)
}

fn timed(registry: &Registry) -> (HealthServiceBuilder, Arc<ManualTimer>) {
    let timer = ManualTimer::shared();
    (HealthService::builder(registry).timer(timer.clone()), timer)
}

fn ask(service: &HealthService, request: http::request::Builder, body: Script) -> Response<Body> {
    now(service.call(request.body(body).unwrap()))
}

fn ready(future: &mut ResponseFuture<Script>) -> Option<Response<Body>> {
    match poll(future) {
        Poll::Ready(response) => Some(response),
        Poll::Pending => None,
    }
}

/// Status code of an RPC reply: of HTTP, or of gRPC in its headers, trailers or trailer frame.
fn code(response: Response<Body>) -> String {
    let (head, body) = response.into_parts();
    let (data, trailers, _) = Reader::new(body).frames();
    let grpc = head.headers.get("grpc-status").or_else(|| trailers.as_ref()?.get("grpc-status"));
    if let Some(status) = grpc {
        return format!("grpc {}", status.to_str().unwrap());
    }
    let text = String::from_utf8_lossy(&data.concat()).into_owned();
    match text.split_once("grpc-status: ") {
        Some((_, rest)) => format!("grpc {}", rest.split_once('\r').unwrap().0),
        None => format!("http {}", head.status.as_u16()),
    }
}

#[test]
fn a_request_is_answered_once_its_body_has_been_read() {
    let service = HealthService::without_deadlines(&Registry::new());
    let requests = [
        (post(CHECK, "application/grpc"), "grpc 0"),
        (post(CHECK, "text/plain"), "http 415"),
        (post("/nope", "application/json"), "http 404"),
        (post("/nope", "application/grpc"), "grpc 12"),
        (post("/livez", "text/plain"), "http 405"),
        (post(CHECK, "application/grpc").header("grpc-timeout", "x"), "grpc 3"),
    ];
    for (request, expected) in requests {
        let body = Script::new([Step::Data(Bytes::from_static(EMPTY)), Step::Wait]);
        let mut future = service.call(request.body(body).unwrap());
        assert!(ready(&mut future).is_none(), "{expected} came early");
        future.exchange_body().steps.clear();
        assert_eq!(code(ready(&mut future).unwrap()), expected);
    }
}

#[test]
fn a_body_over_the_limit_is_thrown_away_and_answered() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.max_request_bytes(1024).build();
    let megabyte = || Step::Data(Bytes::from(vec![b'x'; 1 << 20]));
    let envelope = || Step::Data(Bytes::from_static(b"\0\x01\0\0\0"));
    let types = [
        ("application/json", vec![megabyte()], "http 429"),
        ("application/grpc", vec![envelope(), megabyte()], "grpc 8"),
        ("application/grpc-web", vec![envelope(), megabyte()], "grpc 8"),
    ];
    for (content_type, steps, expected) in types {
        // To its end.
        let body = Script::new(steps.clone());
        assert_eq!(code(ask(&service, post(CHECK, content_type), body)), expected);
        // No further than 4 MiB past the limit.
        let endless =
            steps.iter().cloned().chain((0..8).map(|_| megabyte())).chain([Step::Forbidden]);
        let mut future =
            service.call(post(CHECK, content_type).body(Script::new(endless)).unwrap());
        assert_eq!(code(ready(&mut future).unwrap()), expected);
        assert!(future.exchange_body().steps.len() >= 4, "{content_type}");
        // No longer than a second.
        let stalled = Script::new(steps.into_iter().chain([Step::Wait]));
        let mut future = service.call(post(CHECK, content_type).body(stalled).unwrap());
        assert!(ready(&mut future).is_none());
        timer.advance(Duration::from_millis(999));
        assert!(ready(&mut future).is_none());
        timer.advance(Duration::from_millis(1));
        assert_eq!(code(ready(&mut future).unwrap()), expected);
    }
}

#[test]
fn a_body_announced_as_far_too_large_is_not_read() {
    let service = HealthService::builder(&Registry::new()).max_request_bytes(1024).build();
    let announced = |size| Script { announced: Some(size), ..Script::new([Step::Forbidden]) };
    let hopeless = announced(5 << 20);
    assert_eq!(code(ask(&service, post(CHECK, "application/json"), hopeless)), "http 429");
    assert_eq!(code(ask(&service, post(CHECK, "application/grpc"), announced(5 << 20))), "grpc 8");
    assert_eq!(code(ask(&service, post("/nope", "x"), announced(5 << 20))), "http 404");

    // A client that asks first is told before it sends what is over the limit, and only then.
    let asks_first = || post(CHECK, "application/json").header("expect", "100-continue");
    assert_eq!(code(ask(&service, asks_first(), announced(1025))), "http 429");
    let fits = Script { announced: Some(2), ..Script::of(b"{}") };
    assert_eq!(code(ask(&service, asks_first(), fits)), "http 200");
}

/// Bodies that are over the limit by what is announced or by what has come, and then stop.
#[test]
fn a_body_over_the_limit_that_stops_has_a_second_whatever_the_answer() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.max_request_bytes(1024).build();
    let late = post(CHECK, "application/json").header("connect-timeout-ms", "60000");
    let requests = [
        (late, "http 429"),
        (post(CHECK, "application/grpc"), "grpc 8"),
        (post(CHECK, "text/plain"), "http 415"),
        (post("/nope", "application/json"), "http 404"),
        (post("/livez", "application/json"), "http 405"),
    ];
    for (request, expected) in requests {
        let announced = Script { announced: Some(2000), ..Script::new([Step::Wait]) };
        let envelope = [b"\0\0\0\x07\xd0".as_slice(), &[b' '; 1100]].concat();
        let sent = Script::new([Step::Data(envelope.into()), Step::Wait]);
        let request = request.body(()).unwrap();
        for body in [announced, sent] {
            let mut future = service.call(request.clone().map(|()| body));
            assert!(ready(&mut future).is_none());
            timer.advance(Duration::from_millis(999));
            assert!(ready(&mut future).is_none(), "{expected} came early");
            timer.advance(Duration::from_millis(1));
            assert_eq!(code(ready(&mut future).unwrap()), expected);
        }
    }
}

#[test]
fn a_call_that_failed_already_is_answered_at_its_deadline_at_the_latest() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build();
    let body = Script::new([Step::Data(Bytes::from_static(b"\x80\0\0\0\0")), Step::Wait]);
    let request = post(CHECK, "application/grpc").header("grpc-timeout", "150m");
    let mut future = service.call(request.body(body).unwrap());
    assert!(ready(&mut future).is_none());
    timer.advance(Duration::from_millis(149));
    assert!(ready(&mut future).is_none());
    timer.advance(Duration::from_millis(1));
    assert_eq!(code(ready(&mut future).unwrap()), "grpc 13");
}

#[test]
fn over_http_1_a_reply_to_a_body_that_was_not_read_closes_the_connection() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build();
    let closes = |version, body: Script| {
        let request = post(CHECK, "application/json").version(version).body(body).unwrap();
        let mut future = service.call(request);
        let response = ready(&mut future).or_else(|| {
            timer.advance(Duration::from_secs(30));
            ready(&mut future)
        });
        response
            .unwrap()
            .headers()
            .get("connection")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let unread = || Script { announced: Some(5 << 20), ..Script::new([Step::Forbidden]) };
    let stalled = || Script::new([Step::Wait]);
    for body in [unread, stalled] {
        assert_eq!(closes(Version::HTTP_11, body()).as_deref(), Some("close"));
        assert_eq!(closes(Version::HTTP_2, body()), None);
    }
    assert_eq!(closes(Version::HTTP_11, Script::of(b"{}")), None);
    assert_eq!(closes(Version::HTTP_11, Script::of(b"{")), None);
}

#[test]
fn with_a_margin_a_body_is_waited_for_until_shortly_before_the_deadline() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build().with_deadline_margin(Duration::from_millis(2));
    let request = |timeout| post(CHECK, "application/grpc").header("grpc-timeout", timeout);
    let mut future = service.call(request("100m").body(Script::new([Step::Wait])).unwrap());
    assert!(ready(&mut future).is_none());
    timer.advance(Duration::from_millis(97));
    assert!(ready(&mut future).is_none());
    timer.advance(Duration::from_millis(1));
    assert_eq!(code(ready(&mut future).unwrap()), "grpc 4");
    // What is there is judged by the deadline itself.
    assert_eq!(code(ask(&service, request("1m"), Script::of(EMPTY))), "grpc 0");
    for passed in ["0S", "1m"] {
        assert_eq!(code(ask(&service, request(passed), Script::new([Step::Wait]))), "grpc 4");
    }
    // Such a server does not know the deadline of others: their body is read, and the connection kept.
    let connect = post(CHECK, "application/json").header("connect-timeout-ms", "0");
    let mut future = service.call(connect.body(Script::new([Step::Wait])).unwrap());
    assert!(ready(&mut future).is_none());
}

#[test]
fn frames_without_data_do_not_hold_a_request_for_ever() {
    let service = HealthService::builder(&Registry::new()).max_request_bytes(16).build();
    let empty = std::iter::repeat_n(Step::Data(Bytes::new()), 4 * 1024 * 1024 + 100);
    let mut future =
        service.call(post(CHECK, "application/grpc").body(Script::new(empty)).unwrap());
    assert_eq!(code(ready(&mut future).unwrap()), "grpc 8");
    assert!(!future.exchange_body().steps.is_empty());
}

#[test]
fn a_deadline_ends_a_call_whose_body_does_not() {
    let table = [
        ("application/grpc", "grpc-timeout", "2S", "grpc 4"),
        ("application/grpc-web", "grpc-timeout", "2000m", "grpc 4"),
        ("application/json", "connect-timeout-ms", "2000", "http 504"),
        ("application/proto", "triple-timeout-ms", "2000", "http 408"),
    ];
    for (content_type, name, value, expected) in table {
        let (builder, timer) = timed(&Registry::new());
        let service = builder.build();
        let body = Script::new([Step::Wait]);
        let request = post(CHECK, content_type).header(name, value).body(body).unwrap();
        let mut future = service.call(request);
        assert!(ready(&mut future).is_none());
        timer.advance(Duration::from_millis(1999));
        assert!(ready(&mut future).is_none(), "{content_type}");
        timer.advance(Duration::from_millis(1));
        assert_eq!(code(ready(&mut future).unwrap()), expected, "{content_type}");
    }
}

#[test]
fn a_timeout_of_zero_waits_a_second_for_the_body() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build();
    let body = Script::new([Step::Wait]);
    let request = post(CHECK, "application/grpc").header("grpc-timeout", "0n").body(body).unwrap();
    let mut future = service.call(request);
    assert!(ready(&mut future).is_none());
    timer.advance(Duration::from_secs(1));
    assert_eq!(code(ready(&mut future).unwrap()), "grpc 4");
}

#[test]
fn a_deadline_that_passed_is_seen_when_the_body_is_whole() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build();
    let body = Script::new([Step::Wait]);
    let request = post(CHECK, "application/grpc").header("grpc-timeout", "1S").body(body).unwrap();
    let mut future = service.call(request);
    timer.advance(Duration::from_secs(2));
    future.exchange_body().steps = Script::of(EMPTY).steps;
    assert_eq!(code(ready(&mut future).unwrap()), "grpc 4");
    // What is wrong with the message comes first.
    let bad = post(CHECK, "application/json").header("connect-timeout-ms", "0");
    assert_eq!(code(ask(&service, bad, Script::of(b"{"))), "http 400");
    let good = post(CHECK, "application/json").header("connect-timeout-ms", "0");
    assert_eq!(code(ask(&service, good, Script::of(b"{}"))), "http 504");
}

#[test]
fn a_body_without_deadline_has_its_time_too() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.body_timeout(Duration::from_secs(5)).build();
    let requests =
        [(post(CHECK, "application/grpc"), "grpc 4"), (post(CHECK, "text/plain"), "http 415")];
    for (request, expected) in requests {
        let body = Script::new([Step::Data(Bytes::from_static(b"\0")), Step::Wait]);
        let mut future = service.call(request.body(body).unwrap());
        assert!(ready(&mut future).is_none());
        timer.advance(Duration::from_secs(4));
        assert!(ready(&mut future).is_none());
        timer.advance(Duration::from_secs(1));
        assert_eq!(code(ready(&mut future).unwrap()), expected);
    }
}

#[test]
fn without_a_timer_only_a_timeout_of_zero_is_held() {
    let service = HealthService::without_deadlines(&Registry::new());
    for (value, expected) in [("1n", "grpc 0"), ("0n", "grpc 4"), ("99999999H", "grpc 0")] {
        let request = post(CHECK, "application/grpc").header("grpc-timeout", value);
        assert_eq!(code(ask(&service, request, Script::of(EMPTY))), expected, "{value}");
    }
}

#[test]
fn a_body_that_breaks_off_is_no_message() {
    let service = HealthService::without_deadlines(&Registry::new());
    let table = [
        ("application/grpc", EMPTY, "grpc 13"),
        ("application/json", b"{}", "http 400"),
        ("text/plain", b"{}", "http 415"),
    ];
    for (content_type, data, expected) in table {
        let body = Script::new([Step::Data(Bytes::from_static(data)), Step::Break]);
        assert_eq!(code(ask(&service, post(CHECK, content_type), body)), expected);
    }
}

#[test]
fn a_future_polled_too_often_does_not_panic() {
    let service = HealthService::without_deadlines(&Registry::new());
    let mut future = service.call(post(CHECK, "application/json").body(Script::of(b"{}")).unwrap());
    assert_eq!(ready(&mut future).unwrap().status(), 200);
    assert_eq!(ready(&mut future).unwrap().status(), 500);
}

/// Content type, the request for `svc`, the frames of NOT_SERVING and of the end by `UNAVAILABLE` and by
/// `DEADLINE_EXCEEDED`; gRPC ends with trailers.
type StreamRow =
    (&'static str, &'static [u8], &'static str, Option<&'static str>, Option<&'static str>);

const STREAMS: [StreamRow; 5] = [
    ("application/grpc", b"\0\0\0\0\x05\x0a\x03svc", "\0\0\0\0\x02\x08\x02", None, None),
    (
        "application/grpc-web",
        b"\0\0\0\0\x05\x0a\x03svc",
        "\0\0\0\0\x02\x08\x02",
        Some("grpc-status: 14\r\ngrpc-message: health service closed\r\n"),
        Some("grpc-status: 4\r\ngrpc-message: the deadline has passed\r\n"),
    ),
    (
        "application/connect+proto",
        b"\0\0\0\0\x05\x0a\x03svc",
        "\0\0\0\0\x02\x08\x02",
        Some(r#"{"error":{"code":"unavailable","message":"health service closed"}}"#),
        Some(r#"{"error":{"code":"deadline_exceeded","message":"the deadline has passed"}}"#),
    ),
    (
        "application/connect+json",
        b"\0\0\0\0\x11{\"service\":\"svc\"}",
        "\0\0\0\0\x18{\"status\":\"NOT_SERVING\"}",
        Some(r#"{"error":{"code":"unavailable","message":"health service closed"}}"#),
        Some(r#"{"error":{"code":"deadline_exceeded","message":"the deadline has passed"}}"#),
    ),
    ("application/grpc-web-text", b"AAAAAAUKA3N2Yw==", "AAAAAAIIAg==", None, None),
];

#[test]
fn a_stream_follows_the_service_and_ends_with_close() {
    for (content_type, request, not_serving, end, _) in STREAMS {
        let registry = Registry::new();
        registry.set("svc", ServingStatus::Serving);
        let service = HealthService::without_deadlines(&registry);
        let response = ask(&service, post(WATCH, content_type), Script::of(request));
        assert_eq!(response.status(), 200);
        let mut reader = Reader::new(response.into_body());
        assert_eq!(reader.frames().0.len(), 1, "{content_type}");
        registry.shutdown();
        let (data, _, ended) = reader.frames();
        assert_eq!((data, ended), (vec![not_serving.as_bytes().to_vec()], false), "{content_type}");
        registry.close();
        let (data, trailers, ended) = reader.frames();
        assert!(ended, "{content_type}");
        assert_eq!(registry.watchers(), 0);
        if content_type == "application/grpc" {
            let trailers = trailers.unwrap();
            assert_eq!(trailers["grpc-status"], "14");
            assert_eq!(trailers["grpc-message"], "health service closed");
            assert!(data.is_empty());
        } else if let Some(end) = end {
            assert_eq!(&data.concat()[5..], end.as_bytes(), "{content_type}");
        }
        // A stream that comes too late gets no message.
        let response = ask(&service, post(WATCH, content_type), Script::of(request));
        let (data, ..) = Reader::new(response.into_body()).frames();
        assert!(!data.contains(&not_serving.as_bytes().to_vec()), "{content_type}");
    }
}

#[test]
fn a_stream_ends_at_its_deadline() {
    for (content_type, request, not_serving, _, end) in STREAMS {
        let registry = Registry::new();
        registry.set("svc", ServingStatus::NotServing);
        let (builder, timer) = timed(&registry);
        let name =
            if content_type.contains("connect") { "connect-timeout-ms" } else { "grpc-timeout" };
        let value = if content_type.contains("connect") { "150" } else { "150m" };
        let service = builder.build();
        let head = post(WATCH, content_type).header(name, value);
        let response = ask(&service, head, Script::of(request));
        let mut reader = Reader::new(response.into_body());
        let (data, _, ended) = reader.frames();
        assert_eq!((data, ended), (vec![not_serving.as_bytes().to_vec()], false), "{content_type}");
        timer.advance(Duration::from_millis(149));
        assert!(!reader.frames().2);
        timer.advance(Duration::from_millis(1));
        let (data, trailers, ended) = reader.frames();
        assert!(ended, "{content_type}");
        if let Some(trailers) = trailers {
            assert_eq!(trailers["grpc-status"], "4");
        } else if let Some(end) = end {
            assert_eq!(&data.concat()[5..], end.as_bytes(), "{content_type}");
        }
        assert_eq!(registry.watchers(), 0);
    }
}

#[test]
fn a_watch_lasts_no_longer_than_it_may() {
    let (builder, timer) = timed(&Registry::new());
    let service = builder.build().with_max_watch_age(Duration::from_secs(60));
    for (timeout, lasts, code) in [("90S", 60, "14"), ("30S", 30, "4")] {
        let head = post(WATCH, "application/grpc").header("grpc-timeout", timeout);
        let mut reader = Reader::new(ask(&service, head, Script::of(EMPTY)).into_body());
        timer.advance(Duration::from_secs(lasts - 1));
        assert!(!reader.frames().2, "{timeout}");
        timer.advance(Duration::from_secs(1));
        assert_eq!(reader.frames().1.unwrap()["grpc-status"], code, "{timeout}");
    }
}

#[test]
fn too_many_watchers_are_refused_in_every_form() {
    let registry = Registry::builder().max_watchers(0).build();
    let service = HealthService::without_deadlines(&registry);
    for (content_type, request, ..) in STREAMS {
        let response = ask(&service, post(WATCH, content_type), Script::of(request));
        assert_eq!(response.status(), 200);
        let status = response.headers().get("grpc-status").cloned();
        let body = read(response.into_body());
        let text = String::from_utf8_lossy(&body).into_owned();
        let refused = status.is_some_and(|status| status == "8")
            || text.contains("grpc-status: 8")
            || text.contains("resource_exhausted")
            // base64 of the trailer frame
            || (content_type.ends_with("text") && text.starts_with("gAAAA"));
        assert!(refused, "{content_type}: {text}");
    }
}

#[test]
fn grpc_over_http_1_is_505() {
    let service = HealthService::without_deadlines(&Registry::new());
    for path in [CHECK, WATCH, "/nope"] {
        let request = post(path, "application/grpc").version(Version::HTTP_11);
        let response = ask(&service, request, Script::of(EMPTY));
        assert_eq!(response.status(), 505, "{path}");
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }
    let web = post(CHECK, "application/grpc-web").version(Version::HTTP_11);
    assert_eq!(code(ask(&service, web, Script::of(EMPTY))), "grpc 0");
}

#[test]
fn methods_and_types_that_do_not_fit() {
    let service = HealthService::without_deadlines(&Registry::new());
    let table = [
        (Method::PUT, CHECK, "", 405, "allow", "GET, POST"),
        (Method::HEAD, LIST, "", 405, "allow", "GET, POST"),
        (Method::OPTIONS, CHECK, "", 405, "allow", "GET, POST"),
        (Method::GET, WATCH, "", 405, "allow", "POST"),
        (Method::DELETE, WATCH, "", 405, "allow", "POST"),
        (Method::POST, "/livez", "", 405, "allow", "GET, HEAD"),
        (Method::OPTIONS, "/readyz", "", 405, "allow", "GET, HEAD"),
        (Method::POST, CHECK, "application/connect+json", 415, "accept-post", "application/grpc, "),
        (Method::POST, WATCH, "application/json", 415, "accept-post", "application/connect+json, "),
        (Method::POST, WATCH, "", 415, "accept-post", "application/connect+json, "),
        (Method::GET, CHECK, "", 415, "accept-post", "application/grpc, "),
    ];
    for (method, path, content_type, status, name, value) in table {
        let mut request = Request::builder().method(method.clone()).uri(path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let response = ask(&service, request, Script::new([]));
        assert_eq!(response.status(), status, "{method} {path}");
        let header = response.headers()[name].to_str().unwrap();
        assert!(header.starts_with(value), "{method} {path}: {header}");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "0");
        assert_eq!(read(response.into_body()), b"");
    }
}

#[test]
fn triple_has_no_get() {
    let service = HealthService::without_deadlines(&Registry::new());
    let uri = format!("{CHECK}?encoding=json&message=%7B%7D");
    assert_eq!(ask(&service, Request::get(&uri), Script::new([])).status(), 200);
    let marked = Request::get(&uri).header("triple-protocol-version", "0.1.0");
    assert_eq!(ask(&service, marked, Script::new([])).status(), 405);
}

#[test]
fn a_connect_version_may_be_required() {
    let service = HealthService::builder(&Registry::new()).require_connect_version(true).build();
    let bare = post(CHECK, "application/json");
    assert_eq!(code(ask(&service, bare, Script::of(b"{}"))), "http 400");
    let versioned = post(CHECK, "application/json").header("connect-protocol-version", "1");
    assert_eq!(code(ask(&service, versioned, Script::of(b"{}"))), "http 200");
}

#[test]
fn lists_are_compressed_where_the_client_takes_it_and_it_pays() {
    let registry = Registry::new();
    let service = HealthService::without_deadlines(&registry);
    let table = [
        ("application/grpc", EMPTY, "grpc-accept-encoding", "grpc-encoding"),
        ("application/grpc-web", EMPTY, "grpc-accept-encoding", "grpc-encoding"),
        ("application/json", b"{}", "accept-encoding", "content-encoding"),
        ("application/proto", b"", "accept-encoding", "content-encoding"),
    ];
    for large in [false, true] {
        if large {
            (0..90).for_each(|number| {
                registry
                    .set(&format!("some.rather.long.ServiceName{number}"), ServingStatus::Serving);
            });
        }
        for (content_type, body, accept, encoding) in table {
            for value in ["gzip", "identity", "br"] {
                let request = post(LIST, content_type).header(accept, value);
                let response = ask(&service, request, Script::of(body));
                let named = response.headers().get(encoding).map(|value| value.to_str().unwrap());
                let expected = (large && value == "gzip").then_some("gzip");
                assert_eq!(named, expected, "{content_type} {value} large: {large}");
                let data = read(response.into_body());
                assert_eq!(data.len() < 900, !large || value == "gzip", "{}", data.len());
            }
        }
    }
}

#[test]
fn pages_of_allowed_origins_may_read_every_reply() {
    let cors = Cors::new(["https://app.example"]);
    let service = HealthService::builder(&Registry::new()).cors(cors).build();
    let origin = |request: http::request::Builder| request.header("origin", "https://app.example");
    let requests = [
        origin(post(CHECK, "application/json")),
        origin(post(CHECK, "text/plain")),
        origin(post("/nope", "text/plain")),
        origin(Request::put(CHECK)),
        origin(Request::get("/readyz")),
        origin(Request::get(format!("{CHECK}?encoding=proto&message="))),
    ];
    for request in requests {
        let response = ask(&service, request, Script::of(b"{}"));
        let headers = response.headers();
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert!(headers[header::VARY].to_str().unwrap().ends_with("Origin"));
        assert!(headers.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS));
    }
    let stranger = post(CHECK, "application/json").header("origin", "https://evil.example");
    let response = ask(&service, stranger, Script::of(b"{}"));
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[test]
fn replies_never_repeat_what_the_peer_sent() {
    let service = HealthService::without_deadlines(&Registry::new());
    let marker = "peer-chosen-marker";
    let requests = [
        post(CHECK, "application/json").header("connect-timeout-ms", marker),
        post(CHECK, "application/json").header("connect-protocol-version", marker),
        post(CHECK, "application/json").header("content-encoding", marker),
        post(CHECK, "application/json").header("tri-service-group", marker),
        post(CHECK, "application/json").header("triple-protocol-version", marker),
        post(CHECK, "application/grpc").header("grpc-encoding", marker),
        post(CHECK, marker),
        post(CHECK, "application/json"),
        post(&format!("/{marker}"), "application/grpc"),
    ];
    for request in requests {
        let body = format!(r#"{{"service":"{marker}"}}"#);
        let response = ask(&service, request, Script::of(body.as_bytes()));
        let head = format!("{:?}", response.headers());
        assert!(!head.contains(marker), "{head}");
        let body = String::from_utf8_lossy(&read(response.into_body())).into_owned();
        assert!(!body.contains(marker), "{body}");
    }
}
