//! Triple unary: heads. Replies are written as Connect's (wire.md section 7).

use http::{HeaderMap, header::HeaderValue};

use super::{
    call::{ErrorForm, Terms},
    connect,
    fault::Fault,
    protocol::{
        TRI_PROTOCOL_VERSION, TRI_SERVICE_GROUP, TRI_SERVICE_VERSION, TRIPLE_PROTOCOL_VERSION,
        TRIPLE_TIMEOUT_MS,
    },
    timeout,
};
use crate::{Code, RpcError, dubbo::is_no_version};

/// Group and version under which Dubbo knows this server's health service; both empty by default.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceKey {
    pub(super) group: String,
    pub(super) version: String,
}

/// Reads the head of a call.
pub(super) fn terms(headers: &HeaderMap) -> Result<Terms, Fault> {
    let encodings = connect::unary_encodings(headers)?;
    match headers.get(TRIPLE_PROTOCOL_VERSION).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"0.1.0") => {}
        Some(_) => return Err(Fault::BadTripleVersion),
    }
    let timeout = match headers.get(TRIPLE_TIMEOUT_MS) {
        Some(value) => timeout::millis(value.as_bytes())?,
        None => None,
    };
    Ok(Terms { timeout, ..encodings })
}

/// dubbo-js 3.0.0-alpha reads errors in a form of its own.
pub(super) fn error_form(headers: &HeaderMap) -> ErrorForm {
    if headers.contains_key(TRI_PROTOCOL_VERSION) { ErrorForm::DubboJs } else { ErrorForm::Triple }
}

impl ServiceKey {
    /// Whether the call asks for this group and version.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), RpcError> {
        let asked = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        let (version, own) = (asked(TRI_SERVICE_VERSION), self.version.as_bytes());
        if asked(TRI_SERVICE_GROUP) == self.group.as_bytes()
            && (version == own || (is_no_version(version) && is_no_version(own)))
        {
            return Ok(());
        }
        let Self { group, version } = self;
        let message = format!(
            "no such service here: this server implements group {group:?}, version {version:?}"
        );
        Err(RpcError::with_message(Code::Unimplemented, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_and_version_must_be_those_of_the_server() {
        let key = |group: &str, version: &str| ServiceKey {
            group: group.into(),
            version: version.into(),
        };
        let table = [
            (key("", ""), None, None, true),
            (key("", ""), Some(""), Some(""), true),
            (key("", ""), None, Some("0.0.0"), true),
            (key("", ""), Some("g"), None, false),
            (key("", ""), None, Some("1.0.0"), false),
            (key("g", "1.0.0"), Some("g"), Some("1.0.0"), true),
            (key("g", "1.0.0"), None, None, false),
            (key("g", "1.0.0"), Some("g"), Some("2.0.0"), false),
            (key("", "0.0.0"), None, None, true),
        ];
        for (key, group, version, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in [(TRI_SERVICE_GROUP, group), (TRI_SERVICE_VERSION, version)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let outcome = key.check(&headers);
            assert_eq!(outcome.is_ok(), expected, "{key:?} {group:?} {version:?}");
            if let Err(error) = outcome {
                assert_eq!(error.code(), Code::Unimplemented);
                assert!(error.message().contains(&format!("{:?}", key.group)), "{error}");
                assert!(error.message().contains(&format!("{:?}", key.version)), "{error}");
            }
        }
    }
}
