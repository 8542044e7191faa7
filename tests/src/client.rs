//! Raw connections: one request each, and the reply piece by piece, with nothing smoothed over.

mod http1;
mod http2;

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

pub(crate) use self::http1::serialize as serialize_http1;
pub(crate) use self::http2::connect as connect_http2;
use crate::reply::{Fields, Head};
use crate::vector::{HttpVersion, Request};

/// A connection with one request under way.
#[derive(Debug)]
pub(crate) enum Call {
    Http1(http1::Call),
    Http2(http2::Call),
}

/// What comes after the head of a reply.
#[derive(Debug)]
pub(crate) enum Piece {
    Body(Bytes),
    Trailers(Fields),
    End,
}

impl Call {
    /// Connects and sends `request` exactly as given.
    ///
    /// # Errors
    ///
    /// If there is no connection, or `request` cannot be said in this version of HTTP.
    pub(crate) async fn start(
        version: HttpVersion,
        address: SocketAddr,
        request: &Request,
    ) -> io::Result<Self> {
        Ok(match version {
            HttpVersion::Http1 => Self::Http1(http1::Call::start(address, request).await?),
            HttpVersion::Http2 => Self::Http2(http2::Call::start(address, request).await?),
        })
    }

    /// Waits for the status and the header fields.
    ///
    /// # Errors
    ///
    /// If the server answers otherwise than its protocol says, or not at all.
    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        match self {
            Self::Http1(call) => call.head().await,
            Self::Http2(call) => call.head().await,
        }
    }

    /// Waits for the next piece; after [`Piece::End`] there is none.
    ///
    /// # Errors
    ///
    /// If the reply is cut off or reset.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn piece(&mut self) -> io::Result<Piece> {
        match self {
            Self::Http1(call) => call.piece().await,
            Self::Http2(call) => call.piece().await,
        }
    }
}

/// An error that says what is wrong with a reply.
fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
