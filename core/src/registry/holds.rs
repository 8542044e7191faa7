//! Holds: what operators keep out of rotation.

use std::sync::Arc as StdArc;

use super::{
    Registry, Update,
    age::Due,
    ledger::{Ledger, Moment},
    record::Name,
};
use crate::{Hold, cell::Cell, sync::Arc, transition::Cause};

impl Registry {
    /// Holds `service` out of rotation: NOT_SERVING whatever is set, until [`release`](Self::release) or
    /// the hold's own end.
    ///
    /// A name that is not registered can be held too; the hold counts from its registration on. Holding
    /// what is held replaces the hold, which is [`Update::Hidden`] if the new one differs. A hold that ends by itself ends, at the latest, with the next
    /// question; a [`Monitor`](crate::condition::Monitor) ends it on time, and so tells watchers.
    pub fn hold(&self, service: &str, hold: impl Into<Hold>) -> Update {
        let hold = hold.into();
        self.update(|ledger, moment| {
            let service = ledger.resolve(service);
            ledger.hold(&service, hold, moment)
        })
    }

    /// Holds `service`, as [`hold`](Self::hold) does, unless somebody else holds it: who that is says
    /// [`Hold::holder`]. For those who hold and release without a person who looks on.
    ///
    /// # Errors
    ///
    /// The hold of somebody else, which stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use health_core::{Hold, Registry};
    ///
    /// let health = Registry::new();
    /// health.hold("greet.GreetService", Hold::new("schema migration").by("ada"));
    ///
    /// let theirs = health.try_hold("greet.GreetService", Hold::new("backup").by("cron")).unwrap_err();
    /// assert_eq!(theirs.holder(), Some("ada"));
    /// health.release_held_by("greet.GreetService", "cron");
    /// assert_eq!(health.held("greet.GreetService"), Some(theirs));
    /// ```
    pub fn try_hold(&self, service: &str, hold: impl Into<Hold>) -> Result<Update, Hold> {
        let hold = hold.into();
        let (edited, changed) = self.change(|ledger, moment| {
            let service = ledger.resolve(service);
            let held = ledger.records.get(&service).and_then(|record| record.hold.as_ref());
            match held {
                Some(other) if other.holder() != hold.holder() => Err(other.clone()),
                _ => Ok(ledger.hold(&service, hold, moment)),
            }
        });
        Ok(changed.update(edited?))
    }

    /// Ends a hold: the service shows its own status again.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn release(&self, service: &str) -> Update {
        self.amend(service, Cause::Released, |record| record.hold.take().is_some())
    }

    /// [`release`](Self::release) with the name of who does it, for [`Transition::reason`].
    ///
    /// ```
    /// use health_core::{Cause, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// health.set("greet.GreetService", ServingStatus::Serving);
    /// health.hold("greet.GreetService", "schema migration");
    /// health.release_by("greet.GreetService", "ada");
    ///
    /// let last = health.history().pop().unwrap();
    /// assert_eq!((last.cause, last.reason.as_deref()), (Cause::Released, Some("released by ada")));
    /// ```
    ///
    /// [`Transition::reason`]: crate::Transition::reason
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn release_by(&self, service: &str, by: &str) -> Update {
        self.update(|ledger, _| {
            let service = ledger.resolve(service);
            let record = ledger.records.get_mut(&service)?;
            record.hold.take()?;
            let cell = Arc::clone(&record.cell);
            ledger.releaser = Some(by.into());
            ledger.mark(&service, Cause::Released);
            Some(cell)
        })
    }

    /// Ends the hold of `holder`, and no hold of anybody else.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn release_held_by(&self, service: &str, holder: &str) -> Update {
        self.amend(service, Cause::Released, |record| {
            record.hold.take_if(|hold| hold.holder() == Some(holder)).is_some()
        })
    }

    /// Why `service` is held, if it is. For operators; never sent to peers.
    #[must_use]
    pub fn held(&self, service: &str) -> Option<Hold> {
        self.inner.let_go();
        let ledger = self.inner.lock();
        ledger.records.get(ledger.stands_for(service))?.hold.clone()
    }

    /// Every hold, sorted by the name of its service. For operators.
    #[must_use]
    pub fn holds(&self) -> Vec<(StdArc<str>, Hold)> {
        self.inner.let_go();
        let ledger = self.inner.lock();
        let held = ledger.records.iter();
        let mut holds: Vec<_> = held
            .filter_map(|(name, record)| Some((StdArc::clone(name), record.hold.clone()?)))
            .collect();
        drop(ledger);
        holds.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        holds
    }
}

impl Ledger {
    /// The service's cell, unless this very hold is in force.
    fn hold(&mut self, service: &Name, hold: Hold, moment: Moment) -> Option<Arc<Cell>> {
        let record = self.record(service, moment.now);
        if record.hold.as_ref() == Some(&hold) {
            return None;
        }
        let (cell, end) = (Arc::clone(&record.cell), hold.end());
        record.hold = Some(hold);
        if let Some(end) = end {
            self.queue(end, Due::Hold(StdArc::clone(service)));
        }
        self.mark(service, Cause::Held);
        Some(cell)
    }

    /// Has a hold on `alias`, which holds nothing any more, hold the service that it stands for now, unless
    /// somebody holds that.
    pub(super) fn pass_hold_on(&mut self, alias: &Name, service: &Name, moment: Moment) {
        let hold = self.records.get_mut(alias).and_then(|record| record.hold.take());
        let is_held = self.records.get(service).is_some_and(|record| record.hold.is_some());
        if let Some(hold) = hold.filter(|_| !is_held) {
            self.hold(service, hold, moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, ServingStatus};

    /// What the last transition of `registry` gives as its reason.
    fn last_reason(registry: &Registry) -> Option<StdArc<str>> {
        registry.history().pop().unwrap().reason
    }

    #[test]
    fn a_release_names_who_released_and_what_is_left() {
        let registry = Registry::new();
        let pool = registry.signal("svc", "pool").unwrap();
        registry.hold("svc", "migration");
        assert_eq!(registry.release_by("svc", "ada"), Update::Changed);
        assert_eq!(last_reason(&registry).unwrap(), "released by ada; pool: pending".into());
        pool.pass();
        assert_eq!(last_reason(&registry), None, "the next one does not name ada");

        registry.hold("svc", "migration");
        registry.release("svc");
        assert_eq!(last_reason(&registry), None);

        registry.hold("svc", "migration");
        pool.fail(Reason::new("gone"));
        assert_eq!(registry.release_by("svc", "ada"), Update::Hidden, "it was failing meanwhile");
        pool.pass();
        assert_eq!(last_reason(&registry), None, "a release that nobody saw names nobody later");
    }

    #[test]
    fn releasing_what_is_not_held_does_nothing() {
        let registry = Registry::new();
        assert_eq!(registry.release_by("", "ada"), Update::Unchanged);
        assert_eq!(registry.release_by("nobody", "ada"), Update::Unchanged);
        assert_eq!(registry.check(""), Some(ServingStatus::Serving));
        assert!(registry.inner.lock().releaser.is_none());
    }
}
