//! Envelopes: the five-byte prefix of gRPC, gRPC-Web and Connect streams (wire.md sections 3, 4, 7).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::fault::Fault;

/// Length of the prefix: one byte of flags, four of length, big-endian.
pub(super) const PREFIX: usize = 5;

/// The payload is compressed.
const COMPRESSED: u8 = 0b0000_0001;

/// Flags of the frame that ends a Connect stream.
pub(super) const END_STREAM: u8 = 0b0000_0010;

/// Flags of the frame that carries gRPC-Web's trailers.
pub(super) const TRAILERS: u8 = 0b1000_0000;

/// Puts `payload` into an envelope.
pub(super) fn seal(flags: u8, payload: &[u8]) -> Bytes {
    let mut envelope = BytesMut::with_capacity(PREFIX + payload.len());
    envelope.put_u8(flags);
    // What this server sends is far below 4 GiB: List is bounded.
    envelope.put_u32(payload.len() as u32);
    envelope.put_slice(payload);
    envelope.freeze()
}

/// The same for a payload that is compressed.
pub(super) fn seal_compressed(payload: &[u8]) -> Bytes {
    seal(COMPRESSED, payload)
}

/// One message as it came.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) compressed: bool,
    pub(super) payload: Bytes,
}

/// Reads the one message of a request from pieces of any size, keeping at most that message.
///
/// ```text
/// prefix -> payload -> (prefix -> payload thrown away)* -> end
/// ```
///
/// A message too large is refused by its prefix, before anything is kept of it. A frame whose flags
/// are `ignored` (the trailers of gRPC-Web, the end of a Connect stream) is no message, compressed or not.
#[derive(Debug)]
pub(super) struct Reader {
    max_message: usize,
    ignored: Option<u8>,
    prefix: [u8; PREFIX],
    prefix_len: usize,
    state: State,
    message: Option<Message>,
}

#[derive(Debug)]
enum State {
    /// Reading a prefix.
    Prefix,
    /// Reading the payload of the message.
    Payload { compressed: bool, kept: BytesMut, missing: usize },
    /// Throwing away the payload of a frame that is not wanted: one that is no message, or a second
    /// message, which is judged when it is whole; until then it is a partial frame.
    Skip { missing: usize, second: bool },
}

impl Reader {
    pub(super) fn new(max_message: usize, ignored: Option<u8>) -> Self {
        let (prefix, state) = ([0; PREFIX], State::Prefix);
        Self { max_message, ignored, prefix, prefix_len: 0, state, message: None }
    }

    pub(super) fn push(&mut self, mut data: Bytes) -> Result<(), Fault> {
        while data.has_remaining() {
            match &mut self.state {
                State::Prefix => self.push_prefix(&mut data)?,
                State::Payload { compressed, kept, missing } => {
                    let compressed = *compressed;
                    if kept.is_empty() && data.len() >= *missing {
                        // The message came in one piece, as it nearly always does: nothing to copy.
                        let payload = data.split_to(*missing);
                        self.finish_message(Message { compressed, payload });
                        continue;
                    }
                    let taken = data.split_to(data.len().min(*missing));
                    *missing -= taken.len();
                    kept.extend_from_slice(&taken);
                    if *missing == 0 {
                        let payload = kept.split().freeze();
                        self.finish_message(Message { compressed, payload });
                    }
                }
                State::Skip { missing, second } => {
                    let second = *second;
                    let taken = data.len().min(*missing);
                    data.advance(taken);
                    let missing = *missing - taken;
                    self.skip(missing, second)?;
                }
            }
        }
        Ok(())
    }

    /// The message, once the body has ended.
    pub(super) fn finish(&mut self) -> Result<Message, Fault> {
        if self.prefix_len > 0 || !matches!(self.state, State::Prefix) {
            return Err(Fault::Truncated);
        }
        self.message.take().ok_or(Fault::NoMessage)
    }

    fn push_prefix(&mut self, data: &mut Bytes) -> Result<(), Fault> {
        if let (0, Some(prefix)) = (self.prefix_len, data.first_chunk()) {
            // In one piece, as it nearly always comes.
            self.prefix = *prefix;
            data.advance(PREFIX);
        } else {
            let wanted = self.prefix.get_mut(self.prefix_len..).unwrap_or_default();
            let taken = wanted.len().min(data.len());
            data.copy_to_slice(wanted.get_mut(..taken).unwrap_or_default());
            self.prefix_len += taken;
            if self.prefix_len < PREFIX {
                return Ok(());
            }
            self.prefix_len = 0;
        }
        let [flags, length @ ..] = self.prefix;
        let length = u32::from_be_bytes(length) as usize;
        if self.ignored == Some(flags & !COMPRESSED) {
            return self.skip(length, false);
        }
        if flags & !COMPRESSED != 0 {
            return Err(Fault::ReservedFlags);
        }
        if self.message.is_some() {
            return self.skip(length, true);
        }
        if length > self.max_message {
            return Err(Fault::TooLarge);
        }
        let compressed = flags & COMPRESSED != 0;
        if length == 0 {
            self.finish_message(Message { compressed, payload: Bytes::new() });
        } else {
            self.state = State::Payload { compressed, kept: BytesMut::new(), missing: length };
        }
        Ok(())
    }

