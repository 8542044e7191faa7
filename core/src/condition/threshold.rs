//! How many results in a row it takes to believe them. Pure: knows no time and no reason.

use std::num::NonZeroU32;

use crate::Finding;

/// What is believed of one condition.
///
/// ```text
///              success_threshold passes in a row
///   Pending ---------------------------------------> Passing
///      |                                             |     ^
///      |                 failure_threshold failures  |     |  success_threshold passes
///      |                 in a row                    v     |  in a row
///      +-------------------------------------------> Failing
///        failure_threshold failures in a row
/// ```
#[derive(Debug)]
pub(super) struct Threshold {
    limits: Limits,
    state: State,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    failures: NonZeroU32,
    passes: NonZeroU32,
}

/// Counts are of results in a row that speak for another state, and below the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Pending(Streak),
    Passing { failures: u32 },
    Failing { passes: u32 },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Streak {
    Passes(u32),
    Failures(u32),
}

impl Threshold {
    pub(super) const fn new(failures: NonZeroU32, passes: NonZeroU32) -> Self {
        let state = State::Pending(Streak::Passes(0));
        Self { limits: Limits { failures, passes }, state }
    }

    /// Takes one more result, and says what is believed now.
    pub(super) const fn handle_result(&mut self, passed: bool) -> Finding {
        self.state = self.state.after(passed, self.limits);
        self.finding()
    }

    pub(super) const fn finding(&self) -> Finding {
        match self.state {
            State::Pending(_) => Finding::Pending,
            State::Passing { .. } => Finding::Passing,
            State::Failing { .. } => Finding::Failing,
        }
    }
}

impl State {
    const fn after(self, passed: bool, limits: Limits) -> Self {
        let streak = self.streak(passed);
        match (self, streak) {
            (_, Streak::Passes(passes)) if passes >= limits.passes.get() => {
                Self::Passing { failures: 0 }
            }
            (_, Streak::Failures(failures)) if failures >= limits.failures.get() => {
                Self::Failing { passes: 0 }
            }
            (Self::Pending(_), streak) => Self::Pending(streak),
            (Self::Passing { .. }, Streak::Failures(failures)) => Self::Passing { failures },
            (Self::Passing { .. }, Streak::Passes(_)) => Self::Passing { failures: 0 },
            (Self::Failing { .. }, Streak::Passes(passes)) => Self::Failing { passes },
            (Self::Failing { .. }, Streak::Failures(_)) => Self::Failing { passes: 0 },
        }
    }

    /// The results in a row that the newest one ends.
    const fn streak(self, passed: bool) -> Streak {
        match (self, passed) {
            (Self::Pending(Streak::Passes(before)) | Self::Failing { passes: before }, true) => {
                Streak::Passes(before + 1)
            }
            (
                Self::Pending(Streak::Failures(before)) | Self::Passing { failures: before },
                false,
            ) => Streak::Failures(before + 1),
            (_, true) => Streak::Passes(1),
            (_, false) => Streak::Failures(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use Finding::{Failing, Passing, Pending};

    use super::*;

    fn limit(results: u32) -> NonZeroU32 {
        NonZeroU32::new(results).unwrap()
    }

    /// What is believed after each of `results`, in which `+` is a pass and `-` a failure.
    fn findings(failures: u32, passes: u32, results: &str) -> Vec<Finding> {
        let mut threshold = Threshold::new(limit(failures), limit(passes));
        assert_eq!(threshold.finding(), Pending);
        results.chars().map(|result| threshold.handle_result(result == '+')).collect()
    }

    #[test]
    fn results_in_a_row_decide() {
        // failure threshold, success threshold, results -> what is believed after each
        type Row = (u32, u32, &'static str, &'static [Finding]);
        let table: &[Row] = &[
            // The first result decides where one is enough.
            (1, 1, "+", &[Passing]),
            (1, 1, "-", &[Failing]),
            (1, 1, "+-+", &[Passing, Failing, Passing]),
            // Kubernetes' defaults: one pass, three failures.
            (3, 1, "+", &[Passing]),
            (3, 1, "---", &[Pending, Pending, Failing]),
            (3, 1, "--+", &[Pending, Pending, Passing]),
            (3, 1, "+---", &[Passing, Passing, Passing, Failing]),
            (3, 1, "+--+--", &[Passing, Passing, Passing, Passing, Passing, Passing]),
            (3, 1, "---+", &[Pending, Pending, Failing, Passing]),
            // A result of the other kind starts the count anew.
            (3, 3, "++-++", &[Pending; 5]),
            (3, 3, "--+--", &[Pending; 5]),
            (3, 3, "++-+++", &[Pending, Pending, Pending, Pending, Pending, Passing]),
            (2, 2, "-+-++", &[Pending, Pending, Pending, Pending, Passing]),
            (1, 2, "-+-++", &[Failing, Failing, Failing, Failing, Passing]),
            // A pass confirms what passes, a failure what fails, however many come.
            (2, 1, "+++-+", &[Passing; 5]),
            (1, 2, "---+-", &[Failing; 5]),
            (2, 2, "++-", &[Pending, Passing, Passing]),
        ];
        for (failures, passes, results, expected) in table {
            let found = findings(*failures, *passes, results);
            assert_eq!(found, *expected, "{failures} failures, {passes} passes: {results}");
        }
    }

    #[test]
    fn the_largest_threshold_is_counted_up_to() {
        let mut threshold = Threshold::new(limit(u32::MAX), limit(1));
        threshold.state = State::Passing { failures: u32::MAX - 2 };
        assert_eq!(threshold.handle_result(false), Passing);
        assert_eq!(threshold.handle_result(false), Failing);
        assert_eq!(threshold.handle_result(false), Failing);
    }
}
