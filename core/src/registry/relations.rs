//! Services that follow others: dependencies, aliases, and the server as a whole.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc as StdArc,
};

use super::{
    Registry, Update,
    ledger::{Ledger, Moment},
    record::{Edge, Name, Nature, Origin, Reading, Record},
};
use crate::{ConfigError, OVERALL, ServingStatus, cell::Cell, sync::Arc, transition::Cause};

/// What the status of the server as a whole, [`OVERALL`], is made of besides what is set for it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overall {
    /// Nothing: it is what is set, as in grpc-go and tonic-health. The default.
    Independent,
    /// The worst of all services, those that are registered later too.
    All,
    /// The worst of these services.
    Of(Vec<StdArc<str>>),
}

impl Overall {
    /// The worst of `services`.
    pub fn of<S: Into<StdArc<str>>>(services: impl IntoIterator<Item = S>) -> Self {
        Self::Of(services.into_iter().map(Into::into).collect())
    }
}

impl Registry {
    /// Lets `service` depend on `other`: it is SERVING only while `other` is. Transitive.
    ///
    /// Registers `service` if it is not registered. If `other` is removed later, `service` is NOT_SERVING
    /// until it is back. Depending twice is depending once.
    ///
    /// ```
    /// use health_core::{Registry, ServingStatus::*};
    ///
    /// let health = Registry::new();
    /// health.set("inventory.v1.Inventory", NotServing);
    /// health.depends_on("greet.GreetService", "inventory.v1.Inventory")?;
    /// assert_eq!(health.check("greet.GreetService"), Some(NotServing));
    ///
    /// health.set("inventory.v1.Inventory", Serving);
    /// assert_eq!(health.check("greet.GreetService"), Some(Serving));
    ///
    /// let cycle = health.depends_on("inventory.v1.Inventory", "greet.GreetService").unwrap_err();
    /// assert!(cycle.is_cycle());
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - if `other` is not registered;
    /// - if `other` depends on `service`, with the path in the text.
    pub fn depends_on(&self, service: &str, other: &str) -> Result<Update, ConfigError> {
        self.try_update(|ledger, moment| {
            let (service, other) = (ledger.resolve(service), ledger.resolve(other));
            ledger.depend(&service, &other, moment)
        })
    }

