//! The conditions of the services: who adds them, what they found, how they read.

use std::{
    sync::Arc as StdArc,
    time::{Duration, Instant},
};

use super::{
    Registry,
    groups::LIVENESS,
    ledger::{Ledger, Moment},
    record::{Entry, Post, Record},
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
        ledger.entries(record).map(|entry| entry.state(now)).collect()
    }

    /// The conditions of the process's liveness, in the order in which they were added.
    #[must_use]
    pub fn liveness_conditions(&self) -> Vec<ConditionState> {
        self.inner.let_go();
        let now = self.inner.now();
        let ledger = self.inner.lock();
        ledger.entries_at(&ledger.liveness).map(|entry| entry.state(now)).collect()
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
            let post = Post::Service(StdArc::clone(&service));
            let key = ledger.add_condition(&post, name, scope, moment)?;
            let record = ledger.record(&service, moment.now);
            record.reported.get_or_insert(ServingStatus::Serving);
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
        self.change(|ledger, moment| ledger.add_condition(&Post::Liveness, name, scope, moment)).0
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
        let post = changed.then(|| entry.post.clone());
        self.expire_at(key.place, expires);
        if let Some(post) = post {
            self.mark_post(&post, Cause::Condition);
        }
        replaced
    }

    fn add_condition(
        &mut self,
        post: &Post,
        name: &StdArc<str>,
        scope: Scope,
        moment: Moment,
    ) -> Result<ConditionKey, ConfigError> {
        let (key, replaced) = self.push_condition(post, name, scope, moment)?;
        replaced.into_iter().for_each(|key| self.remove_condition(key));
        Ok(key)
    }

    pub(super) fn remove_condition(&mut self, key: ConditionKey) {
        if self.entry(key).is_some() {
            let entry = self.conditions.remove(key.place);
            if let Some(places) = self.places(&entry.post) {
                places.retain(|place| *place != key.place);
            }
            self.mark_post(&entry.post, Cause::Condition);
        }
    }

    /// Adds a condition, and returns the abandoned one of the same name, if any: that is to be removed.
    pub(super) fn push_condition(
        &mut self,
        post: &Post,
        name: &StdArc<str>,
        scope: Scope,
        moment: Moment,
    ) -> Result<(ConditionKey, Option<ConditionKey>), ConfigError> {
        if let Post::Service(service) = post {
            self.record(service, moment.now);
        }
        self.mark_post(post, Cause::Condition);
        let known = self.places(post).cloned().unwrap_or_default();
        let mut replaced = None;
        for place in known {
            let Some(entry) = self.conditions.get(place).filter(|entry| entry.name == *name) else {
                continue;
            };
            if !entry.is_abandoned {
                return Err(ConfigError::duplicate(post.name(), name));
            }
            replaced = Some(ConditionKey { place, generation: entry.generation });
        }
        self.generation += 1;
        let generation = self.generation;
        let place = self.conditions.insert(Entry {
            post: post.clone(),
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
        self.places(post).into_iter().for_each(|places| places.push(place));
        Ok((ConditionKey { place, generation }, replaced))
    }

    /// The conditions of `record`, in the order in which they were added; the process's liveness, where it
    /// is a service, has those of the process besides.
    pub(super) fn entries<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = &'a Entry> {
        let process = if record.is_process_liveness() { self.liveness.as_slice() } else { &[] };
        self.entries_at(&record.conditions).chain(self.entries_at(process))
    }

    /// Those of them that decide over it.
    pub(super) fn deciding_entries<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = &'a Entry> {
        let counts = |entry: &&Entry| !record.tells_liveness() || entry.asks_for_restart();
        self.entries(record).filter(counts)
    }

    fn entries_at<'a>(&'a self, places: &'a [usize]) -> impl Iterator<Item = &'a Entry> {
        places.iter().filter_map(|place| self.conditions.get(*place))
    }

    /// Where the conditions of `post` are noted.
    fn places(&mut self, post: &Post) -> Option<&mut Vec<usize>> {
        match post {
            Post::Service(service) => Some(&mut self.records.get_mut(service)?.conditions),
            Post::Liveness => Some(&mut self.liveness),
        }
    }

    /// Has `settle` look at what a condition of `post` decides over.
    pub(super) fn mark_post(&mut self, post: &Post, cause: Cause) {
        // A service that happens to be called so has its own conditions only, and stays as it is.
        if let Some((name, _)) = self.records.get_key_value(post.name()) {
            let name = StdArc::clone(name);
            self.mark(&name, cause);
        }
    }
}

impl Post {
    fn name(&self) -> &str {
        match self {
            Self::Service(service) => service,
            Self::Liveness => LIVENESS,
        }
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
