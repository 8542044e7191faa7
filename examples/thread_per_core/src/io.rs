//! A connection that ends when its peer has left, whether or not anybody reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use compio::time::sleep;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// A stream that is read ahead of hyper.
///
/// While an HTTP/1 answer is under way, hyper does not read on once it has bytes that it cannot use
/// yet. It would not see its peer leave, and a Watch of a service that never changes would stay for
/// ever.
pub(crate) struct Attentive<I> {
    io: I,
    /// Read, but not by hyper yet.
    ahead: Vec<u8>,
    is_over: bool,
    /// Runs while nothing more can be read: the peer has left, or sends what nobody wants.
    patience: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<I: Read + Unpin> Attentive<I> {
    pub(crate) const fn new(io: I) -> Self {
        Self { io, ahead: Vec::new(), is_over: false, patience: None }
    }

    /// Reads ahead, until that has been in vain for a second.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while !self.is_over && self.ahead.len() < MOST_AHEAD {
            let mut bytes = [0; 1024];
            let mut bytes = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, bytes.unfilled()));
            if let Err(error) = read {
                return Poll::Ready(error);
            }
            self.is_over = bytes.filled().is_empty();
            self.ahead.extend_from_slice(bytes.filled());
            // hyper may have found nothing to read just before.
            cx.waker().wake_by_ref();
        }
        let second = || Box::pin(sleep(Duration::from_secs(1))) as _;
        ready!(self.patience.get_or_insert_with(second).as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::ConnectionAborted.into())
    }
}

impl<I: Read + Unpin> Read for Attentive<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() && !self.is_over {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let wanted = buf.remaining().min(self.ahead.len());
        let rest = self.ahead.split_off(wanted);
        buf.put_slice(&self.ahead);
        self.ahead = rest;
        if !self.is_over {
            self.patience = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Read + Write + Unpin> Write for Attentive<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    /// hyper flushes whenever it is woken.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        match self.poll_ahead(cx) {
            Poll::Ready(left) => Poll::Ready(Err(left)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Bytes. More than a request of health has, with the next one behind it.
const MOST_AHEAD: usize = 32 * 1024;
