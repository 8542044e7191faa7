//! What the request of an RPC asks for, read apart from the engine: so that a call that succeeds can be
//! held against it.

use health_proto::HealthCheckRequest;
use prost::Message as _;
use serde_json::Value;

use super::{
    envelopes::{base64_groups, essence, gunzip, try_open},
    request_body::Ending,
    scenario::Scenario,
};

/// The message of a POST; `None` if there is not exactly one, whole and within the limit.
pub(crate) fn message(scenario: &Scenario) -> Option<Vec<u8>> {
    if !matches!(scenario.settings.ending, Ending::Clean | Ending::Trailers) {
        return None;
    }
    let body = scenario.body();
    let content_type = header(scenario, "content-type");
    let message = match essence(content_type).as_str() {
        "application/grpc" | "application/grpc+proto" | "application/grpc+json" => {
            enveloped(scenario, body, None, "grpc-encoding")?
        }
        "application/grpc-web" | "application/grpc-web+proto" | "application/grpc-web+json" => {
            enveloped(scenario, body, Some(0x80), "grpc-encoding")?
        }
        "application/grpc-web-text" | "application/grpc-web-text+proto" => {
            enveloped(scenario, &base64_groups(body)?, Some(0x80), "grpc-encoding")?
        }
        "application/connect+proto" | "application/connect+json" => {
            enveloped(scenario, body, Some(2), "connect-content-encoding")?
        }
        _ => unpack(scenario, body.to_vec(), "content-encoding")?,
    };
    (message.len() <= scenario.settings.max_request_bytes).then_some(message)
}

/// The one message among envelopes, of which those with the `ignored` flags are none.
fn enveloped(
    scenario: &Scenario,
    body: &[u8],
    ignored: Option<u8>,
    encoding: &str,
) -> Option<Vec<u8>> {
    let mut messages = try_open(body)?;
    messages.retain(|message| Some(message.flags) != ignored);
    let message = messages.pop().filter(|_| messages.is_empty())?;
    match message.flags {
        0 => Some(message.payload),
        1 if header(scenario, encoding) == b"gzip" => unpack(scenario, message.payload, encoding),
        _ => None,
    }
}

fn unpack(scenario: &Scenario, data: Vec<u8>, encoding: &str) -> Option<Vec<u8>> {
    match header(scenario, encoding) {
        b"gzip" if !data.is_empty() => gunzip(&data),
        b"" | b"gzip" | b"identity" => Some(data),
        _ => None,
    }
}

/// The service that a message of Check or Watch names; `None` if it does not parse.
pub(crate) fn service(message: &[u8], is_json: bool) -> Option<String> {
    if !is_json {
        return Some(HealthCheckRequest::decode(message).ok()?.service);
    }
    let message: Value = serde_json::from_slice(message).ok()?;
    // Triple's specification shows messages as an array of one.
    let message = match &message {
        Value::Array(messages) => messages.first().filter(|_| messages.len() == 1)?,
        message => message,
    };
    match message.as_object()?.get("service") {
        None | Some(Value::Null) => Some(String::new()),
        Some(service) => Some(service.as_str()?.to_owned()),
    }
}

/// How long the request says that its client waits; empty if it does not say.
pub(crate) fn timeout(scenario: &Scenario) -> &[u8] {
    let content_type = essence(header(scenario, "content-type"));
    let is_unary = ["application/json", "application/proto"].contains(&&*content_type);
    let name = if content_type.starts_with("application/grpc") {
        "grpc-timeout"
    } else if is_unary && is_triple(scenario) {
        "triple-timeout-ms"
    } else {
        "connect-timeout-ms"
    };
    header(scenario, name)
}

/// Whether a call in JSON or protobuf is Triple's and not Connect's.
pub(crate) fn is_triple(scenario: &Scenario) -> bool {
    let has = |name: &&str| scenario.head.headers().contains_key(*name);
    let connect = ["connect-protocol-version", "connect-timeout-ms"];
    let triple = [
        "triple-protocol-version",
        "triple-timeout-ms",
        "tri-protocol-version",
        "tri-service-group",
        "tri-service-timeout",
        "tri-service-version",
    ];
    !connect.iter().any(has) && triple.iter().any(has)
}

/// The first value of a header; empty if there is none.
fn header<'a>(scenario: &'a Scenario, name: &str) -> &'a [u8] {
    scenario.head.headers().get(name).map_or(b"", |value| value.as_bytes())
}
