//! What goes back: JSON, and the words for what is refused.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
    },
};
use http_body_util::Full;
use serde::Serialize;

pub(crate) type Reply = Response<Full<Bytes>>;

/// A request that is not done, and why.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    error: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn bad(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "send the admin token that the server was started with: authorization: bearer TOKEN",
        )
        .with(WWW_AUTHENTICATE, "Bearer")
    }

    pub(crate) fn path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "there are /services, /holds, /holds/{service} and /transitions",
        )
    }

    pub(crate) fn not_held(service: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("{service:?} is not held: GET /holds tells what is"),
        )
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path has {allow}"))
            .with(ALLOW, allow)
    }

    pub(crate) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time: send it again")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "a body has 4096 bytes at most: shorten the reason",
        )
    }

    pub(crate) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, and say so: content-type: application/json",
        )
        .with(ACCEPT, "application/json")
    }

    fn new(status: StatusCode, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, header: None, error: error.into() }
    }

    fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_reply(self) -> Reply {
        #[derive(Serialize)]
        struct Answer<'a> {
            error: &'a str,
        }
        let mut reply = json(self.status, &Answer { error: &self.error });
        reply.headers_mut().extend(self.header);
        reply
    }
}

pub(crate) fn json(status: StatusCode, answer: &impl Serialize) -> Reply {
    // These types have nothing that JSON cannot say: no map, no number that is not finite.
    let (status, text) = match serde_json::to_vec(answer) {
        Ok(text) => (status, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut reply = Response::new(Full::from(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
