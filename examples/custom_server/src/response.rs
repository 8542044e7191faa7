//! Writes the answer to an HTTP/1.1 request (RFC 9112).

use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, ErrorKind, Write},
    net::TcpStream,
    pin::{Pin, pin},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING},
    response::Parts,
};
use http_body::Body;

use crate::{
    block_on::{block_on, block_on_for},
    request::Head,
};

/// How long a peer that left an idle stream may go unnoticed.
const PEER_CHECK: Duration = Duration::from_secs(1);

/// What the request says about the form of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// HEAD: the answer without its body.
    head_only: bool,
    /// HTTP/1.1: a body of unknown length can be sent in chunks.
    takes_chunks: bool,
    /// Another request may follow.
    pub(crate) keep_alive: bool,
}

impl Asked {
    pub(crate) fn by(head: &Head) -> Self {
        Self {
            head_only: head.request.method() == Method::HEAD,
            takes_chunks: head.request.version() == Version::HTTP_11,
            keep_alive: head.keep_alive,
        }
    }
}

/// Writes `response`; says whether another request may follow.
pub(crate) fn write<B>(stream: &TcpStream, asked: Asked, response: Response<B>) -> io::Result<bool>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    let (mut parts, mut body) = response.into_parts();
    let length = body.size_hint().exact();
    let chunked = length.is_none() && asked.takes_chunks;
    let closes = parts.headers.get(CONNECTION).is_some_and(|value| value == "close");
    let keep_alive = asked.keep_alive && !closes && (length.is_some() || chunked);
    complete(&mut parts, length, chunked, keep_alive);

    let mut out = head(&parts);
    if asked.head_only || parts.status == StatusCode::NO_CONTENT {
        write_all(stream, &out)?;
    } else if length.is_some() {
        // Head and body in one write: one packet, and no wait for its acknowledgement in between.
        while let Some(data) = block_on(next(&mut body)) {
            out.extend_from_slice(&data);
        }
        write_all(stream, &out)?;
    } else {
        write_all(stream, &out)?;
        write_stream(stream, body, chunked)?;
    }
    Ok(keep_alive)
}

/// Refuses what could not be read as a request; nothing can follow.
pub(crate) fn refuse(mut stream: &TcpStream, status: StatusCode) -> io::Result<()> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let response = format!(
        "HTTP/1.1 {status}\r\ndate: {date}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(response.as_bytes())
}

/// Writes every frame as soon as it is there.
fn write_stream<B>(stream: &TcpStream, mut body: B, chunked: bool) -> io::Result<()>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    loop {
        match block_on_for(pin!(next(&mut body)), PEER_CHECK) {
            // An empty chunk would end the body.
            Some(Some(data)) if data.is_empty() => {}
            Some(Some(data)) if chunked => {
                let size = format!("{:x}\r\n", data.len());
                write_all(stream, &[size.as_bytes(), &data, b"\r\n"].concat())?;
            }
            Some(Some(data)) => write_all(stream, &data)?,
            Some(None) if chunked => return write_all(stream, b"0\r\n\r\n"),
            Some(None) => return Ok(()),
            // Nothing to write, so no write can tell that nobody is there to read it.
            None if listens(stream)? => {}
            None => return Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

async fn next<B>(body: &mut B) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    loop {
        let Ok(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        // Anything but data is trailers, which are gRPC's, and gRPC needs HTTP/2.
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}

/// Whether the peer is still there and has nothing to say: it closed, or asks on without waiting for
/// the end of the stream, as soon as there is something to read.
fn listens(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
}

/// Adds the headers that are the connection's affair.
fn complete(parts: &mut Parts, length: Option<u64>, chunked: bool, keep_alive: bool) {
    let headers = &mut parts.headers;
    if chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if let Some(length) = length
        && parts.status != StatusCode::NO_CONTENT
    {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    if !keep_alive {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
        headers.insert(DATE, date);
    }
}

fn head(parts: &Parts) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn write_all(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}
