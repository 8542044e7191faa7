//! Whether a reply is the one that a vector asks for: every difference, not only the first.

mod body;
mod json;

use std::collections::BTreeMap;
use std::fmt;

use crate::expected::Expected;
use crate::reply::{End, Fields, Reply};
use crate::vector::Vector;

/// One difference between what had to come and what came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mismatch {
    what: String,
    expected: String,
    came: String,
}

impl Mismatch {
    fn new(what: impl Into<String>, expected: &dyn fmt::Display, came: &dyn fmt::Display) -> Self {
        Self { what: what.into(), expected: expected.to_string(), came: came.to_string() }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, came {}", self.what, self.expected, self.came)
    }
}

/// Compares `reply` with what `vector` asks for.
pub(crate) fn judge(vector: &Vector, reply: &Reply) -> Vec<Mismatch> {
    let expected = &vector.response;
    let mut found = Vec::new();
    if reply.head.status != expected.http_status {
        found.push(Mismatch::new("status", &expected.http_status, &reply.head.status));
    }
    judge_fields("header", &expected.headers, &reply.head.headers, &mut found);
    let end = if expected.stays_open { End::Open } else { End::Clean };
    if reply.end != end {
        found.push(Mismatch::new("the stream", &end, &reply.end));
    }
    if vector.no_http_trailers && reply.trailers.is_some() {
        found.push(Mismatch::new("HTTP trailers", &"none", &"some"));
    }
    let web_trailers = body::judge_body(vector, reply, &mut found);
    if let Some(expected) = &expected.trailers {
        match trailers(vector, reply, web_trailers.as_ref()) {
            Ok(trailers) => judge_fields("trailer", expected, trailers, &mut found),
            Err(why) => found.push(Mismatch::new("trailers", &"some", &why)),
        }
    }
    found
}

fn judge_fields(
    kind: &str,
    expected: &BTreeMap<String, Expected>,
    came: &Fields,
    found: &mut Vec<Mismatch>,
) {
    for (name, rule) in expected {
        let value = came.value(name);
        if !rule.matches(value.as_deref()) {
            let came = value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
            found.push(Mismatch::new(format!("{kind} {name}"), rule, &came));
        }
    }
}

/// The fields that stand for the trailers in the protocol of the call.
fn trailers<'a>(
    vector: &Vector,
    reply: &'a Reply,
    web_trailers: Option<&'a Fields>,
) -> Result<&'a Fields, &'static str> {
    if vector.is_grpc_web() {
        return match web_trailers {
            Some(trailers) => Ok(trailers),
            None if reply.body.is_empty() => Ok(&reply.head.headers),
            None => Err("a body without a trailer frame"),
        };
    }
    match &reply.trailers {
        Some(trailers) => Ok(trailers),
        None if reply.head.ends_stream => Ok(&reply.head.headers),
        None => Err("neither trailers nor a header block that ends the stream"),
    }
}

#[cfg(test)]
mod tests;
