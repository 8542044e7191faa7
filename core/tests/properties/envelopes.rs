//! Reads what the service writes: envelopes, base64 groups, gzip, trailers as text. Written apart from
//! the engine, so that a mistake there is not repeated here.

use std::io::Read as _;

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use flate2::read::MultiGzDecoder;

use super::scenario::split_once;

pub(crate) struct Envelope {
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// Reads envelopes up to the end of `data`.
///
/// # Panics
///
/// If it ends inside of one.
pub(crate) fn open(data: &[u8]) -> Vec<Envelope> {
    try_open(data).expect("whole envelopes")
}

/// The same for what a peer sent; `None` if it ends inside of an envelope.
pub(crate) fn try_open(mut data: &[u8]) -> Option<Vec<Envelope>> {
    let mut envelopes = Vec::new();
    while !data.is_empty() {
        let (prefix, rest) = data.split_first_chunk::<5>()?;
        let [flags, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        let payload = payload.to_vec();
        envelopes.push(Envelope { flags, payload });
        data = rest;
    }
    Some(envelopes)
}

/// Decodes base64 that was written in several parts, each with its padding; `None` if it is none.
pub(crate) fn base64_groups(text: &[u8]) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let groups = text.chunks(4).map(|group| engine.decode(group).ok());
    let groups: Option<Vec<_>> = groups.collect();
    Some(groups?.concat())
}

/// Unpacks gzip; `None` if it is none.
pub(crate) fn gunzip(data: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(data).read_to_end(&mut plain).ok()?;
    Some(plain)
}

/// The value of `name` in the text of gRPC-Web's trailers.
///
/// # Panics
///
/// If the text is not lines of `name: value`, each name once and in lower case.
pub(crate) fn trailer<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.strip_suffix("\r\n").expect("a last line with its end");
    let fields: Vec<_> = lines
        .split("\r\n")
        .map(|line| line.split_once(": ").expect("a name and a value"))
        .collect();
    for (name, _) in &fields {
        assert_eq!(name.to_ascii_lowercase(), **name, "lower case");
        let count = fields.iter().filter(|(other, _)| other == name).count();
        assert_eq!(count, 1, "{name} comes once");
    }
    let (_, value) = fields.iter().find(|(other, _)| *other == name)?;
    Some(value)
}

/// Reads `grpc-message`.
///
/// # Panics
///
/// If it is not percent-encoded UTF-8.
pub(crate) fn decode_grpc_message(message: &str) -> String {
    let mut decoded = Vec::new();
    let mut left = message.as_bytes();
    while let Some((byte, rest)) = left.split_first() {
        assert!((b' '..=b'~').contains(byte), "{message:?}");
        left = rest;
        if *byte == b'%' {
            let (digits, rest) = left.split_at_checked(2).expect("two digits");
            let digits = str::from_utf8(digits).expect("ASCII");
            decoded.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
            left = rest;
        } else {
            decoded.push(*byte);
        }
    }
    String::from_utf8(decoded).expect("UTF-8")
}

/// The type and subtype of a content type, in lower case.
pub(crate) fn essence(content_type: &[u8]) -> String {
    let (essence, _) = split_once(content_type, b';').unwrap_or((content_type, b""));
    String::from_utf8_lossy(essence).trim().to_ascii_lowercase()
}
