//! That the judge refuses what is wrong: each row spoils a reply that holds, in one way.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::reply::Head;
use crate::vector::HttpVersion;

fn vector(request_type: &str, protocol: &str, rules: &Value, response: &Value) -> Vector {
    let mut vector = json!({
        "id": "row", "protocol": protocol, "why": "", "source": "", "strength": "must",
        "state": {}, "response": response,
        "request": {
            "http_version": "2", "method": "POST", "path": "/", "body_base64": "",
            "headers": {"Content-Type": request_type},
        },
    });
    for (key, value) in rules.as_object().unwrap() {
        vector[key] = value.clone();
    }
    serde_json::from_value(vector).unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.push(name, value.as_bytes());
    }
    fields
}

fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply {
        version: HttpVersion::Http2,
        head: Head { status, headers: fields(headers), ends_stream: false },
        body: body.to_vec(),
        arrivals: vec![(Duration::ZERO, body.len())],
        trailers: None,
        end: End::Clean,
    }
}

fn grpc() -> (Vector, Reply) {
    let response = json!({
        "http_status": 200, "headers": {"content-type": "application/grpc", "x": null},
        "body_frames": [{"flags": 0, "message_base64": "CAI="}], "trailers": {"grpc-status": "0"},
    });
    let mut reply = reply(200, &[("content-type", "application/grpc")], b"\0\0\0\0\x02\x08\x02");
    reply.trailers = Some(fields(&[("grpc-status", "0")]));
    (vector("application/grpc", "grpc", &json!({}), &response), reply)
}

/// What the judge says, one line.
fn said(vector: &Vector, reply: &Reply) -> String {
    judge(vector, reply).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

type Spoil = fn(&mut Vector, &mut Reply);

/// Each row makes the judge say something that has the row's text in it.
fn refuses(good: fn() -> (Vector, Reply), rows: &[(&str, Spoil)]) {
    let (vector, reply) = good();
    assert_eq!(said(&vector, &reply), "");
    for (text, spoil) in rows {
        let (mut vector, mut reply) = good();
        spoil(&mut vector, &mut reply);
        let said = said(&vector, &reply);
        assert!(!said.is_empty() && said.contains(text), "{text:?} not in {said:?}");
    }
}

#[test]
fn a_grpc_reply_is_refused_for_each_difference() {
    refuses(
        grpc,
        &[
            ("status: expected 200, came 500", |_, reply| reply.head.status = 500),
            ("header content-type", |_, reply| reply.head.headers = Fields::default()),
            ("header x", |_, reply| reply.head.headers.push("X", b"")),
            ("trailer grpc-status", |_, reply| {
                reply.trailers = Some(fields(&[("grpc-status", "5")]))
            }),
            ("trailer grpc-status", |_, reply| reply.trailers = Some(Fields::default())),
            ("neither trailers nor", |_, reply| reply.trailers = None),
            ("frames: expected 1, came 0", |_, reply| reply.body.clear()),
            ("frames: expected 1, came 2", |_, reply| reply.body.extend(b"\0\0\0\0\0")),
            ("left over", |_, reply| reply.body.extend(b"\0")),
            ("frame 0: expected", |_, reply| reply.body[6] = 1),
            ("frame 0 flags: expected 0x00, came 0x80", |_, reply| reply.body[0] = 0x80),
            ("frame 0: expected one that can be decoded", |_, reply| reply.body[0] = 1),
            ("came still open when time was up", |_, reply| reply.end = End::TimedOut),
            ("came broken: reset", |_, reply| reply.end = End::Broken("reset".to_owned())),
            ("expected still open, came ended", |vector, _| vector.response.stays_open = true),
            ("HTTP trailers: expected none", |vector, _| vector.no_http_trailers = true),
        ],
    );
}

#[test]
fn trailers_only_is_a_header_block_that_ends_the_stream() {
    let response = json!({"http_status": 200, "headers": {}, "body_frames": [],
        "trailers": {"grpc-status": "5"}});
    let vector = vector("application/grpc", "grpc", &json!({}), &response);
    let mut reply = reply(200, &[("grpc-status", "5")], b"");
    assert_ne!(said(&vector, &reply), "", "status among the headers, then an empty DATA frame");
    reply.head.ends_stream = true;
    assert_eq!(said(&vector, &reply), "");
}

const GZIP_CAI: &[u8] =
    &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xe3, 0x60, 0x02, 0, 0xdb, 0xf9, 0x0e, 0x67, 2, 0, 0, 0];

#[test]
fn a_compressed_frame_counts_as_its_message_unless_flags_are_exact() {
    let (mut vector, mut reply) = grpc();
    reply.body = [&[1, 0, 0, 0, GZIP_CAI.len() as u8], GZIP_CAI].concat();
    assert!(said(&vector, &reply).contains("the coding is None"));
    reply.head.headers.push("grpc-encoding", b"gzip");
    assert_eq!(said(&vector, &reply), "");
    vector.flags_exact = true;
    assert!(said(&vector, &reply).contains("frame 0 flags"));
}

fn web() -> (Vector, Reply) {
    let response = json!({"http_status": 200, "headers": {},
        "body_frames": [{"flags": 0, "message_base64": "CAI="}], "trailers": {"grpc-status": "0"}});
    let body = b"\0\0\0\0\x02\x08\x02\x80\0\0\0\x10grpc-status: 0\r\n";
    (vector("application/grpc-web", "grpc-web", &json!({}), &response), reply(200, &[], body))
}

