//! Each request and its reply, without a socket and by a clock that is moved by hand.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_lite::{StreamExt, future::block_on};
use health_admin::AdminService;
use health_core::{
    Cause, Hold, Reason, Registry,
    ServingStatus::{NotServing, Serving},
};
use health_test::ManualTimer;
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef";

struct Admin {
    timer: Arc<ManualTimer>,
    health: Registry,
    service: AdminService,
}

impl Admin {
    /// One service, `svc`, SERVING.
    fn new() -> Self {
        let timer = ManualTimer::shared();
        let health = Registry::builder().clock(Arc::<ManualTimer>::clone(&timer)).build();
        health.set("svc", Serving);
        let service = AdminService::new(&health, Arc::<ManualTimer>::clone(&timer), TOKEN).unwrap();
        Self { timer, health, service }
    }

    fn call(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        block_on(self.service.call(request))
    }

    /// Sends `request`, such as `GET /holds`, with the token and this body.
    fn send(&self, request: &str, body: &str) -> (StatusCode, Value) {
        let request = builder(request).header("content-type", "application/json");
        read(self.call(request.body(Full::from(body.to_owned())).unwrap()))
    }
}

/// `METHOD /path`, with the token.
fn builder(request: &str) -> http::request::Builder {
    let (method, uri) = request.split_once(' ').unwrap();
    Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {TOKEN}"))
}

fn read(response: Response<Full<Bytes>>) -> (StatusCode, Value) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let (head, body) = response.into_parts();
    let body = block_on(body.collect()).unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap())
}

