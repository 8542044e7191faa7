//! The token: what may be one, and whether a request carries it.

use std::{error::Error, fmt};

use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The token that requests must carry; its digest is all that is kept.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(token: &str) -> Result<Self, TokenError> {
        if token.len() < MIN_LENGTH {
            return Err(TokenError(Kind::Short(token.len())));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError(Kind::Character));
        }
        Ok(Self(digest(token.as_bytes())))
    }

    /// Whether `headers` carry it.
    ///
    /// Digests are compared, and in constant time, so that how long this takes tells nothing of the
    /// token: neither how much of it was guessed nor its length. A request without a token takes the
    /// same way.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let presented = bearer(headers).unwrap_or_default();
        digest(presented).ct_eq(&self.0).into()
    }
}

/// The token of a request that carries one, in one header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    // RFC 9110 section 11.1: the scheme is case-insensitive, and spaces follow it.
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A token that [`AdminService`](crate::AdminService) does not take. The text says how to make one, and
/// does not repeat it.
///
/// ```
/// use health_admin::AdminService;
/// use health_core::Registry;
/// use health_tokio::TokioTimer;
///
/// let error = AdminService::new(&Registry::new(), TokioTimer::shared(), "secret").unwrap_err();
/// assert!(error.is_short());
/// assert_eq!(
///     error.to_string(),
///     "the admin token has 6 bytes; it must have at least 16: make one with `openssl rand -base64 32`"
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenError(Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Character,
    Short(usize),
}

impl TokenError {
    /// Whether it is too short to be a secret.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        matches!(self.0, Kind::Short(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Character => f.write_str(
                "the admin token has a character that no header carries, such as a line break at its \
                 end; it must be visible ASCII: make one with `openssl rand -base64 32`",
            ),
            Kind::Short(length) => write!(
                f,
                "the admin token has {length} bytes; it must have at least {MIN_LENGTH}: make one with \
                 `openssl rand -base64 32`"
            ),
        }
    }
}

impl Error for TokenError {}

const SCHEME: &[u8] = b"bearer ";

/// Bytes: 128 bits if each of them were random, which nobody guesses over a network.
const MIN_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn only_what_a_header_carries_and_nobody_guesses_is_a_token() {
        for token in ["", "x", "0123456789abcde"] {
            assert!(Token::new(token).is_err_and(|error| error.is_short()), "{token:?}");
        }
        for token in
            ["0123456789abcdef\n", "0123456789 abcdef", "0123456789abcdeé", "\x7f0123456789abcdef"]
        {
            let error = Token::new(token).err().unwrap();
            assert!(!error.is_short(), "{token:?}");
            assert!(error.to_string().contains("openssl rand"), "{error}");
        }
        for token in [TOKEN, "kTgqLS6h5ErXqvZx/A+vIKUfEbhcRc2UGlmsBBiVwlE="] {
            assert!(Token::new(token).is_ok(), "{token:?}");
        }
    }

    #[test]
    fn a_request_carries_the_token_in_one_header_as_a_bearer() {
        let token = Token::new(TOKEN).unwrap();
        let table: &[(&[&[u8]], bool)] = &[
            (&[b"Bearer 0123456789abcdef"], true),
            (&[b"bearer 0123456789abcdef"], true),
            (&[b"BEARER   0123456789abcdef"], true),
            (&[], false),
            (&[b""], false),
            (&[b"Bearer"], false),
            (&[b"Bearer "], false),
            (&[b"Bearer 0123456789abcdeX"], false),
            (&[b"Bearer 0123456789abcde"], false),
            (&[b"Bearer 0123456789abcdef0"], false),
            (&[b"Bearer 0123456789ABCDEF"], false),
            (&[b"Bearer0123456789abcdef"], false),
            (&[b"0123456789abcdef"], false),
            (&[b"Basic 0123456789abcdef"], false),
            (&[b"Bearer \xff\xfe"], false),
            (&[b"Bearer 0123456789abcdef", b"Bearer 0123456789abcdef"], false),
            (&[b"Basic x", b"Bearer 0123456789abcdef"], false),
        ];
        for (values, admitted) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(token.admits(&headers), *admitted, "{headers:?}");
        }
    }
}
