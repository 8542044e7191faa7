//! What the value of one header or trailer must be.

use std::fmt;

use fancy_regex::Regex;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

/// The rule for one value; `None` stands for a header that is not there.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Absent,
    Exact(String),
    /// Found anywhere in the value, as the vectors mean it; may look ahead.
    Pattern(Regex),
    AbsentOr(Box<Self>),
}

impl Expected {
    pub(crate) fn matches(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (Self::AbsentOr(_), None) => true,
            (Self::Exact(_) | Self::Pattern(_), None) => false,
            (Self::Exact(expected), Some(value)) => expected == value,
            // A pattern that gives up (too much backtracking) has not matched.
            (Self::Pattern(pattern), Some(value)) => pattern.is_match(value).unwrap_or(false),
            (Self::AbsentOr(expected), value) => expected.matches(value),
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => return Ok(Self::Absent),
            Value::String(text) => return Ok(Self::Exact(text.clone())),
            Value::Object(rule) if rule.len() == 1 => {
                if let Some(Value::String(pattern)) = rule.get("regex") {
                    return pattern_of(pattern).map(Self::Pattern);
                }
                if let Some(inner) = rule.get("absent_or") {
                    return Self::from_json(inner).map(|inner| Self::AbsentOr(Box::new(inner)));
                }
            }
            _ => {}
        }
        Err(format!(
            "{value} is no rule for a header: expected a string, null, {{\"regex\": \"..\"}} or \
             {{\"absent_or\": ..}}"
        ))
    }
}

/// Compiles a pattern of the vectors.
pub(crate) fn pattern_of(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{pattern:?} is no regular expression: {error}"))
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such header"),
            Self::Exact(text) => write!(f, "{text:?}"),
            Self::Pattern(pattern) => write!(f, "a match of /{pattern}/"),
            Self::AbsentOr(inner) => write!(f, "nothing or {inner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_accepts_and_refuses() {
        let rows = [
            (json!("a"), Some("a"), true),
            (json!("a"), Some("A"), false),
            (json!("a"), Some("ab"), false),
            (json!("a"), None, false),
            (json!(null), None, true),
            (json!(null), Some(""), false),
            (json!({"regex": "b+"}), Some("abbc"), true),
            (json!({"regex": "^b+$"}), Some("abbc"), false),
            (json!({"regex": "."}), Some(""), false),
            (json!({"regex": "b"}), None, false),
            (json!({"regex": "(?i)(?=.*two)(?=.*one)"}), Some("One, Two"), true),
            (json!({"regex": "(?i)(?=.*two)(?=.*one)"}), Some("One"), false),
            (json!({"absent_or": "identity"}), None, true),
            (json!({"absent_or": "identity"}), Some("identity"), true),
            (json!({"absent_or": "identity"}), Some("gzip"), false),
            (json!({"absent_or": {"regex": "^i"}}), Some("identity"), true),
        ];
        for (rule, value, accepted) in rows {
            let expected = Expected::from_json(&rule).unwrap();
            assert_eq!(expected.matches(value), accepted, "{rule} against {value:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_when_read() {
        for rule in [json!(1), json!([]), json!({"regexp": "a"}), json!({"regex": "("})] {
            assert!(Expected::from_json(&rule).is_err(), "{rule}");
        }
    }
}
