//! What a refused client reads, by protocol and without a socket.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a step that fails is a test that fails"
)]

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_lite::future::block_on;
use health_core::{Registry, ServingStatus::NotServing, http::Gate};
use health_tower::GateLayer;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

/// What came back for a call of a service that is NOT_SERVING.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }

    fn json(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

type Headers = [(&'static str, &'static str)];

fn refused(method: Method, content_type: &str, headers: &[(&str, &str)]) -> Reply {
    let registry = Registry::new();
    registry.set("a", NotServing);
    registry.hold("a", "the disk is full");
    let inner = service_fn(|_: Request<Full<Bytes>>| async {
        panic!("the call got through");
        #[expect(unreachable_code, reason = "it gives the type of the reply")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mut request = Request::builder().method(method).uri("/a/Read");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from("some bytes")).unwrap();
    let response =
        block_on(GateLayer::new(Gate::new(&registry)).layer(inner).oneshot(request)).unwrap();
    let (head, body) = response.into_parts();
    let body = block_on(body.collect()).unwrap();
    assert!(body.trailers().is_none());
    Reply { status: head.status, headers: head.headers, body: body.to_bytes() }
}

/// A frame of gRPC-Web or Connect with `flags`, taken apart.
fn payload(frame: &[u8], flags: u8) -> &str {
    let (head, payload) = frame.split_at(5);
    assert_eq!(head[0], flags);
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), payload.len());
    std::str::from_utf8(payload).unwrap()
}

const LINES: &str = "grpc-status: 14\r\ngrpc-message: the service is not serving\r\n";

#[test]
fn grpc_is_refused_in_one_block_of_headers() {
    let table = [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc+proto"),
        ("application/grpc+json", "application/grpc+json"),
        ("application/grpc+thrift", "application/grpc+thrift"),
        ("Application/GRPC; charset=utf-8", "application/grpc"),
    ];
    for (sent, echoed) in table {
        let reply = refused(Method::POST, sent, &[]);
        assert_eq!(reply.status, 200, "{sent}");
        assert_eq!(reply.content_type(), echoed, "{sent}");
        assert_eq!(reply.headers["grpc-status"], "14", "{sent}");
        assert_eq!(reply.headers["grpc-message"], "the service is not serving", "{sent}");
        assert_eq!(reply.headers.len(), 3, "{sent}");
        assert_eq!(reply.body, "", "{sent}");
    }
}

#[test]
fn grpc_web_is_refused_in_a_frame_of_trailers() {
    for content_type in
        ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json"]
    {
        let reply = refused(Method::POST, content_type, &[]);
        assert_eq!(reply.status, 200, "{content_type}");
        assert_eq!(reply.content_type(), content_type);
        assert_eq!(payload(&reply.body, 0x80), LINES, "{content_type}");
    }
}

#[test]
fn grpc_web_in_text_is_refused_in_text() {
    let text = "application/grpc-web-text";
    let table = [
        (text, ""),
        ("application/grpc-web-text+proto", ""),
        ("application/grpc-web", text),
        ("application/grpc-web+proto", "*/*, application/grpc-web-text+proto"),
    ];
    for (content_type, accept) in table {
        let reply = refused(Method::POST, content_type, &[("accept", accept)]);
        assert_eq!(reply.status, 200, "{content_type}");
        assert_eq!(reply.content_type(), "application/grpc-web-text+proto");
        let frame = BASE64_STANDARD.decode(&reply.body).unwrap();
        assert_eq!(payload(&frame, 0x80), LINES, "{content_type} {accept}");
    }
    let json = refused(Method::POST, "application/grpc-web+json", &[("accept", text)]);
    assert_eq!(payload(&json.body, 0x80), LINES, "there is no JSON in text");
}

#[test]
fn a_connect_stream_is_refused_in_its_end() {
    for content_type in ["application/connect+proto", "application/connect+json"] {
        let reply = refused(Method::POST, content_type, &[]);
        assert_eq!(reply.status, 200, "{content_type}");
        assert_eq!(reply.content_type(), content_type);
        assert_eq!(
            payload(&reply.body, 2),
            r#"{"error":{"code":"unavailable","message":"the service is not serving"}}"#
        );
    }
}

#[test]
fn unary_calls_are_refused_in_json_and_by_http() {
    let connect = r#"{"code":"unavailable","message":"the service is not serving"}"#;
    let dubbo_js = r#"{"status":14,"message":"the service is not serving"}"#;
    let table: [(&str, &Headers, &str); 6] = [
        ("application/json", &[], connect),
        ("application/json; charset=utf-8", &[], connect),
        ("application/proto", &[("connect-protocol-version", "1")], connect),
        ("application/proto", &[("triple-protocol-version", "0.1.0")], connect),
        ("application/json", &[("tri-protocol-version", "1.0.0")], dubbo_js),
        (
            "application/json",
            &[("tri-protocol-version", "1.0.0"), ("connect-timeout-ms", "9")],
            connect,
        ),
    ];
    for (content_type, headers, expected) in table {
        let reply = refused(Method::POST, content_type, headers);
        assert_eq!(reply.status, 503, "{content_type} {headers:?}");
        assert_eq!(reply.headers["retry-after"], "5");
        assert_eq!(reply.content_type(), "application/json");
        assert_eq!(reply.json(), expected, "{content_type} {headers:?}");
        let length = reply.headers["content-length"].to_str().unwrap();
        assert_eq!(length, expected.len().to_string());
    }
}

#[test]
fn anything_else_is_refused_by_http() {
    let table = [
        (Method::GET, ""),
        (Method::HEAD, ""),
        (Method::DELETE, ""),
        (Method::POST, "text/plain"),
        (Method::POST, "application/grpcfoo"),
        (Method::POST, "application/connect"),
        (Method::POST, "application/json+x"),
        (Method::POST, "multipart/form-data; boundary=x"),
    ];
    for (method, content_type) in table {
        let reply = refused(method.clone(), content_type, &[]);
        assert_eq!(reply.status, 503, "{method} {content_type}");
        assert_eq!(reply.headers["retry-after"], "5", "{method} {content_type}");
        assert_eq!(reply.headers["content-length"], "0", "{method} {content_type}");
        assert_eq!(reply.headers.get("content-type"), None, "{method} {content_type}");
        assert_eq!(reply.body, "", "{method} {content_type}");
    }
}

/// A body that never ends by itself.
struct Endless<'a> {
    hint: SizeHint,
    /// What each frame is; `None` is an error.
    frame: fn() -> Option<Frame<Bytes>>,
    frames: &'a mut usize,
}

