//! Native gRPC services beside the App, which could not answer them: actix-http has no trailers.

use std::{convert::Infallible, error::Error, future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tower_service::Service;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The body of an answer, its trailers included.
pub(crate) type GrpcBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>;

/// The services, whatever their type. Called on the worker that has the connection.
pub(crate) type Grpc =
    Arc<dyn Fn(Request<Incoming>) -> LocalBoxFuture<'static, Response<GrpcBody>> + Send + Sync>;

pub(crate) fn boxed<S, B>(service: S) -> Grpc
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        let answered = async move {
            let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
            let Ok(answer) = service.call(request).await;
            answer.map(|body| Box::pin(body.map_err(Into::into)) as GrpcBody)
        };
        answered.boxed_local()
    })
}

/// Whether a call is native gRPC (PROTOCOL-HTTP2 §Requests): gRPC-Web goes without trailers, and is the App's.
pub(crate) fn is_native(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let Some((name, rest)) = content_type.split_at_checked(GRPC.len()) else {
        return false;
    };
    name.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn native_grpc_is_told_by_its_content_type() {
        let rows = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc ;a=b", true),
            ("Application/GRPC", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpc-web-text", false),
            ("application/grpcs", false),
            ("application/grp", false),
            ("application/json", false),
            ("", false),
        ];
        for (content_type, native) in rows {
            let value = HeaderValue::from_static(content_type);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            assert_eq!(is_native(&headers), native, "{content_type:?}");
        }
        assert!(!is_native(&HeaderMap::new()));
    }
}
