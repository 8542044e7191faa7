//! Groups: names that are made up of services.

use std::sync::Arc as StdArc;

use super::{
    Registry, Update,
    ledger::{Ledger, Moment},
    record::{Edge, Nature, Origin, Reading, Record},
};
use crate::{ConfigError, OVERALL, ServingStatus, cell::Cell, sync::Arc, transition::Cause};

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
    /// them: neither those of a member nor those of the group itself.
    ///
    /// By the name `liveness` it is the liveness of the process, which the conditions that were bound to
    /// that decide over too; see [`ProbeConfig`](crate::probe::ProbeConfig).
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
    /// Registers `name` as made up of others. A group of that name is replaced; conditions and
    /// dependencies that the name has decide too.
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
        self.try_update(|ledger, moment| ledger.group(name, group, moment))
    }

    /// Registers all of these groups, as [`group`](Self::group) does, or none, in one step that no reader
    /// sees half of. Each may be made up of those before it.
    pub(crate) fn groups<const N: usize>(
        &self,
        groups: [(&str, Group); N],
    ) -> Result<(), ConfigError> {
        self.change(|ledger, moment| {
            let before = groups.each_ref().map(|(name, _)| (*name, ledger.makeup(name)));
            let mut groups = groups.into_iter();
            let made =
                groups.try_for_each(|(name, group)| ledger.group(name, group, moment).map(drop));
            if made.is_err() {
                before.into_iter().for_each(|(name, makeup)| ledger.restore(name, makeup, moment));
            }
            made
        })
        .0
    }
}

/// What [`Ledger::group`] changes of a name.
struct Makeup {
    nature: Nature,
    reported: Option<ServingStatus>,
    members: Vec<Edge>,
}

impl Ledger {
    /// Returns the group's cell if that is another group than before.
    fn group(
        &mut self,
        name: &str,
        group: Group,
        moment: Moment,
    ) -> Result<Option<Arc<Cell>>, ConfigError> {
        let known = self.records.get(name);
        match known.map(|record| &record.nature) {
            Some(Nature::AliasOf(_)) => return Err(ConfigError::taken(name, "an alias")),
            Some(Nature::Group(_)) => {}
            _ if known.is_some_and(Record::is_registered) || name == OVERALL => {
                return Err(ConfigError::taken(name, "a service"));
            }
            _ => {}
        }
        let name = self.resolve(name);
        let members = self.members("group", &name, group.members)?;
        let nature = Nature::Group(group.reading);
        let record = self.record(&name, moment.now);
        let cell = Arc::clone(&record.cell);
        let was_made = record.nature == nature && record.reported.is_some();
        record.nature = nature;
        record.reported.get_or_insert(ServingStatus::Serving);
        let is_other = self.refollow(&name, Origin::Group, group.reading, members, moment);
        self.mark(&name, Cause::Grouped);
        Ok((is_other || !was_made).then_some(cell))
    }

    fn makeup(&self, name: &str) -> Makeup {
        let Some(record) = self.records.get(name) else {
            return Makeup { nature: Nature::Service, reported: None, members: Vec::new() };
        };
        let members = record.follows.iter().filter(|edge| edge.origin == Origin::Group);
        Makeup {
            nature: record.nature.clone(),
            reported: record.reported,
            members: members.cloned().collect(),
        }
    }

    /// Takes back what [`group`](Self::group) did within the same edit.
    fn restore(&mut self, name: &str, makeup: Makeup, moment: Moment) {
        let Some(record) = self.records.get_mut(name) else {
            return;
        };
        record.nature = makeup.nature;
        record.reported = makeup.reported;
        let name = StdArc::clone(record.cell.service());
        self.forget_edges(&name, Origin::Group);
        makeup.members.into_iter().for_each(|edge| self.follow(&name, edge, moment));
    }
}

/// The service name of the process's liveness, where that is one: kubernetes/website#39919.
pub(crate) const LIVENESS: &str = "liveness";
