//! The conditions of the services: who adds them, what they found, how they read.

use std::{
    sync::Arc as StdArc,
    time::{Duration, Instant},
};

use super::{
    Registry,
    ledger::{Ledger, Moment},
    record::{Entry, Name, Nature},
    relations::LIVENESS,
};
use crate::{ConfigError, Finding, Scope, ServingStatus, transition::Cause};

/// One condition of the ledger, for its owner. It outlives its owner and its condition, and then names
/// nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ConditionKey {
    place: usize,
    generation: u64,
}

/// What is known of one condition of a service. For operators.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConditionState {
    /// Name of the condition, unique in its service.
    pub name: StdArc<str>,
    /// How far its failure reaches.
    pub scope: Scope,
    /// What it found.
    pub finding: Finding,
    /// Why, if it does not pass and that is known.
    pub reason: Option<StdArc<str>>,
    /// How long ago it was found.
    pub age: Duration,
}

impl Registry {
    /// The conditions of `service`, in the order in which they were added.
    #[must_use]
    pub fn conditions(&self, service: &str) -> Vec<ConditionState> {
        self.inner.let_go();
        let now = self.inner.now();
        let ledger = self.inner.lock();
        let Some(record) = ledger.records.get(ledger.stands_for(service)) else {
            return Vec::new();
        };
        let entries = record.conditions.iter().filter_map(|at| ledger.conditions.get(*at));
        entries.map(|entry| entry.state(now)).collect()
    }

    /// The conditions of the process's liveness, in the order in which they were added.
    #[must_use]
    pub fn liveness_conditions(&self) -> Vec<ConditionState> {
        let is_group = {
            let ledger = self.inner.lock();
            let liveness = ledger.records.get(LIVENESS);
            liveness.is_some_and(|record| matches!(record.nature, Nature::Group { .. }))
        };
        if is_group { self.conditions(LIVENESS) } else { Vec::new() }
    }

    /// Whether nothing that concerns this process alone speaks against `service`: it is not set
    /// NOT_SERVING, and no [local](Scope::Local) condition of it fails. So is one that is not registered.
    #[must_use]
    pub fn is_alive(&self, service: &str) -> bool {
        self.inner.let_go();
        let ledger = self.inner.lock();
        ledger.records.get(ledger.stands_for(service)).is_none_or(|record| record.alive)
    }

    /// Adds a condition to `service`, which registers it (as SERVING) if it is not registered. Pending at
    /// first.
    pub(crate) fn add_condition(
        &self,
        service: &str,
        name: &StdArc<str>,
        scope: Scope,
    ) -> Result<ConditionKey, ConfigError> {
        self.change(|ledger, moment| {
            let service = ledger.resolve(service);
            let key = ledger.add_condition(&service, name, scope, moment)?;
            let record = ledger.record(&service, moment.now);
            record.reported.get_or_insert(ServingStatus::Serving);
            ledger.mark(&service, Cause::Condition);
            Ok(key)
        })
        .0
    }

    /// Adds a condition to the liveness of the process.
    pub(crate) fn add_liveness_condition(
        &self,
        name: &StdArc<str>,
        scope: Scope,
    ) -> Result<ConditionKey, ConfigError> {
        self.change(|ledger, moment| {
            let group = ledger.hidden_group(LIVENESS, moment)?;
            let key = ledger.add_condition(&group, name, scope, moment)?;
            ledger.mark(&group, Cause::Condition);
            Ok(key)
        })
        .0
    }

    /// What a condition found just now, believed until `expires`.
    pub(crate) fn report(
        &self,
        key: ConditionKey,
        finding: Finding,
        reason: Option<StdArc<str>>,
        expires: Option<Instant>,
    ) {
        // What is replaced is dropped where no lock is held.
        self.change(|ledger, moment| ledger.report(key, finding, reason, expires, moment));
    }

    /// Takes a condition away: the service shows what the others make of it.
    pub(crate) fn remove_condition(&self, key: ConditionKey) {
        self.change(|ledger, _| ledger.remove_condition(key));
    }

    /// Fails a condition whose owner is gone, for good: nobody is left who could find out. A new condition
    /// of the same name takes its place.
    pub(crate) fn abandon(&self, key: ConditionKey, reason: &str) {
        let reason = Some(reason.into());
        self.change(|ledger, moment| {
            let replaced = ledger.report(key, Finding::Failing, reason, None, moment);
            if let Some(entry) = ledger.entry(key) {
                entry.is_abandoned = true;
            }
            replaced
        });
    }
}

impl Ledger {
    fn entry(&mut self, key: ConditionKey) -> Option<&mut Entry> {
        self.conditions.get_mut(key.place).filter(|entry| entry.generation == key.generation)
    }

    /// Notes what a condition found; returns the reason that stood there before.
    fn report(
        &mut self,
        key: ConditionKey,
        finding: Finding,
        reason: Option<StdArc<str>>,
        expires: Option<Instant>,
        moment: Moment,
    ) -> Option<StdArc<str>> {
        let entry = self.entry(key)?;
        let changed = std::mem::replace(&mut entry.finding, finding) != finding;
        let replaced = std::mem::replace(&mut entry.reason, reason);
        entry.at = moment.now;
        let service = changed.then(|| StdArc::clone(&entry.service));
        self.expire_at(key.place, expires);
        if let Some(service) = service {
            self.mark(&service, Cause::Condition);
        }
        replaced
    }

    fn add_condition(
        &mut self,
        service: &Name,
        name: &StdArc<str>,
        scope: Scope,
        moment: Moment,
    ) -> Result<ConditionKey, ConfigError> {
        let (key, replaced) = self.push_condition(service, name, scope, moment)?;
        replaced.into_iter().for_each(|key| self.remove_condition(key));
        Ok(key)
    }

    pub(super) fn remove_condition(&mut self, key: ConditionKey) {
        if self.entry(key).is_some() {
            let entry = self.conditions.remove(key.place);
            if let Some(record) = self.records.get_mut(&entry.service) {
                record.conditions.retain(|place| *place != key.place);
            }
            self.mark(&entry.service, Cause::Condition);
        }
    }

    /// Adds a condition, and returns the abandoned one of the same name, if any: that is to be removed.
    pub(super) fn push_condition(
        &mut self,
        service: &Name,
        name: &StdArc<str>,
        scope: Scope,
        moment: Moment,
    ) -> Result<(ConditionKey, Option<ConditionKey>), ConfigError> {
        let known = self.record(service, moment.now).conditions.clone();
        let mut replaced = None;
        for place in known {
            let Some(entry) = self.conditions.get(place).filter(|entry| entry.name == *name) else {
                continue;
            };
            if !entry.is_abandoned {
                return Err(ConfigError::duplicate(service, name));
            }
            replaced = Some(ConditionKey { place, generation: entry.generation });
        }
        self.generation += 1;
        let generation = self.generation;
        let place = self.conditions.insert(Entry {
            service: StdArc::clone(service),
            name: StdArc::clone(name),
            scope,
            finding: Finding::Pending,
            reason: None,
            at: moment.now,
            expires: None,
            queued: None,
            is_abandoned: false,
            generation,
        });
        self.record(service, moment.now).conditions.push(place);
        Ok((ConditionKey { place, generation }, replaced))
    }
}

impl Entry {
    pub(super) fn state(&self, now: Instant) -> ConditionState {
        ConditionState {
            name: StdArc::clone(&self.name),
            scope: self.scope,
            finding: self.finding,
            reason: self.reason.clone(),
            age: now.saturating_duration_since(self.at),
        }
    }
}
