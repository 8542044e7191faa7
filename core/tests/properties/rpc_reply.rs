//! Whether the reply of an RPC is well-formed in its protocol.

use health_core::ServingStatus;
use health_proto::{HealthCheckResponse, HealthListResponse};
use http::{HeaderMap, Method, StatusCode, Version};
use prost::Message as _;
use serde_json::Value;

use super::{
    envelopes::{Envelope, base64_groups, decode_grpc_message, essence, gunzip, open, trailer},
    exchange::Reply,
    http_reply::text,
    scenario::Scenario,
};

/// Judges a reply by its content type.
///
/// # Panics
///
/// If it is not well-formed.
pub(crate) fn judge(scenario: &Scenario, reply: &Reply, content_type: &str) {
    let rpc = Rpc { scenario, reply, is_json: content_type.contains("json") };
    match essence(content_type.as_bytes()).as_str() {
        "application/grpc" | "application/grpc+proto" | "application/grpc+json" => rpc.judge_grpc(),
        "application/grpc-web" | "application/grpc-web+proto" | "application/grpc-web+json" => {
            rpc.judge_grpc_web(&reply.data());
        }
        "application/grpc-web-text+proto" => {
            for frame in &reply.frames {
                assert_eq!(frame.len() % 4, 0, "a frame is encoded by itself");
            }
            rpc.judge_grpc_web(&base64_groups(&reply.data()));
        }
        "application/connect+proto" | "application/connect+json" => rpc.judge_connect_stream(),
        "application/proto" | "application/json" => rpc.judge_unary(),
        other => panic!("content type {other:?}"),
    }
}

struct Rpc<'a> {
    scenario: &'a Scenario,
    reply: &'a Reply,
    is_json: bool,
}

impl Rpc<'_> {
    fn judge_grpc(&self) {
        assert!(self.scenario.head.version() >= Version::HTTP_2);
        self.judge_grpc_head("application/grpc");
        let (reply, headers) = (self.reply, &self.reply.headers);
        let messages = open(&reply.data());
        if headers.contains_key("grpc-status") {
            assert!(messages.is_empty() && reply.trailers.is_none(), "Trailers-Only");
            assert_ne!(self.judge_status(headers), 0, "a success without a message");
            return;
        }
        let status = reply.trailers.as_ref().map(|it| self.judge_status(it));
        assert_eq!(status.is_none(), reply.was_left, "how it ended");
        self.judge_grpc_messages(&messages, status, "grpc-encoding");
    }

    fn judge_grpc_web(&self, data: &[u8]) {
        self.judge_grpc_head("application/grpc-web");
        assert_eq!(self.reply.trailers, None, "browsers do not see trailers");
        assert!(!self.reply.headers.contains_key("grpc-status"));
        let mut envelopes = open(data);
        let status = envelopes.pop_if(|last| last.flags == 0x80).map(|last| {
            let lines = String::from_utf8(last.payload).expect("text");
            let message = trailer(&lines, "grpc-message");
            judge_grpc_status(trailer(&lines, "grpc-status").expect("a status"), message)
        });
        assert_eq!(status.is_none(), self.reply.was_left, "how it ended");
        self.judge_grpc_messages(&envelopes, status, "grpc-encoding");
    }

    fn judge_grpc_head(&self, family: &str) {
        let (head, reply) = (&self.scenario.head, self.reply);
        assert_eq!((head.method(), reply.status), (&Method::POST, StatusCode::OK));
        let asked = head.headers().get("content-type").map(|it| essence(it.as_bytes()));
        let asked = asked.expect("a content type");
        assert!(asked.starts_with(family), "{asked:?} is answered in {family}");
        assert_eq!(text(&reply.headers, "grpc-accept-encoding"), Some("gzip"));
    }

    fn judge_status(&self, fields: &HeaderMap) -> u8 {
        let status = text(fields, "grpc-status").expect("a status");
        judge_grpc_status(status, text(fields, "grpc-message"))
    }

    /// The messages of a call that ended with this status, or was left.
    fn judge_grpc_messages(&self, messages: &[Envelope], status: Option<u8>, encoding: &str) {
        let is_packed = text(&self.reply.headers, encoding) == Some("gzip");
        let path = self.scenario.head.uri().path();
        if path.ends_with("/Watch") {
            assert!(!is_packed, "Watch is never compressed");
            assert_ne!(status, Some(0), "a Watch does not succeed");
            assert_eq!(messages.is_empty(), !self.reply.has_waited, "the first message");
        } else {
            assert_eq!(messages.len(), usize::from(status == Some(0)));
        }
        let mut last = None;
        for message in messages {
            let payload = match message.flags {
                0 => message.payload.clone(),
                1 if is_packed => gunzip(&message.payload),
                flags => panic!("flags {flags:#04x}"),
            };
            let message = Some(self.judge_message(&payload));
            assert_ne!(message, last, "the same message twice");
            last = message;
        }
    }

    fn judge_connect_stream(&self) {
        let reply = self.reply;
        assert_eq!((reply.status, &reply.trailers), (StatusCode::OK, &None));
        let mut envelopes = open(&reply.data());
        let end = envelopes.pop_if(|last| last.flags == 2);
        assert_eq!(end.is_none(), reply.was_left, "how it ended");
        if let Some(end) = end {
            let end: Value = serde_json::from_slice(&end.payload).expect("JSON");
            judge_error(end.get("error").expect("a Watch does not succeed"));
        }
        self.judge_grpc_messages(&envelopes, None, "connect-content-encoding");
    }

    fn judge_unary(&self) {
        let (head, reply) = (&self.scenario.head, self.reply);
        assert_eq!(reply.trailers, None);
        assert_eq!(text(&reply.headers, "accept-encoding"), Some("gzip"));
        if *head.method() == Method::GET {
            let cache_control = text(&reply.headers, "cache-control");
            assert_eq!(cache_control, Some("no-store"));
        }
        let encoding = text(&reply.headers, "content-encoding");
        if reply.status == StatusCode::OK {
            let data = match encoding {
                None => reply.data(),
                Some("gzip") => gunzip(&reply.data()),
                Some(other) => panic!("content-encoding {other:?}"),
            };
            self.judge_message(&data);
            return;
        }
        assert_eq!(encoding, None, "an error is not compressed");
        assert!(self.is_json, "an error is JSON");
        let error: Value = serde_json::from_slice(&reply.data()).expect("JSON");
        let (connect, triple) = match error.get("status").and_then(Value::as_u64) {
            // The form of dubbo-js.
            Some(number) => statuses(|row| u64::from(row.0) == number),
            None => judge_error(&error),
        };
        let status = reply.status.as_u16();
        assert!(status == connect || status == triple, "{status} for {error}");
    }

    /// A message decodes, and says nothing that the call may not say. Returns it in one form.
    fn judge_message(&self, payload: &[u8]) -> Vec<String> {
        let path = self.scenario.head.uri().path();
        let services = if self.is_json {
            json_statuses(payload, path.ends_with("/List"))
        } else if path.ends_with("/List") {
            let list = HealthListResponse::decode(payload).expect("protobuf").statuses;
            list.values().map(|status| status_name(status.status)).collect()
        } else {
            let message = HealthCheckResponse::decode(payload).expect("protobuf");
            assert_eq!(message.encode_to_vec(), payload, "the shortest form");
            vec![status_name(message.status)]
        };
        let is_watch = path.ends_with("/Watch");
        for status in &services {
            let known = ServingStatus::from_name(status).expect("a status");
            assert!(is_watch || known != ServingStatus::ServiceUnknown);
        }
        services
    }
}

