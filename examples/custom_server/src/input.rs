//! What a connection has to read: bytes, as long as their time lasts.

use std::{
    io::{self, ErrorKind, Read},
    net::TcpStream,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use http::StatusCode;

/// What is parsed in one piece (a head, a chunk's size line, the trailers) may be this long.
const MAX_PIECE: usize = 16 * 1024;

const READ: usize = 8 * 1024;

/// The bytes that arrive on a connection, and those that arrived and are not taken yet.
#[derive(Debug)]
pub(crate) struct Input<'s> {
    stream: &'s TcpStream,
    arrived: BytesMut,
    deadline: Instant,
}

/// Why there is nothing more to read.
#[derive(Debug)]
pub(crate) enum InputError {
    /// The connection is gone, or its time is up: there is nobody to answer.
    Lost(io::Error),
    /// What arrived cannot be served; the peer is told so with this status.
    Refused(StatusCode),
}

impl<'s> Input<'s> {
    pub(crate) fn new(stream: &'s TcpStream) -> Self {
        Self { stream, arrived: BytesMut::new(), deadline: Instant::now() }
    }

    /// Sets the instant after which nothing more is waited for.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Takes what `parse` finds at the front, together with its length; reads on while it finds
    /// `None`.
    pub(crate) fn take<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Option<(usize, T)>, InputError>,
    ) -> Result<T, InputError> {
        loop {
            if let Some((length, value)) = parse(&self.arrived)? {
                drop(self.arrived.split_to(length));
                return Ok(value);
            }
            if self.arrived.len() >= MAX_PIECE {
                return Err(InputError::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            self.read()?;
        }
    }

    /// Takes at least one byte and at most `limit`.
    pub(crate) fn take_bytes(&mut self, limit: u64) -> io::Result<Bytes> {
        if self.arrived.is_empty() {
            self.read()?;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.arrived.split_to(limit.min(self.arrived.len())).freeze())
    }

    /// Reads on, only to throw it away, until the peer closes or the deadline passes.
    pub(crate) fn discard_until(&mut self, deadline: Instant) {
        self.set_deadline(deadline);
        while self.take_bytes(u64::MAX).is_ok() {}
    }

    fn read(&mut self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut piece = [0; READ];
        let length = self.stream.read(&mut piece)?;
        match piece.get(..length) {
            Some(read) if length > 0 => self.arrived.extend_from_slice(read),
            _ => return Err(ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Lost(error) => error,
            InputError::Refused(status) => Self::new(ErrorKind::InvalidData, status.as_str()),
        }
    }
}
