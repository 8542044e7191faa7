//! Holds: what operators keep out of rotation.

use std::sync::Arc as StdArc;

use super::{Registry, Update, age::Due};
use crate::{Hold, sync::Arc, transition::Cause};

impl Registry {
    /// Holds `service` out of rotation: NOT_SERVING whatever is set, until [`release`](Self::release) or
    /// the hold's own end.
    ///
    /// A name that is not registered can be held too; the hold counts from its registration on. Holding
    /// what is held replaces the hold. A hold that ends by itself ends, at the latest, with the next
    /// question; a [`Monitor`](crate::condition::Monitor) ends it on time, and so tells watchers.
    pub fn hold(&self, service: &str, hold: impl Into<Hold>) -> Update {
        let hold = hold.into();
        self.update(|ledger, moment| {
            let service = ledger.resolve(service);
            if let Some(end) = hold.end() {
                ledger.deadlines.push(end, Due::Hold(StdArc::clone(&service)));
            }
            let record = ledger.record(&service, moment.now);
            let cell = Arc::clone(&record.cell);
            let is_new = record.hold.replace(hold).is_none();
            ledger.mark(&service, Cause::Held);
            is_new.then_some(cell)
        })
    }

    /// Ends a hold: the service shows its own status again.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn release(&self, service: &str) -> Update {
        self.amend(service, Cause::Released, |record| record.hold.take().is_some())
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
