//! Whether a reply is well-formed: the rules of HTTP, probes and CORS. `rpc_reply` and
//! `rpc_answer` have those of the RPCs.

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::{exchange::Reply, rpc_answer, rpc_reply, scenario::Scenario};

/// Judges a reply by the form that its status and content type claim.
///
/// # Panics
///
/// If it is not well-formed.
pub(crate) fn judge(scenario: &Scenario, reply: &Reply) {
    let status = reply.status;
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "ours to blame");
    judge_length(scenario, reply);
    judge_cors(scenario, reply);
    match text(&reply.headers, "content-type") {
        None => judge_bare(scenario, reply),
        Some("text/plain; charset=utf-8") => judge_probe(scenario, reply, judge_probe_text),
        Some("application/health+json") => judge_probe(scenario, reply, judge_probe_json),
        Some(content_type) => {
            let answer = rpc_reply::judge(scenario, reply, content_type);
            rpc_answer::judge(scenario, reply, &answer);
        }
    }
}

/// A header that is there once at most, as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    assert!(headers.get_all(name).iter().count() <= 1, "{headers:?}");
    let value = headers.get(name)?;
    Some(value.to_str().expect("a header of ours is visible ASCII"))
}

fn judge_length(scenario: &Scenario, reply: &Reply) {
    let length = reply.data().len();
    // Names are short here; what a request may have echoed is its target.
    let target = scenario.head.uri().to_string().len();
    assert!(length <= 16 * 1024 + 16 * target, "{length} bytes");
    let announced = text(&reply.headers, "content-length");
    let announced = announced.map(|length| length.parse::<usize>().expect("a number"));
    if *scenario.head.method() == Method::HEAD {
        assert_eq!(length, 0, "HEAD has no body");
    } else if let Some(announced) = announced {
        assert_eq!(length, announced, "content-length");
    }
}

fn judge_cors(scenario: &Scenario, reply: &Reply) {
    let origin = scenario.head.headers().get("origin");
    let allowed = scenario.settings.cors.as_ref();
    let allowed = origin.filter(|origin| {
        allowed.is_some_and(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    });
    let headers = &reply.headers;
    assert_eq!(headers.get("access-control-allow-origin"), allowed);
    if allowed.is_some() {
        let vary = text(headers, "vary").unwrap_or_default();
        assert!(vary.split(", ").any(|name| name == "Origin"), "{vary:?}");
    }
}

/// A reply of HTTP alone.
fn judge_bare(scenario: &Scenario, reply: &Reply) {
    assert_eq!(reply.data(), b"", "a body without a type");
    assert_eq!(reply.trailers, None);
    let has = |name: &str| text(&reply.headers, name).is_some_and(|value| !value.is_empty());
    let is_preflight =
        *scenario.head.method() == Method::OPTIONS && scenario.settings.cors.is_some();
    match reply.status.as_u16() {
        204 => {
            assert!(is_preflight);
            assert!(has("access-control-allow-methods") && has("access-control-allow-headers"));
        }
        403 => assert!(is_preflight),
        404 => {}
        405 => assert!(has("allow")),
        415 => assert!(has("accept-post")),
        505 => assert_eq!(text(&reply.headers, "connection"), Some("close")),
        other => panic!("{other} has no body"),
    }
}

fn judge_probe(scenario: &Scenario, reply: &Reply, judge_body: fn(&str, bool)) {
    let passed = match reply.status.as_u16() {
        200 => true,
        503 => false,
        other => panic!("a probe answered {other}"),
    };
    let method = scenario.head.method();
    assert!(*method == Method::GET || *method == Method::HEAD, "{method}");
    assert_eq!(text(&reply.headers, "cache-control"), Some("no-store"));
    let nosniff = text(&reply.headers, "x-content-type-options");
    assert_eq!(nosniff, Some("nosniff"));
    if *method == Method::GET {
        let body = String::from_utf8(reply.data()).expect("text");
        judge_body(&body, passed);
    }
}

fn judge_probe_text(body: &str, passed: bool) {
    if passed && body == "ok" {
        return;
    }
    let ending = if passed { " check passed\n" } else { " check failed\n" };
    assert!(body.ends_with(ending), "{body:?}");
    let lines: Vec<_> = body.lines().collect();
    let (_, checks) = lines.split_last().expect("a last line");
    let is_check =
        |line: &str| ["[+]", "[-]", "warn: "].iter().any(|start| line.starts_with(start));
    assert!(checks.iter().all(|line| is_check(line)), "{body:?}");
    assert_eq!(checks.iter().any(|line| line.starts_with("[-]")), !passed);
}

fn judge_probe_json(body: &str, passed: bool) {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let status = body.get("status").and_then(Value::as_str);
    assert_eq!(status, Some(if passed { "pass" } else { "fail" }));
}
