//! Conditions and dependencies that come together: all of them are registered, in one step, or none.

use std::sync::Arc as StdArc;

use super::{
    Registry,
    conditions::ConditionKey,
    ledger::{Ledger, Moment},
    record::{Name, Post},
};
use crate::{ConfigError, Scope, ServingStatus};

/// A condition that is to be registered.
#[derive(Clone, Copy)]
pub(crate) struct Applicant<'a> {
    /// `None`: the liveness of the process.
    pub(crate) service: Option<&'a str>,
    pub(crate) name: &'a Name,
    pub(crate) scope: Scope,
}

/// What has been added of what is to come together.
#[derive(Default)]
struct Admission {
    conditions: Vec<ConditionKey>,
    /// The abandoned conditions whose names the new ones have. They stay until it is sure that these do.
    replaced: Vec<ConditionKey>,
    dependencies: Vec<(Name, Name)>,
    /// Those that were not registered before.
    services: Vec<Name>,
}

impl Registry {
    /// Registers conditions, each pending, and dependencies, each of a service and one that it is to depend
    /// on; returns the keys of the conditions, in order. Nobody sees a part of it, also if it is refused.
    pub(crate) fn admit(
        &self,
        conditions: &[Applicant<'_>],
        dependencies: &[(Name, Name)],
    ) -> Result<Vec<ConditionKey>, ConfigError> {
        self.change(|ledger, moment| {
            let mut admission = Admission::default();
            match ledger.admit(conditions, dependencies, &mut admission, moment) {
                Ok(()) => Ok(ledger.confirm(admission)),
                Err(error) => {
                    ledger.revoke(admission);
                    Err(error)
                }
            }
        })
        .0
    }
}

impl Ledger {
    /// Adds one after the other; what was added before one that is refused stands in `admission`.
    fn admit(
        &mut self,
        conditions: &[Applicant<'_>],
        dependencies: &[(Name, Name)],
        admission: &mut Admission,
        moment: Moment,
    ) -> Result<(), ConfigError> {
        for Applicant { service, name, scope } in conditions {
            let post = service.map_or(Post::Liveness, |name| Post::Service(self.resolve(name)));
            if let Post::Service(service) = &post {
                let is_new = !self.has_status(service);
                admission.services.extend(is_new.then(|| StdArc::clone(service)));
                self.report_serving(service, moment);
            }
            let (key, replaced) = self.push_condition(&post, name, *scope, moment)?;
            admission.conditions.push(key);
            admission.replaced.extend(replaced);
        }
        for (service, other) in dependencies {
            let (service, other) = (self.resolve(service), self.resolve(other));
            let is_new = !self.has_status(&service);
            if self.depend(&service, &other, moment)?.is_some() {
                admission.services.extend(is_new.then(|| StdArc::clone(&service)));
                admission.dependencies.push((service, other));
            }
        }
        Ok(())
    }

    fn confirm(&mut self, admission: Admission) -> Vec<ConditionKey> {
        admission.replaced.into_iter().for_each(|key| self.remove_condition(key));
        admission.conditions
    }

    /// Takes everything back, so that settling finds nothing changed.
    fn revoke(&mut self, admission: Admission) {
        for (service, other) in admission.dependencies.iter().rev() {
            if let Some(record) = self.records.get_mut(service) {
                // What was added last stands last.
                record.follows.pop();
            }
            self.unfollow(other, service);
        }
        admission.conditions.into_iter().for_each(|key| self.remove_condition(key));
        for service in &admission.services {
            if let Some(record) = self.records.get_mut(service) {
                record.reported = None;
            }
        }
    }

    /// Whether something was said of `service` itself, be it settled or not.
    fn has_status(&self, service: &str) -> bool {
        self.records.get(service).is_some_and(|record| record.reported.is_some())
    }

    fn report_serving(&mut self, service: &Name, moment: Moment) {
        self.record(service, moment.now).reported.get_or_insert(ServingStatus::Serving);
    }
}
