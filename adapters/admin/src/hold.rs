//! A hold as a request states it.

use std::{fmt, time::Duration};

use health_core::{Hold, Registry};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::reply::Refusal;

/// A hold that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) service: String,
    pub(crate) hold: Hold,
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a reason")]
struct Stated {
    service: Option<String>,
    reason: String,
    by: Option<String>,
    #[serde(rename = "for", default, deserialize_with = "span")]
    lasts: Option<Duration>,
}

impl Wanted {
    /// Reads a body; `in_path` is the service that the path names, if it names one.
    pub(crate) fn read(
        body: &[u8],
        in_path: Option<String>,
        registry: &Registry,
    ) -> Result<Self, Refusal> {
        let refused = |why: &dyn fmt::Display| {
            Refusal::bad(format!(
                "the body is no hold: {why}; it is {{\"reason\": \"schema migration\"}}, with \
                 \"by\": \"ada\" and \"for\": \"10m\" if wanted"
            ))
        };
        // serde would take an array of the fields as well.
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(refused(&"it is an array"));
        }
        let stated: Stated = serde_json::from_slice(body).map_err(|error| refused(&error))?;
        let service = match (in_path, stated.service) {
            (Some(service), None) | (None, Some(service)) => service,
            (Some(_), Some(_)) => {
                return Err(Refusal::bad("the path names the service: leave it out of the body"));
            }
            (None, None) => {
                return Err(Refusal::bad(
                    "no service is named: add \"service\" to the body, or PUT /holds/{service}",
                ));
            }
        };
        let mut hold = Hold::new(legible("reason", stated.reason)?).by(holder(stated.by)?);
        if let Some(lasts) = stated.lasts {
            let end = registry.now().checked_add(lasts);
            hold = hold.until(end.ok_or_else(|| {
                Refusal::bad("\"for\" is longer than can be reckoned: leave it out for no end")
            })?);
        }
        Ok(Self { service, hold })
    }
}

/// Who does it: `by` if it is given.
pub(crate) fn holder(by: Option<String>) -> Result<String, Refusal> {
    by.map_or_else(|| Ok(ADMIN.to_owned()), |by| legible("by", by))
}

/// A text that operators can read, in one line of a log.
fn legible(field: &str, text: String) -> Result<String, Refusal> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err(Refusal::bad(format!(
            "{field:?} must be a text of one line that is not blank"
        )));
    }
    Ok(text)
}

/// Reads a number of seconds, or a duration with units.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    struct Span;

    impl Visitor<'_> for Span {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(
                "as \"for\" a number of seconds, or a duration such as \"90s\" or \"1h30m\"",
            )
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
            positive(Duration::from_secs(seconds))
        }

        fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
            positive(Duration::try_from_secs_f64(seconds).map_err(|_| not_positive())?)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(not_positive())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let span = humantime::parse_duration(text);
            positive(span.map_err(|error| {
                E::custom(format_args!(
                    "{text:?} is no duration ({error}), such as \"90s\" or \"1h30m\""
                ))
            })?)
        }
    }

    deserializer.deserialize_any(Span)
}

fn positive<E: Error>(span: Duration) -> Result<Option<Duration>, E> {
    if span.is_zero() { Err(not_positive()) } else { Ok(Some(span)) }
}

fn not_positive<E: Error>() -> E {
    E::custom("\"for\" must be greater than zero and no more than a clock can reckon with")
}

/// Who holds and releases where nobody is named.
const ADMIN: &str = "admin";