#[test]
fn a_grpc_web_reply_is_refused_for_each_difference() {
    refuses(
        web,
        &[
            ("without a trailer frame", |_, reply| reply.body.truncate(7)),
            ("trailer grpc-status", |_, reply| reply.body[25] = b'2'),
            ("trailer frame: expected header lines", |_, reply| reply.body[12] = b'G'),
            ("frames: expected 1, came 2", |_, reply| reply.body[7] = 0x81),
            ("frames: expected 1, came 3", |_, reply| reply.body.extend(b"\0\0\0\0\0")),
            ("without a trailer frame", |_, reply| {
                reply.body.truncate(7);
                reply.trailers = Some(fields(&[("grpc-status", "0")]));
            }),
            ("frames: expected 1, came 2", |vector, _| vector.response.trailers = None),
        ],
    );
}

#[test]
fn grpc_web_errors_may_be_headers_only_where_there_is_no_body() {
    let response = json!({"http_status": 200, "headers": {}, "body_frames": [],
        "trailers": {"grpc-status": "5"}});
    let vector = vector("application/grpc-web", "grpc-web", &json!({}), &response);
    assert_eq!(said(&vector, &reply(200, &[("grpc-status", "5")], b"")), "");
    assert_ne!(said(&vector, &reply(200, &[], b"")), "");
    assert_ne!(said(&vector, &reply(200, &[("grpc-status", "5")], b"\0\0\0\0\0")), "");
}

#[test]
fn grpc_web_text_is_decoded_first() {
    let (mut vector, mut reply) = web();
    vector.response.body_encoding = crate::vector::BodyEncoding::GrpcWebText;
    assert!(said(&vector, &reply).contains("base64"));
    reply.body = b"AAAAAAIIAg==gAAAABBncnBjLXN0YXR1czogMA0K".to_vec();
    assert_eq!(said(&vector, &reply), "");
    reply.body.push(b'A');
    assert!(said(&vector, &reply).contains("whole groups"));
}

fn connect() -> (Vector, Reply) {
    let response = json!({
        "http_status": 200, "headers": {"content-encoding": {"absent_or": "identity"}},
        "body_json": {"code": "not_found", "message": {"regex": "."}},
    });
    let body = br#"{"code":"not_found","message":"unknown service"}"#;
    (vector("application/json", "connect-unary", &json!({}), &response), reply(200, &[], body))
}

#[test]
fn a_json_reply_is_refused_for_each_difference() {
    refuses(
        connect,
        &[
            ("body: expected JSON like", |_, reply| reply.body.clear()),
            ("body $.code", |_, reply| reply.body = br#"{"code":"x","message":"y"}"#.to_vec()),
            ("body $.message", |_, reply| reply.body = br#"{"code":"not_found"}"#.to_vec()),
            ("body $.details", |_, reply| {
                reply.body = br#"{"code":"not_found","message":"y","details":[]}"#.to_vec();
            }),
            ("header content-encoding", |_, reply| {
                reply.head.headers.push("content-encoding", b"gzip")
            }),
            ("one that can be decoded", |_, reply| {
                reply.head.headers.push("content-encoding", b"br")
            }),
        ],
    );
}

#[test]
fn a_body_is_compared_after_its_content_coding_or_not_at_all() {
    let response = json!({"http_status": 200, "headers": {}, "body_base64": "CAI="});
    let coded = vector("application/proto", "connect-unary", &json!({}), &response);
    let gzip = reply(200, &[("content-encoding", "gzip")], GZIP_CAI);
    assert_eq!(said(&coded, &gzip), "");
    assert_ne!(said(&coded, &reply(200, &[], GZIP_CAI)), "");
    let rules = json!({"ignore_body": true});
    let ignored = vector("application/proto", "connect-unary", &rules, &response);
    assert_eq!(said(&ignored, &reply(200, &[], GZIP_CAI)), "");
}

#[test]
fn lists_may_come_in_any_order_only_where_that_is_said() {
    let response = json!({"http_status": 200, "headers": {},
        "body_frames": [{"flags": 0, "message_base64": "CgMKAWEKAwoBYg==", "map_unordered": true}]});
    let mut vector = vector("application/grpc", "grpc", &json!({}), &response);
    let swapped = reply(200, &[], b"\0\0\0\0\x0a\x0a\x03\x0a\x01b\x0a\x03\x0a\x01a");
    assert_eq!(said(&vector, &swapped), "");
    let other = reply(200, &[], b"\0\0\0\0\x0a\x0a\x03\x0a\x01b\x0a\x03\x0a\x01c");
    assert!(said(&vector, &other).contains("frame 0"));
    let garbage = reply(200, &[], b"\0\0\0\0\x01\xff");
    assert!(said(&vector, &garbage).contains("frame 0"));
    vector.response.body_frames.as_mut().unwrap()[0].map_unordered = false;
    assert!(said(&vector, &swapped).contains("frame 0"));
}

#[test]
fn an_end_stream_frame_of_connect_is_compared_as_json() {
    let response = json!({"http_status": 200, "headers": {},
        "body_frames": [{"flags": 2, "json": {"error": {"code": "internal"}}}]});
    let vector = vector("application/connect+json", "connect-stream", &json!({}), &response);
    let body = |flags: u8, code: &str| {
        let json = format!(r#"{{"error":{{"code":"{code}"}}}}"#);
        [&[flags, 0, 0, 0, json.len() as u8], json.as_bytes()].concat()
    };
    assert_eq!(said(&vector, &reply(200, &[], &body(2, "internal"))), "");
    assert!(said(&vector, &reply(200, &[], &body(0, "internal"))).contains("flags"));
    assert!(said(&vector, &reply(200, &[], &body(2, "unknown"))).contains("$.error.code"));
}
