//! A request as the bytes of an HTTP/2 connection: preface, SETTINGS, HEADERS, DATA (RFC 9113 §3.4,
//! §6), so that a storm can cut and change them anywhere.

use crate::vector::Request;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

pub(super) fn serialize(request: &Request, host: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let pseudo = [
        (":method", request.method.as_str()),
        (":scheme", "http"),
        (":path", &request.path),
        (":authority", host),
    ];
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in pseudo.into_iter().chain(headers) {
        // HPACK: literal header field without indexing, new name (RFC 7541 §6.2.2).
        block.push(0);
        literal(&mut block, name.to_ascii_lowercase().as_bytes());
        literal(&mut block, value.as_bytes());
    }
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    if request.body.is_empty() {
        frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, 1, &block);
    } else {
        frame(&mut bytes, HEADERS, END_HEADERS, 1, &block);
        frame(&mut bytes, DATA, END_STREAM, 1, &request.body);
    }
    bytes
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = (payload.len() as u32).to_be_bytes();
    bytes.extend_from_slice(&length[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// A string without Huffman coding: its length as an integer of 7-bit prefix (RFC 7541 §5.1, §5.2).
fn literal(block: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(length @ ..127) => block.push(length),
        _ => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text);
}
