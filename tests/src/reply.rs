//! What came back over the connection, as it came.

use std::fmt;
use std::time::Duration;

use crate::vector::HttpVersion;

/// Header fields in the order they came, names in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// The value of a field; several fields of one name are one list, as RFC 9110 §5.3 says.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value))
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "      {name}: {}", value.escape_ascii())?;
        }
        Ok(())
    }
}

/// The status line and header fields of a reply.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    /// The stream ended with this block: END_STREAM on HTTP/2, no body at all on HTTP/1.1.
    pub(crate) ends_stream: bool,
}

/// How a reply ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// As its protocol says: END_STREAM, the last chunk, the full `content-length`.
    Clean,
    /// It was still open after the time in which nothing more may come.
    Open,
    /// It was still open when time was up.
    TimedOut,
    /// Reset, cut off, or not the protocol at all.
    Broken(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("ended"),
            Self::Open => f.write_str("still open"),
            Self::TimedOut => f.write_str("still open when time was up"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) version: HttpVersion,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// When each piece of the body came, counted from the request, and how long it was.
    pub(crate) arrivals: Vec<(Duration, usize)>,
    pub(crate) trailers: Option<Fields>,
    pub(crate) end: End,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    came: {} {}, {}", self.version, self.head.status, self.end)?;
        write!(f, "{}", self.head.headers)?;
        write!(f, "    body: {} bytes", self.body.len())?;
        for (at, length) in &self.arrivals {
            write!(f, ", {length} after {} ms", at.as_millis())?;
        }
        writeln!(f)?;
        if !self.body.is_empty() {
            let shown = self.body.get(..SHOWN).unwrap_or(&self.body);
            write!(f, "      hex ")?;
            for byte in shown {
                write!(f, "{byte:02x}")?;
            }
            writeln!(f, "\n      text {}", shown.escape_ascii())?;
        }
        match &self.trailers {
            Some(trailers) => write!(f, "    trailers:\n{trailers}"),
            None => writeln!(f, "    no trailers"),
        }
    }
}

/// Bytes of a body that a failure shows; enough for every message of the vectors but a full List.
const SHOWN: usize = 512;
