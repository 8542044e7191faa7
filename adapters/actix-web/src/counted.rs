//! The App's calls, counted for a drain: from their head to the last byte of their answer.

use std::{pin::Pin, task::Context, task::Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{Request, Response};
use actix_service::{Service, apply_fn};
use bytes::Bytes;
use health_core::RunningCall;

use crate::connection::Health;

/// `app` with its calls counted where `health` counts.
pub(crate) fn counted<S>(
    app: S,
    health: Health,
) -> impl Service<Request, Response = Response<BoxBody>, Error = S::Error, Future: 'static>
where
    S: Service<Request, Response = Response<BoxBody>, Future: 'static>,
{
    apply_fn(app, move |request, app| {
        let call = health().registry().traffic().enter();
        let answer = app.call(request);
        async move {
            let answer = answer.await?;
            Ok(answer.map_body(|_, body| BoxBody::new(CountedBody { body, _call: call })))
        }
    })
}

struct CountedBody {
    body: BoxBody,
    /// The call runs until the body is gone.
    _call: RunningCall,
}

impl MessageBody for CountedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(cx)
    }
}
