//! What a registry must show and tell, said as plainly as can be: facts, edits of facts, and the
//! difference that an edit makes to what is shown. No sharing, no locks, no wakers, no clock.

use std::{collections::BTreeMap, task::Poll};

use health_core::{Cause, OVERALL, ServingStatus, Update};

/// The services that operations name. More than [`LIST_LIMIT`], so that List gets too long at times.
pub(crate) const SERVICES: [&str; 4] = [OVERALL, "svc", "greet.GreetService", "é"];

pub(crate) const LIST_LIMIT: usize = 3;

pub(crate) const MAX_WATCHERS: usize = 4;

/// The statuses that an application may set; SERVICE_UNKNOWN removes.
pub(crate) const STATUSES: [ServingStatus; 4] = [
    ServingStatus::Unknown,
    ServingStatus::Serving,
    ServingStatus::NotServing,
    ServingStatus::ServiceUnknown,
];

/// A change that the feed of transitions must tell: service, from, to, cause.
pub(crate) type Change = (&'static str, ServingStatus, ServingStatus, Cause);

#[derive(Debug)]
pub(crate) struct Oracle {
    services: BTreeMap<&'static str, Facts>,
    pub(crate) is_shut_down: bool,
    pub(crate) is_closed: bool,
    /// Watches that were not dropped, in the order they were opened.
    pub(crate) watches: Vec<Watcher>,
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// What was set; `None` while it is not registered.
    reported: Option<ServingStatus>,
    /// The number of the reason that it is held for.
    hold: Option<u8>,
    /// It was shown as SERVING since it was registered.
    has_served: bool,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    service: &'static str,
    last: Option<ServingStatus>,
    pub(crate) has_ended: bool,
    /// Its last poll found nothing, and nothing has happened since.
    is_parked: bool,
    /// How often its task must have been woken.
    pub(crate) wakes: usize,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let mut oracle = Self {
            services: SERVICES.map(|name| (name, Facts::default())).into(),
            is_shut_down: false,
            is_closed: false,
            watches: Vec::new(),
        };
        oracle.set(OVERALL, ServingStatus::Serving);
        oracle
    }

    pub(crate) fn set(
        &mut self,
        service: &'static str,
        status: ServingStatus,
    ) -> (Update, Vec<Change>) {
        if status == ServingStatus::ServiceUnknown {
            return self.remove(service);
        }
        self.amend(service, Cause::Set, |facts| facts.reported = Some(status))
    }

    pub(crate) fn remove(&mut self, service: &'static str) -> (Update, Vec<Change>) {
        self.amend(service, Cause::Removed, |facts| facts.reported = None)
    }

    pub(crate) fn hold(&mut self, service: &'static str, reason: u8) -> (Update, Vec<Change>) {
        self.amend(service, Cause::Held, |facts| facts.hold = Some(reason))
    }

    pub(crate) fn release(&mut self, service: &'static str) -> (Update, Vec<Change>) {
        self.amend(service, Cause::Released, |facts| facts.hold = None)
    }

    /// Registers exactly `services`; what is said last of a name counts.
    pub(crate) fn replace(&mut self, services: &[(&'static str, ServingStatus)]) -> Vec<Change> {
        self.step(Cause::Replaced, |oracle| {
            for (name, facts) in &mut oracle.services {
                facts.has_served = false;
                facts.reported = services
                    .iter()
                    .rfind(|(named, _)| named == name)
                    .map(|(_, status)| *status)
                    .filter(|status| *status != ServingStatus::ServiceUnknown);
            }
        })
    }

    pub(crate) fn shut_down(&mut self, on: bool) -> Vec<Change> {
        let cause = if on { Cause::Shutdown } else { Cause::Resumed };
        self.step(cause, |oracle| oracle.is_shut_down = on)
    }

    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.watches.iter_mut().for_each(Watcher::wake);
    }

    pub(crate) fn check(&self, service: &str) -> Option<ServingStatus> {
        Some(self.shown(service)).filter(|status| *status != ServingStatus::ServiceUnknown)
    }

    /// Every registered service by name; `None` if they are too many.
    pub(crate) fn list(&self) -> Option<Vec<(&'static str, ServingStatus)>> {
        let registered = |name: &&'static str| Some((*name, self.check(name)?));
        let list: Vec<_> = self.services.keys().filter_map(registered).collect();
        (list.len() <= LIST_LIMIT).then_some(list)
    }

    pub(crate) fn has_served(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|facts| facts.has_served)
    }

    pub(crate) fn held(&self, service: &str) -> Option<u8> {
        self.services.get(service)?.hold
    }

    /// Opens a watch, unless too many are open.
    pub(crate) fn watch(&mut self, service: &'static str) -> bool {
        let fits = self.is_closed || self.watchers() < MAX_WATCHERS;
        if fits {
            self.watches.push(Watcher {
                service,
                last: None,
                has_ended: self.is_closed,
                is_parked: false,
                wakes: 0,
            });
        }
        fits
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watches.iter().filter(|watcher| !watcher.has_ended).count()
    }

    /// What a poll of the watch finds: the newest status if it is news; nothing, for now or for ever.
    pub(crate) fn poll(&mut self, watch: usize) -> Poll<Option<ServingStatus>> {
        let is_closed = self.is_closed;
        let service = self.watches.get(watch).map_or(OVERALL, |it| it.service);
        let shown = self.shown(service);
        let Some(watcher) = self.watches.get_mut(watch) else {
            return Poll::Ready(None);
        };
        if watcher.has_ended {
            return Poll::Ready(None);
        }
        let is_news = watcher.last != Some(shown);
        watcher.last = Some(shown);
        watcher.has_ended = is_closed;
        watcher.is_parked = !is_news && !is_closed;
        if watcher.is_parked {
            return Poll::Pending;
        }
        Poll::Ready(is_news.then_some(shown))
    }

    /// The rule of what a service shows.
    fn shown(&self, service: &str) -> ServingStatus {
        let facts = self.services.get(service).copied().unwrap_or_default();
        match facts.reported {
            None => ServingStatus::ServiceUnknown,
            Some(_) if self.is_shut_down || facts.hold.is_some() => ServingStatus::NotServing,
            Some(reported) => reported,
        }
    }

    /// Edits the facts of one service, and says what came of it.
    fn amend(
        &mut self,
        service: &'static str,
        cause: Cause,
        edit: impl FnOnce(&mut Facts),
    ) -> (Update, Vec<Change>) {
        let stated = |oracle: &Self| {
            let facts = oracle.services.get(service);
            facts.map(|facts| (facts.reported, facts.hold))
        };
        let before = stated(self);
        let changes = self.step(cause, |oracle| {
            edit(oracle.services.entry(service).or_default());
        });
        let update = match (changes.is_empty(), stated(self) == before) {
            (false, _) => Update::Changed,
            (true, true) => Update::Unchanged,
            (true, false) => Update::Hidden,
        };
        (update, changes)
    }

    /// Edits the facts, wakes whom it concerns, and returns what is shown differently, by name.
    fn step(&mut self, cause: Cause, edit: impl FnOnce(&mut Self)) -> Vec<Change> {
        let before = SERVICES.map(|name| (name, self.shown(name)));
        edit(self);
        let mut changes = Vec::new();
        for (name, from) in before {
            let to = self.shown(name);
            let facts = self.services.entry(name).or_default();
            facts.has_served =
                facts.reported.is_some() && (facts.has_served || to == ServingStatus::Serving);
            if from != to {
                changes.push((name, from, to, cause));
                let concerned = self.watches.iter_mut().filter(|it| it.service == name);
                concerned.for_each(Watcher::wake);
            }
        }
        changes
    }
}

impl Watcher {
    fn wake(&mut self) {
        self.wakes += usize::from(self.is_parked);
        self.is_parked = false;
    }
}
