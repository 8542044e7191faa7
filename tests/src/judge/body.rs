//! The body of a reply: bytes, JSON, or the frames of a stream.

use std::collections::BTreeMap;

use health_proto::HealthListResponse;
use prost::Message as _;
use serde_json::Value;

use super::{Mismatch, json};
use crate::envelope::{self, COMPRESSED, Envelope, TRAILERS};
use crate::reply::{Fields, Reply};
use crate::vector::{BodyEncoding, BodyMatch, Frame, Vector};

/// Compares the body; returns the trailers that a gRPC-Web body carries.
pub(super) fn judge_body(
    vector: &Vector,
    reply: &Reply,
    found: &mut Vec<Mismatch>,
) -> Option<Fields> {
    let expected = &vector.response;
    if vector.ignore_body {
        return None;
    }
    if expected.body_frames.is_some() || vector.is_grpc_web() && expected.trailers.is_some() {
        return judge_stream(vector, reply, found);
    }
    if expected.body.is_none() && expected.body_json.is_none() {
        return None;
    }
    match content(reply) {
        Ok(content) => judge_content(vector, &content, found),
        Err(why) => found.push(Mismatch::new("body", &"one that can be decoded", &why)),
    }
    None
}

/// The body without its content coding.
fn content(reply: &Reply) -> Result<Vec<u8>, String> {
    match reply.head.headers.value("content-encoding").as_deref() {
        None | Some("identity") => Ok(reply.body.clone()),
        // A reply to HEAD, or an empty message, carries no bytes that could be coded.
        Some(_) if reply.body.is_empty() => Ok(Vec::new()),
        coding => envelope::decompress(&reply.body, coding),
    }
}

fn judge_content(vector: &Vector, content: &[u8], found: &mut Vec<Mismatch>) {
    let expected = &vector.response;
    if let Some(body) = &expected.body
        && body != content
    {
        found.push(Mismatch::new("body", &shown(body), &shown(content)));
    }
    if let Some(body) = &expected.body_json {
        judge_json("body", body, content, expected.body_match, found);
    }
}

fn judge_json(
    what: &str,
    expected: &Value,
    came: &[u8],
    rule: BodyMatch,
    found: &mut Vec<Mismatch>,
) {
    match serde_json::from_slice(came) {
        Ok(came) => {
            if let Err((path, expected, came)) = json::compare(expected, &came, rule) {
                found.push(Mismatch::new(format!("{what} {path}"), &expected, &came));
            }
        }
        Err(error) => {
            let came = format!("{} ({error})", shown(came));
            found.push(Mismatch::new(what, &format!("JSON like {expected}"), &came));
        }
    }
}

fn judge_stream(vector: &Vector, reply: &Reply, found: &mut Vec<Mismatch>) -> Option<Fields> {
    let bytes = match vector.response.body_encoding {
        BodyEncoding::Identity => reply.body.clone(),
        BodyEncoding::GrpcWebText => match envelope::decode_text(&reply.body) {
            Ok((bytes, [])) => bytes,
            Ok((_, rest)) => {
                found.push(Mismatch::new("body", &"whole groups of base64", &shown(rest)));
                return None;
            }
            Err(why) => {
                found.push(Mismatch::new("body", &"base64", &why));
                return None;
            }
        },
    };
    let (mut envelopes, rest) = envelope::split(&bytes);
    if !rest.is_empty() {
        found.push(Mismatch::new("body", &"whole frames", &format!("{} left over", shown(rest))));
    }
    // Where no trailers are due, their frame is one frame too many.
    let has_trailers = vector.is_grpc_web() && vector.response.trailers.is_some();
    let trailers = envelopes.pop_if(|last| has_trailers && last.flags == TRAILERS);
    if let Some(expected) = &vector.response.body_frames {
        if expected.len() != envelopes.len() {
            found.push(Mismatch::new("frames", &expected.len(), &envelopes.len()));
        }
        for (number, (frame, came)) in expected.iter().zip(&envelopes).enumerate() {
            judge_frame(&format!("frame {number}"), frame, came, vector, reply, found);
        }
    }
    let trailers = envelope::web_trailers(&trailers?.payload);
    trailers.map_err(|why| found.push(Mismatch::new("trailer frame", &"header lines", &why))).ok()
}

fn judge_frame(
    what: &str,
    expected: &Frame,
    came: &Envelope,
    vector: &Vector,
    reply: &Reply,
    found: &mut Vec<Mismatch>,
) {
    let mask = if vector.flags_exact { 0xff } else { !COMPRESSED };
    if came.flags & mask != expected.flags & mask {
        let [expected, came] = [expected.flags, came.flags].map(|flags| format!("{flags:#04x}"));
        found.push(Mismatch::new(format!("{what} flags"), &expected, &came));
    }
    let payload = match message(came, reply) {
        Ok(payload) => payload,
        Err(why) => return found.push(Mismatch::new(what, &"one that can be decoded", &why)),
    };
    if let Some(message) = &expected.message {
        if expected.map_unordered {
            judge_map(what, message, &payload, found);
        } else if *message != payload {
            found.push(Mismatch::new(what, &shown(message), &shown(&payload)));
        }
    }
    if let Some(json) = &expected.json {
        judge_json(what, json, &payload, BodyMatch::Exact, found);
    }
}

/// The payload of a frame without its message coding.
fn message(frame: &Envelope, reply: &Reply) -> Result<Vec<u8>, String> {
    if frame.flags & COMPRESSED == 0 || frame.payload.is_empty() {
        return Ok(frame.payload.clone());
    }
    let headers = &reply.head.headers;
    let coding =
        ["grpc-encoding", "connect-content-encoding"].iter().find_map(|name| headers.value(name));
    envelope::decompress(&frame.payload, coding.as_deref())
}

/// Compares two List replies, where the order of the entries says nothing.
fn judge_map(what: &str, expected: &[u8], came: &[u8], found: &mut Vec<Mismatch>) {
    let statuses = |bytes: &[u8]| -> Result<BTreeMap<String, i32>, String> {
        let list = HealthListResponse::decode(bytes).map_err(|error| error.to_string())?;
        Ok(list.statuses.into_iter().map(|(name, entry)| (name, entry.status)).collect())
    };
    let (expected, came) = (statuses(expected), statuses(came));
    if expected != came || came.is_err() {
        found.push(Mismatch::new(what, &format!("{expected:?}"), &format!("{came:?}")));
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{} bytes \"{}\"", bytes.len(), bytes.escape_ascii())
}
