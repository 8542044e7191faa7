//! The same session on every adapter: the same status, header fields, bytes and trailers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

use std::path::Path;

use clap::ValueEnum as _;
use health_conformance::{Adapter, Answer, Vectors, record};
use serde_json::{Value, json};

/// A Watch of `svc` in the protocol of `content_type`, through all that can happen to a service.
fn watch(content_type: &str, message: &str) -> Value {
    json!({
        "id": format!("session-watch {content_type}"),
        "protocol": "grpc", "why": "", "source": "", "strength": "must",
        "state": {"": "SERVING", "svc": "SERVING"},
        "steps": [
            {"after_frames": 1, "set": {"svc": "NOT_SERVING"}},
            {"after_frames": 2, "remove": "svc"},
            {"after_frames": 3, "set": {"svc": "UNKNOWN"}},
            {"after_frames": 4, "set": {"svc": "SERVING"}},
            {"after_frames": 5, "shutdown": true},
            {"after_frames": 6, "resume": true},
            {"after_frames": 7, "close": true},
        ],
        "request": {
            "http_version": if content_type == "application/grpc" { "2" } else { "any" },
            "method": "POST", "path": "/grpc.health.v1.Health/Watch",
            "headers": {"content-type": content_type}, "body_base64": message,
        },
        "response": {"http_status": 200, "body_encoding":
            if content_type.contains("text") { "grpc-web-text" } else { "identity" }},
    })
}

/// A call that is answered at once, in whatever state the session is.
fn call(id: &str, method: &str, path: &str, headers: &Value, body: &str) -> Value {
    json!({
        "id": format!("session-{id}"),
        "protocol": "grpc", "why": "", "source": "", "strength": "must",
        "state": {"": "SERVING", "svc": "NOT_SERVING"},
        "request": {"http_version": "any", "method": method, "path": path, "headers": headers,
            "body_base64": body},
        "response": {"http_status": 200},
    })
}

/// What the vectors leave out, as servers and frameworks like to have a say in it.
fn story() -> Vec<Value> {
    const SVC: &str = "AAAAAAUKA3N2Yw==";
    let mut story = vec![
        watch("application/grpc", SVC),
        watch("application/grpc+json", "AAAAABF7InNlcnZpY2UiOiJzdmMifQ=="),
        watch("application/grpc-web", SVC),
        watch("application/grpc-web-text", "QUFBQUFBVUtBM04yWXc9PQ=="),
        watch("application/connect+proto", SVC),
        watch("application/connect+json", "AAAAABF7InNlcnZpY2UiOiJzdmMifQ=="),
        call("root", "GET", "/", &json!({}), ""),
        call("head", "HEAD", "/readyz", &json!({}), ""),
        call("options", "OPTIONS", "/readyz", &json!({}), ""),
        call(
            "trailing-slash",
            "POST",
            "/grpc.health.v1.Health/Check/",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call(
            "double-slash",
            "POST",
            "//grpc.health.v1.Health/Check",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call(
            "encoded",
            "POST",
            "/grpc.health.v1.Health/%43heck",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call(
            "dots",
            "POST",
            "/x/../grpc.health.v1.Health/Check",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call(
            "other-service",
            "POST",
            "/greet.GreetService/Greet",
            &json!({"content-type": "application/grpc-web+proto"}),
            "AAAAAAA=",
        ),
        call(
            "other-path",
            "POST",
            "/greet.GreetService/Greet",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call(
            "put",
            "PUT",
            "/grpc.health.v1.Health/Check",
            &json!({"content-type": "application/json"}),
            "e30=",
        ),
        call("brew", "BREW", "/grpc.health.v1.Health/Check", &json!({}), ""),
        // Says that more comes than does: the deadline is what ends it.
        call(
            "deadline-while-reading",
            "POST",
            "/grpc.health.v1.Health/Check",
            &json!({"content-type": "application/grpc-web", "grpc-timeout": "60m",
                "content-length": "64"}),
            "AAAAAAA=",
        ),
        call(
            "expect",
            "POST",
            "/grpc.health.v1.Health/Check",
            &json!({"content-type": "application/json", "expect": "100-continue"}),
            "e30=",
        ),
        // A header of another protocol, which has no meaning here.
        call(
            "timeout-of-another",
            "POST",
            "/grpc.health.v1.Health/Check",
            &json!({"content-type": "application/json", "grpc-timeout": "never"}),
            "e30=",
        ),
    ];
    let mut grpc = call(
        "deadline-while-reading-grpc",
        "POST",
        "/grpc.health.v1.Health/Check",
        &json!({"content-type": "application/grpc", "grpc-timeout": "60m",
            "content-length": "64"}),
        "AAAAAAA=",
    );
    grpc["request"]["http_version"] = json!("2");
    story.push(grpc);
    story
}

/// The whole session, in parts that are made side by side: most of each is waiting.
fn session() -> Vec<Vectors> {
    let vectors = include_str!("../vectors/vectors.json");
    let mut session: Vec<Value> = serde_json::from_str(vectors).unwrap();
    session.extend(story());
    let part = session.len().div_ceil(PARTS);
    session.chunks(part).map(parse).collect()
}

const PARTS: usize = 4;

fn parse(calls: &[Value]) -> Vectors {
    Vectors::parse(&json!(calls).to_string()).unwrap()
}

async fn recording(adapter: Adapter, session: &Vectors) -> Vec<Answer> {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    record(program, adapter, session).await.unwrap()
}

/// The calls that were not answered alike, with both answers.
fn differences(one: &[Answer], other: &[Answer]) -> Vec<String> {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other).filter(|(one, other)| one != other);
    pairs
        .map(|(one, other)| {
            assert_eq!(one.call, other.call);
            format!("{}\n{}-- and --\n{}", one.call, one.reply, other.reply)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_adapter_answers_the_same() {
    let begin = |adapter: Adapter| {
        let parts = session().into_iter();
        let begin = |part| tokio::spawn(async move { recording(adapter, &part).await });
        parts.map(begin).collect::<Vec<_>>()
    };
    let adapters: Vec<_> = Adapter::value_variants().iter().map(|a| (a, begin(*a))).collect();
    let mut answers = Vec::new();
    for (adapter, parts) in adapters {
        let mut all = Vec::new();
        for part in parts {
            all.extend(part.await.unwrap());
        }
        answers.push((adapter, all));
    }
    let (first, expected) = &answers[0];
    assert!(expected.len() > 500, "only {} calls", expected.len());
    for (adapter, answers) in &answers[1..] {
        let different = differences(expected, answers);
        let (number, shown) = (different.len(), different.join("\n"));
        assert_eq!(number, 0, "{first} and {adapter} differ:\n{shown}");
    }
}

#[tokio::test]
async fn answers_that_differ_are_told() {
    let ask = |state: Value, path: &str| {
        let mut asked = call("it", "GET", path, &json!({}), "");
        asked["request"]["http_version"] = json!("2");
        asked["state"] = state;
        parse(&[asked])
    };
    let up = recording(Adapter::Hyper, &ask(json!({"": "SERVING"}), "/readyz")).await;
    let again = recording(Adapter::Hyper, &ask(json!({"": "SERVING"}), "/readyz")).await;
    let down = recording(Adapter::Hyper, &ask(json!({"": "UNKNOWN"}), "/readyz")).await;
    let verbose = recording(Adapter::Hyper, &ask(json!({"": "SERVING"}), "/readyz?verbose")).await;
    assert_eq!(differences(&up, &again), Vec::<String>::new());
    for other in [&down, &verbose] {
        assert_eq!(differences(&up, other).len(), 1, "{up:?} and {other:?}");
    }
}
