//! `http_get`: whether a GET is answered as it should be.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use health_core::{
    Reason,
    condition::{Condition, Shared},
};
use http::{
    Request, StatusCode, Uri,
    header::USER_AGENT,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};

use crate::InvalidCondition;

/// What an HTTP response must be.
///
/// ```
/// use health_conditions::Expected;
///
/// assert_eq!(Expected::success().to_string(), "2xx");
/// assert_eq!(Expected::status(204).to_string(), "204");
/// assert_eq!(Expected::success().body("\"ok\"").to_string(), "2xx with \"\\\"ok\\\"\" in the body");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "it is what `http_get` expects"]
pub struct Expected {
    /// `None`: any success.
    status: Option<u16>,
    body: Option<Box<str>>,
}

impl Expected {
    /// Any status from 200 to 299.
    pub const fn success() -> Self {
        Self { status: None, body: None }
    }

    /// This status and no other.
    pub const fn status(status: u16) -> Self {
        Self { status: Some(status), body: None }
    }

    /// This text somewhere in the first 64 KiB of the body, which are all that is read of it.
    pub fn body(mut self, contains: impl Into<Box<str>>) -> Self {
        self.body = Some(contains.into());
        self
    }

    fn validate(&self) -> Result<(), InvalidCondition> {
        let text = self.body.as_deref().unwrap_or_default();
        let message = match self.status {
            Some(status) if !(200..=599).contains(&status) => {
                format!("no response ends with status {status}: it must be from 200 to 599")
            }
            // RFC 9110 §6.4.1.
            Some(status @ (204 | 304)) if !text.is_empty() => {
                format!("a response with status {status} has no body: expect no text in it")
            }
            _ if text.len() > MAX_BODY => {
                "only 64 KiB of a body are read: the text must not be longer".to_owned()
            }
            _ => return Ok(()),
        };
        Err(InvalidCondition::new(message))
    }

    fn judge_status(&self, got: StatusCode) -> Result<(), Reason> {
        if self.status.map_or_else(|| got.is_success(), |status| got.as_u16() == status) {
            return Ok(());
        }
        let expected = Self { status: self.status, body: None };
        Err(Reason::new(format!("status {}, expected {expected}", got.as_u16())))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("2xx")?,
        }
        match &self.body {
            Some(text) => write!(f, " with {text:?} in the body"),
            None => Ok(()),
        }
    }
}

/// Passes while a GET of `uri`, over HTTP/1.1 in plaintext, is answered as expected.
///
/// Every evaluation opens a connection of its own, as a new client would. Redirects are not followed: a
/// status of 3xx is the answer.
///
/// # Errors
///
/// If `uri` is no `http://` URI with a host, has a port that nobody can have, or contains a password; if
/// no response can be as expected.
///
/// # Examples
///
/// ```
/// use health_conditions::{Expected, http_get};
///
/// let inventory = http_get("http://inventory.internal/readyz", Expected::success())?;
/// let search = http_get("http://search.internal:9200/_cluster/health", Expected::status(200).body("green"))?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn http_get(
    uri: &str,
    expected: Expected,
) -> Result<Shared<impl Condition + use<>>, InvalidCondition> {
    let uri = parse(uri)?;
    if uri.scheme() != Some(&Scheme::HTTP) {
        let message =
            "only http:// is spoken here: for https:// give http_get_over a connector with TLS";
        return Err(InvalidCondition::new(message));
    }
    condition(HttpConnector::new(), uri, expected)
}

/// As [`http_get`], over connections of `connector`, such as one of `hyper-rustls` for `https://`.
///
/// # Errors
///
/// As [`http_get`], but for the scheme, which is the connector's to judge.
pub fn http_get_over<C>(
    connector: C,
    uri: &str,
    expected: Expected,
) -> Result<Shared<impl Condition + use<C>>, InvalidCondition>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    condition(connector, parse(uri)?, expected)
}

fn parse(uri: &str) -> Result<Uri, InvalidCondition> {
    let uri: Uri = uri.parse().map_err(|error: http::uri::InvalidUri| {
        InvalidCondition::with_source("no URI: write http://host:port/path", error)
    })?;
    let Some(authority) = uri.authority() else {
        return Err(InvalidCondition::new("a URI without a host: write http://host:port/path"));
    };
    if authority.as_str().contains('@') {
        let message = "a URI with a user name: leave it out, it would not be sent";
        return Err(InvalidCondition::new(message));
    }
    if !has_valid_port(authority) {
        return Err(InvalidCondition::port());
    }
    Ok(uri)
}

