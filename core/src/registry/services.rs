//! What an operator sees of the services, all of them at one moment.

use std::{
    sync::Arc as StdArc,
    time::{Duration, Instant},
};

use super::{
    Registry,
    conditions::ConditionState,
    ledger::Ledger,
    record::{Name, Record},
};
use crate::{Hold, ServingStatus};

/// What is known of one service. For operators.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServiceState {
    /// Name of the service; `""` is the server as a whole.
    pub name: StdArc<str>,
    /// What it shows.
    pub status: ServingStatus,
    /// Why, where that is not what was set, as [`Registry::why`] has it.
    pub why: Option<StdArc<str>>,
    /// For how long it has shown that.
    pub age: Duration,
    /// Why it is held, if it is.
    pub hold: Option<Hold>,
    /// Its conditions, in the order in which they were added.
    pub conditions: Vec<ConditionState>,
}

impl Registry {
    /// Every registered service at one moment, sorted by name, however many there are. For operators;
    /// [`list`](Self::list) is what peers are told.
    ///
    /// An alias has the hold and the conditions of its service.
    ///
    /// ```
    /// use health_core::{Reason, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let database = health.signal("greet.GreetService", "postgres")?;
    /// database.fail(Reason::new("connection refused"));
    ///
    /// let services = health.services();
    /// assert_eq!(services.len(), 2); // the server as a whole comes first
    /// let greet = &services[1];
    /// assert_eq!(&*greet.name, "greet.GreetService");
    /// assert_eq!(greet.status, ServingStatus::NotServing);
    /// assert_eq!(greet.why.as_deref(), Some("postgres: connection refused"));
    /// assert_eq!(greet.conditions.len(), 1);
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn services(&self) -> Vec<ServiceState> {
        self.inner.let_go();
        let (now, latched) = (self.inner.now(), self.is_shut_down());
        let ledger = self.inner.lock();
        let registered = ledger.records.iter().filter(|(_, record)| record.is_registered());
        let mut services: Vec<_> =
            registered.map(|(name, record)| ledger.state(name, record, latched, now)).collect();
        drop(ledger);
        services.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        services
    }
}

impl Ledger {
    fn state(&self, name: &Name, record: &Record, latched: bool, now: Instant) -> ServiceState {
        let told = self.records.get(self.stands_for(name)).unwrap_or(record);
        ServiceState {
            name: StdArc::clone(name),
            status: record.cell.shown().status(),
            why: self.why(name, latched),
            age: now.saturating_duration_since(record.since),
            hold: told.hold.clone(),
            conditions: self.entries(told).map(|entry| entry.state(now)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finding, ServingStatus::*};

    #[test]
    fn all_services_are_told_beyond_what_peers_may_list() {
        let registry = Registry::builder().list_limit(1).build();
        registry.set("b", NotServing);
        registry.set("a", Unknown);
        let _watched = registry.watch("watched only").unwrap();
        registry.hold("held only", "x");
        let _signal = registry.liveness_signal("executor").unwrap();
        let told = registry.services();
        let told: Vec<_> = told.iter().map(|service| (&*service.name, service.status)).collect();
        assert_eq!(told, [("", Serving), ("a", Unknown), ("b", NotServing)]);
        assert!(registry.list().is_err());
    }

    #[test]
    fn an_alias_has_the_hold_and_the_conditions_of_its_service() {
        let registry = Registry::new();
        let pool = registry.signal("svc", "pool").unwrap();
        pool.pass();
        registry.alias("other", "svc").unwrap();
        registry.hold("other", "migration");
        let services = registry.services();
        for name in ["svc", "other"] {
            let service = services.iter().find(|service| &*service.name == name).unwrap();
            assert_eq!(service.status, NotServing, "{name}");
            assert_eq!(service.why.as_deref(), Some("held: migration"), "{name}");
            assert_eq!(service.hold.as_ref().map(Hold::reason), Some("migration"), "{name}");
            assert_eq!(service.conditions.len(), 1, "{name}");
            assert_eq!(service.conditions[0].finding, Finding::Passing, "{name}");
        }
    }

    #[test]
    fn a_latch_is_told_as_the_reason() {
        let registry = Registry::new();
        registry.shutdown();
        let services = registry.services();
        assert_eq!(services[0].status, NotServing);
        assert_eq!(services[0].why.as_deref(), Some("shutting down"));
    }
}
