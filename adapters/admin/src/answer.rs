//! What is told, in the fields in which it is told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use health_core::{ConditionState, Hold, ServiceState, ServingStatus, Transition, Update};
use serde::Serialize;

/// Every hold.
#[derive(Serialize)]
pub(crate) struct Holds<'a> {
    holds: Vec<HeldService<'a>>,
}

/// Every service, and what stands behind its status.
#[derive(Serialize)]
pub(crate) struct Services<'a> {
    services: Vec<Service<'a>>,
}

/// The last transitions, oldest first.
#[derive(Serialize)]
pub(crate) struct Transitions<'a> {
    transitions: Vec<Change<'a>>,
}

/// What was done to a service: it was held, or released where there is no `hold`.
#[derive(Serialize)]
pub(crate) struct Done<'a> {
    service: &'a str,
    update: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Held<'a>>,
}

impl<'a> Holds<'a> {
    pub(crate) fn of(holds: &'a [(Arc<str>, Hold)], now: Instant) -> Self {
        let held = holds.iter();
        let held = held.map(|(service, hold)| HeldService { service, hold: Held::of(hold, now) });
        Self { holds: held.collect() }
    }
}

impl<'a> Services<'a> {
    pub(crate) fn of(services: &'a [ServiceState], now: Instant) -> Self {
        Self { services: services.iter().map(|state| Service::of(state, now)).collect() }
    }
}

impl<'a> Transitions<'a> {
    pub(crate) fn of(history: &'a [Transition]) -> Self {
        Self { transitions: history.iter().map(Change::of).collect() }
    }
}

impl<'a> Done<'a> {
    /// `shown` is what the service shows now, if it is registered.
    pub(crate) fn of(
        service: &'a str,
        update: Update,
        shown: Option<ServingStatus>,
        hold: Option<(&'a Hold, Instant)>,
    ) -> Self {
        Self {
            service,
            update: update.as_str(),
            status: shown.unwrap_or(ServingStatus::ServiceUnknown).as_str(),
            hold: hold.map(|(hold, now)| Held::of(hold, now)),
        }
    }
}

#[derive(Serialize)]
struct HeldService<'a> {
    service: &'a str,
    #[serde(flatten)]
    hold: Held<'a>,
}

#[derive(Serialize)]
struct Held<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Service<'a> {
    service: &'a str,
    status: &'static str,
    age_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Held<'a>>,
    conditions: Vec<Condition<'a>>,
}

#[derive(Serialize)]
struct Condition<'a> {
    name: &'a str,
    scope: &'static str,
    finding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    age_seconds: f64,
}

#[derive(Serialize)]
struct Change<'a> {
    sequence: u64,
    service: &'a str,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasted_seconds: Option<f64>,
}

impl<'a> Held<'a> {
    fn of(hold: &'a Hold, now: Instant) -> Self {
        let remaining = hold.end().map(|end| end.saturating_duration_since(now));
        Self { reason: hold.reason(), by: hold.holder(), remaining_seconds: remaining.map(seconds) }
    }
}

impl<'a> Service<'a> {
    fn of(state: &'a ServiceState, now: Instant) -> Self {
        Self {
            service: &state.name,
            status: state.status.as_str(),
            age_seconds: seconds(state.age),
            why: state.why.as_deref(),
            hold: state.hold.as_ref().map(|hold| Held::of(hold, now)),
            conditions: state.conditions.iter().map(Condition::of).collect(),
        }
    }
}

impl<'a> Condition<'a> {
    fn of(state: &'a ConditionState) -> Self {
        Self {
            name: &state.name,
            scope: state.scope.as_str(),
            finding: state.finding.as_str(),
            reason: state.reason.as_deref(),
            age_seconds: seconds(state.age),
        }
    }
}

impl<'a> Change<'a> {
    fn of(transition: &'a Transition) -> Self {
        Self {
            sequence: transition.sequence,
            service: &transition.service,
            from: transition.from.as_str(),
            to: transition.to.as_str(),
            cause: transition.cause.as_str(),
            reason: transition.reason.as_deref(),
            lasted_seconds: transition.lasted.map(seconds),
        }
    }
}

/// To the millisecond: what is finer tells an operator nothing.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