    /// Ends what [`depends_on`](Self::depends_on) began, by whichever name of `other`.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn independent_of(&self, service: &str, other: &str) -> Update {
        self.update(|ledger, _| {
            let (service, other) = (ledger.resolve(service), ledger.resolve(other));
            let cell = ledger.records.get(&service)?.cell.clone();
            // The name of a service that is gone may be another one's alias by now.
            let has_ended = ledger.end_edges(&service, |ledger, edge| {
                edge.origin == Origin::Dependency && *ledger.stands_for(&edge.other) == *other
            });
            if !has_ended {
                return None;
            }
            ledger.mark(&service, Cause::Dependency);
            Some(cell)
        })
    }

    /// Gives `service` a second name, which always shows its status, and ends with it.
    ///
    /// What is set or held by either name is set or held for both. A hold on the name from before becomes
    /// one of the service, unless that has one already, which then stays. For Dubbo, whose consumers watch
    /// [`dubbo::service_key`](crate::dubbo::service_key):
    ///
    /// ```
    /// use health_core::{Registry, ServingStatus, dubbo::service_key};
    ///
    /// let health = Registry::new();
    /// health.set("greet.GreetService", ServingStatus::Serving);
    /// health.alias(&service_key("lab", "greet.GreetService", "1.0.0"), "greet.GreetService")?;
    /// assert_eq!(health.check("lab/greet.GreetService:1.0.0"), Some(ServingStatus::Serving));
    ///
    /// health.remove("greet.GreetService");
    /// assert_eq!(health.check("lab/greet.GreetService:1.0.0"), None);
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - if `service` is not registered, or follows something of this name;
    /// - if `alias` is a registered service, a group, the alias of another one, or [`OVERALL`].
    pub fn alias(&self, alias: &str, service: &str) -> Result<Update, ConfigError> {
        self.try_update(|ledger, moment| {
            if !ledger.is_registered(service) {
                return Err(ConfigError::unknown_service("alias", service));
            }
            let service = ledger.resolve(service);
            let known = ledger.records.get(alias);
            match known.map(|record| &record.nature) {
                Some(Nature::AliasOf(other)) if *other == service => return Ok(None),
                Some(Nature::AliasOf(_)) => return Err(ConfigError::taken(alias, "another alias")),
                Some(Nature::Group(_)) => return Err(ConfigError::taken(alias, "a group")),
                _ if known.is_some_and(Record::is_anything) || alias == OVERALL => {
                    return Err(ConfigError::taken(alias, "a service"));
                }
                _ => {}
            }
            let record = ledger.record(alias, moment.now);
            let (name, cell) = (StdArc::clone(record.cell.service()), record.cell.clone());
            record.nature = Nature::AliasOf(StdArc::clone(&service));
            ledger.mark(&name, Cause::Aliased);
            // Something may depend on a service of this name that is gone.
            if let Err(cycle) = ledger.refuse_cycle(&name, [&service]) {
                ledger.record(alias, moment.now).nature = Nature::Service;
                return Err(cycle);
            }
            ledger.record(&service, moment.now).followers.push(StdArc::clone(&name));
            ledger.pass_hold_on(&name, &service, moment);
            Ok(Some(cell))
        })
    }

    /// Says what the server as a whole, [`OVERALL`], is made of, besides what is set for it.
    ///
    /// ```
    /// use health_core::{OVERALL, Overall, Registry, ServingStatus::*};
    ///
    /// let health = Registry::new();
    /// health.overall(&Overall::All)?;
    /// assert_eq!(health.check(OVERALL), Some(Serving));
    /// health.set("greet.GreetService", NotServing);
    /// assert_eq!(health.check(OVERALL), Some(NotServing));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a service named is not registered, or one of them depends on [`OVERALL`].
    pub fn overall(&self, overall: &Overall) -> Result<Update, ConfigError> {
        self.try_update(|ledger, moment| {
            let name = ledger.resolve(OVERALL);
            let mut members = Vec::new();
            match overall {
                Overall::Independent => {}
                Overall::All => {
                    ledger.refuse_cycle(&name, ledger.services())?;
                }
                Overall::Of(services) => {
                    let named = services.iter().map(|service| (StdArc::clone(service), true));
                    members = ledger.members("overall", &name, named.collect())?;
                }
            }
            let of_all = *overall == Overall::All;
            let was_of_all = std::mem::replace(&mut ledger.overall_of_all, of_all);
            let is_other =
                ledger.refollow(&name, Origin::Overall, Reading::Serving, members, moment);
            let cell = ledger.record(&name, moment.now).cell.clone();
            ledger.mark(&name, Cause::Dependency);
            Ok((is_other || was_of_all != of_all).then_some(cell))
        })
    }
}

impl Ledger {
    /// Lets `service` depend on `other`; `None` if it does already.
    pub(super) fn depend(
        &mut self,
        service: &Name,
        other: &Name,
        moment: Moment,
    ) -> Result<Option<Arc<Cell>>, ConfigError> {
        if !self.is_registered(other) {
            return Err(ConfigError::unknown_service("depends_on", other));
        }
        let known = self.records.get(service).map(|record| record.follows.as_slice());
        if known.unwrap_or_default().iter().any(|edge| edge.is_dependency_on(other)) {
            return Ok(None);
        }
        // With its record it is one of all, should the overall service be made of all.
        self.record(service, moment.now);
        self.mark(service, Cause::Dependency);
        self.refuse_cycle(service, [other])?;
        let record = self.record(service, moment.now);
        record.reported.get_or_insert(ServingStatus::Serving);
        let cell = Arc::clone(&record.cell);
        self.follow(service, Edge::dependency(StdArc::clone(other)), moment);
        Ok(Some(cell))
    }

    /// The members of `follower` as they are really called; all must be registered, none may follow it.
    pub(super) fn members(
        &self,
        field: &'static str,
        follower: &Name,
        members: Vec<(Name, bool)>,
    ) -> Result<Vec<(Name, bool)>, ConfigError> {
        let mut known = Vec::with_capacity(members.len());
        for (member, critical) in members {
            if !self.is_registered(&member) {
                return Err(ConfigError::unknown_service(field, &member));
            }
            let member = self.resolve(&member);
            self.refuse_cycle(follower, [&member])?;
            known.push((member, critical));
        }
        Ok(known)
    }

