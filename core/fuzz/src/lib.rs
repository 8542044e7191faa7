//! What is fuzzed: the properties of `core/tests/properties`, which plain `cargo test` also runs on
//! every input in `corpus`.

#[path = "../../tests/properties/mod.rs"]
mod properties;

/// A request has a reply that is well-formed in its protocol, and leaves nothing behind.
pub fn http_request(input: &[u8]) {
    properties::http_request(input);
}

/// A reply does not depend on the pieces in which the request's body came.
pub fn envelope(input: &[u8]) {
    properties::envelope(input);
}

/// A registry behaves as the oracle says, whatever is done to it.
pub fn registry_operations(input: &[u8]) {
    properties::registry_operations(input);
}

/// A monitor keeps its schedule and its word, whatever is done to it.
pub fn schedule_operations(input: &[u8]) {
    properties::schedule_operations(input);
}
