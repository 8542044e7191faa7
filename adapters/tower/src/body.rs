//! The body of a layered service's reply.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::Either::{self, Left, Right};
use health_core::http::{Body, CountedBody};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a [`Layered`](crate::Layered) service's reply: that of an own reply, or that of the
    /// service behind it, `R`.
    #[derive(Debug)]
    pub struct ReplyBody<R> {
        #[pin]
        pub(crate) body: Either<Body, CountedBody<R>>,
    }
}

impl<R: http_body::Body<Data = Bytes>> http_body::Body for ReplyBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().body.as_pin_mut() {
            Left(own) => own.poll_frame(cx).map_err(|never| match never {}),
            Right(inner) => inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Left(own) => own.is_end_stream(),
            Right(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            // axum would write `content-length: 0` into the one block of headers and trailers that a
            // gRPC error is. Where HTTP wants the length, the reply has the header already.
            Left(own) if own.is_end_stream() => SizeHint::default(),
            Left(own) => own.size_hint(),
            Right(inner) => inner.size_hint(),
        }
    }
}

/// What layers further out, such as a timeout, put in place of a reply.
impl<R: Default> Default for ReplyBody<R> {
    fn default() -> Self {
        let body = Right(CountedBody::default());
        Self { body }
    }
}
