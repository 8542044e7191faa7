//! gRPC over HTTP/2: heads, replies, trailers (wire.md section 3).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    body::Body,
    call::{Call, Reply, Terms},
    compression::{self, Encoding},
    envelope,
    fault::Fault,
    route::Rpc,
    service::Engine,
    stream, timeout,
};
use crate::RpcError;

/// Reads the head of a gRPC or gRPC-Web call. Where a header is repeated, the first one counts.
pub(super) fn terms(headers: &HeaderMap, rpc: Rpc) -> Result<Terms, Fault> {
    let (mut encoding, mut timeout) = (None, None);
    // One walk over the few headers of a call costs less than two look-ups by name.
    for (name, value) in headers {
        match name.as_str() {
            "grpc-encoding" => _ = encoding.get_or_insert(value.as_bytes()),
            "grpc-timeout" => _ = timeout.get_or_insert(value.as_bytes()),
            _ => {}
        }
    }
    // Only List has messages that are worth it.
    let reply = match rpc {
        Rpc::List => Encoding::of_reply(headers, &GRPC_ACCEPT_ENCODING),
        Rpc::Check | Rpc::Watch => None,
    };
    Ok(Terms {
        request: Encoding::of_request(encoding)?,
        timeout: timeout.map_or(Ok(None), timeout::grpc)?,
        reply: reply.unwrap_or(Encoding::Identity),
    })
}

/// A reply that succeeds, with one message.
pub(super) fn reply(call: &Call, engine: &Engine, reply: Reply) -> Response<Body> {
    let (envelope, encoding) = message(call, engine, reply);
    let mut response = response(call.content_type, Body::grpc(envelope));
    set_encoding(response.headers_mut(), encoding);
    response
}

/// The one message of a unary reply in its envelope.
pub(super) fn message(call: &Call, engine: &Engine, reply: Reply) -> (Bytes, Encoding) {
    match reply {
        Reply::Status(status) => (stream::check_envelope(call.codec, status), Encoding::Identity),
        Reply::List(message) if engine.compresses(call.terms.reply, &message) => {
            let sealed = envelope::seal_compressed(&compression::gzip(&message));
            (sealed, Encoding::Gzip)
        }
        Reply::List(message) => (envelope::seal(0, &message), Encoding::Identity),
        // Streams have a body of their own.
        Reply::Watch(..) => (Bytes::new(), Encoding::Identity),
    }
}

/// Names the encoding of the reply's message; nothing is named where nothing is encoded.
pub(super) fn set_encoding(headers: &mut HeaderMap, encoding: Encoding) {
    if encoding == Encoding::Gzip {
        headers.insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// The head that every gRPC and gRPC-Web reply has.
pub(super) fn response(content_type: &'static HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.clone());
    headers.insert(GRPC_ACCEPT_ENCODING, compression::SUPPORTED.clone());
    response
}

/// Trailers-Only: gRPC PROTOCOL-HTTP2, Responses: one block of headers that ends the stream.
pub(super) fn error_response(
    content_type: &'static HeaderValue,
    error: &RpcError,
) -> Response<Body> {
    let mut response = response(content_type, Body::empty());
    set_status(response.headers_mut(), error);
    response
}

pub(super) fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, OK.clone());
    trailers
}

pub(super) fn error_trailers(error: &RpcError) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    set_status(&mut trailers, error);
    trailers
}

fn set_status(headers: &mut HeaderMap, error: &RpcError) {
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(error.code().number())));
    // Percent-encoded text is visible ASCII.
    if let Ok(message) = HeaderValue::from_str(&encode_message(error.message())) {
        headers.insert(GRPC_MESSAGE, message);
    }
}

/// Writes `grpc-message`: 0x20 to 0x7E but `%` as they are, every other byte as `%XX`.
pub(super) fn encode_message(message: &str) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(message, ENCODED).to_string()
}

const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// `grpc-status` of a call that succeeded.
static OK: HeaderValue = HeaderValue::from_static("0");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn messages_are_percent_encoded() {
        let table = [
            ("a b", "a b"),
            ("100%", "100%25"),
            ("é", "%C3%A9"),
            ("\n", "%0A"),
            ("☃", "%E2%98%83"),
            ("~!\"", "~!\""),
            ("\u{7f}\0", "%7F%00"),
        ];
        for (text, encoded) in table {
            assert_eq!(encode_message(text), encoded, "{text:?}");
        }
    }

    #[test]
    fn statuses_have_no_leading_zero() {
        let trailers = error_trailers(&RpcError::new(Code::NotFound, "unknown service"));
        assert_eq!(trailers[GRPC_STATUS], "5");
        assert_eq!(trailers[GRPC_MESSAGE], "unknown service");
        assert_eq!(error_trailers(&RpcError::new(Code::Unavailable, ""))[GRPC_STATUS], "14");
        assert_eq!(ok_trailers()[GRPC_STATUS], "0");
        assert_eq!(ok_trailers().len(), 1);
    }
}
