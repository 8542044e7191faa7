//! The commands on standard input: one JSON object a line, with one key.

use std::collections::BTreeMap;

use health_core::ServingStatus;
use serde_json::{Map, Value};

/// What a line asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Exactly these services are registered, nothing latched, as if the server were new.
    Reset(BTreeMap<String, ServingStatus>),
    /// Sets the status of each service.
    Set(BTreeMap<String, ServingStatus>),
    Remove(String),
    Shutdown,
    Resume,
    Close,
}

impl Command {
    /// Reads one line; an error says what would have been accepted.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line)
            .map_err(|error| format!("not JSON ({error}); accepted: {ACCEPTED}"))?;
        let single = value.as_object().filter(|object| object.len() == 1);
        let Some((name, argument)) = single.and_then(|object| object.iter().next()) else {
            return Err(format!("not an object with one key; accepted: {ACCEPTED}"));
        };
        match (name.as_str(), argument) {
            ("reset", Value::Object(services)) => statuses(services).map(Self::Reset),
            ("set", Value::Object(services)) => statuses(services).map(Self::Set),
            ("remove", Value::String(service)) => Ok(Self::Remove(service.clone())),
            ("shutdown", Value::Bool(true)) => Ok(Self::Shutdown),
            ("resume", Value::Bool(true)) => Ok(Self::Resume),
            ("close", Value::Bool(true)) => Ok(Self::Close),
            _ => Err(format!("{value} is not a command; accepted: {ACCEPTED}")),
        }
    }
}

fn statuses(services: &Map<String, Value>) -> Result<BTreeMap<String, ServingStatus>, String> {
    let status = |(service, value): (&String, &Value)| {
        // SERVICE_UNKNOWN is what Watch says of a service that is not there: nobody can set it.
        let status = value
            .as_str()
            .and_then(ServingStatus::from_name)
            .filter(|status| *status != ServingStatus::ServiceUnknown)
            .ok_or_else(|| format!("{value} is not a status; accepted: {STATUSES}"))?;
        Ok((service.clone(), status))
    };
    services.iter().map(status).collect()
}

/// The commands, for error messages and `--help`.
pub(crate) const ACCEPTED: &str = r#"{"reset":{"SERVICE":"STATUS"}}, {"set":{"SERVICE":"STATUS"}}, {"remove":"SERVICE"}, {"shutdown":true}, {"resume":true}, {"close":true}"#;

const STATUSES: &str = r#""UNKNOWN", "SERVING", "NOT_SERVING""#;

#[cfg(test)]
mod tests {
    use super::*;

    fn services(pairs: &[(&str, ServingStatus)]) -> BTreeMap<String, ServingStatus> {
        pairs.iter().map(|(service, status)| ((*service).to_owned(), *status)).collect()
    }

    #[test]
    fn each_command_is_read() {
        let two = services(&[("", ServingStatus::Serving), ("svc", ServingStatus::NotServing)]);
        let rows = [
            (r#"{"reset":{"":"SERVING","svc":"NOT_SERVING"}}"#, Command::Reset(two)),
            (r#"{"reset":{}}"#, Command::Reset(BTreeMap::new())),
            (
                r#"{"set":{"svc":"UNKNOWN"}}"#,
                Command::Set(services(&[("svc", ServingStatus::Unknown)])),
            ),
            (r#"{"remove":""}"#, Command::Remove(String::new())),
            (r#"{"shutdown":true}"#, Command::Shutdown),
            (r#"{"resume":true}"#, Command::Resume),
            (r#"{"close":true}"#, Command::Close),
        ];
        for (line, command) in rows {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        let rows = [
            "",
            "close",
            "[]",
            "{}",
            r#"{"shutdown":true,"close":true}"#,
            r#"{"shutdown":false}"#,
            r#"{"stop":true}"#,
            r#"{"remove":["svc"]}"#,
            r#"{"set":"svc"}"#,
            r#"{"set":{"svc":1}}"#,
            r#"{"set":{"svc":"serving"}}"#,
            r#"{"reset":{"svc":"SERVICE_UNKNOWN"}}"#,
        ];
        for line in rows {
            let error = Command::parse(line).unwrap_err();
            assert!(error.contains("accepted: "), "{line}: {error}");
        }
    }
}
