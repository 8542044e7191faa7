//! Connect: unary replies, GET, streams, errors (wire.md sections 5, 6, 7). Triple writes its unary
//! replies the same way.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        HeaderValue, VARY,
    },
};
use serde::Serialize;

use super::{
    body::Body,
    call::{Call, ErrorForm, Reply, Terms},
    compression::{self, Encoding},
    envelope::{END_STREAM, seal},
    fault::Fault,
    message,
    protocol::{CONNECT_PROTOCOL_VERSION, CONNECT_TIMEOUT_MS, Codec, Protocol},
    query::Query,
    route::Rpc,
    service::Engine,
    timeout,
};
use crate::RpcError;

/// Reads the head of a unary call. The order of the checks is that of wire.md.
pub(super) fn unary_terms(headers: &HeaderMap, require_version: bool) -> Result<Terms, Fault> {
    let encodings = unary_encodings(headers)?;
    check_version(headers, require_version)?;
    Ok(Terms { timeout: timeout(headers)?, ..encodings })
}

/// Reads the head of a stream.
pub(super) fn stream_terms(headers: &HeaderMap, require_version: bool) -> Result<Terms, Fault> {
    let encoding = headers.get(&CONNECT_CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let request = Encoding::of_request(encoding)?;
    check_version(headers, require_version)?;
    Ok(Terms { timeout: timeout(headers)?, request, reply: Encoding::Identity })
}

/// The encodings of a unary call: those of HTTP. A client that compressed its request, and says nothing
/// of the reply, takes that compressed too.
pub(super) fn unary_encodings(headers: &HeaderMap) -> Result<Terms, Fault> {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let request = Encoding::of_request(encoding)?;
    let reply = Encoding::of_reply(headers, ACCEPT_ENCODING).unwrap_or(request);
    Ok(Terms { timeout: None, request, reply })
}

fn check_version(headers: &HeaderMap, require: bool) -> Result<(), Fault> {
    match headers.get(CONNECT_PROTOCOL_VERSION).map(HeaderValue::as_bytes) {
        None | Some(b"") if require => Err(Fault::MissingConnectVersion),
        None | Some(b"" | b"1") => Ok(()),
        Some(_) => Err(Fault::BadConnectVersion),
    }
}

fn timeout(headers: &HeaderMap) -> Result<Option<std::time::Duration>, Fault> {
    headers.get(CONNECT_TIMEOUT_MS).map_or(Ok(None), |value| timeout::millis(value.as_bytes()))
}

/// A unary reply that succeeds: the bare message.
pub(super) fn reply(call: &Call, engine: &Engine, reply: Reply) -> Response<Body> {
    let message = match reply {
        Reply::Status(status) => Bytes::from_static(message::encode_status(status, call.codec)),
        Reply::List(message) => message,
        // Streams have a body of their own.
        Reply::Watch(..) => Bytes::new(),
    };
    let compress = engine.compresses(call.terms.reply, &message);
    let message = if compress { compression::gzip(&message) } else { message };
    let mut response = unary_response(StatusCode::OK, call.content_type, message);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_ENCODING, compression::SUPPORTED.clone());
    if compress {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A unary reply that fails: JSON whatever the call's codec, never compressed.
pub(super) fn error_response(form: ErrorForm, error: &RpcError) -> Response<Body> {
    let status = match form {
        ErrorForm::Connect => error.code().connect_http_status(),
        ErrorForm::Triple | ErrorForm::DubboJs => error.code().triple_http_status(),
    };
    let body = match form {
        ErrorForm::Connect | ErrorForm::Triple => json(&ErrorJson::of(error)),
        ErrorForm::DubboJs => {
            let (status, message) = (error.code().number(), error.message());
            json(&DubboJsErrorJson { status, message })
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = unary_response(status, &JSON, body);
    // An unknown encoding is answered with the known ones.
    let supported = compression::SUPPORTED.clone();
    response.headers_mut().insert(ACCEPT_ENCODING, supported);
    response
}

fn unary_response(
    status: StatusCode,
    content_type: &'static HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.clone());
    headers.insert(CONTENT_LENGTH, length);
    response
}

/// The head of a stream: HTTP says 200 whatever becomes of the call.
pub(super) fn stream_response(content_type: &'static HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.clone());
    let supported = compression::SUPPORTED.clone();
    headers.insert(CONNECT_ACCEPT_ENCODING, supported);
    response
}

/// The envelope that ends a stream with `error`.
pub(super) fn end_stream(error: &RpcError) -> Bytes {
    seal(END_STREAM, &json(&EndStreamJson { error: ErrorJson::of(error) }))
}

/// Answers a GET of Check or List (wire.md section 6). `None`: no such encoding, 415.
pub(super) fn get(
    engine: &Engine,
    rpc: Rpc,
    query: &str,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    let query = Query::new(query);
    let (codec, content_type) = match &*query.first("encoding")? {
        b"json" => (Codec::Json, &JSON),
        b"proto" => (Codec::Proto, &PROTO),
        _ => return None,
    };
    let mut call = Call {
        rpc,
        protocol: Protocol::Connect,
        codec,
        content_type,
        terms: Terms::PLAIN,
        errors: ErrorForm::Connect,
        deadline: super::call::Deadline::Never,
    };
    let mut response = match get_terms(&query, headers) {
        Ok(terms) => {
            call.terms = terms;
            call.deadline = engine.deadline(terms.timeout);
            call.answer(engine, get_message(&query, terms.request, engine.max_request_bytes))
        }
        Err(fault) => call.fail_with(fault),
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    // A status of a moment ago is no status.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

fn get_terms(query: &Query<'_>, headers: &HeaderMap) -> Result<Terms, Fault> {
    let request = Encoding::of_request(query.first("compression").as_deref())?;
    match query.first("connect").as_deref() {
        None | Some(b"" | b"v1") => {}
        Some(_) => return Err(Fault::BadConnectVersion),
    }
    let reply = Encoding::of_reply(headers, ACCEPT_ENCODING).unwrap_or(request);
    Ok(Terms { timeout: timeout(headers)?, request, reply })
}

fn get_message(query: &Query<'_>, encoding: Encoding, max: usize) -> Result<Bytes, Fault> {
    let message = query.first("message").ok_or(Fault::MissingMessageParameter)?;
    let message = match query.first("base64").as_deref() {
        Some(b"1") => URL_SAFE.decode(&message).map_err(|_| Fault::BadBase64)?,
        _ => Cow::into_owned(message),
    };
    if message.len() > max {
        return Err(Fault::TooLarge);
    }
    encoding.decode(message.into(), max)
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

impl<'a> ErrorJson<'a> {
    fn of(error: &'a RpcError) -> Self {
        Self { code: error.code().name(), message: error.message() }
    }
}

#[derive(Serialize)]
struct DubboJsErrorJson<'a> {
    status: u8,
    message: &'a str,
}

#[derive(Serialize)]
struct EndStreamJson<'a> {
    error: ErrorJson<'a>,
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Strings and numbers always serialize.
    serde_json::to_vec(value).unwrap_or_default()
}

/// The URL alphabet; padding is optional.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

static JSON: HeaderValue = HeaderValue::from_static("application/json");
static PROTO: HeaderValue = HeaderValue::from_static("application/proto");

const CONNECT_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
const CONNECT_CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn errors_as_json() {
        let error = RpcError::new(Code::NotFound, "unknown service");
        assert_eq!(
            json(&ErrorJson::of(&error)),
            br#"{"code":"not_found","message":"unknown service"}"#
        );
        let silent = RpcError::new(Code::Cancelled, "");
        assert_eq!(json(&ErrorJson::of(&silent)), br#"{"code":"canceled"}"#);
        let end = br#"{"error":{"code":"not_found","message":"unknown service"}}"#;
        assert_eq!(end_stream(&error), seal(END_STREAM, end));
    }

    #[test]
    fn the_form_of_errors_picks_the_status_table() {
        let error = RpcError::new(Code::Unimplemented, "m");
        let table =
            [(ErrorForm::Connect, 501), (ErrorForm::Triple, 404), (ErrorForm::DubboJs, 404)];
        for (form, status) in table {
            assert_eq!(error_response(form, &error).status(), status, "{form:?}");
        }
    }

    #[test]
    fn protocol_versions() {
        let table: [(Option<&str>, bool, Result<(), Fault>); 6] = [
            (None, false, Ok(())),
            (None, true, Err(Fault::MissingConnectVersion)),
            (Some(""), true, Err(Fault::MissingConnectVersion)),
            (Some("1"), true, Ok(())),
            (Some("2"), false, Err(Fault::BadConnectVersion)),
            (Some("01"), false, Err(Fault::BadConnectVersion)),
        ];
        for (value, require, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONNECT_PROTOCOL_VERSION, value.parse().unwrap());
            }
            assert_eq!(check_version(&headers, require), expected, "{value:?} {require}");
        }
    }
}
