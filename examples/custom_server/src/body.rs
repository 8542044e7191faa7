//! The body of a request, read from the socket while the health service asks for it.

use std::{
    io::{self, Write},
    net::TcpStream,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use httparse::Status;

use crate::{
    input::{Input, InputError},
    request::{Head, Length},
};

/// A body that reads as it is polled: the thread belongs to this connection, so it may block.
///
/// How much is read, and what a body that is too long is answered, is left to the health service.
#[derive(Debug)]
pub(crate) struct RequestBody<'i, 's> {
    input: &'i mut Input<'s>,
    left: Left,
    /// Where "100 Continue" is still to be written to.
    waiting: Option<&'s TcpStream>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Left {
    /// So many bytes, then the end.
    Bytes(u64),
    /// So many bytes of a chunk, then the next chunk.
    Chunk(u64),
    /// The size line of a chunk.
    ChunkSize,
    Nothing,
}

impl<'i, 's> RequestBody<'i, 's> {
    pub(crate) fn new(head: &Head, input: &'i mut Input<'s>, stream: &'s TcpStream) -> Self {
        let left = match head.length {
            Length::Known(0) => Left::Nothing,
            Length::Known(length) => Left::Bytes(length),
            Length::Chunked => Left::ChunkSize,
        };
        let waiting = (head.expects_continue && left != Left::Nothing).then_some(stream);
        Self { input, left, waiting }
    }

    /// Whether the body was read to its end, so that the next request follows on the connection.
    pub(crate) fn is_read(&self) -> bool {
        self.left == Left::Nothing
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(mut stream) = self.waiting.take() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        loop {
            match self.left {
                Left::Nothing => return Ok(None),
                Left::Bytes(length) => {
                    let bytes = self.input.take_bytes(length)?;
                    let left = length.saturating_sub(bytes.len() as u64);
                    self.left = if left == 0 { Left::Nothing } else { Left::Bytes(left) };
                    return Ok(Some(bytes));
                }
                Left::Chunk(0) => {
                    self.input.take(line_end)?;
                    self.left = Left::ChunkSize;
                }
                Left::Chunk(length) => {
                    let bytes = self.input.take_bytes(length)?;
                    self.left = Left::Chunk(length.saturating_sub(bytes.len() as u64));
                    return Ok(Some(bytes));
                }
                Left::ChunkSize => match self.input.take(chunk_size)? {
                    0 => {
                        self.input.take(trailers)?;
                        self.left = Left::Nothing;
                    }
                    length => self.left = Left::Chunk(length),
                },
            }
        }
    }
}

impl Body for RequestBody<'_, '_> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.next().map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.is_read()
    }
}

fn chunk_size(arrived: &[u8]) -> Result<Option<(usize, u64)>, InputError> {
    match httparse::parse_chunk_size(arrived) {
        Ok(Status::Complete(found)) => Ok(Some(found)),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(MALFORMED),
    }
}

/// Trailers mean nothing here; they only have to be read over.
fn trailers(arrived: &[u8]) -> Result<Option<(usize, ())>, InputError> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    match httparse::parse_headers(arrived, &mut headers) {
        Ok(Status::Complete((length, _))) => Ok(Some((length, ()))),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(MALFORMED),
    }
}

fn line_end(arrived: &[u8]) -> Result<Option<(usize, ())>, InputError> {
    match arrived {
        [b'\r', b'\n', ..] => Ok(Some((2, ()))),
        [] | [b'\r'] => Ok(None),
        _ => Err(MALFORMED),
    }
}

const MALFORMED: InputError = InputError::Refused(StatusCode::BAD_REQUEST);
