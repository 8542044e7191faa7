//! `Observer`: who is told of every evaluation.

use std::{fmt::Debug, time::Duration};

use crate::{Finding, Reason};

/// Is told of every evaluation of a [`Monitor`](super::Monitor): for metrics and logs.
///
/// It is called in the monitor's task, so it must not block. A panic in it ends there.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use health_core::condition::{Evaluation, Observer};
///
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn evaluated(&self, evaluation: &Evaluation<'_>) {
///         if evaluation.result.is_err() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Debug + Send + Sync {
    /// An evaluation has ended, or its timeout has come.
    fn evaluated(&self, evaluation: &Evaluation<'_>);
}

/// One evaluation of one condition.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Evaluation<'a> {
    /// The service; `"liveness"` for a condition of the process's liveness.
    pub service: &'a str,
    /// Name of the condition.
    pub condition: &'a str,
    /// What it came to. A timeout and a panic are failures.
    pub result: Result<(), &'a Reason>,
    /// What is believed of the condition now: the thresholds decide.
    pub finding: Finding,
    /// From its start to its end, or to its timeout.
    pub duration: Duration,
    /// How much later it started than it was to.
    pub lateness: Duration,
}
