//! `Accept` of a probe: text or JSON (wire.md section 8; RFC 9110, section 12.5.1).

use http::{HeaderMap, header::ACCEPT};

/// Whether JSON ranks above text. Text is the default.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let ranges: Vec<_> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let json =
        rank(&ranges, "application", "health+json").max(rank(&ranges, "application", "json"));
    let text = rank(&ranges, "text", "plain");
    json.quality > 0 && json > text
}

/// How much a client wants a type: by quality, and where that is equal, a type that it names wants more
/// than one that a wildcard lets in.
#[derive(Clone, Copy, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    /// In thousandths.
    quality: u16,
    /// 0 for `*/*`, 1 for `type/*`, 2 for the type itself.
    precision: u8,
}

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
            })
            .map_or(Some(1000), quality)?;
        Some(Self { kind, subtype, quality })
    }

    fn precision(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (k, "*") if k.eq_ignore_ascii_case(kind) => Some(1),
            (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// The most precise range that matches decides; among equals the first.
fn rank(ranges: &[Range<'_>], kind: &str, subtype: &str) -> Rank {
    let mut best: Option<Rank> = None;
    for range in ranges {
        let Some(precision) = range.precision(kind, subtype) else {
            continue;
        };
        if best.is_none_or(|best| precision > best.precision) {
            best = Some(Rank { quality: range.quality, precision });
        }
    }
    best.unwrap_or_default()
}

/// `1`, `0.5`, `1.000`: at most three decimals, not above one.
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_must_rank_above_text() {
        let table: [(&[&str], bool); 18] = [
            (&[], false),
            (&["*/*"], false),
            (&["text/plain"], false),
            (&["application/health+json"], true),
            (&["Application/Health+JSON"], true),
            (&["application/json"], true),
            (&["application/*"], true),
            (&["application/health+json, */*"], true),
            (&["*/*, application/json"], true),
            (&["application/json, text/plain"], false),
            (&["application/json;q=0.5, text/plain"], false),
            (&["application/json, text/plain;q=0.9"], true),
            (&["text/html;q=0.1, application/health+json;q=0.9"], true),
            (&["application/health+json;q=0, */*"], false),
            (&["application/json;q=0"], false),
            (&["text/plain;q=0.2", "application/json;q=0.3"], true),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false),
            (&["application/json;q=nonsense"], false),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            assert_eq!(prefers_json(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn qualities() {
        let table = [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.001", Some(1)),
            ("1.001", None),
            ("0.0001", None),
            ("2", None),
            ("", None),
            ("-1", None),
            (".5", None),
        ];
        for (text, expected) in table {
            assert_eq!(quality(text), expected, "{text:?}");
        }
    }
}
