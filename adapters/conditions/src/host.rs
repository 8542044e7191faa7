//! What the name of a host looks like.

/// Whether a resolver can be asked for it: labels between dots, perhaps with the dot of the root after
/// them.
///
/// Which letters a label has is the resolver's to judge: a hosts file may name what DNS would not.
pub(crate) fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= MAX_LENGTH
        && name.split('.').all(|label| !label.is_empty() && !label.contains(is_foreign))
}

/// Of a URL, of an address in brackets, or slipped in.
fn is_foreign(char: char) -> bool {
    char.is_whitespace() || char.is_control() || ":/@[]".contains(char)
}

/// What is no host, as an error may repeat it: cut short, and nothing of what may contain a password.
pub(crate) fn shown(text: &str) -> String {
    if text.contains('@') {
        return "what contains an @".to_owned();
    }
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}

/// RFC 1035 §2.3.4, in the form with dots.
const MAX_LENGTH: usize = 253;

/// In characters.
const SHOWN: usize = 64;