fn json_statuses(payload: &[u8], is_list: bool) -> Vec<String> {
    let message: Value = serde_json::from_slice(payload).expect("JSON");
    let status = |message: &Value| {
        let status = message.get("status").map(|status| status.as_str().expect("a name"));
        status.unwrap_or("UNKNOWN").to_owned()
    };
    if !is_list {
        return vec![status(&message)];
    }
    let statuses = message.get("statuses").and_then(Value::as_object);
    statuses.into_iter().flatten().map(|(_, it)| status(it)).collect()
}

fn status_name(number: i32) -> String {
    assert!((0..=3).contains(&number), "status {number}");
    ServingStatus::from_wire(number).as_str().to_owned()
}

fn judge_grpc_status(status: &str, message: Option<&str>) -> u8 {
    let number: u8 = status.parse().expect("a number");
    assert_eq!(number.to_string(), status, "without leading zeros");
    assert!(number <= 16, "gRPC status {number}");
    let message = message.map(decode_grpc_message);
    assert_eq!(message.is_some_and(|text| !text.is_empty()), number != 0);
    number
}

/// Judges the JSON of an error; returns the statuses that Connect and Triple give it.
fn judge_error(error: &Value) -> (u16, u16) {
    let message = error.get("message").and_then(Value::as_str);
    assert!(message.is_some_and(|text| !text.is_empty()), "{error}");
    let code = error.get("code").and_then(Value::as_str);
    statuses(|row| Some(row.1) == code)
}

fn statuses(is_it: impl Fn(&(u8, &str, u16, u16)) -> bool) -> (u16, u16) {
    let row = ERRORS.iter().find(|row| is_it(row));
    let (_, _, connect, triple) = row.expect("an error that this service raises");
    (*connect, *triple)
}

/// What the service raises: the number, the name, the HTTP statuses of Connect and Triple.
const ERRORS: [(u8, &str, u16, u16); 7] = [
    (3, "invalid_argument", 400, 400),
    (4, "deadline_exceeded", 504, 408),
    (5, "not_found", 404, 404),
    (8, "resource_exhausted", 429, 429),
    (12, "unimplemented", 501, 404),
    (13, "internal", 500, 500),
    (14, "unavailable", 503, 503),
];
