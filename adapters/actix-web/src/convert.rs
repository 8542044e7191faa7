//! Requests and answers between actix-http, which is on `http` 0.2, and the engine and hyper, which are
//! on `http` 1. Bodies are handed on piece by piece.

use std::{error::Error, pin::Pin, task::Context, task::Poll};

use actix_http::body::{BodySize, BodyStream, BoxBody, MessageBody, None as NoBody, SizedStream};
use actix_http::{Method, Payload, Request, RequestHead, Response, StatusCode, Version};
use actix_http::{header, uri};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use health_core::http::Body;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyDataStream;

/// A request for the engine, which reads of the URI only what follows the authority, and of the version
/// only whether it is HTTP/2.
pub(crate) fn to_engine(
    head: &RequestHead,
    payload: Payload,
) -> http::Result<http::Request<AppBody>> {
    let mut to = http::Request::builder().method(head.method.as_str());
    to = to.uri(head.uri.path_and_query().map_or("/", |uri| uri.as_str()));
    if head.version == Version::HTTP_2 {
        to = to.version(http::Version::HTTP_2);
    }
    for (name, value) in &head.headers {
        to = to.header(name.as_str(), value.as_bytes());
    }
    let length = head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    to.body(AppBody(body(length, payload)))
}

/// The engine's answer without trailers, as actix-http has none; `left` ends a Watch.
pub(crate) async fn from_engine<F, L>(answer: http::Result<F>, left: L) -> Response<BoxBody>
where
    F: Future<Output = http::Response<Body>>,
    L: Future<Output = ()> + 'static,
{
    let Ok(answer) = answer else {
        return Response::bad_request();
    };
    let (head, data) = answer.await.into_parts();
    let mut to = Response::build(StatusCode::from_u16(head.status.as_u16()).unwrap_or_default());
    for (name, value) in &head.headers {
        to.append_header((name.as_str(), value.as_bytes()));
    }
    if head.headers.contains_key(CONNECTION) {
        to.force_close();
    }
    // An answer to HEAD has the length of a body that it does not have.
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.or_else(|| data.size_hint().exact());
    let data = BodyDataStream::new(data).take_until(left);
    to.message_body(body(length, data)).unwrap_or_else(|_| Response::internal_server_error())
}

fn body<S, E>(length: Option<u64>, data: S) -> BoxBody
where
    S: Stream<Item = Result<Bytes, E>> + 'static,
    E: Into<Box<dyn Error>> + 'static,
{
    match length {
        Some(length) => BoxBody::new(SizedStream::new(length, data)),
        None => BoxBody::new(BodyStream::new(data)),
    }
}

/// A request for the App; nothing if `http` 0.2 does not take it.
pub(crate) fn to_app(head: &http::request::Parts, payload: Payload) -> Option<Request> {
    let mut uri = uri::Builder::new();
    uri = uri.path_and_query(head.uri.path_and_query().map_or("/", |path| path.as_str()));
    if let (Some(scheme), Some(authority)) = (head.uri.scheme_str(), head.uri.authority()) {
        uri = uri.scheme(scheme).authority(authority.as_str());
    }
    let mut request = Request::with_payload(payload);
    let to = request.head_mut();
    to.uri = uri.build().ok()?;
    to.method = Method::from_bytes(head.method.as_str().as_bytes()).ok()?;
    to.version = Version::HTTP_2;
    for (name, value) in &head.headers {
        let name = header::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let value = header::HeaderValue::from_bytes(value.as_bytes()).ok()?;
        to.headers.append(name, value);
    }
    Some(request)
}

/// An answer of the App's, with the length that actix-http would have written.
pub(crate) fn from_app(
    answer: Response<BoxBody>,
    is_head: bool,
) -> http::Result<http::Response<AppBody>> {
    let (head, body) = answer.into_parts();
    let (size, has_body) = match head.status().as_u16() {
        100..200 | 204 => (BodySize::None, false),
        // What a handler says of the body that it leaves out stays.
        304 => (BodySize::Stream, false),
        _ => (body.size(), !is_head),
    };
    let mut to = http::Response::builder().status(head.status().as_u16());
    for (name, value) in head.headers() {
        if size == BodySize::Stream || name != header::CONTENT_LENGTH {
            to = to.header(name.as_str(), value.as_bytes());
        }
    }
    if let BodySize::Sized(length) = size {
        to = to.header(CONTENT_LENGTH, length);
    }
    to.body(AppBody(if has_body { body } else { BoxBody::new(NoBody::new()) }))
}

/// A body of actix-http's.
pub(crate) struct AppBody(BoxBody);

impl http_body::Body for AppBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let data = self.0.as_pin_mut().poll_next(cx);
        data.map(|data| Some(data?.map(Frame::data).map_err(|error| error.to_string().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.0.size().is_eof()
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.size() {
            BodySize::Sized(length) => SizeHint::with_exact(length),
            BodySize::None | BodySize::Stream => SizeHint::default(),
        }
    }
}
