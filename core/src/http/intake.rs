//! The body of a request, taken in piece by piece: no more of it is kept than one message.

use std::mem;

use bytes::{Bytes, BytesMut};

use super::{
    compression::Encoding,
    envelope::{self, END_STREAM, PREFIX, Reader, TRAILERS},
    fault::Fault,
    grpc_web::TextDecoder,
    protocol::{MediaType, Protocol},
    route::Rpc,
};

/// How a body is read, by protocol.
#[derive(Debug)]
pub(super) struct Intake {
    max_message: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The body is the message.
    Bare(Kept),
    /// The body is envelopes.
    Enveloped(Reader),
    /// The body is base64 of envelopes.
    Text(TextDecoder, Reader),
}

/// A body kept whole. The one piece that most bodies come in is not copied.
#[derive(Debug, Default)]
struct Kept {
    first: Bytes,
    rest: BytesMut,
}

impl Intake {
    pub(super) fn new(media_type: &MediaType, rpc: Rpc, max_message: usize) -> Self {
        let kind = match media_type.protocol {
            Protocol::Grpc => Kind::Enveloped(Reader::new(max_message, None)),
            Protocol::GrpcWeb => Kind::Enveloped(Reader::new(max_message, Some(TRAILERS))),
            Protocol::GrpcWebText => {
                Kind::Text(TextDecoder::default(), Reader::new(max_message, Some(TRAILERS)))
            }
            Protocol::Connect | Protocol::Triple if rpc == Rpc::Watch => {
                Kind::Enveloped(Reader::new(max_message, Some(END_STREAM)))
            }
            Protocol::Connect | Protocol::Triple => Kind::Bare(Kept::default()),
        };
        Self { max_message, kind }
    }

    /// The largest body that can hold a message within the limit.
    pub(super) fn max_body(&self) -> usize {
        match &self.kind {
            Kind::Bare(_) => self.max_message,
            Kind::Enveloped(_) => self.max_message.saturating_add(PREFIX),
            Kind::Text(..) => self.max_message.saturating_add(PREFIX).div_ceil(3).saturating_mul(4),
        }
    }

    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Fault> {
        match &mut self.kind {
            Kind::Bare(kept) => {
                if kept.len() + data.len() > self.max_message {
                    return Err(Fault::TooLarge);
                }
                kept.push(data);
                Ok(())
            }
            Kind::Enveloped(reader) => reader.push(data),
            Kind::Text(decoder, reader) => {
                // What is wrong with the envelope comes first where it came first.
                let (data, outcome) = decoder.decode(&data);
                reader.push(data)?;
                outcome
            }
        }
    }

    /// The message, once the body has ended; `encoding` is what the head said of its compression.
    pub(super) fn finish(&mut self, encoding: Encoding) -> Result<Bytes, Fault> {
        let message = match &mut self.kind {
            Kind::Bare(kept) => return encoding.decode(kept.take(), self.max_message),
            Kind::Enveloped(reader) => reader.finish()?,
            Kind::Text(decoder, reader) => {
                decoder.finish()?;
                reader.finish()?
            }
        };
        let envelope::Message { compressed, payload } = message;
        match (compressed, encoding) {
            (false, _) => Ok(payload),
            (true, Encoding::Gzip) => encoding.decode(payload, self.max_message),
            (true, Encoding::Identity) => Err(Fault::CompressedWithoutEncoding),
        }
    }
}

impl Kept {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.rest.extend_from_slice(&data);
    }

    fn take(&mut self) -> Bytes {
        let (first, rest) = (mem::take(&mut self.first), mem::take(&mut self.rest));
        if rest.is_empty() { first } else { rest.freeze() }
    }
}
