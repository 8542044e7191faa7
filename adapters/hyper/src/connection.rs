//! Connections, from the first byte to the last.
//!
//! hyper drives the protocol. Here is what it leaves to others: a peer that never begins, a watcher that
//! leaves in the middle of an HTTP/1 answer, the stop, and a close that does not cut off the last answer.

use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::{future::pending, future::poll_fn, io, io::Cursor, pin::Pin, pin::pin, time::Duration};

use bytes::BytesMut;
use futures_util::future::{Either, FutureExt, select};
#[cfg(feature = "tls")]
use health_tls::Tls;
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response, body::Body, body::Incoming, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf, copy, join, sink};
use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use tokio::sync::{Semaphore, watch::Receiver, watch::error::RecvError};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::serve::BoxError;

/// What connections are served with.
#[derive(Clone)]
pub(crate) struct Protocols {
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<TokioExecutor>,
    pub(crate) header_limit: Duration,
}

/// How connections begin.
pub(crate) enum Entrance {
    Plaintext,
    #[cfg(feature = "tls")]
    Tls(Tls),
}

/// A connection to come. Each that comes is served by a clone.
#[derive(Clone)]
pub(crate) struct Connection<S> {
    pub(crate) protocols: Protocols,
    pub(crate) service: S,
    /// True once the server stops; closed when what has not finished by then must go.
    pub(crate) stop: Receiver<bool>,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves what connects to `listener`, as many connections at a time as given. Never completes.
    pub(crate) async fn accept(
        self,
        listener: TcpListener,
        entrance: Entrance,
        max_connections: usize,
    ) {
        let slots = Arc::new(Semaphore::new(max_connections));
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await;
            let accepted = listener.accept().await;
            let accepted = accepted.inspect_err(|error| warn!(%error, "cannot accept"));
            let Ok((stream, _)) = accepted else {
                // The way out of most failures, such as too many open files, is that a connection ends.
                sleep(Duration::from_millis(500)).await;
                continue;
            };
            // An answer is small and whole. Not worth refusing a connection for.
            let _ = stream.set_nodelay(true);
            let (connection, free) = (self.clone(), |()| drop(slot));
            match &entrance {
                Entrance::Plaintext => tokio::spawn(connection.serve(stream).map(free)),
                #[cfg(feature = "tls")]
                Entrance::Tls(tls) => {
                    tokio::spawn(connection.serve_tls(tls.clone(), stream).map(free))
                }
            };
        }
    }

    /// Serves `stream` until the peer, a limit or the stop ends it.
    async fn serve(mut self, mut stream: TcpStream) {
        let Some(beginning) = self.begin(&mut stream).await else { return };
        if is_http2(&beginning) {
            // Nothing but hyper reads an HTTP/2 connection: the halves are borrowed, and need no lock.
            let (reader, writer) = stream.split();
            let ended = self.http2(join(beginning.chain(reader), writer)).await;
            self.finish(ended, stream).await;
        } else {
            let (inbound, outbound) = sides(stream);
            let io = join(beginning.chain(inbound.clone()), outbound);
            let ended = self.http1(io, &inbound).await;
            self.finish(ended, inbound).await;
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls(mut self, tls: Tls, stream: TcpStream) {
        let (inbound, outbound) = sides(stream);
        let accepted = tokio::select! {
            accepted = tls.accept(join(inbound.clone(), outbound)) => accepted,
            _ = self.stop.changed() => return,
        };
        let Ok(stream) = accepted else { return };
        let agreed = stream.get_ref().1.alpn_protocol().map(|name| name == b"h2");
        let (mut reader, writer) = tokio::io::split(stream);
        let Some(beginning) = self.begin(&mut reader).await else { return };
        let is_http2 = agreed.unwrap_or_else(|| is_http2(&beginning));
        let io = join(beginning.chain(reader), writer);
        let ended = if is_http2 { self.http2(io).await } else { self.http1(io, &inbound).await };
        self.finish(ended, inbound).await;
    }

    /// The first bytes, which tell the protocol; `None`: they did not come in time.
    async fn begin(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> Option<Beginning> {
        tokio::select! {
            read = timeout(self.protocols.header_limit, beginning(reader)) => read.ok()?.ok(),
            _ = self.stop.changed() => None,
        }
    }

    /// Serves HTTP/2, and says whether the connection ended by itself.
    async fn http2(&mut self, io: impl AsyncRead + AsyncWrite + Unpin) -> bool {
        let (io, service) = (TokioIo::new(io), self.service.clone());
        let connection = Box::pin(self.protocols.http2.serve_connection(io, service));
        let shut_down = http2::Connection::graceful_shutdown;
        drive(connection, shut_down, pending(), &mut self.stop).await
    }

    /// The same for HTTP/1, where `inbound` is what is read of in the end.
    async fn http1<I>(&mut self, io: I, inbound: &Inbound) -> bool
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (io, service) = (TokioIo::new(io), self.service.clone());
        let connection = Box::pin(self.protocols.http1.serve_connection(io, service));
        let shut_down = http1::Connection::graceful_shutdown;
        drive(connection, shut_down, inbound.abandoned(), &mut self.stop).await
    }

    /// Lets go of a connection that has `ended` by itself. To close with bytes unread makes TCP send a reset,
    /// which takes the last answer from a peer that has not read it yet (RFC 9112 §9.6): reads what it still
    /// sends, until it closes in its turn.
    async fn finish(self, ended: bool, mut inbound: impl AsyncRead + Unpin) {
        if ended && !*self.stop.borrow() {
            // No stop waits for this.
            drop(self);
            let _ = timeout(5 * A_SECOND, copy(&mut inbound, &mut sink())).await;
        }
    }
}

/// Runs `connection`, and says whether it ended by itself. Polled at every call that is served, where
/// `select!` costs more than what it chooses between.
async fn drive<C: Future>(
    mut connection: Pin<Box<C>>,
    shut_down: impl Fn(Pin<&mut C>),
    abandoned: impl Future<Output = ()>,
    stop: &mut Receiver<bool>,
) -> bool {
    let mut abandoned = pin!(abandoned);
    loop {
        let over = select(connection.as_mut(), abandoned.as_mut());
        let stopping = match select(over, pin!(changed(stop))).await {
            Either::Left((over, _)) => return matches!(over, Either::Left(_)),
            Either::Right((stopping, _)) => stopping,
        };
        let Ok(()) = stopping else { return false };
        shut_down(connection.as_mut());
    }
}

/// [`Receiver::changed`] for a task that is polled at every call it serves: it asks the channel once, and from
/// then on looks whether anything has changed, which is one load. The task's waker stays the same.
fn changed(stop: &mut Receiver<bool>) -> impl Future<Output = Result<(), RecvError>> {
    let (news, mut changed, mut asked) = (stop.clone(), Box::pin(stop.changed()), false);
    poll_fn(move |cx| match news.has_changed() {
        Ok(false) if replace(&mut asked, true) => Poll::Pending,
        _ => changed.as_mut().poll(cx),
    })
}

fn sides(stream: TcpStream) -> (Inbound, OwnedWriteHalf) {
    let (inbound, outbound) = stream.into_split();
    (Inbound(Arc::new(Mutex::new(inbound))), outbound)
}

/// The receiving side of a connection, shared by hyper and the task of the connection. The lock is never
/// contended: both are in that task.
#[derive(Clone)]
struct Inbound(Arc<Mutex<OwnedReadHalf>>);

impl Inbound {
    fn half(&self) -> MutexGuard<'_, OwnedReadHalf> {
        // A socket stays valid whatever panicked while it was held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the peer has left, a second after its FIN: one that closed only its sending side
    /// still waits for its answer. hyper reads nothing while an HTTP/1 answer is under way, so it would
    /// not see a watcher leave.
    async fn abandoned(&self) {
        let peek = |cx: &mut Context<'_>| self.half().poll_peek(cx, &mut ReadBuf::new(&mut [0]));
        // Bytes are a body or the next request, and hyper will read them: to wait here would spin.
        while poll_fn(peek).await.is_ok_and(|read| read > 0) && !self.is_over() {
            sleep(A_SECOND).await;
        }
        sleep(A_SECOND).await;
    }

    /// Whether the peer's FIN is here, also behind bytes that nobody has read.
    fn is_over(&self) -> bool {
        let ready = self.half().ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl AsyncRead for Inbound {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.half()).poll_read(cx, buf)
    }
}

/// Reads the HTTP/2 preface, or the header block of a first HTTP/1 request.
async fn beginning(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Beginning> {
    let mut seen = BytesMut::with_capacity(READ_AHEAD);
    while is_incomplete(&seen) && reader.read_buf(&mut seen).await? > 0 {}
    Ok(Cursor::new(seen))
}

/// What was read ahead, to be read again.
type Beginning = Cursor<BytesMut>;

fn is_http2(beginning: &Beginning) -> bool {
    beginning.get_ref().starts_with(PREFACE)
}

/// Whether the peer's first bytes leave open what they are. hyper judges a longer header block, and what
/// is no text at all.
fn is_incomplete(seen: &[u8]) -> bool {
    let has = |end: &[u8]| seen.windows(end.len()).any(|bytes| bytes == end);
    let is_text = seen.is_ascii() && seen.len() < READ_AHEAD;
    seen != PREFACE && (PREFACE.starts_with(seen) || (is_text && !has(b"\n\n") && !has(b"\n\r\n")))
}

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes.
const READ_AHEAD: usize = 1024;

const A_SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ahead_ends_where_the_protocol_and_the_first_header_block_are_known() {
        let long = [b'a'; READ_AHEAD];
        let rows: [(&[u8], bool, &str); 14] = [
            (b"", true, "nothing yet"),
            (b"P", true, "PRI, POST, PUT or PATCH"),
            (b"PRI * HTTP/2.0\r\n\r\n", true, "a blank line inside the preface"),
            (PREFACE, false, "the preface"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", false, "and SETTINGS"),
            (b"PRI * HTTP/1.1\r\n", true, "a method of that name"),
            (b"GET / HTTP/1.1\r\nhost: a\r\n", true, "half a header block"),
            (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", false, "a whole one"),
            (b"POST / HTTP/1.1\r\nhost: a\r\n\r\nbody", false, "with its body"),
            (b"GET / HTTP/1.0\n\n", false, "bare line feeds"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01", true, "ASCII so far"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xfb", false, "TLS"),
            (&long[1..], true, "one byte below the limit"),
            (&long, false, "at the limit"),
        ];
        for (seen, incomplete, what) in rows {
            assert_eq!(is_incomplete(seen), incomplete, "{what}");
        }
    }
}
