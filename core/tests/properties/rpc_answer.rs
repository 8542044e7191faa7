//! Whether what an RPC answers is true of the registry, and follows from the request.

use std::collections::BTreeMap;

use health_core::{Code, ServingStatus};
use health_proto::{HealthCheckResponse, HealthListResponse};
use http::Method;
use prost::Message as _;
use serde_json::Value;

use super::{
    exchange::Reply,
    rpc_request,
    scenario::{Scenario, WatchEnd},
};

/// A reply in one form for every protocol.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The messages, unpacked.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The gRPC code that the call ended with; `None` if it was left.
    pub(crate) code: Option<u8>,
    pub(crate) is_json: bool,
}

/// Judges an answer by the registry that the scenario sets up.
///
/// # Panics
///
/// If it is not true.
pub(crate) fn judge(scenario: &Scenario, reply: &Reply, answer: &Answer) {
    let head = &scenario.head;
    let (_, method) = head.uri().path().rsplit_once('/').unwrap_or_default();
    let code = answer.code;
    match method {
        "Watch" => judge_watch(scenario, reply, answer),
        _ => assert_eq!(answer.messages.len(), usize::from(code == Some(OK)), "messages"),
    }
    if *head.method() == Method::GET {
        return;
    }
    if !answer.messages.is_empty() {
        let timeout = rpc_request::timeout(scenario);
        let mut digits = timeout.iter().filter(|byte| byte.is_ascii_digit());
        assert!(timeout.is_empty() || digits.any(|digit| *digit != b'0'), "no time was left");
    }
    let message = rpc_request::message(scenario);
    match (method, answer.messages.first()) {
        ("List", Some(reply)) => {
            assert!(message.is_some(), "a success of a malformed request");
            let list = scenario.settings.registry().list().expect("a list within the limit");
            let list = list.iter().map(|(name, status)| (name.to_string(), status.to_string()));
            assert_eq!(read_list(reply, answer.is_json), list.collect());
        }
        (_, Some(reply)) => {
            let message = message.expect("a success of a malformed request");
            let service = rpc_request::service(&message, answer.is_json);
            let status = check(scenario, &service.expect("a message that parses"));
            let unknown = (method == "Watch").then_some(ServingStatus::ServiceUnknown);
            let status = status.or(unknown).expect("a success of an unknown service");
            assert_eq!(read_status(reply, answer.is_json), status.as_str());
        }
        (_, None) if code == Some(Code::NotFound.number()) => {
            // An error may be JSON although the request is not.
            let message = message.expect("a malformed request is not looked up");
            let services = [true, false].map(|is_json| rpc_request::service(&message, is_json));
            let mut services = services.into_iter().flatten();
            assert!(services.any(|service| check(scenario, &service).is_none()));
        }
        (_, None) => {}
    }
}

fn judge_watch(scenario: &Scenario, reply: &Reply, answer: &Answer) {
    let messages = &answer.messages;
    assert_ne!(answer.code, Some(OK), "a Watch does not succeed");
    assert_eq!(messages.is_empty(), !reply.has_waited, "the first message comes at once");
    let repeats = messages.windows(2).any(|pair| pair.first() == pair.last());
    assert!(!repeats, "the same status twice");
    let settings = &scenario.settings;
    if reply.has_waited && !reply.was_left {
        let may_expire = settings.has_timer && settings.watch == WatchEnd::Deadline;
        let expired = may_expire && !rpc_request::timeout(scenario).is_empty();
        let code = if expired { Code::DeadlineExceeded } else { Code::Unavailable };
        assert_eq!(answer.code, Some(code.number()), "how it ended");
    }
}

fn check(scenario: &Scenario, service: &str) -> Option<ServingStatus> {
    scenario.settings.registry().check(service)
}

fn read_status(message: &[u8], is_json: bool) -> String {
    if is_json {
        return json_status(&serde_json::from_slice(message).expect("JSON"));
    }
    let read = HealthCheckResponse::decode(message).expect("protobuf");
    assert_eq!(read.encode_to_vec(), message, "the shortest form");
    status_name(read.status)
}

fn read_list(message: &[u8], is_json: bool) -> BTreeMap<String, String> {
    if is_json {
        let read: Value = serde_json::from_slice(message).expect("JSON");
        let statuses = read.get("statuses").and_then(Value::as_object).into_iter().flatten();
        return statuses.map(|(name, status)| (name.clone(), json_status(status))).collect();
    }
    let statuses = HealthListResponse::decode(message).expect("protobuf").statuses;
    statuses.into_iter().map(|(name, status)| (name, status_name(status.status))).collect()
}

/// A default value is left out.
fn json_status(message: &Value) -> String {
    let status = message.get("status").map(|status| status.as_str().expect("a name"));
    status.unwrap_or("UNKNOWN").to_owned()
}

fn status_name(number: i32) -> String {
    assert!((0..=3).contains(&number), "status {number}");
    ServingStatus::from_wire(number).as_str().to_owned()
}

const OK: u8 = Code::Ok.number();
