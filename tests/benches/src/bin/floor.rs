//! The floor: hyper over h2c that reads the request's body and answers a constant, valid gRPC reply.
//!
//! hyper's settings are its defaults, so that what a server sets beyond them counts as that server's:
//! hyper's keep-alive pings alone cost 1 200 instructions a call.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use health_benches::{CONTENT_TYPE, REPLY, Stop};
use http::header::{CONTENT_TYPE as CONTENT_TYPE_NAME, HeaderValue};
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> io::Result<()> {
    let mut stop = pin!(stop.requested());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                tokio::spawn(connection(stream));
            }
            () = &mut stop => return Ok(()),
        }
    }
}

async fn connection(stream: TcpStream) -> hyper::Result<()> {
    http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Reply>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let mut response = Response::new(Reply::Message);
    response.headers_mut().insert(CONTENT_TYPE_NAME, HeaderValue::from_static(CONTENT_TYPE));
    Ok(response)
}

/// The constant reply: what is sent next.
enum Reply {
    Message,
    Trailers,
    Nothing,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (frame, next) = match *self {
            Self::Message => (Frame::data(Bytes::from_static(&REPLY)), Self::Trailers),
            Self::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
                (Frame::trailers(trailers), Self::Nothing)
            }
            Self::Nothing => return Poll::Ready(None),
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}
