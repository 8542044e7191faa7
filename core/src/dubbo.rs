//! Dubbo's service keys: the names that Dubbo consumers ask the health of.

/// The name under which a Dubbo consumer knows a service: `group/interface:version`.
///
/// An empty group or version is left out, and version `0.0.0` counts as empty. A dubbo-go reference
/// watches this name by itself, so a server for Dubbo consumers registers it beside the plain interface
/// name.
///
/// # Examples
///
/// ```
/// use health_core::dubbo::service_key;
///
/// assert_eq!(service_key("lab", "greet.GreetService", "1.0.0"), "lab/greet.GreetService:1.0.0");
/// assert_eq!(service_key("", "greet.GreetService", ""), "greet.GreetService");
/// ```
///
/// # Source
///
/// dubbo-go `common.ServiceKey`; Dubbo Java `BaseServiceMetadata.buildServiceKey`.
#[must_use]
pub fn service_key(group: &str, interface: &str, version: &str) -> String {
    let mut key = String::with_capacity(group.len() + interface.len() + version.len() + 2);
    if !group.is_empty() {
        key.push_str(group);
        key.push('/');
    }
    key.push_str(interface);
    if !is_no_version(version.as_bytes()) {
        key.push(':');
        key.push_str(version);
    }
    key
}

/// Whether a version says nothing: Dubbo writes `0.0.0` for none.
pub(crate) fn is_no_version(version: &[u8]) -> bool {
    matches!(version, b"" | b"0.0.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_left_out() {
        let table = [
            (("", "a.B", ""), "a.B"),
            (("", "a.B", "0.0.0"), "a.B"),
            (("", "a.B", "1.0.0"), "a.B:1.0.0"),
            (("g", "a.B", ""), "g/a.B"),
            (("g", "a.B", "0.0.0"), "g/a.B"),
            (("g", "a.B", "2"), "g/a.B:2"),
        ];
        for ((group, interface, version), expected) in table {
            assert_eq!(service_key(group, interface, version), expected);
        }
    }
}
