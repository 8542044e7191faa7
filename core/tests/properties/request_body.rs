//! A request's body that comes in pieces, waits between them, and ends in any way that a peer may end it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    Clean,
    /// The connection breaks.
    Error,
    /// Nothing comes any more.
    Never,
    Trailers,
}

#[derive(Debug)]
pub(crate) struct RequestBody {
    left: Bytes,
    /// How it is cut, again and again: each byte is a size, and with its highest bit set, a wait first.
    pieces: Bytes,
    place: usize,
    has_waited: bool,
    ending: Ending,
    is_announced: bool,
}

impl RequestBody {
    /// Without pieces that have a size, it comes whole.
    pub(crate) fn new(data: Bytes, pieces: Bytes, ending: Ending, is_announced: bool) -> Self {
        let is_cut = pieces.iter().any(|piece| piece & SIZE != 0);
        Self {
            left: data,
            pieces: if is_cut { pieces } else { Bytes::new() },
            place: 0,
            has_waited: false,
            ending,
            is_announced,
        }
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match self.ending {
            Ending::Clean => Poll::Ready(None),
            Ending::Error => {
                self.ending = Ending::Clean;
                Poll::Ready(Some(Err("the connection broke")))
            }
            Ending::Never => Poll::Pending,
            Ending::Trailers => {
                self.ending = Ending::Clean;
                let trailers = [("grpc-status", "0"), ("x-trailer", "v")];
                let trailers: HeaderMap = trailers
                    .into_iter()
                    .map(|(name, value)| (name.parse(), HeaderValue::from_static(value)))
                    .filter_map(|(name, value)| Some((name.ok()?, value)))
                    .collect();
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.left.is_empty() {
            return self.end();
        }
        let place = self.place.checked_rem(self.pieces.len());
        let piece = place.and_then(|place| self.pieces.get(place).copied());
        let size = match piece {
            Some(piece) if piece & WAIT != 0 && !self.has_waited => {
                self.has_waited = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(piece) => usize::from(piece & SIZE).min(self.left.len()),
            None => self.left.len(),
        };
        self.has_waited = false;
        self.place += 1;
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_announced && self.left.is_empty() && self.ending == Ending::Clean
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_announced {
            SizeHint::with_exact(self.left.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}

const WAIT: u8 = 0b1000_0000;
const SIZE: u8 = 0b0111_1111;