    fn skip(&mut self, missing: usize, second: bool) -> Result<(), Fault> {
        self.state = match (missing, second) {
            (0, false) => State::Prefix,
            (0, true) => return Err(Fault::SecondMessage),
            (missing, second) => State::Skip { missing, second },
        };
        Ok(())
    }

    fn finish_message(&mut self, message: Message) {
        self.message = Some(message);
        self.state = State::Prefix;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 8;

    fn read_in_pieces(body: &[u8], ignored: Option<u8>, piece: usize) -> Result<Message, Fault> {
        let mut reader = Reader::new(MAX, ignored);
        for piece in body.chunks(piece) {
            reader.push(Bytes::copy_from_slice(piece))?;
        }
        reader.finish()
    }

    fn message(compressed: bool, payload: &'static [u8]) -> Result<Message, Fault> {
        Ok(Message { compressed, payload: Bytes::from_static(payload) })
    }

    #[test]
    fn the_outcome_does_not_depend_on_how_the_body_was_cut() {
        let web = Some(TRAILERS);
        let connect = Some(END_STREAM);
        type Row = (&'static [u8], Option<u8>, Result<Message, Fault>);
        let table: &[Row] = &[
            (b"\0\0\0\0\x03abc", None, message(false, b"abc")),
            (b"\0\0\0\0\0", None, message(false, b"")),
            (b"\x01\0\0\0\x01z", None, message(true, b"z")),
            (b"\x01\0\0\0\0", None, message(true, b"")),
            (b"\0\0\0\0\x0812345678", None, message(false, b"12345678")),
            (b"", None, Err(Fault::NoMessage)),
            (b"\0", None, Err(Fault::Truncated)),
            (b"\0\0\0\0", None, Err(Fault::Truncated)),
            (b"\0\0\0\0\x03ab", None, Err(Fault::Truncated)),
            (b"\0\0\0\0\x01a\0", None, Err(Fault::Truncated)),
            (b"\0\0\0\0\x01a\0\0\0\0\x02a", None, Err(Fault::Truncated)),
            (b"\0\0\0\0\x09", None, Err(Fault::TooLarge)),
            (b"\0\xff\xff\xff\xff", None, Err(Fault::TooLarge)),
            (b"\0\0\0\0\0\0\0\0\0\0", None, Err(Fault::SecondMessage)),
            (b"\0\0\0\0\x01a\0\0\0\0\x01b", None, Err(Fault::SecondMessage)),
            (b"\0\0\0\0\x01a\0\0\0\0\x0a0123456789", None, Err(Fault::SecondMessage)),
            (b"\x02\0\0\0\x01a", None, Err(Fault::ReservedFlags)),
            (b"\x80\0\0\0\x01a", None, Err(Fault::ReservedFlags)),
            (b"\0\0\0\0\x01a\x04\0\0\0\0", None, Err(Fault::ReservedFlags)),
            // A frame that is no message counts for nothing, before the message and after it.
            (b"\0\0\0\0\x01a\x80\0\0\0\x03k:v", web, message(false, b"a")),
            (b"\x80\0\0\0\0\0\0\0\0\x01a", web, message(false, b"a")),
            (b"\x80\0\0\0\0", web, Err(Fault::NoMessage)),
            (b"\0\0\0\0\x01a\x80\0\0\0\x03k:", web, Err(Fault::Truncated)),
            (b"\x02\0\0\0\x02{}", connect, Err(Fault::NoMessage)),
            (b"\x03\0\0\0\x02{}", connect, Err(Fault::NoMessage)),
            (b"\0\0\0\0\x01a\x81\0\0\0\x03k:v", web, message(false, b"a")),
            (b"\x06\0\0\0\x02{}", connect, Err(Fault::ReservedFlags)),
        ];
        for (body, ignored, expected) in table {
            for piece in 1..=body.len().max(1) {
                let outcome = read_in_pieces(body, *ignored, piece);
                assert_eq!(&outcome, expected, "{body:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn seals() {
        assert_eq!(&seal(0, b"ab")[..], b"\0\0\0\0\x02ab");
        assert_eq!(&seal(END_STREAM, b"")[..], b"\x02\0\0\0\0");
        assert_eq!(&seal_compressed(b"z")[..], b"\x01\0\0\0\x01z");
    }
}
