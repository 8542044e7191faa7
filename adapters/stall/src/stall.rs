//! `Stall`: which executor makes no progress, and for how long.

use std::{fmt, sync::Arc, time::Duration};

/// An executor that makes no progress.
///
/// It reads `executor main stalled 12 s`, and `executor main gone 12 s` of one that takes no tasks any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stall {
    executor: Arc<str>,
    lasted: Lasted,
}

/// What is wrong with an executor, and since when, without its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lasted {
    /// It holds a ping that it has not run.
    Stalled(Duration),
    /// It drops its pings.
    Gone(Duration),
}

impl Stall {
    pub(crate) const fn new(executor: Arc<str>, lasted: Lasted) -> Self {
        Self { executor, lasted }
    }

    /// Name of the executor.
    #[must_use]
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// How long it has made no progress, at least: from the first ping that it has not run.
    #[must_use]
    pub const fn age(&self) -> Duration {
        match self.lasted {
            Lasted::Stalled(age) | Lasted::Gone(age) => age,
        }
    }

    /// Whether it drops what it is to run, as an executor does that has ended.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self.lasted, Lasted::Gone(_))
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "executor {} {}", self.executor, self.lasted)
    }
}

impl fmt::Display for Lasted {
    /// Whole seconds, for that is what an operator asks for; milliseconds where there is not one yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, age) = match self {
            Self::Stalled(age) => ("stalled", age),
            Self::Gone(age) => ("gone", age),
        };
        match age.as_secs() {
            0 => write!(f, "{word} {} ms", age.as_millis()),
            seconds => write!(f, "{word} {seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_an_operator_would_say_it() {
        let read = |lasted| Stall::new("main".into(), lasted).to_string();
        let age = Duration::from_millis(12_900);
        assert_eq!(read(Lasted::Stalled(age)), "executor main stalled 12 s");
        assert_eq!(read(Lasted::Gone(age)), "executor main gone 12 s");
        assert_eq!(
            read(Lasted::Stalled(Duration::from_micros(60_900))),
            "executor main stalled 60 ms"
        );
        assert_eq!(read(Lasted::Stalled(Duration::from_secs(1))), "executor main stalled 1 s");
    }
}
