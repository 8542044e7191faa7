//! The five-byte envelope of gRPC, gRPC-Web and Connect streams, read without the engine's help.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use crate::reply::Fields;

/// Flag bit 0: the payload is compressed.
pub(crate) const COMPRESSED: u8 = 0x01;
/// gRPC-Web's flag bit 7: the payload is the trailers.
pub(crate) const TRAILERS: u8 = 0x80;

const PREFIX: usize = 5;
/// Far above every message of the vectors; a reply that inflates further is broken.
const MAX_INFLATED: u64 = 1 << 20;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// Cuts `bytes` into envelopes; the second part is what is left over.
pub(crate) fn split(bytes: &[u8]) -> (Vec<Envelope>, &[u8]) {
    let mut envelopes = Vec::new();
    let mut rest = bytes;
    while let Some((envelope, after)) = first(rest) {
        envelopes.push(envelope);
        rest = after;
    }
    (envelopes, rest)
}

fn first(bytes: &[u8]) -> Option<(Envelope, &[u8])> {
    let ([flags, length @ ..], rest) = bytes.split_first_chunk::<PREFIX>()?;
    let (payload, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((Envelope { flags: *flags, payload: payload.to_vec() }, rest))
}

/// Reads gRPC-Web text: base64 in groups of four, where any group may be padded.
///
/// The second part is the characters that make no whole group yet.
pub(crate) fn decode_text(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let (groups, rest) = text.as_chunks::<4>();
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for group in groups {
        let decoded = STANDARD.decode(group);
        bytes.extend(decoded.map_err(|error| format!("{}: {error}", group.escape_ascii()))?);
    }
    Ok((bytes, rest))
}

/// Undoes a content or message coding.
pub(crate) fn decompress(bytes: &[u8], coding: Option<&str>) -> Result<Vec<u8>, String> {
    match coding {
        Some("gzip") => {
            let mut inflated = Vec::new();
            let mut reader = GzDecoder::new(bytes).take(MAX_INFLATED);
            reader.read_to_end(&mut inflated).map_err(|error| format!("not gzip: {error}"))?;
            Ok(inflated)
        }
        other => Err(format!("compressed, but the coding is {other:?}")),
    }
}

/// Reads the payload of a gRPC-Web trailer frame: `name: value\r\n` lines, names in lower case.
pub(crate) fn web_trailers(payload: &[u8]) -> Result<Fields, String> {
    let mut fields = Fields::default();
    let mut rest = payload;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let Some((line, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return Err(format!("a line without CR LF: {}", rest.escape_ascii()));
        };
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(format!("a line without a name: {:?}", line.escape_ascii().to_string()));
        };
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name);
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("a name that is empty or not in lower case: {name:?}"));
        }
        fields.push(&name, value.get(1..).unwrap_or_default().trim_ascii());
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_cut_and_what_is_left_is_kept() {
        let (envelopes, rest) = split(b"\0\0\0\0\x01a\x80\0\0\0\0\0\0\0");
        let expected = [(0, b"a".as_slice()), (0x80, b"")];
        let expected =
            expected.map(|(flags, payload)| Envelope { flags, payload: payload.to_vec() });
        assert_eq!(envelopes, expected);
        assert_eq!(rest, b"\0\0\0");
        assert_eq!(split(b"\0\0\0\0\x02a"), (vec![], b"\0\0\0\0\x02a".as_slice()));
    }

    #[test]
    fn text_is_read_group_by_group() {
        assert_eq!(
            decode_text(b"AAAAAA==BQoDc3Zj"),
            Ok((b"\0\0\0\0\x05\x0a\x03svc".to_vec(), &b""[..]))
        );
        assert_eq!(decode_text(b"AAAAA"), Ok((b"\0\0\0".to_vec(), &b"A"[..])));
        assert!(decode_text(b"!!!!").is_err());
    }

    #[test]
    fn trailers_are_lines_with_lower_case_names() {
        let fields = web_trailers(b"grpc-status: 5\r\ngrpc-message:a b\r\n").unwrap();
        assert_eq!(fields.value("grpc-status").as_deref(), Some("5"));
        assert_eq!(fields.value("grpc-message").as_deref(), Some("a b"));
        for bad in ["Grpc-Status: 0\r\n", "grpc-status: 0", "grpc-status: 0\n", "x\r\n", "\r\n"] {
            assert!(web_trailers(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_gzip_is_undone() {
        assert!(decompress(b"abc", Some("gzip")).is_err());
        assert!(decompress(b"abc", Some("br")).is_err());
        assert!(decompress(b"abc", None).is_err());
    }
}
