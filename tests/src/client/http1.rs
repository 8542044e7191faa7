//! HTTP/1.1 over a bare TCP stream: what the server wrote, byte by byte, and no more tolerance than
//! RFC 9112 asks for.

use std::io;
use std::net::SocketAddr;
use std::str;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinHandle;

use super::{Piece, broken};
use crate::reply::{Fields, Head};
use crate::vector::Request;

/// The longest head or chunk-size line that is read.
const MAX_HEAD: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Call {
    reader: OwnedReadHalf,
    /// Read, but not yet taken.
    buffer: BytesMut,
    framing: Framing,
    trailers: Option<Fields>,
    /// Reply to HEAD: its header fields tell of a body that does not come.
    is_head: bool,
    /// Writes the request beside the reading, as the reply may come first.
    writer: JoinHandle<()>,
}

/// Where the reader is in the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// A chunk size line comes next.
    ChunkSize,
    /// So many bytes of a chunk are still to come, then CR LF.
    Chunk(u64),
    /// The last chunk was there; lines of trailers come until an empty one.
    Trailers,
    /// The body ends with the connection.
    UntilClose,
    Ended,
}

impl Call {
    pub(super) async fn start(address: SocketAddr, request: &Request) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let bytes = serialize(request, &address.to_string());
        // A server may answer and close before it has read everything; the reply then tells.
        let writer = tokio::spawn(async move {
            let _ = writer.write_all(&bytes).await;
            // Keeps the sending half open: closing it would tell the server that the client left.
            std::future::pending::<()>().await;
        });
        Ok(Self {
            reader,
            buffer: BytesMut::new(),
            framing: Framing::Ended,
            trailers: None,
            is_head: request.method == "HEAD",
            writer,
        })
    }

    pub(super) async fn head(&mut self) -> io::Result<Head> {
        loop {
            let head = parse_head(&self.take_until(b"\r\n\r\n").await?)?;
            // An interim reply says nothing about the final one.
            if !(100..200).contains(&head.status) {
                self.framing = framing(&head, self.is_head)?;
                let ends_stream = matches!(self.framing, Framing::Ended | Framing::Length(0));
                return Ok(Head { ends_stream, ..head });
            }
        }
    }

    pub(super) async fn piece(&mut self) -> io::Result<Piece> {
        loop {
            match self.framing {
                Framing::Ended | Framing::Length(0) => return Ok(Piece::End),
                Framing::Length(left) => {
                    let bytes = self.take_some(left).await?;
                    self.framing = Framing::Length(left - bytes.len() as u64);
                    return Ok(Piece::Body(bytes));
                }
                Framing::UntilClose => {
                    if self.buffer.is_empty() && !self.fill().await? {
                        self.framing = Framing::Ended;
                        return Ok(Piece::End);
                    }
                    return Ok(Piece::Body(self.buffer.split().freeze()));
                }
                Framing::ChunkSize => {
                    let size = parse_chunk_size(&self.take_until(b"\r\n").await?)?;
                    self.framing = if size == 0 { Framing::Trailers } else { Framing::Chunk(size) };
                }
                Framing::Chunk(0) => {
                    if !self.take_until(b"\r\n").await?.is_empty() {
                        return Err(broken("a chunk is longer than its size"));
                    }
                    self.framing = Framing::ChunkSize;
                }
                Framing::Chunk(left) => {
                    let bytes = self.take_some(left).await?;
                    self.framing = Framing::Chunk(left - bytes.len() as u64);
                    return Ok(Piece::Body(bytes));
                }
                Framing::Trailers => {
                    let line = self.take_until(b"\r\n").await?;
                    if line.is_empty() {
                        self.framing = Framing::Ended;
                        return Ok(self.trailers.take().map_or(Piece::End, Piece::Trailers));
                    }
                    parse_field(&line, self.trailers.get_or_insert_default())?;
                }
            }
        }
    }

    /// Takes the bytes before `mark`, and `mark` itself away.
    async fn take_until(&mut self, mark: &[u8]) -> io::Result<Bytes> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                let line = self.buffer.split_to(at).freeze();
                let _ = self.buffer.split_to(mark.len());
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(broken(format!("no end of line in {MAX_HEAD} bytes")));
            }
            if !self.fill().await? {
                return Err(broken(format!(
                    "the connection was closed after {:?}",
                    self.buffer.escape_ascii().to_string()
                )));
            }
        }
    }

    /// Takes what is there, at most `limit` bytes, and at least one.
    async fn take_some(&mut self, limit: u64) -> io::Result<Bytes> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Err(broken(format!("the connection was closed {limit} bytes too early")));
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.reader.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// The request as it goes over the connection.
pub(crate) fn serialize(request: &Request, host: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    if request.header("host").is_none() {
        head.push_str(&format!("host: {host}\r\n"));
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_framing =
        request.claimed_length().or_else(|| request.header("transfer-encoding")).is_some();
    if !has_framing && (request.method == "POST" || !request.body.is_empty()) {
        head.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = bytes.escape_ascii().to_string();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix(b"HTTP/1.1 "))
        .and_then(|rest| rest.split_first_chunk::<3>())
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with(b" "))
        .and_then(|(digits, _)| str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| broken(format!("no HTTP/1.1 status line: {text}")))?;
    let mut headers = Fields::default();
    for line in lines {
        parse_field(line, &mut headers)?;
    }
    Ok(Head { status, headers, ends_stream: false })
}

fn parse_field(line: &[u8], fields: &mut Fields) -> io::Result<()> {
    let bad = || broken(format!("no header field: {:?}", line.escape_ascii().to_string()));
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
    let (name, value) = line.split_at(colon);
    let name = str::from_utf8(name).map_err(|_| bad())?;
    if name.is_empty() || name.contains(|letter: char| letter.is_whitespace()) {
        return Err(bad());
    }
    fields.push(name, value.get(1..).unwrap_or_default().trim_ascii());
    Ok(())
}

fn parse_chunk_size(line: &[u8]) -> io::Result<u64> {
    let text = str::from_utf8(line).unwrap_or_default();
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| broken(format!("no chunk size: {text:?}")))
}

/// RFC 9112 §6.3: how long the body of this reply is.
fn framing(head: &Head, is_head: bool) -> io::Result<Framing> {
    if is_head || matches!(head.status, 204 | 304) {
        return Ok(Framing::Ended);
    }
    let length = head.headers.value("content-length");
    match (head.headers.value("transfer-encoding").as_deref(), length) {
        (Some("chunked"), None) => Ok(Framing::ChunkSize),
        (Some(coding), length) => {
            Err(broken(format!("transfer-encoding {coding:?} with content-length {length:?}")))
        }
        (None, Some(length)) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| broken(format!("content-length {length:?} is no number"))),
        (None, None) => Ok(Framing::UntilClose),
    }
}

#[cfg(test)]
mod tests;
