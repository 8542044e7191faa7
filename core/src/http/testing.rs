//! What the tests of the engine share: a clock and a request body that do as they are told.

#[path = "../../../adapters/test/src/timer.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is what the users of health-test get")]
mod timer;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::Body;
pub(super) use timer::ManualTimer;

/// The data of a body that does not wait.
pub(super) fn read(body: Body) -> Vec<u8> {
    Reader::new(body).frames().0.concat()
}

/// A reply's body, read as far as it has come.
pub(super) struct Reader(Body);

impl Reader {
    pub(super) fn new(body: Body) -> Self {
        Self(body)
    }

    /// The pieces of data that are there now, the trailers, and whether the body has ended.
    pub(super) fn frames(&mut self) -> (Vec<Vec<u8>>, Option<HeaderMap>, bool) {
        let (mut data, mut trailers) = (Vec::new(), None);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match http_body::Body::poll_frame(Pin::new(&mut self.0), &mut cx) {
                Poll::Pending => return (data, trailers, false),
                Poll::Ready(None) => return (data, trailers, true),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => data.push(piece.to_vec()),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(Some(Err(impossible))) => match impossible {},
            }
        }
    }
}

/// Polls once.
pub(super) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that does not wait.
pub(super) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A request body that comes as scripted.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) steps: VecDeque<Step>,
    /// As a `content-length` would say.
    pub(super) announced: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Data(Bytes),
    /// Nothing more comes until the script is changed.
    Wait,
    /// The connection breaks.
    Break,
    /// The body must not be read.
    Forbidden,
}

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), announced: None }
    }

    pub(super) fn of(data: &[u8]) -> Self {
        Self::new([Step::Data(Bytes::copy_from_slice(data))])
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Break) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Forbidden) => panic!("the body was read"),
            Some(Step::Wait) => {
                self.steps.push_front(Step::Wait);
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(impossible: Infallible) -> Self {
        match impossible {}
    }
}
