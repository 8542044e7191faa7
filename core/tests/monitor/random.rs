//! Random operations on a monitor: whatever is done to it, its properties hold.

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngSeed, TestRunner},
};

use crate::operations::{self, Behaviour, Operation, Settings};

fn behaviour() -> impl Strategy<Value = Behaviour> {
    use Behaviour::{Fail, Hang, Panic, Pass, Wait};
    select(vec![Pass, Pass, Pass, Pass, Fail, Panic, Wait, Hang])
}

prop_compose! {
    fn settings()(
        service: bool,
        period in 0..1_000_u16,
        timeout in 0..1_000_u16,
        delay: u8,
        jitter: u8,
        failures: u8,
        passes: u8,
        behaviour in behaviour(),
    ) -> Settings {
        Settings { service, period, timeout, delay, jitter, failures, passes, behaviour }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => settings().prop_map(Operation::Add),
        1 => any::<u8>().prop_map(Operation::Remove),
        2 => (any::<u8>(), behaviour()).prop_map(|(at, does)| Operation::Behave(at, does)),
        3 => any::<u8>().prop_map(Operation::Finish),
        6 => (0..2_500_u16).prop_map(Operation::Pass),
        2 => (0..2_500_u16).prop_map(Operation::Stall),
        1 => Just(Operation::Poll),
    ]
}

#[test]
fn with_the_monitor_never_polled_again_nothing_answers_serving_after_max_age() {
    let config = ProptestConfig {
        cases: 1_000,
        // The same cases in every run; fuzzing looks further.
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&vec(operation(), 0..40), |operations| {
        operations::run(&operations);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
