//! Watch replies as envelopes, and how a stream ends, by protocol. Never compressed: the health checker
//! of grpc's C core offers gzip on Watch and cannot read it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body::Frame;

use super::{
    connect, grpc, grpc_web,
    message::encode_status,
    protocol::{Codec, Protocol},
};
use crate::{RpcError, ServingStatus};

/// One message of a stream, ready to send. Static: an update allocates nothing.
pub(super) fn envelope(protocol: Protocol, codec: Codec, status: ServingStatus) -> Bytes {
    Bytes::from_static(match protocol {
        Protocol::GrpcWebText => base64_envelope(status),
        Protocol::Connect | Protocol::Grpc | Protocol::GrpcWeb | Protocol::Triple => {
            binary_envelope(codec, status)
        }
    })
}

/// The frame that ends a stream with `error`.
pub(super) fn end(protocol: Protocol, error: &RpcError) -> Frame<Bytes> {
    match protocol {
        Protocol::Grpc => Frame::trailers(grpc::error_trailers(error)),
        Protocol::GrpcWeb => Frame::data(grpc_web::trailers(Some(error))),
        Protocol::GrpcWebText => Frame::data(base64(&grpc_web::trailers(Some(error)))),
        Protocol::Connect | Protocol::Triple => Frame::data(connect::end_stream(error)),
    }
}

/// One envelope of gRPC-Web's text mode: encoded by itself, with padding.
pub(super) fn base64(envelope: &[u8]) -> Bytes {
    STANDARD.encode(envelope).into()
}

const fn binary_envelope(codec: Codec, status: ServingStatus) -> &'static [u8] {
    match (codec, status) {
        (Codec::Proto, ServingStatus::Unknown) => b"\0\0\0\0\0",
        (Codec::Proto, ServingStatus::Serving) => b"\0\0\0\0\x02\x08\x01",
        (Codec::Proto, ServingStatus::NotServing) => b"\0\0\0\0\x02\x08\x02",
        (Codec::Proto, ServingStatus::ServiceUnknown) => b"\0\0\0\0\x02\x08\x03",
        (Codec::Json, ServingStatus::Unknown) => b"\0\0\0\0\x02{}",
        (Codec::Json, ServingStatus::Serving) => b"\0\0\0\0\x14{\"status\":\"SERVING\"}",
        (Codec::Json, ServingStatus::NotServing) => b"\0\0\0\0\x18{\"status\":\"NOT_SERVING\"}",
        (Codec::Json, ServingStatus::ServiceUnknown) => {
            b"\0\0\0\0\x1c{\"status\":\"SERVICE_UNKNOWN\"}"
        }
    }
}

/// The text mode has no JSON.
const fn base64_envelope(status: ServingStatus) -> &'static [u8] {
    match status {
        ServingStatus::Unknown => b"AAAAAAA=",
        ServingStatus::Serving => b"AAAAAAIIAQ==",
        ServingStatus::NotServing => b"AAAAAAIIAg==",
        ServingStatus::ServiceUnknown => b"AAAAAAIIAw==",
    }
}

/// The envelope of a Check reply: the same bytes as a Watch message.
pub(super) fn check_envelope(codec: Codec, status: ServingStatus) -> Bytes {
    debug_assert_eq!(
        binary_envelope(codec, status).get(super::envelope::PREFIX..),
        Some(encode_status(status, codec))
    );
    Bytes::from_static(binary_envelope(codec, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::envelope::seal;

    #[test]
    fn static_envelopes_are_what_sealing_writes() {
        use ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
        for status in [Unknown, Serving, NotServing, ServiceUnknown] {
            for codec in [Codec::Proto, Codec::Json] {
                let sealed = seal(0, encode_status(status, codec));
                assert_eq!(envelope(Protocol::Grpc, codec, status), sealed, "{status} {codec:?}");
            }
            let text = base64(&seal(0, encode_status(status, Codec::Proto)));
            assert_eq!(envelope(Protocol::GrpcWebText, Codec::Proto, status), text, "{status}");
        }
    }
}
