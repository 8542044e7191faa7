//! Whether the reply of an RPC is well-formed in its protocol. What it says is judged in `rpc_answer`.

use http::{HeaderMap, Method, StatusCode, Version};
use serde_json::Value;

use super::{
    envelopes::{Envelope, base64_groups, decode_grpc_message, essence, gunzip, open, trailer},
    exchange::Reply,
    http_reply::text,
    rpc_answer::Answer,
    rpc_request,
    scenario::Scenario,
};

/// Judges a reply by its content type; returns what it says.
///
/// # Panics
///
/// If it is not well-formed.
pub(crate) fn judge(scenario: &Scenario, reply: &Reply, content_type: &str) -> Answer {
    let rpc = Rpc { scenario, reply };
    let is_json = content_type.contains("json");
    let (messages, code) = match essence(content_type.as_bytes()).as_str() {
        "application/grpc" | "application/grpc+proto" | "application/grpc+json" => rpc.judge_grpc(),
        "application/grpc-web" | "application/grpc-web+proto" | "application/grpc-web+json" => {
            rpc.judge_grpc_web(&reply.data())
        }
        "application/grpc-web-text+proto" => {
            for frame in &reply.frames {
                assert_eq!(frame.len() % 4, 0, "a frame is encoded by itself");
            }
            rpc.judge_grpc_web(&base64_groups(&reply.data()).expect("base64"))
        }
        "application/connect+proto" | "application/connect+json" => rpc.judge_connect_stream(),
        "application/proto" | "application/json" => rpc.judge_unary(is_json),
        other => panic!("content type {other:?}"),
    };
    Answer { messages, code, is_json }
}

struct Rpc<'a> {
    scenario: &'a Scenario,
    reply: &'a Reply,
}

/// The messages, unpacked, and the code that the call ended with; `None` if it was left.
type Content = (Vec<Vec<u8>>, Option<u8>);

