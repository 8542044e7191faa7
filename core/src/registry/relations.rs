//! Services that follow others: dependencies, aliases, groups, and the server as a whole.

use std::{collections::HashSet, sync::Arc as StdArc};

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

/// A name that is made up of services: one that Check and Watch can be asked for, such as `readiness`.
///
/// Critical members decide, the worst of them; optional ones are shown to operators and decide nothing.
#[derive(Clone, Debug)]
#[must_use = "a group does nothing until it is given to Registry::group"]
pub struct Group {
    reading: Reading,
    members: Vec<(StdArc<str>, bool)>,
}

impl Group {
    /// SERVING while every member is: readiness.
    pub fn serving<S: Into<StdArc<str>>>(members: impl IntoIterator<Item = S>) -> Self {
        Self::of(Reading::Serving, members)
    }

    /// SERVING while no member is set NOT_SERVING or fails a [local](crate::Scope::Local) condition:
    /// liveness. What is shared, dependencies, holds and a shutdown do not count, as no restart mends
    /// them.
    pub fn alive<S: Into<StdArc<str>>>(members: impl IntoIterator<Item = S>) -> Self {
        Self::of(Reading::Alive, members)
    }

    /// SERVING once every member has been: startup.
    pub fn started<S: Into<StdArc<str>>>(members: impl IntoIterator<Item = S>) -> Self {
        Self::of(Reading::Started, members)
    }

    /// Adds members that decide nothing.
    pub fn optional<S: Into<StdArc<str>>>(mut self, members: impl IntoIterator<Item = S>) -> Self {
        self.members.extend(members.into_iter().map(|member| (member.into(), false)));
        self
    }

    fn of<S: Into<StdArc<str>>>(reading: Reading, members: impl IntoIterator<Item = S>) -> Self {
        let members = members.into_iter().map(|member| (member.into(), true)).collect();
        Self { reading, members }
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

    /// Ends what [`depends_on`](Self::depends_on) began.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn independent_of(&self, service: &str, other: &str) -> Update {
        self.update(|ledger, _| {
            let (service, other) = (ledger.resolve(service), ledger.resolve(other));
            let record = ledger.records.get_mut(&service)?;
            let at = record.follows.iter().position(|edge| edge.is_dependency_on(&other))?;
            record.follows.remove(at);
            let cell = record.cell.clone();
            ledger.unfollow(&other, &service);
            ledger.mark(&service, Cause::Dependency);
            Some(cell)
        })
    }

    /// Gives `service` a second name, which always shows its status, and ends with it.
    ///
    /// What is set or held by either name is set or held for both. For Dubbo, whose consumers watch
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
                Some(Nature::Group { .. }) => return Err(ConfigError::taken(alias, "a group")),
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
            if let Err(cycle) = ledger.refuse_cycle(&name, &service) {
                ledger.record(alias, moment.now).nature = Nature::Service;
                return Err(cycle);
            }
            ledger.record(&service, moment.now).followers.push(name);
            Ok(Some(cell))
        })
    }

    /// Registers `name` as made up of others. A group of that name is replaced.
    ///
    /// ```
    /// use health_core::{Group, Registry, ServingStatus::*};
    ///
    /// let health = Registry::new();
    /// health.set("greet.GreetService", Serving);
    /// health.set("recommendations", NotServing);
    /// health.group("readiness", Group::serving(["greet.GreetService"]).optional(["recommendations"]))?;
    /// assert_eq!(health.check("readiness"), Some(Serving));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - if a member is not registered, or depends on the group;
    /// - if `name` is a service or an alias, or [`OVERALL`], for which there is
    ///   [`overall`](Self::overall).
    pub fn group(&self, name: &str, group: Group) -> Result<Update, ConfigError> {
        self.try_update(|ledger, moment| {
            let known = ledger.records.get(name);
            match known.map(|record| &record.nature) {
                Some(Nature::AliasOf(_)) => return Err(ConfigError::taken(name, "an alias")),
                Some(Nature::Group { .. }) => {}
                _ if known.is_some_and(Record::is_anything) || name == OVERALL => {
                    return Err(ConfigError::taken(name, "a service"));
                }
                _ => {}
            }
            let name = ledger.resolve(name);
            let members = ledger.members("group", &name, group.members)?;
            ledger.forget_edges(&name, Origin::Group);
            let record = ledger.record(&name, moment.now);
            let cell = record.cell.clone();
            record.nature = Nature::Group { latched: group.reading == Reading::Serving };
            record.hidden = false;
            record.reported.get_or_insert(ServingStatus::Serving);
            for (other, critical) in members {
                let edge = Edge { other, reading: group.reading, critical, origin: Origin::Group };
                ledger.follow(&name, edge, moment);
            }
            ledger.mark(&name, Cause::Grouped);
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
                    let (mut path, mut seen) = (vec![StdArc::clone(&name)], HashSet::new());
                    if ledger.any_leads_to(&name, &mut path, &mut seen) {
                        return Err(ConfigError::cycle(path));
                    }
                }
                Overall::Of(services) => {
                    let named = services.iter().map(|service| (StdArc::clone(service), true));
                    members = ledger.members("overall", &name, named.collect())?;
                }
            }
            ledger.forget_edges(&name, Origin::Overall);
            ledger.overall_of_all = *overall == Overall::All;
            for (other, critical) in members {
                let reading = Reading::Serving;
                let edge = Edge { other, reading, critical, origin: Origin::Overall };
                ledger.follow(&name, edge, moment);
            }
            let cell = ledger.record(&name, moment.now).cell.clone();
            ledger.mark(&name, Cause::Dependency);
            Ok(Some(cell))
        })
    }
}

