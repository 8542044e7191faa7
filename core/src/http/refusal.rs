//! The reply that refuses a call of any service, told from the request's headers alone (wire.md,
//! sections 3 to 7).

use http::{
    HeaderMap, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue},
};

use super::{
    body::Body, call::ErrorForm, connect, grpc, grpc_web, protocol, service::empty, stream, triple,
};
use crate::RpcError;

/// How a client wants to be told that its call failed: what its content type asks for. Of the types that
/// the health service itself takes, these are the wider ones: a service of the application's may have
/// any codec.
#[derive(Debug)]
pub(super) enum Form {
    /// The content type to be echoed.
    Grpc(HeaderValue),
    GrpcWeb(HeaderValue),
    GrpcWebText,
    ConnectStream(HeaderValue),
    /// Unary calls of Connect and Triple.
    Unary(ErrorForm),
    Http,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::read(headers).unwrap_or(Self::Http)
    }

    /// `None`: the content type is no protocol's.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let name = value.split(';').next()?.trim().to_ascii_lowercase();
        let (media_type, codec) = name.split_once('+').unwrap_or((&name, ""));
        let text = codec != "json" && grpc_web::accepts_text(headers);
        let name = || HeaderValue::from_str(&name).ok();
        Some(match media_type {
            "application/grpc" => Self::Grpc(name()?),
            "application/grpc-web-text" => Self::GrpcWebText,
            "application/grpc-web" if text => Self::GrpcWebText,
            "application/grpc-web" => Self::GrpcWeb(name()?),
            "application/connect" if !codec.is_empty() => Self::ConnectStream(name()?),
            "application/json" | "application/proto" if codec.is_empty() => {
                Self::Unary(if protocol::is_triple(headers) {
                    triple::error_form(headers)
                } else {
                    ErrorForm::Connect
                })
            }
            _ => return None,
        })
    }

    /// Whether such a client may wait for the reply before it ends its request.
    pub(super) const fn may_stream(&self) -> bool {
        matches!(self, Self::Grpc(_) | Self::ConnectStream(_))
    }

    pub(super) fn error_response(&self, error: &RpcError) -> Response<Body> {
        match self {
            Self::Grpc(name) => {
                let mut response = with_type(name.clone(), Body::empty());
                response.headers_mut().extend(grpc::error_trailers(error));
                response
            }
            Self::GrpcWeb(name) => {
                with_type(name.clone(), Body::full(grpc_web::trailers(Some(error))))
            }
            Self::GrpcWebText => with_type(
                grpc_web::TEXT_TYPE.clone(),
                Body::full(stream::base64(&grpc_web::trailers(Some(error)))),
            ),
            Self::ConnectStream(name) => {
                with_type(name.clone(), Body::full(connect::end_stream(error)))
            }
            Self::Unary(form) => {
                let mut response = connect::error_response(*form, error);
                // What the service takes is not known here.
                response.headers_mut().remove(ACCEPT_ENCODING);
                response
            }
            Self::Http => {
                let status = StatusCode::from_u16(error.code().connect_http_status());
                empty(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

fn with_type(content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