    /// Has `follower` follow these members, and no others for this reason; returns whether that is news.
    pub(super) fn refollow(
        &mut self,
        follower: &Name,
        origin: Origin,
        reading: Reading,
        members: Vec<(Name, bool)>,
        moment: Moment,
    ) -> bool {
        let edge = |(other, critical)| Edge { other, reading, critical, origin };
        let edges: Vec<_> = members.into_iter().map(edge).collect();
        let known = self.records.get(follower).map(|record| record.follows.as_slice());
        let known = known.unwrap_or_default().iter().filter(|edge| edge.origin == origin);
        if known.eq(&edges) {
            return false;
        }
        self.forget_edges(follower, origin);
        edges.into_iter().for_each(|edge| self.follow(follower, edge, moment));
        true
    }

    pub(super) fn follow(&mut self, follower: &Name, edge: Edge, moment: Moment) {
        let other = StdArc::clone(&edge.other);
        self.record(&other, moment.now).followers.push(StdArc::clone(follower));
        self.record(follower, moment.now).follows.push(edge);
    }

    /// Ends what `follower` follows for one reason.
    pub(super) fn forget_edges(&mut self, follower: &Name, origin: Origin) {
        self.end_edges(follower, |_, edge| edge.origin == origin);
    }

    /// Ends what `follower` follows by the edges that `ends` says; returns whether there were any.
    fn end_edges(&mut self, follower: &Name, ends: impl Fn(&Self, &Edge) -> bool) -> bool {
        let Some(record) = self.records.get_mut(follower) else {
            return false;
        };
        let follows = std::mem::take(&mut record.follows);
        let (gone, kept) = follows.into_iter().partition::<Vec<_>, _>(|edge| ends(self, edge));
        if let Some(record) = self.records.get_mut(follower) {
            record.follows = kept;
        }
        gone.iter().for_each(|edge| self.unfollow(&edge.other, follower));
        !gone.is_empty()
    }

    /// An error if one of `others` follows `follower`, or is it.
    fn refuse_cycle<'a>(
        &'a self,
        follower: &'a Name,
        others: impl IntoIterator<Item = &'a Name>,
    ) -> Result<(), ConfigError> {
        // From whom each was reached; what is there needs no second look.
        let mut reached_from = HashMap::new();
        let mut to_visit = Vec::new();
        let mut reach = |other, from, to_visit: &mut Vec<_>| {
            if let Entry::Vacant(vacant) = reached_from.entry(other) {
                vacant.insert(from);
                to_visit.push(other);
            }
        };
        others.into_iter().for_each(|other| reach(other, follower, &mut to_visit));
        while let Some(name) = to_visit.pop() {
            if name == follower {
                return Err(ConfigError::cycle(way_around(follower, &reached_from)));
            }
            self.followed_by(name).for_each(|other| reach(other, name, &mut to_visit));
        }
        Ok(())
    }

    /// Whom `name` follows. An overall service of all follows every service, be it registered by now or
    /// not: they all count once they are.
    fn followed_by<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Name> {
        let record = self.records.get(name);
        let behind = record.and_then(|record| match &record.nature {
            Nature::AliasOf(service) => Some(service),
            Nature::Service | Nature::Group(_) => None,
        });
        let follows = record.map(|record| record.follows.as_slice()).unwrap_or_default();
        let is_of_all = **name == *OVERALL && self.overall_of_all;
        let all = is_of_all.then(|| self.services()).into_iter().flatten();
        follows.iter().map(|edge| &edge.other).chain(behind).chain(all)
    }

    /// The names that count for the overall service, should it be made of all.
    fn services(&self) -> impl Iterator<Item = &Name> {
        let services = self.records.iter().filter(|(name, record)| record.counts(name));
        services.map(|(name, _)| name)
    }
}

/// The way from `name` back to it, by who was reached from whom.
fn way_around(name: &Name, reached_from: &HashMap<&Name, &Name>) -> Vec<Name> {
    let mut way = vec![StdArc::clone(name)];
    let mut at = name;
    while let Some(from) = reached_from.get(at) {
        way.push(StdArc::clone(from));
        if *from == name {
            break;
        }
        at = from;
    }
    way.reverse();
    way
}

impl Edge {
    fn dependency(other: Name) -> Self {
        Self { other, reading: Reading::Serving, critical: true, origin: Origin::Dependency }
    }

    fn is_dependency_on(&self, other: &str) -> bool {
        self.origin == Origin::Dependency && *self.other == *other
    }
}
