//! Deep comparison of JSON, where a vector may give a pattern in place of a string.

use serde_json::{Map, Value};

use crate::expected::pattern_of;
use crate::vector::BodyMatch;

/// Where two values part, what was expected there, and what came.
pub(super) type Difference = (String, String, String);

/// Compares `came` with `expected`; with [`BodyMatch::Subset`] objects may have further keys.
pub(super) fn compare(expected: &Value, came: &Value, rule: BodyMatch) -> Result<(), Difference> {
    compare_at("$", expected, came, rule)
}

fn compare_at(
    path: &str,
    expected: &Value,
    came: &Value,
    rule: BodyMatch,
) -> Result<(), Difference> {
    match (expected, came) {
        (Value::Object(expected), came) if pattern(expected).is_some() => {
            let pattern = pattern(expected).unwrap_or_default();
            compare_pattern(path, pattern, came)
        }
        (Value::Object(expected), Value::Object(came)) => {
            compare_objects(path, expected, came, rule)
        }
        (Value::Array(expected), Value::Array(came)) if expected.len() == came.len() => {
            expected.iter().zip(came).enumerate().try_for_each(|(at, (expected, came))| {
                compare_at(&format!("{path}[{at}]"), expected, came, rule)
            })
        }
        _ if expected == came => Ok(()),
        _ => Err((path.to_owned(), expected.to_string(), came.to_string())),
    }
}

fn compare_objects(
    path: &str,
    expected: &Map<String, Value>,
    came: &Map<String, Value>,
    rule: BodyMatch,
) -> Result<(), Difference> {
    for (key, expected) in expected {
        let path = format!("{path}.{key}");
        let Some(came) = came.get(key) else {
            return Err((path, expected.to_string(), "nothing".to_owned()));
        };
        compare_at(&path, expected, came, rule)?;
    }
    match came.iter().find(|(key, _)| !expected.contains_key(*key)) {
        Some((key, came)) if rule == BodyMatch::Exact => {
            Err((format!("{path}.{key}"), "nothing".to_owned(), came.to_string()))
        }
        _ => Ok(()),
    }
}

/// `{"regex": ".."}` in the place of a string.
fn pattern(expected: &Map<String, Value>) -> Option<&str> {
    let only = expected.len() == 1;
    expected.get("regex").filter(|_| only).and_then(Value::as_str)
}

fn compare_pattern(path: &str, pattern: &str, came: &Value) -> Result<(), Difference> {
    let matched = pattern_of(pattern)
        .map(|pattern| came.as_str().is_some_and(|text| pattern.is_match(text).unwrap_or(false)));
    match matched {
        Ok(true) => Ok(()),
        Ok(false) => Err((path.to_owned(), format!("a match of /{pattern}/"), came.to_string())),
        Err(error) => Err((path.to_owned(), error, came.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_deeply() {
        let rows = [
            (json!({"a": 1}), json!({"a": 1}), true, true),
            (json!({"a": 1}), json!({"a": 2}), false, false),
            (json!({"a": 1}), json!({"a": "1"}), false, false),
            (json!({"a": 1}), json!({}), false, false),
            (json!({}), json!({"a": 1}), false, true),
            (json!({"a": {}}), json!({"a": {"b": 1}}), false, true),
            (json!([{"a": 1}]), json!([{"a": 1, "b": 2}]), false, true),
            (json!([{"a": 1}]), json!([{"a": 1}, {}]), false, false),
            (json!({"m": {"regex": "."}}), json!({"m": "x"}), true, true),
            (json!({"m": {"regex": "."}}), json!({"m": ""}), false, false),
            (json!({"m": {"regex": "."}}), json!({"m": 1}), false, false),
            (json!({"m": {"regex": "("}}), json!({"m": "("}), false, false),
            (json!({"m": {"regex": "."}}), json!({}), false, false),
        ];
        for (expected, came, exact, subset) in rows {
            for (rule, equal) in [(BodyMatch::Exact, exact), (BodyMatch::Subset, subset)] {
                let result = compare(&expected, &came, rule);
                assert_eq!(result.is_ok(), equal, "{expected} {came} {rule:?}: {result:?}");
            }
        }
    }

    #[test]
    fn a_difference_says_where_it_is() {
        let (path, expected, came) =
            compare(&json!({"a": [{"b": 1}]}), &json!({"a": [{"b": 2}]}), BodyMatch::Exact)
                .unwrap_err();
        assert_eq!((path.as_str(), expected.as_str(), came.as_str()), ("$.a[0].b", "1", "2"));
    }
}