impl Rpc<'_> {
    fn judge_grpc(&self) -> Content {
        assert!(self.scenario.head.version() >= Version::HTTP_2);
        self.judge_grpc_head("application/grpc");
        let (reply, headers) = (self.reply, &self.reply.headers);
        let messages = open(&reply.data());
        if headers.contains_key("grpc-status") {
            assert!(messages.is_empty() && reply.trailers.is_none(), "Trailers-Only");
            return (Vec::new(), Some(judge_status(headers)));
        }
        let code = reply.trailers.as_ref().map(judge_status);
        assert_eq!(code.is_none(), reply.was_left, "how it ended");
        (self.unpack(messages, "grpc-encoding"), code)
    }

    fn judge_grpc_web(&self, data: &[u8]) -> Content {
        self.judge_grpc_head("application/grpc-web");
        assert_eq!(self.reply.trailers, None, "browsers do not see trailers");
        assert!(!self.reply.headers.contains_key("grpc-status"));
        let mut envelopes = open(data);
        let code = envelopes.pop_if(|last| last.flags == 0x80).map(|last| {
            let lines = String::from_utf8(last.payload).expect("text");
            let message = trailer(&lines, "grpc-message");
            judge_grpc_status(trailer(&lines, "grpc-status").expect("a status"), message)
        });
        assert_eq!(code.is_none(), self.reply.was_left, "how it ended");
        (self.unpack(envelopes, "grpc-encoding"), code)
    }

    fn judge_grpc_head(&self, family: &str) {
        let (head, reply) = (&self.scenario.head, self.reply);
        assert_eq!((head.method(), reply.status), (&Method::POST, StatusCode::OK));
        let asked = head.headers().get("content-type").map(|it| essence(it.as_bytes()));
        let asked = asked.expect("a content type");
        assert!(asked.starts_with(family), "{asked:?} is answered in {family}");
        assert_eq!(text(&reply.headers, "grpc-accept-encoding"), Some("gzip"));
    }

    fn unpack(&self, messages: Vec<Envelope>, encoding: &str) -> Vec<Vec<u8>> {
        let is_packed = text(&self.reply.headers, encoding) == Some("gzip");
        let unpack = |message: Envelope| match message.flags {
            0 => message.payload,
            1 if is_packed => gunzip(&message.payload).expect("gzip"),
            flags => panic!("flags {flags:#04x}"),
        };
        messages.into_iter().map(unpack).collect()
    }

    fn judge_connect_stream(&self) -> Content {
        let reply = self.reply;
        assert_eq!((reply.status, &reply.trailers), (StatusCode::OK, &None));
        let mut envelopes = open(&reply.data());
        let code = envelopes.pop_if(|last| last.flags == 2).map(|end| {
            let end: Value = serde_json::from_slice(&end.payload).expect("JSON");
            judge_error(end.get("error").expect("a Watch does not succeed")).0
        });
        assert_eq!(code.is_none(), reply.was_left, "how it ended");
        (self.unpack(envelopes, "connect-content-encoding"), code)
    }

    fn judge_unary(&self, is_json: bool) -> Content {
        let reply = self.reply;
        assert_eq!(reply.trailers, None);
        assert_eq!(text(&reply.headers, "accept-encoding"), Some("gzip"));
        if *self.scenario.head.method() == Method::GET {
            let cache_control = text(&reply.headers, "cache-control");
            assert_eq!(cache_control, Some("no-store"));
        }
        let encoding = text(&reply.headers, "content-encoding");
        if reply.status == StatusCode::OK {
            let message = match encoding {
                None => reply.data(),
                Some("gzip") => gunzip(&reply.data()).expect("gzip"),
                Some(other) => panic!("content-encoding {other:?}"),
            };
            return (vec![message], Some(0));
        }
        assert_eq!(encoding, None, "an error is not compressed");
        assert!(is_json, "an error is JSON");
        let error: Value = serde_json::from_slice(&reply.data()).expect("JSON");
        let (code, _, connect, triple) = match error.get("status").and_then(Value::as_u64) {
            // The form of dubbo-js.
            Some(number) => row(|row| u64::from(row.0) == number),
            None => judge_error(&error),
        };
        let expected = if rpc_request::is_triple(self.scenario) { triple } else { connect };
        assert_eq!(reply.status.as_u16(), expected, "{error}");
        (Vec::new(), Some(code))
    }
}

fn judge_status(fields: &HeaderMap) -> u8 {
    let status = text(fields, "grpc-status").expect("a status");
    judge_grpc_status(status, text(fields, "grpc-message"))
}

fn judge_grpc_status(status: &str, message: Option<&str>) -> u8 {
    let number: u8 = status.parse().expect("a number");
    assert_eq!(number.to_string(), status, "without leading zeros");
    assert!(number <= 16, "gRPC status {number}");
    let message = message.map(decode_grpc_message);
    assert_eq!(message.is_some_and(|text| !text.is_empty()), number != 0);
    number
}

/// Judges the JSON of an error; returns what there is to know of its code.
fn judge_error(error: &Value) -> ErrorRow {
    let message = error.get("message").and_then(Value::as_str);
    assert!(message.is_some_and(|text| !text.is_empty()), "{error}");
    let code = error.get("code").and_then(Value::as_str);
    row(|row| Some(row.1) == code)
}

fn row(is_it: impl Fn(&&ErrorRow) -> bool) -> ErrorRow {
    *ERRORS.iter().find(is_it).expect("an error that this service raises")
}

/// A code: its number, its name, its HTTP status in Connect and in Triple.
type ErrorRow = (u8, &'static str, u16, u16);

/// What the service raises.
const ERRORS: [ErrorRow; 7] = [
    (3, "invalid_argument", 400, 400),
    (4, "deadline_exceeded", 504, 408),
    (5, "not_found", 404, 404),
    (8, "resource_exhausted", 429, 429),
    (12, "unimplemented", 501, 404),
    (13, "internal", 500, 500),
    (14, "unavailable", 503, 503),
];
