//! `HealthMetrics`: what is recorded, under which labels.

use std::sync::Arc;

use health_core::{
    OVERALL, Registry, ServingStatus, Transition,
    condition::{Evaluation, Observer},
};
use metrics::{
    SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::{FollowFuture, metric};

/// Records what a health service shows with the recorder that is installed for the `metrics` facade.
///
/// It holds nothing: all of them are the same. Without a recorder it does nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct HealthMetrics;

impl HealthMetrics {
    /// Describes the [metrics](metric), with their units, to the recorder that is installed. One that is
    /// installed later has the metrics without their descriptions.
    #[must_use]
    pub fn new() -> Self {
        describe_gauge!(metric::STATUS, Unit::Count, "1 for the status that a service shows.");
        describe_counter!(
            metric::TRANSITIONS,
            Unit::Count,
            "How often a service has come to show another status."
        );
        describe_counter!(
            metric::TRANSITIONS_LOST,
            Unit::Count,
            "Transitions that are not counted, as their reader was too slow."
        );
        describe_histogram!(
            metric::EVALUATION_DURATION,
            Unit::Seconds,
            "How long evaluations of a condition took."
        );
        describe_counter!(
            metric::EVALUATION_FAILURES,
            Unit::Count,
            "How many evaluations of a condition failed."
        );
        describe_gauge!(metric::WATCHERS, Unit::Count, "How many Watch streams are open.");
        Self
    }

    /// Records the statuses of `registry` as they are, and then follows them: [`metric::STATUS`],
    /// [`metric::TRANSITIONS`] and [`metric::TRANSITIONS_LOST`].
    ///
    /// The future is to be spawned, on any runtime, once for each registry: a second one counts every
    /// transition twice. It begins to count with this call and to record when it is first polled. It
    /// keeps the registry alive and so never completes; dropping it ends it.
    pub fn follow(&self, registry: &Registry) -> FollowFuture {
        FollowFuture::new(registry)
    }

    /// Records what no event tells: [`metric::WATCHERS`]. To be called before each scrape.
    ///
    /// It also has the registry let go of what is over, a hold or a heartbeat; without a monitor nobody
    /// else may ask in time.
    pub fn collect(&self, registry: &Registry) {
        let _ = registry.check(OVERALL);
        gauge!(metric::WATCHERS).set(registry.watchers() as f64);
    }
}

impl Observer for HealthMetrics {
    fn evaluated(&self, evaluation: &Evaluation<'_>) {
        let service = SharedString::from(evaluation.service.to_owned());
        let condition = SharedString::from(evaluation.condition.to_owned());
        let (outcome, failures) = match evaluation.result {
            Ok(()) => ("passed", 0),
            Err(_) => ("failed", 1),
        };
        counter!(
            metric::EVALUATION_FAILURES,
            "service" => service.clone(),
            "condition" => condition.clone()
        )
        .increment(failures);
        histogram!(
            metric::EVALUATION_DURATION,
            "service" => service,
            "condition" => condition,
            "outcome" => outcome
        )
        .record(evaluation.duration);
    }
}

/// Records what `service` shows; nothing, once it is removed.
pub(crate) fn show(service: &Arc<str>, status: Option<ServingStatus>) {
    for state in STATES {
        let value = if status == Some(state) { 1.0 } else { 0.0 };
        let service = SharedString::from_shared(Arc::clone(service));
        gauge!(metric::STATUS, "service" => service, "status" => state.as_str()).set(value);
    }
}

/// Counts a transition, and those that were lost before it.
pub(crate) fn count(transition: &Transition) {
    counter!(
        metric::TRANSITIONS,
        "service" => SharedString::from_shared(Arc::clone(&transition.service)),
        "from" => transition.from.as_str(),
        "to" => transition.to.as_str(),
        "cause" => transition.cause.as_str()
    )
    .increment(1);
    counter!(metric::TRANSITIONS_LOST).increment(transition.lost);
}

/// What a registered service can show.
const STATES: [ServingStatus; 3] =
    [ServingStatus::Unknown, ServingStatus::Serving, ServingStatus::NotServing];
