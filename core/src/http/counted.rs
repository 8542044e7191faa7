//! Calls of the application, counted from their head to the last byte of their answer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{RunningCall, Traffic};

pin_project! {
    /// The answer to a call that is counted, from [`count`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless polled"]
    pub struct CountedFuture<F> {
        #[pin]
        answer: F,
        call: Option<RunningCall>,
    }
}

pin_project! {
    /// The body of an answer: the call runs until it is dropped.
    #[derive(Debug)]
    pub struct CountedBody<B> {
        #[pin]
        body: B,
        call: Option<RunningCall>,
    }
}

/// Counts a call that `answer` answers, for as long as the body of the answer is read. For adapters:
/// [`Drain`](crate::drain::Drain) asks whether the server has fallen quiet.
pub fn count<F>(traffic: &Traffic, answer: F) -> CountedFuture<F> {
    CountedFuture { answer, call: Some(traffic.enter()) }
}

/// The same without counting: for a layer that is not the one that counts.
pub const fn uncounted<F>(answer: F) -> CountedFuture<F> {
    CountedFuture { answer, call: None }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        let call = this.call.take();
        Poll::Ready(answer.map(|answer| answer.map(|body| CountedBody { body, call })))
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Default> Default for CountedBody<B> {
    /// The body of no call.
    fn default() -> Self {
        Self { body: B::default(), call: None }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::ready};

    use futures_lite::future::block_on;
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn a_call_runs_until_its_body_is_gone() {
        let traffic = Traffic::default();
        let answer = ready(Ok::<_, Infallible>(Response::new(Full::new(&b"hello"[..]))));
        let answer = count(&traffic, answer);
        assert_eq!((traffic.running(), traffic.arrived()), (1, 1));
        let Ok(answer) = block_on(answer);
        assert_eq!(answer.body().size_hint().exact(), Some(5));
        assert_eq!(traffic.running(), 1, "the body has not been read");
        let Ok(body) = block_on(answer.into_body().collect());
        assert_eq!(body.to_bytes(), "hello");
        assert_eq!((traffic.running(), traffic.arrived()), (0, 1));
    }

    #[test]
    fn a_call_that_fails_or_is_given_up_no_longer_runs() {
        let traffic = Traffic::default();
        let failed = count(&traffic, ready(Err::<Response<Full<&[u8]>>, _>("failed")));
        assert_eq!(block_on(failed).unwrap_err(), "failed");
        assert_eq!(traffic.running(), 0);
        drop(count(&traffic, std::future::pending::<Result<Response<Full<&[u8]>>, Infallible>>()));
        assert_eq!((traffic.running(), traffic.arrived()), (0, 2));
    }
}
