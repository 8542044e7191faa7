//! Query strings: `application/x-www-form-urlencoded`.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The query of a URI, decoded as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) const fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The pairs in order. A name without `=` has the empty value.
    pub(super) fn pairs(self) -> impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
    }

    /// The first value of `name`.
    pub(super) fn first(self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.pairs().find(|(pair, _)| **pair == *name.as_bytes()).map(|(_, value)| value)
    }
}

/// `%XX` and `+`. A malformed `%` stands for itself.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode(spaced.as_bytes()).collect());
    }
    percent_decode(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_form_decoded() {
        let query = Query::new("a=1&b=%7B%22+%22%7d&a=2&&c&d=x=y&%65=e&f=%zz%&=n&g=%2B");
        let table: [(&str, Option<&[u8]>); 9] = [
            ("a", Some(b"1")),
            ("b", Some(b"{\" \"}")),
            ("c", Some(b"")),
            ("d", Some(b"x=y")),
            ("e", Some(b"e")),
            ("f", Some(b"%zz%")),
            ("", Some(b"n")),
            ("g", Some(b"+")),
            ("A", None),
        ];
        for (name, expected) in table {
            assert_eq!(query.first(name).as_deref(), expected, "{name:?}");
        }
        assert_eq!(query.pairs().count(), 9);
        assert_eq!(Query::new("").pairs().count(), 0);
    }
}