impl Ledger {
    /// The group of a probe, which no RPC knows while nobody has made it a service.
    pub(super) fn hidden_group(&mut self, name: &str, moment: Moment) -> Result<Name, ConfigError> {
        let record = self.record(name, moment.now);
        match record.nature {
            Nature::AliasOf(_) => return Err(ConfigError::taken(name, "an alias")),
            Nature::Service if record.is_anything() => {
                return Err(ConfigError::taken(name, "a service"));
            }
            Nature::Service => {
                record.nature = Nature::Group { latched: false };
                record.hidden = true;
                record.reported = Some(ServingStatus::Serving);
            }
            Nature::Group { .. } => {}
        }
        Ok(StdArc::clone(record.cell.service()))
    }

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
        self.refuse_cycle(service, other)?;
        let record = self.record(service, moment.now);
        record.reported.get_or_insert(ServingStatus::Serving);
        let cell = Arc::clone(&record.cell);
        self.follow(service, Edge::dependency(StdArc::clone(other)), moment);
        Ok(Some(cell))
    }

    /// The members of `follower` as they are really called; all must be registered, none may follow it.
    fn members(
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
            self.refuse_cycle(follower, &member)?;
            known.push((member, critical));
        }
        Ok(known)
    }

    fn follow(&mut self, follower: &Name, edge: Edge, moment: Moment) {
        let other = StdArc::clone(&edge.other);
        self.record(&other, moment.now).followers.push(StdArc::clone(follower));
        self.record(follower, moment.now).follows.push(edge);
    }

    /// Ends what `follower` follows for one reason.
    pub(super) fn forget_edges(&mut self, follower: &Name, origin: Origin) {
        let Some(record) = self.records.get_mut(follower) else {
            return;
        };
        let (gone, kept) = std::mem::take(&mut record.follows)
            .into_iter()
            .partition::<Vec<_>, _>(|edge| edge.origin == origin);
        record.follows = kept;
        gone.iter().for_each(|edge| self.unfollow(&edge.other, follower));
    }

    /// An error if `other` follows `follower`, or is it.
    fn refuse_cycle(&self, follower: &Name, other: &Name) -> Result<(), ConfigError> {
        let mut path = vec![StdArc::clone(follower)];
        if self.leads_to(other, follower, &mut path, &mut HashSet::new()) {
            return Err(ConfigError::cycle(path));
        }
        Ok(())
    }

    /// Whether `from` is or follows `to`; `path` then has the way.
    fn leads_to(
        &self,
        from: &Name,
        to: &Name,
        path: &mut Vec<Name>,
        seen: &mut HashSet<Name>,
    ) -> bool {
        path.push(StdArc::clone(from));
        if from == to {
            return true;
        }
        let is_new = seen.insert(StdArc::clone(from));
        let record = self.records.get(from).filter(|_| is_new);
        let behind = record.and_then(|record| match &record.nature {
            Nature::AliasOf(service) => Some(service),
            Nature::Service | Nature::Group { .. } => None,
        });
        let follows = record.map(|record| record.follows.as_slice()).unwrap_or_default();
        let mut follows = follows.iter().map(|edge| &edge.other).chain(behind);
        let found = follows.any(|other| self.leads_to(other, to, path, seen));
        let through_all = is_new && **from == *OVERALL && self.overall_of_all;
        if found || (through_all && self.any_leads_to(to, path, seen)) {
            return true;
        }
        path.pop();
        false
    }

    /// Whether a service leads to `to`, be it registered by now or not: they all count once they are.
    fn any_leads_to(&self, to: &Name, path: &mut Vec<Name>, seen: &mut HashSet<Name>) -> bool {
        let mut services = self.records.iter().filter(|(name, record)| record.counts(name));
        services.any(|(service, _)| self.leads_to(service, to, path, seen))
    }
}

impl Edge {
    fn dependency(other: Name) -> Self {
        Self { other, reading: Reading::Serving, critical: true, origin: Origin::Dependency }
    }

    fn is_dependency_on(&self, other: &str) -> bool {
        self.origin == Origin::Dependency && *self.other == *other
    }
}

/// The service name of the process's liveness, where that is one: kubernetes/website#39919.
pub(crate) const LIVENESS: &str = "liveness";
