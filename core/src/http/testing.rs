//! What the tests of the engine share.

use http_body::Body as _;
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::Body;

/// The data of a body that does not wait.
pub(super) fn read(body: Body) -> Vec<u8> {
    let mut body = pin!(body);
    let mut data = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
        if let Some(piece) = frame.data_ref() {
            data.extend_from_slice(piece);
        }
    }
    data
}
