//! Random operations on a registry: whatever can be observed is what an oracle says.

#[path = "properties/oracle.rs"]
mod oracle;
#[path = "properties/registry.rs"]
mod registry;

use health_core::ServingStatus;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngSeed, TestRunner},
};

use oracle::{SERVICES, STATUSES};
use registry::Operation;

fn service() -> impl Strategy<Value = &'static str> {
    select(&SERVICES[..])
}

fn status() -> impl Strategy<Value = ServingStatus> {
    select(&STATUSES[..])
}

/// Closing is rare: little can be seen after it.
fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => (service(), status()).prop_map(|(service, status)| Operation::Set(service, status)),
        2 => service().prop_map(Operation::Remove),
        2 => vec((service(), status()), 0..=5).prop_map(Operation::Replace),
        2 => (service(), 0..3_u8).prop_map(|(service, reason)| Operation::Hold(service, reason)),
        2 => service().prop_map(Operation::Release),
        2 => Just(Operation::Shutdown),
        2 => Just(Operation::Resume),
        1 => Just(Operation::Close),
        6 => service().prop_map(Operation::Watch),
        14 => any::<u8>().prop_map(Operation::Poll),
        3 => any::<u8>().prop_map(Operation::Drop),
        1 => any::<u8>().prop_map(Operation::OpenFeed),
        4 => Just(Operation::ReadFeed),
        1 => Just(Operation::DropFeed),
    ]
}

#[test]
fn a_registry_behaves_as_the_oracle_says() {
    let config = ProptestConfig {
        cases: 10_000,
        // The same cases in every run; fuzzing looks further.
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&vec(operation(), 0..40), |operations| {
        registry::run(&operations);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
