//! Errors, each with the party to blame: the peer ([`RpcError`]) or a limit that the operator set
//! ([`TooManyWatchers`]).

use std::{borrow::Cow, error::Error, fmt};

use crate::Code;

/// The failure of one call, as the peer gets to see it.
///
/// The message is a fixed text for each cause and never repeats what the peer sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcError {
    code: Code,
    message: Cow<'static, str>,
}

impl RpcError {
    pub(crate) const fn new(code: Code, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    #[cfg(feature = "http")]
    pub(crate) const fn with_message(code: Code, message: String) -> Self {
        Self { code, message: Cow::Owned(message) }
    }

    /// The gRPC status code; never [`Code::Ok`].
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The text that goes to the peer.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for RpcError {}

/// As many Watch streams are open as [`RegistryBuilder::max_watchers`] allows.
///
/// [`RegistryBuilder::max_watchers`]: crate::RegistryBuilder::max_watchers
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooManyWatchers {
    limit: usize,
}

impl TooManyWatchers {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl fmt::Display for TooManyWatchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} watch streams are in use", self.limit)
    }
}

impl Error for TooManyWatchers {}

impl From<TooManyWatchers> for RpcError {
    fn from(_: TooManyWatchers) -> Self {
        Self::new(Code::ResourceExhausted, "too many open watch streams")
    }
}
