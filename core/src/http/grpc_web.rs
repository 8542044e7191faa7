//! gRPC-Web, binary and text: trailers as a frame, base64 in and out (wire.md section 4).

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header::ACCEPT};

use super::{
    body::Body,
    call::{Call, Reply},
    envelope::{TRAILERS, seal},
    fault::Fault,
    grpc,
    protocol::{Codec, MediaType, Protocol},
    service::Engine,
    stream,
};
use crate::RpcError;

/// The content type of every reply in text.
pub(super) static TEXT_TYPE: HeaderValue =
    HeaderValue::from_static("application/grpc-web-text+proto");

/// Whether the reply is in text: the request was, or it asks for that. There is no JSON in text.
pub(super) fn answers_in_text(media_type: &MediaType, headers: &HeaderMap) -> bool {
    media_type.protocol == Protocol::GrpcWebText
        || (media_type.codec == Codec::Proto && accepts_text(headers))
}

/// Whether `Accept` asks for a reply in text.
pub(super) fn accepts_text(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| {
            let range = range.trim().as_bytes();
            let name = b"application/grpc-web-text";
            range.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                && matches!(range.get(name.len()), None | Some(b'+'))
        })
}

/// A unary reply: the message and the trailers, each a frame.
pub(super) fn reply(call: &Call, engine: &Engine, reply: Reply) -> Response<Body> {
    let (envelope, encoding) = grpc::message(call, engine, reply);
    let body = if call.protocol == Protocol::GrpcWebText {
        concat(&stream::base64(&envelope), &stream::base64(&trailers(None)))
    } else {
        concat(&envelope, &trailers(None))
    };
    let mut response = grpc::response(call.content_type, Body::full(body));
    grpc::set_encoding(response.headers_mut(), encoding);
    response
}

/// An error before the first message. As a frame, it needs no CORS header to be read.
pub(super) fn error_response(
    content_type: &'static HeaderValue,
    error: &RpcError,
    text: bool,
) -> Response<Body> {
    let trailers = trailers(Some(error));
    let body = if text { stream::base64(&trailers) } else { trailers };
    grpc::response(content_type, Body::full(body))
}

/// The frame that carries the trailers; never compressed.
pub(super) fn trailers(error: Option<&RpcError>) -> Bytes {
    let Some(error) = error else {
        return Bytes::from_static(b"\x80\0\0\0\x10grpc-status: 0\r\n");
    };
    let message = grpc::encode_message(error.message());
    let number = error.code().number();
    let lines = format!("{}: {number}\r\n{}: {message}\r\n", grpc::GRPC_STATUS, grpc::GRPC_MESSAGE);
    seal(TRAILERS, lines.as_bytes())
}

fn concat(first: &[u8], second: &[u8]) -> Bytes {
    [first, second].concat().into()
}

/// Decodes a text body from pieces of any size.
///
/// Clients encode chunk by chunk and join the chunks, so padding may stand in the middle: each group of
/// four characters is decoded by itself.
#[derive(Debug, Default)]
pub(super) struct TextDecoder {
    group: [u8; 4],
    len: usize,
}

impl TextDecoder {
    /// What is in `text`, and what is wrong with it after that.
    pub(super) fn decode(&mut self, text: &[u8]) -> (Bytes, Result<(), Fault>) {
        let mut decoded = BytesMut::with_capacity((self.len + text.len()) / 4 * 3);
        for character in text {
            if let Some(place) = self.group.get_mut(self.len) {
                *place = *character;
            }
            self.len += 1;
            if self.len == self.group.len() {
                self.len = 0;
                let mut bytes = [0; 3];
                let Ok(count) = GROUP.decode_slice(self.group, &mut bytes) else {
                    return (decoded.freeze(), Err(Fault::BadBase64));
                };
                decoded.extend_from_slice(bytes.get(..count).unwrap_or_default());
            }
        }
        (decoded.freeze(), Ok(()))
    }

    pub(super) fn finish(&self) -> Result<(), Fault> {
        if self.len == 0 { Ok(()) } else { Err(Fault::BadBase64) }
    }
}

/// The standard alphabet, padded.
const GROUP: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn decode_in_pieces(text: &str, piece: usize) -> Result<Vec<u8>, Fault> {
        let mut decoder = TextDecoder::default();
        let mut decoded = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            let (bytes, outcome) = decoder.decode(piece);
            decoded.extend_from_slice(&bytes);
            outcome?;
        }
        decoder.finish()?;
        Ok(decoded)
    }

    #[test]
    fn text_is_decoded_group_by_group() {
        let table: [(&str, Result<&[u8], Fault>); 12] = [
            ("", Ok(b"")),
            ("AAAAAAUKA3N2Yw==", Ok(b"\0\0\0\0\x05\x0a\x03svc")),
            ("AAAAAA==BQoDc3Zj", Ok(b"\0\0\0\0\x05\x0a\x03svc")),
            ("AA==AA==", Ok(b"\0\0")),
            ("+/+/", Ok(b"\xfb\xff\xbf")),
            ("!!!!", Err(Fault::BadBase64)),
            ("AAA", Err(Fault::BadBase64)),
            ("AAAAA", Err(Fault::BadBase64)),
            ("A===", Err(Fault::BadBase64)),
            ("=AAA", Err(Fault::BadBase64)),
            ("-_-_", Err(Fault::BadBase64)),
            ("AAAA\n", Err(Fault::BadBase64)),
        ];
        for (text, expected) in table {
            for piece in 1..=text.len().max(1) {
                let decoded = decode_in_pieces(text, piece);
                assert_eq!(decoded.as_deref(), expected.as_ref().copied(), "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn trailer_frames() {
        assert_eq!(trailers(None), seal(TRAILERS, b"grpc-status: 0\r\n"));
        let error = RpcError::new(Code::NotFound, "100%");
        let expected = seal(TRAILERS, b"grpc-status: 5\r\ngrpc-message: 100%25\r\n");
        assert_eq!(trailers(Some(&error)), expected);
    }

    #[test]
    fn accept_asks_for_text() {
        let table = [
            ("application/grpc-web-text", true),
            ("application/grpc-web-text+proto", true),
            ("Application/Grpc-Web-Text;q=0.5", true),
            ("text/plain, application/grpc-web-text", true),
            ("application/grpc-web", false),
            ("application/grpc-web-texture", false),
            ("*/*", false),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, value.parse().unwrap());
            assert_eq!(accepts_text(&headers), expected, "{value:?}");
        }
        assert!(!accepts_text(&HeaderMap::new()));
    }
}
