//! What must hold for whatever bytes come: the functions that are fuzzed, and that `corpus.rs` runs on
//! every input that fuzzing has found worth keeping.

mod envelopes;
mod exchange;
mod http_reply;
mod monitor;
mod oracle;
mod registry;
mod request_body;
mod rpc_answer;
mod rpc_reply;
mod rpc_request;
mod scenario;
#[path = "../../../adapters/test/src/timer.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is what the users of health-test get")]
mod timer;

use arbitrary::{Arbitrary, Unstructured};

use scenario::Scenario;

/// A request has a reply that is well-formed in its protocol, and leaves nothing behind.
///
/// # Panics
///
/// If it has not.
pub(crate) fn http_request(input: &[u8]) {
    if let Some(scenario) = Scenario::parse(input)
        && let Some(reply) = exchange::run(&scenario)
    {
        http_reply::judge(&scenario, &reply);
    }
}

/// A reply does not depend on the pieces in which the request's body came.
///
/// # Panics
///
/// If it does.
pub(crate) fn envelope(input: &[u8]) {
    let Some(scenario) = Scenario::parse(input) else {
        return;
    };
    let in_pieces = exchange::run(&scenario);
    let whole = exchange::run(&scenario.in_one_piece());
    assert_eq!(in_pieces, whole, "in pieces, and in one piece");
}

/// A registry behaves as the oracle says, whatever is done to it.
///
/// # Panics
///
/// At the first observation that differs.
pub(crate) fn registry_operations(input: &[u8]) {
    registry::run(&operations(input));
}

/// A monitor evaluates each condition in its time, once at a time, and its services are SERVING only
/// while that was found lately enough, whatever is done to it.
///
/// # Panics
///
/// At the first thing that must not be.
pub(crate) fn schedule_operations(input: &[u8]) {
    monitor::run(&operations(input));
}

fn operations<T: for<'a> Arbitrary<'a>>(input: &[u8]) -> Vec<T> {
    let mut input = Unstructured::new(input);
    let mut operations = Vec::new();
    while !input.is_empty()
        && let Ok(operation) = T::arbitrary(&mut input)
    {
        operations.push(operation);
    }
    operations
}
