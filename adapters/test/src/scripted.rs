//! `ScriptedCondition`: a condition that finds what it is told to.

use std::{
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use health_core::{Reason, condition::Condition, rt::Timer};

use crate::TestBed;

/// What one evaluation is to come to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It passes.
    Pass,
    /// It fails, for this reason.
    Fail(String),
    /// It never ends by itself: its timeout comes.
    Hang,
    /// It panics, with this message.
    Panic(String),
}

/// A condition that passes, fails, hangs and panics as it is told to: by hand, evaluation by evaluation, or
/// by the time.
///
/// Clones are one condition: one goes to the monitor, the other one stays with the test. What is told counts
/// from the next evaluation on.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use health_core::condition::{Monitor, Shared, every};
/// use health_test::{Outcome, ScriptedCondition, TestBed};
///
/// let mut bed = TestBed::new();
/// // Postgres is away from the 20th second to the 40th.
/// let postgres = ScriptedCondition::timed(&bed, [
///     (Duration::from_secs(20), Outcome::fail("connection refused")),
///     (Duration::from_secs(40), Outcome::Pass),
/// ]);
/// let condition = Shared::new("postgres", postgres.clone());
/// let monitor = Monitor::builder(bed.registry(), bed.timer())
///     .condition("greet.GreetService", condition, every(Duration::from_secs(10)).failure_threshold(1))
///     .build()?;
/// bed.spawn(monitor.run());
/// bed.assert_stays_in_rotation_for("greet.GreetService", Duration::from_secs(19));
/// bed.assert_leaves_rotation_within("greet.GreetService", Duration::from_secs(12));
/// bed.assert_returns_within("greet.GreetService", Duration::from_secs(22));
/// assert_eq!(postgres.evaluations(), 5);
/// # Ok::<(), health_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ScriptedCondition(Arc<Mutex<State>>);

struct State {
    script: Script,
    evaluations: u64,
}

#[derive(Clone, Debug)]
enum Script {
    /// From here on.
    Always(Outcome),
    /// One for each evaluation, over and over.
    Rounds { outcomes: Vec<Outcome>, next: usize },
    /// Each from its time on; passing before the first.
    Timed { timer: Arc<dyn Timer>, outcomes: Vec<(Instant, Outcome)> },
}

impl Outcome {
    /// A failure for this reason.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail(reason.into())
    }
}

impl ScriptedCondition {
    /// Passes until it is told otherwise.
    #[must_use]
    pub fn passing() -> Self {
        Self::new(Script::Always(Outcome::Pass))
    }

    /// Comes to these outcomes in turn, one for each evaluation, over and over; passes if there are none.
    pub fn rounds(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self::new(Script::Rounds { outcomes: outcomes.into_iter().collect(), next: 0 })
    }

    /// Comes to each outcome from its time on, reckoned from the start of the `bed`, in whatever order they
    /// are given; passes before the first.
    pub fn timed(bed: &TestBed, outcomes: impl IntoIterator<Item = (Duration, Outcome)>) -> Self {
        let at = |(time, outcome)| (bed.start() + time, outcome);
        let mut outcomes: Vec<_> = outcomes.into_iter().map(at).collect();
        outcomes.sort_by_key(|(at, _)| *at);
        Self::new(Script::Timed { timer: bed.timer(), outcomes })
    }

    /// Passes from here on.
    pub fn pass(&self) {
        self.set(Outcome::Pass);
    }

    /// Fails from here on.
    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Outcome::fail(reason));
    }

    /// Hangs from here on.
    pub fn hang(&self) {
        self.set(Outcome::Hang);
    }

    /// Panics from here on.
    pub fn panic(&self, message: impl Into<String>) {
        self.set(Outcome::Panic(message.into()));
    }

    /// Comes to this outcome from here on.
    pub fn set(&self, outcome: Outcome) {
        self.state().script = Script::Always(outcome);
    }

    /// Follows a trace from here on, one character for each evaluation, over and over: `.` passes, `x` fails,
    /// `-` hangs, `!` panics.
    ///
    /// # Panics
    ///
    /// If the trace has any other character, or none.
    #[track_caller]
    pub fn follow(&self, trace: &str) {
        assert!(!trace.is_empty(), "a trace needs a character: `.` passes, `x` fails");
        let mut outcomes = Vec::with_capacity(trace.len());
        for character in trace.chars() {
            outcomes.push(match character {
                '.' => Outcome::Pass,
                'x' => Outcome::fail("as scripted"),
                '-' => Outcome::Hang,
                '!' => Outcome::Panic("as scripted".to_owned()),
                other => panic!(
                    "{other:?} in the trace {trace:?}: `.` passes, `x` fails, `-` hangs, `!` panics"
                ),
            });
        }
        self.state().script = Script::Rounds { outcomes, next: 0 };
    }

    /// How often it has been evaluated.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.state().evaluations
    }

    fn new(script: Script) -> Self {
        Self(Arc::new(Mutex::new(State { script, evaluations: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition for ScriptedCondition {
    async fn evaluate(&mut self) -> Result<(), Reason> {
        let outcome = self.state().next();
        match outcome {
            Outcome::Pass => Ok(()),
            Outcome::Fail(reason) => Err(Reason::new(reason)),
            Outcome::Hang => pending().await,
            Outcome::Panic(message) => panic!("{message}"),
        }
    }
}

impl State {
    fn next(&mut self) -> Outcome {
        self.evaluations += 1;
        self.script.next().unwrap_or(Outcome::Pass)
    }
}

impl Script {
    fn next(&mut self) -> Option<Outcome> {
        match self {
            Self::Always(outcome) => Some(outcome.clone()),
            Self::Rounds { outcomes, next } => {
                let outcome = outcomes.get(*next).cloned();
                *next = (*next + 1) % outcomes.len().max(1);
                outcome
            }
            Self::Timed { timer, outcomes } => {
                let now = timer.now();
                let begun = outcomes.iter().rfind(|(at, _)| *at <= now)?;
                Some(begun.1.clone())
            }
        }
    }
}

impl fmt::Debug for ScriptedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ScriptedCondition")
            .field("script", &state.script)
            .field("evaluations", &state.evaluations)
            .finish()
    }
}