/// Not by `Authority::port`, which takes a port beyond the range for none: the default would be asked.
fn has_valid_port(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        // RFC 3986 §3.2.3: a port that is left empty is the default one.
        None | Some("" | ":") => true,
        Some(port) => port.trim_start_matches(':').parse::<u16>().is_ok_and(|port| port != 0),
    }
}

fn condition<C>(
    connector: C,
    uri: Uri,
    expected: Expected,
) -> Result<Shared<impl Condition + use<C>>, InvalidCondition>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    expected.validate()?;
    let client: Client<C, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let name = format!("http {}", without_query(&uri));
    let expected = Arc::new(expected);
    Ok(Shared::new(name, move || get(client.clone(), uri.clone(), Arc::clone(&expected))))
}

async fn get<C>(
    client: Client<C, Empty<Bytes>>,
    uri: Uri,
    expected: Arc<Expected>,
) -> Result<(), Reason>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let cannot_get = format!("cannot GET {}", without_query(&uri));
    let request = Request::get(uri).header(USER_AGENT, AGENT).body(Empty::new())?;
    let response = client.request(request).await;
    let response = response.map_err(|error| Reason::with_source(cannot_get, error))?;
    expected.judge_status(response.status())?;
    match &expected.body {
        Some(text) => judge_body(response.into_body(), text).await,
        None => Ok(()),
    }
}

async fn judge_body(body: Incoming, text: &str) -> Result<(), Reason> {
    let start = read_start(body).await;
    let start = start.map_err(|error| Reason::with_source("cannot read the body", error))?;
    if text.is_empty() || start.windows(text.len()).any(|part| part == text.as_bytes()) {
        return Ok(());
    }
    let lacking =
        if start.len() < MAX_BODY { "the body lacks" } else { "the first 64 KiB of the body lack" };
    Err(Reason::new(format!("{lacking} {text:?}")))
}

/// As much of the body as is looked at; what comes after it is left unread.
async fn read_start(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut start = Vec::new();
    while start.len() < MAX_BODY
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            start.extend_from_slice(&data);
        }
    }
    start.truncate(MAX_BODY);
    Ok(start)
}

/// A query may contain a token; names and reasons go into logs.
fn without_query(uri: &Uri) -> String {
    let text = uri.to_string();
    text.split_once('?').map_or_else(|| text.clone(), |(start, _)| start.to_owned())
}

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// More than any answer to "are you there", and little enough to be read in every period.
const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use health_core::condition::Scoped;

    use super::*;

    #[test]
    fn the_name_says_what_is_asked_and_nothing_that_is_secret() {
        let health = http_get("http://host:81/health?token=secret", Expected::success()).unwrap();
        assert_eq!(&*health.into_parts().0, "http http://host:81/health");
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_to_do() {
        let table = [
            ("", "write http://host:port/path"),
            ("/health", "write http://host:port/path"),
            ("http://", "write http://host:port/path"),
            ("host:80", "only http:// is spoken here"),
            ("https://host/health", "http_get_over"),
            ("http://me:secret@host/health", "leave it out"),
            ("http://host:0/health", "the port must be from 1 to 65535"),
            ("http://host:65536", "the port must be from 1 to 65535"),
            ("http://[::1]:0", "the port must be from 1 to 65535"),
        ];
        for (uri, expected) in table {
            let error = http_get(uri, Expected::success()).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{uri}: {error}");
        }
        for uri in
            ["http://host", "http://host:", "http://host:65535", "http://[::1]", "http://[::1]:1"]
        {
            assert!(http_get(uri, Expected::success()).is_ok(), "{uri}");
        }
    }

    #[test]
    fn what_no_response_can_be_is_refused() {
        let table = [
            (Expected::status(0), "status 0"),
            (Expected::status(100), "status 100"),
            (Expected::status(199), "status 199"),
            (Expected::status(600), "status 600"),
            (Expected::status(204).body("x"), "status 204 has no body"),
            (Expected::status(304).body("x"), "status 304 has no body"),
            (Expected::success().body("x".repeat(MAX_BODY + 1)), "the text must not be longer"),
        ];
        for (expected, told) in table {
            let error = http_get("http://host", expected).map(drop).unwrap_err().to_string();
            assert!(error.contains(told) && error.len() < 200, "{error}");
        }
        for expected in [
            Expected::status(200),
            Expected::status(599).body("x"),
            Expected::status(204).body(""),
            Expected::success().body("x".repeat(MAX_BODY)),
        ] {
            assert!(http_get("http://host", expected).is_ok());
        }
    }
}