impl http_body::Body for Endless<'_> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        *self.frames += 1;
        let frame = (self.frame)();
        Poll::Ready(Some(frame.ok_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

#[test]
fn what_is_read_of_a_body() {
    const MIB: u64 = 1024 * 1024;
    let unknown = SizeHint::default();
    let exact = SizeHint::with_exact;
    let frame: fn() -> _ = || Some(Frame::data(Bytes::from(vec![0; 1024 * 1024])));
    let error: fn() -> _ = || None;
    let expect: &Headers = &[("expect", "100-continue")];
    // The frames of 1 MiB that are read, by content type, announced size, headers.
    let table = [
        ("text/plain", exact(4 * MIB), &[][..], frame, 4),
        ("text/plain", exact(4 * MIB + 1), &[], frame, 0),
        ("text/plain", exact(2), expect, frame, 0),
        ("text/plain", unknown, &[], frame, 4),
        ("text/plain", unknown, &[], error, 1),
        ("application/json", unknown, &[], frame, 4),
        ("application/grpc-web", unknown, &[], frame, 4),
        ("application/grpc", exact(MIB), &[], frame, 4),
        ("application/grpc", unknown, &[], frame, 0),
        ("application/grpc+proto", unknown, &[], frame, 0),
        ("application/connect+json", unknown, &[], frame, 0),
    ];
    let gate = Gate::new(&Registry::new());
    for (content_type, hint, headers, frame, expected) in table {
        let mut request = Request::post("/a/Read").header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut frames = 0;
        let body = Endless { hint, frame, frames: &mut frames };
        block_on(gate.refuse(request.body(body).unwrap()));
        assert_eq!(frames, expected, "{content_type} {hint:?} {headers:?}");
    }
    // Frames without data are not for ever.
    let mut frames = 0;
    let body =
        Endless { hint: unknown, frame: || Some(Frame::data(Bytes::new())), frames: &mut frames };
    block_on(gate.refuse(Request::new(body)));
    assert_eq!(frames, 4 * 1024 * 1024);
}
