//! `Body`: the body of every reply.

use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};

use super::{
    call::End,
    fault::Family,
    protocol::{Codec, Protocol},
    stream,
};
use crate::{RpcError, Watch, rpc};

/// The body of a reply. Its size is known exactly, except where gRPC's trailers follow and for Watch,
/// which streams.
///
/// Each frame of data is one message, to be sent on as soon as it comes. The trailers of gRPC come as a
/// frame of trailers.
pub struct Body(Kind);

enum Kind {
    /// Nothing more comes.
    Done,
    /// One piece of data.
    Full(Bytes),
    /// One piece of data, then gRPC's trailers of a call that succeeded.
    Grpc(Bytes),
    /// Only gRPC's success trailers are left.
    GrpcTrailers,
    Watch(WatchBody),
}

/// A Watch on the wire.
struct WatchBody {
    watch: Watch,
    end: Option<End>,
    protocol: Protocol,
    codec: Codec,
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self(Kind::Done)
    }

    pub(super) fn full(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self(if data.is_empty() { Kind::Done } else { Kind::Full(data) })
    }

    pub(super) const fn grpc(envelope: Bytes) -> Self {
        Self(Kind::Grpc(envelope))
    }

    pub(super) const fn watch(
        watch: Watch,
        end: Option<End>,
        protocol: Protocol,
        codec: Codec,
    ) -> Self {
        Self(Kind::Watch(WatchBody { watch, end, protocol, codec }))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match &mut self.0 {
            Kind::Done => return Poll::Ready(None),
            Kind::Full(data) => {
                let data = mem::take(data);
                self.0 = Kind::Done;
                Frame::data(data)
            }
            Kind::Grpc(data) => {
                let data = mem::take(data);
                self.0 = Kind::GrpcTrailers;
                Frame::data(data)
            }
            Kind::GrpcTrailers => {
                self.0 = Kind::Done;
                Frame::trailers(super::grpc::ok_trailers())
            }
            Kind::Watch(body) => match ready!(body.poll(cx)) {
                Ok(envelope) => Frame::data(envelope),
                Err(error) => {
                    let end = stream::end(body.protocol, &error);
                    // The watch ends here, not when the peer has read its end.
                    self.0 = Kind::Done;
                    end
                }
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Done | Kind::GrpcTrailers => SizeHint::with_exact(0),
            Kind::Full(data) => SizeHint::with_exact(data.len() as u64),
            // Not said, or a server would announce it as `content-length`, and a client such as curl
            // would take the reply for complete before its trailers.
            Kind::Grpc(_) | Kind::Watch(_) => SizeHint::default(),
        }
    }
}

impl WatchBody {
    /// The next envelope, or why there is none any more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, RpcError>> {
        match Pin::new(&mut self.watch).poll_next(cx) {
            Poll::Ready(Some(status)) => {
                return Poll::Ready(Ok(stream::envelope(self.protocol, self.codec, status)));
            }
            Poll::Ready(None) => return Poll::Ready(Err(rpc::closed())),
            Poll::Pending => {}
        }
        let Some((sleep, fault)) = &mut self.end else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(fault.error(Family::Grpc)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Done | Kind::GrpcTrailers => f.write_str("Body(empty)"),
            Kind::Full(data) | Kind::Grpc(data) => write!(f, "Body({} bytes)", data.len()),
            Kind::Watch(body) => write!(f, "Body({:?})", body.watch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_small_and_crosses_threads() {
        fn shared<T: Send + Unpin>() {}
        shared::<Body>();
        assert!(size_of::<Body>() <= 64, "{}", size_of::<Body>());
    }
}