#[test]
fn holds_are_stated_in_the_path_or_in_the_body() {
    let full = r#"{"reason":"migration","by":"ada","for":600}"#;
    for (request, body, service, answered) in [
        (
            "PUT /holds/svc",
            full,
            "svc",
            json!({"reason":"migration","by":"ada","remaining_seconds":600.0}),
        ),
        ("PUT /holds/svc", r#"{"reason":"x"}"#, "svc", json!({"reason":"x","by":"admin"})),
        (
            "PUT /holds/svc",
            r#"{"reason":"x","by":null,"for":null,"service":null}"#,
            "svc",
            json!({"reason":"x","by":"admin"}),
        ),
        (
            "POST /holds",
            r#"{"service":"svc","reason":"x"}"#,
            "svc",
            json!({"reason":"x","by":"admin"}),
        ),
        ("POST /holds", r#"{"service":"","reason":"x"}"#, "", json!({"reason":"x","by":"admin"})),
        (
            "PUT /holds/svc",
            r#"{"reason":"x","for":"1h30m"}"#,
            "svc",
            json!({"reason":"x","by":"admin","remaining_seconds":5400.0}),
        ),
        (
            "PUT /holds/svc",
            r#"{"reason":"x","for":"1.5h"}"#,
            "svc",
            json!({"reason":"x","by":"admin","remaining_seconds":5400.0}),
        ),
        (
            "PUT /holds/svc",
            r#"{"reason":"x","for":"2 min"}"#,
            "svc",
            json!({"reason":"x","by":"admin","remaining_seconds":120.0}),
        ),
        (
            "PUT /holds/svc",
            r#"{"reason":"x","for":0.25}"#,
            "svc",
            json!({"reason":"x","by":"admin","remaining_seconds":0.25}),
        ),
    ] {
        let admin = Admin::new();
        let expected = json!({
            "service": service, "update": "changed", "status": "NOT_SERVING", "hold": answered,
        });
        assert_eq!(admin.send(request, body), (StatusCode::CREATED, expected), "{request} {body}");
        assert_eq!(admin.health.check(service), Some(NotServing));
    }
}

#[test]
fn bodies_that_are_no_hold_are_refused_and_change_nothing() {
    let admin = Admin::new();
    for (request, body, said) in [
        ("PUT /holds/svc", "", "EOF"),
        ("PUT /holds/svc", "null", "it is {\"reason\""),
        ("PUT /holds/svc", "[]", "it is {\"reason\""),
        ("PUT /holds/svc", r#"["x",null,null,null]"#, "it is an array"),
        ("PUT /holds/svc", "{}", "missing field `reason`"),
        ("PUT /holds/svc", r#"{"reason":"x"} x"#, "trailing"),
        ("PUT /holds/svc", r#"{"reason":"x","until":"tomorrow"}"#, "unknown field `until`"),
        ("PUT /holds/svc", r#"{"reason":"x","reason":"y"}"#, "duplicate field"),
        ("PUT /holds/svc", r#"{"reason":7}"#, "invalid type"),
        ("PUT /holds/svc", r#"{"reason":""}"#, "\"reason\" must be"),
        ("PUT /holds/svc", r#"{"reason":" "}"#, "\"reason\" must be"),
        ("PUT /holds/svc", r#"{"reason":"a\nb"}"#, "\"reason\" must be"),
        ("PUT /holds/svc", r#"{"reason":"x","by":""}"#, "\"by\" must be"),
        ("PUT /holds/svc", r#"{"reason":"x","by":"\u001b[2J"}"#, "\"by\" must be"),
        ("PUT /holds/svc", r#"{"reason":"x","for":0}"#, "greater than zero"),
        ("PUT /holds/svc", r#"{"reason":"x","for":"0s"}"#, "greater than zero"),
        ("PUT /holds/svc", r#"{"reason":"x","for":-5}"#, "greater than zero"),
        ("PUT /holds/svc", r#"{"reason":"x","for":-0.5}"#, "greater than zero"),
        ("PUT /holds/svc", r#"{"reason":"x","for":1e300}"#, "no more than a clock"),
        ("PUT /holds/svc", r#"{"reason":"x","for":18446744073709551615}"#, "longer than"),
        ("PUT /holds/svc", r#"{"reason":"x","for":"10"}"#, "is no duration"),
        ("PUT /holds/svc", r#"{"reason":"x","for":"soon"}"#, "such as \"90s\""),
        ("PUT /holds/svc", r#"{"reason":"x","for":[1]}"#, "a number of seconds"),
        ("PUT /holds/svc", r#"{"reason":"x","service":"svc"}"#, "leave it out of the body"),
        ("POST /holds", r#"{"reason":"x"}"#, "no service is named"),
        ("PUT /holds/", r#"{"reason":"x"}"#, "POST /holds"),
    ] {
        let (status, answer) = admin.send(request, body);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{request} {body}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(said), "{request} {body}: {error}");
    }
    assert_eq!(admin.health.holds(), []);
}

#[test]
fn a_hold_that_takes_the_place_of_another_one_says_so() {
    let admin = Admin::new();
    assert_eq!(admin.send("PUT /holds/svc", r#"{"reason":"one"}"#).0, StatusCode::CREATED);
    let (status, answer) = admin.send("PUT /holds/svc", r#"{"reason":"two","by":"bob"}"#);
    assert_eq!((status, &answer["update"]), (StatusCode::OK, &json!("hidden")));
    let (status, answer) = admin.send("PUT /holds/svc", r#"{"reason":"two","by":"bob"}"#);
    assert_eq!((status, &answer["update"]), (StatusCode::OK, &json!("unchanged")));
    let held = json!({"holds":[{"service":"svc","reason":"two","by":"bob"}]});
    assert_eq!(admin.send("GET /holds", "").1, held);
}

#[test]
fn what_is_not_registered_is_held_from_its_registration_on() {
    let admin = Admin::new();
    let (status, answer) = admin.send("PUT /holds/lab%2Flate:1.0", r#"{"reason":"not yet"}"#);
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(answer["update"], "hidden");
    assert_eq!(answer["status"], "SERVICE_UNKNOWN");
    admin.health.set("lab/late:1.0", Serving);
    assert_eq!(admin.health.check("lab/late:1.0"), Some(NotServing));
    assert_eq!(admin.send("DELETE /holds/lab/late:1.0", "").0, StatusCode::OK);
    assert_eq!(admin.health.check("lab/late:1.0"), Some(Serving));
}

#[test]
fn a_release_shows_what_the_service_is() {
    let admin = Admin::new();
    for (request, service) in [("DELETE /holds/svc", "svc"), ("DELETE /holds?service=", "")] {
        admin.health.hold(service, "migration");
        let expected = json!({"service": service, "update": "changed", "status": "SERVING"});
        assert_eq!(admin.send(request, ""), (StatusCode::OK, expected));
        let (status, answer) = admin.send(request, "");
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(answer["error"], format!("{service:?} is not held: GET /holds tells what is"));
    }
    let (status, _) = admin.send("DELETE /holds/svc?by=%0A", "");
    assert_eq!(status, StatusCode::BAD_REQUEST, "by is one line here too");
}

#[test]
fn every_transition_names_who_made_it() {
    let admin = Admin::new();
    admin.send("PUT /holds/svc", r#"{"reason":"migration"}"#);
    admin.timer.advance(Duration::from_millis(1500));
    admin.send("DELETE /holds/svc?by=ada", "");
    let (status, answer) = admin.send("GET /transitions", "");
    assert_eq!(status, StatusCode::OK);
    let expected = json!({"transitions": [
        {"sequence": 1, "service": "", "from": "SERVICE_UNKNOWN", "to": "SERVING", "cause": "set"},
        {"sequence": 2, "service": "svc", "from": "SERVICE_UNKNOWN", "to": "SERVING", "cause": "set"},
        {"sequence": 3, "service": "svc", "from": "SERVING", "to": "NOT_SERVING", "cause": "held",
         "reason": "held by admin: migration", "lasted_seconds": 0.0},
        {"sequence": 4, "service": "svc", "from": "NOT_SERVING", "to": "SERVING", "cause": "released",
         "reason": "released by ada", "lasted_seconds": 1.5},
    ]});
    assert_eq!(answer, expected);
}

#[test]
fn services_are_told_with_what_stands_behind_them() {
    let admin = Admin::new();
    let pool = admin.health.signal("svc", "pool").unwrap();
    pool.fail(Reason::new("no connection left"));
    let _worker = admin.health.heartbeat("job", "worker", Duration::from_secs(60)).unwrap();
    let end = admin.health.now() + Duration::from_secs(60);
    admin.health.hold("", Hold::new("drill").by("ada").until(end));
    admin.timer.advance(Duration::from_secs(2));
    let expected = json!({"services": [
        {"service": "", "status": "NOT_SERVING", "age_seconds": 2.0, "why": "held by ada: drill",
         "hold": {"reason": "drill", "by": "ada", "remaining_seconds": 58.0}, "conditions": []},
        {"service": "job", "status": "UNKNOWN", "age_seconds": 2.0, "why": "worker: pending",
         "conditions": [{"name": "worker", "scope": "local", "finding": "pending", "age_seconds": 2.0}]},
        {"service": "svc", "status": "NOT_SERVING", "age_seconds": 2.0, "why": "pool: no connection left",
         "conditions": [{"name": "pool", "scope": "shared", "finding": "failing",
                         "reason": "no connection left", "age_seconds": 2.0}]},
    ]});
    assert_eq!(admin.send("GET /services", ""), (StatusCode::OK, expected));
}

#[test]
fn a_hold_with_an_end_ends_by_itself() {
    let admin = Admin::new();
    let mut watch = admin.health.watch("svc").unwrap();
    assert_eq!(block_on(watch.next()), Some(Serving));
    admin.send("PUT /holds/svc", r#"{"reason":"restart","for":"10m"}"#);
    assert_eq!(block_on(watch.next()), Some(NotServing));

    admin.timer.advance(Duration::from_secs(599));
    let (_, answer) = admin.send("GET /holds", "");
    assert_eq!(answer["holds"][0]["remaining_seconds"], 1.0);
    assert_eq!(admin.health.check("svc"), Some(NotServing));

    admin.timer.advance(Duration::from_secs(1));
    assert_eq!(admin.send("GET /holds", "").1, json!({"holds": []}));
    assert_eq!(block_on(watch.next()), Some(Serving));
    assert_eq!(admin.send("DELETE /holds/svc", "").0, StatusCode::NOT_FOUND);
    assert_eq!(admin.health.history().pop().unwrap().cause, Cause::Expired);
}

#[test]
fn without_the_token_every_answer_is_the_same() {
    let admin = Admin::new();
    let mut answers = Vec::new();
    for token in
        [None, Some(""), Some("Bearer"), Some("Bearer 0123456789abcdeX"), Some("Basic eA==")]
    {
        for (method, path) in [
            ("GET", "/holds"),
            ("PUT", "/holds/svc"),
            ("DELETE", "/holds/nobody"),
            ("PATCH", "/services"),
            ("GET", "/nothing"),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let response = admin.call(request.body(Full::from(vec![b'x'; 5000])).unwrap());
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token:?} {method} {path}");
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
            answers.push((response.headers().clone(), read(response)));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(admin.health.holds(), []);
}

#[test]
fn refusals_name_the_way() {
    let admin = Admin::new();
    for (request, status, name, value) in [
        ("PUT /holds", StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "DELETE, GET, POST"),
        ("GET /holds/svc", StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "DELETE, PUT"),
        ("POST /services", StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "GET"),
    ] {
        let response = admin.call(builder(request).body(Full::default()).unwrap());
        assert_eq!(
            (response.status(), &response.headers()[name]),
            (status, &value.parse().unwrap())
        );
        let (_, answer) = read(response);
        assert!(answer["error"].as_str().unwrap().contains(value), "{request}: {answer}");
    }
    let (status, answer) = admin.send("GET /nothing", "");
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer["error"].as_str().unwrap().contains("/holds/{service}"), "{answer}");
}

#[test]
fn only_json_is_read() {
    let admin = Admin::new();
    for (content_type, status) in [
        (Some("application/json"), StatusCode::CREATED),
        (Some("Application/JSON; charset=utf-8"), StatusCode::OK),
        (Some("application/x-www-form-urlencoded"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/json5"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some(""), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let mut request = builder("PUT /holds/svc");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = admin.call(request.body(Full::from(r#"{"reason":"x"}"#)).unwrap());
        assert_eq!(response.status(), status, "{content_type:?}");
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            assert_eq!(response.headers()[header::ACCEPT], "application/json");
        }
    }
}

#[test]
fn a_body_may_have_4096_bytes() {
    let admin = Admin::new();
    let body = |bytes: usize| {
        let frame = r#"{"reason":""}"#.len();
        format!(r#"{{"reason":"{}"}}"#, "x".repeat(bytes - frame))
    };
    assert_eq!(admin.send("PUT /holds/svc", &body(4096)).0, StatusCode::CREATED);
    assert_eq!(admin.send("PUT /holds/svc", &body(4097)).0, StatusCode::PAYLOAD_TOO_LARGE);

    // One that does not say how large it is.
    for (bytes, status) in [(4096, StatusCode::OK), (4097, StatusCode::PAYLOAD_TOO_LARGE)] {
        let pieces = body(bytes).into_bytes().chunks(1000).map(Bytes::copy_from_slice).collect();
        let response = block_on(admin.service.call(scripted(Script { pieces, then: Then::End })));
        assert_eq!(response.status(), status, "{bytes}");
    }
}

#[test]
fn a_body_that_breaks_off_is_told_so() {
    let admin = Admin::new();
    let script = Script { pieces: vec![Bytes::from(r#"{"reason":"#)], then: Then::Break };
    let (status, answer) = read(block_on(admin.service.call(scripted(script))));
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("cut off"), "{answer}");
}

#[test]
fn a_body_that_does_not_end_is_waited_for_ten_seconds() {
    let admin = Admin::new();
    let script = Script { pieces: vec![Bytes::from(r#"{"reason":"x"}"#)], then: Then::Wait };
    let mut answer = pin!(admin.service.call(scripted(script)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    admin.timer.advance(Duration::from_millis(9_999));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    admin.timer.advance(Duration::from_millis(1));
    let Poll::Ready(response) = answer.poll(&mut cx) else {
        panic!("it still waits");
    };
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(admin.health.holds(), []);
}

#[test]
fn questions_need_no_body() {
    let admin = Admin::new();
    let script = Script { pieces: Vec::new(), then: Then::Wait };
    for request in ["GET /services", "GET /holds", "GET /transitions", "DELETE /holds/svc"] {
        admin.health.hold("svc", "x");
        let request = builder(request).body(script.clone()).unwrap();
        let answer = pin!(admin.service.call(request));
        assert!(answer.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

#[test]
fn the_token_is_not_told() {
    let admin = Admin::new();
    let told = format!("{:?}", admin.service);
    assert!(told.starts_with("AdminService"), "{told}");
    assert!(!told.contains(TOKEN) && !told.contains("oken"), "{told}");
}

#[test]
fn the_service_crosses_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(_: &T) {}
    shared::<AdminService>();
    sent(&Admin::new().service.call(Request::new(Full::<Bytes>::default())));
}

/// A request body that comes in pieces and then does as it is told.
#[derive(Clone)]
struct Script {
    pieces: Vec<Bytes>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    End,
    Break,
    Wait,
}

fn scripted(script: Script) -> Request<Script> {
    builder("PUT /holds/svc").header("content-type", "application/json").body(script).unwrap()
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if !self.pieces.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.pieces.remove(0)))));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Break => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Then::Wait => Poll::Pending,
        }
    }
}
