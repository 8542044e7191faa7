//! Compression of messages: `identity` and `gzip` (wire.md sections 3 and 5).

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header::AsHeaderName};

use super::fault::Fault;

/// Value of every header that says what this server decodes.
pub(super) static SUPPORTED: HeaderValue = HeaderValue::from_static("gzip");

/// How the messages of a request are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// Reads the header that names the request's encoding. Names are lower case; empty is none.
    pub(super) fn of_request(name: Option<&[u8]>) -> Result<Self, Fault> {
        match name {
            None | Some(b"" | b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(_) => Err(Fault::UnknownCompression),
        }
    }

    /// Chooses the reply's encoding from a header that lists what the client takes, in its order.
    /// `None` if there is no such header. A token with a parameter, such as `gzip;q=1`, is skipped.
    pub(super) fn of_reply(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        let mut tokens = values
            .flat_map(|value| value.as_bytes().split(|byte| matches!(byte, b',' | b' ' | b'\t')));
        let choice = tokens.find_map(|token| match token {
            b"gzip" => Some(Self::Gzip),
            b"identity" => Some(Self::Identity),
            _ => None,
        });
        Some(choice.unwrap_or(Self::Identity))
    }

    /// Decodes one message, of which at most `max` bytes and one more are ever produced.
    pub(super) fn decode(self, message: Bytes, max: usize) -> Result<Bytes, Fault> {
        // Zero-length content is never decompressed: it is the empty message.
        if self == Self::Identity || message.is_empty() {
            return if message.len() > max { Err(Fault::TooLarge) } else { Ok(message) };
        }
        let mut decoded = Vec::new();
        MultiGzDecoder::new(&*message)
            .take(max as u64 + 1)
            .read_to_end(&mut decoded)
            .map_err(|_| Fault::BadCompression)?;
        if decoded.len() > max { Err(Fault::TooLarge) } else { Ok(decoded.into()) }
    }
}

/// Compresses one message of a reply.
pub(super) fn gzip(message: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail; if it did, the empty rest would be seen in no test.
    match encoder.write_all(message).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed.into(),
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT_ENCODING;

    #[test]
    fn request_encodings_are_lower_case_names() {
        let table: [(Option<&[u8]>, _); 7] = [
            (None, Ok(Encoding::Identity)),
            (Some(b""), Ok(Encoding::Identity)),
            (Some(b"identity"), Ok(Encoding::Identity)),
            (Some(b"gzip"), Ok(Encoding::Gzip)),
            (Some(b"GZIP"), Err(Fault::UnknownCompression)),
            (Some(b"snappy"), Err(Fault::UnknownCompression)),
            (Some(b"gzip, gzip"), Err(Fault::UnknownCompression)),
        ];
        for (name, expected) in table {
            assert_eq!(Encoding::of_request(name), expected, "{name:?}");
        }
    }

    #[test]
    fn the_order_of_the_clients_list_decides() {
        let table: [(&[&str], _); 11] = [
            (&[], None),
            (&[""], Some(Encoding::Identity)),
            (&["gzip"], Some(Encoding::Gzip)),
            (&["br, gzip"], Some(Encoding::Gzip)),
            (&["br gzip"], Some(Encoding::Gzip)),
            (&["deflate,gzip,identity"], Some(Encoding::Gzip)),
            (&["identity, deflate, gzip"], Some(Encoding::Identity)),
            (&["br", "gzip"], Some(Encoding::Gzip)),
            (&["gzip;q=1.0"], Some(Encoding::Identity)),
            (&["*"], Some(Encoding::Identity)),
            (&["GZIP"], Some(Encoding::Identity)),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(Encoding::of_reply(&headers, ACCEPT_ENCODING), expected, "{values:?}");
        }
    }

    #[test]
    fn decoding_stops_one_byte_past_the_limit() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 16 << 10, "{}", bomb.len());
        assert_eq!(Encoding::Gzip.decode(bomb, 1024), Err(Fault::TooLarge));
        let exact = gzip(&[7; 1024]);
        assert_eq!(Encoding::Gzip.decode(exact.clone(), 1024).unwrap().len(), 1024);
        assert_eq!(Encoding::Gzip.decode(exact, 1023), Err(Fault::TooLarge));
        assert_eq!(Encoding::Identity.decode(Bytes::from_static(b"ab"), 1), Err(Fault::TooLarge));
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        let mut cut = gzip(b"service").to_vec();
        cut.pop();
        let mut flipped = gzip(b"service").to_vec();
        let checksum = flipped.len() - 8;
        flipped[checksum] ^= 1;
        let mut trailing = gzip(b"service").to_vec();
        trailing.push(b'x');
        for bytes in [b"plain".to_vec(), cut, flipped, trailing] {
            let decoded = Encoding::Gzip.decode(bytes.clone().into(), 1024);
            assert_eq!(decoded, Err(Fault::BadCompression), "{bytes:?}");
        }
        assert_eq!(Encoding::Gzip.decode(Bytes::new(), 1024), Ok(Bytes::new()));
    }
}
