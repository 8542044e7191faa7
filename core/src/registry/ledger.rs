//! What was said of each service, and what follows from it.
//!
//! An edit marks the services that it touched; [`Ledger::settle`] then works out what they, and all that
//! follow them, stand for, and shows it in one step. No user code runs in here.

use std::{collections::HashMap, mem, sync::Arc as StdArc, task::Waker, time::Instant};

use slab::Slab;

use super::{
    IndexWriter, Update,
    age::{Deadlines, Due},
    record::{Edge, Entry, Name, Nature, Origin, Reading, Record, Stand},
    tally::Tally,
};
use crate::{
    Finding, OVERALL, ServingStatus, Transition,
    cell::Cell,
    status::Standing,
    sync::Arc,
    transition::{Cause, Feeds},
};

pub(super) struct Ledger {
    /// Every name of which something was said, or that is watched. A name that is neither has no record.
    pub(super) records: HashMap<Name, Record>,
    pub(super) conditions: Slab<Entry>,
    /// Places in `conditions` of those of the process's liveness.
    pub(super) liveness: Vec<usize>,
    pub(super) deadlines: Deadlines,
    /// What the services stand for, counted.
    pub(super) tally: Tally,
    /// Whether [`OVERALL`] follows every other service.
    pub(super) overall_of_all: bool,
    pub(super) watchers: usize,
    pub(super) feeds: Feeds,
    /// Monitors that wait for a deadline and must learn of an earlier one.
    pub(super) drivers: Vec<Waker>,
    /// Tells one condition from the next that gets its place.
    pub(super) generation: u64,
    /// Who ends a hold by the edit that is going on, if that was said.
    pub(super) releaser: Option<Name>,
    /// What has been edited and not settled. Kept, like `touched`, for its memory.
    marked: Vec<(Name, Cause)>,
    touched: Vec<Name>,
}

/// What an edit needs to know from outside.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) latched: bool,
}

/// Cells whose watchers are to be woken once no lock is held. One is the common case, and costs no memory.
#[derive(Default)]
pub(super) struct Changed {
    first: Option<Arc<Cell>>,
    more: Vec<Arc<Cell>>,
}

impl Changed {
    fn push(&mut self, cell: Arc<Cell>) {
        match self.first {
            None => self.first = Some(cell),
            Some(_) => self.more.push(cell),
        }
    }

    /// What an edit of the service with this cell came to.
    pub(super) fn update(&self, edited: Option<Arc<Cell>>) -> Update {
        let Some(edited) = edited else {
            return Update::Unchanged;
        };
        if self.first.iter().chain(&self.more).any(|cell| Arc::ptr_eq(cell, &edited)) {
            Update::Changed
        } else {
            Update::Hidden
        }
    }

    pub(super) fn wake(&self) {
        self.first.iter().chain(&self.more).for_each(|cell| cell.wake());
    }
}

impl Ledger {
    pub(super) fn new(history_limit: usize) -> Self {
        Self {
            records: HashMap::new(),
            conditions: Slab::new(),
            liveness: Vec::new(),
            deadlines: Deadlines::default(),
            tally: Tally::default(),
            overall_of_all: false,
            watchers: 0,
            feeds: Feeds::new(history_limit),
            drivers: Vec::new(),
            generation: 0,
            releaser: None,
            marked: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// The record of `service`, made if there is none.
    pub(super) fn record(&mut self, service: &str, now: Instant) -> &mut Record {
        let known = self.records.get_key_value(service).map(|(name, _)| StdArc::clone(name));
        let name = known.unwrap_or_else(|| service.into());
        self.records.entry(name).or_insert_with_key(|name| Record::new(StdArc::clone(name), now))
    }

    /// The service that `name` stands for: another one only if it is an alias.
    pub(super) fn stands_for<'a>(&'a self, name: &'a str) -> &'a str {
        match self.records.get(name).map(|record| &record.nature) {
            Some(Nature::AliasOf(service)) => service,
            _ => name,
        }
    }

    /// The same, to keep.
    pub(super) fn resolve(&self, name: &str) -> Name {
        let name = self.stands_for(name);
        self.records
            .get_key_value(name)
            .map_or_else(|| name.into(), |(name, _)| StdArc::clone(name))
    }

    /// The names that are registered.
    pub(super) fn registered(&self) -> impl Iterator<Item = &Name> {
        let registered = self.records.iter().filter(|(_, record)| record.is_registered());
        registered.map(|(name, _)| name)
    }

    /// Takes `name` out; its aliases end with it, and so does what it was besides a service.
    pub(super) fn unregister(&mut self, name: &str, cause: Cause) -> Option<Arc<Cell>> {
        let record = self.records.get_mut(name)?;
        record.reported = None;
        let (name, cell) = (StdArc::clone(record.cell.service()), Arc::clone(&record.cell));
        self.marked.push((StdArc::clone(&name), cause));
        match mem::replace(&mut record.nature, Nature::Service) {
            Nature::AliasOf(service) => self.unfollow(&service, &name),
            Nature::Group(_) => self.forget_edges(&name, Origin::Group),
            Nature::Service => {}
        }
        let followers = self.records.get(&name).map(|record| record.followers.clone());
        for alias in followers.unwrap_or_default() {
            let is_alias = |record: &Record| record.nature == Nature::AliasOf(StdArc::clone(&name));
            if self.records.get(&alias).is_some_and(is_alias) {
                self.unregister(&alias, cause);
            }
        }
        Some(cell)
    }

    /// `follower` no longer follows `service`, by one edge.
    pub(super) fn unfollow(&mut self, service: &str, follower: &str) {
        let Some(record) = self.records.get_mut(service) else {
            return;
        };
        if let Some(at) = record.followers.iter().position(|name| **name == *follower) {
            record.followers.swap_remove(at);
        }
        // Settling lets go of the record if nothing else keeps it.
        let service = StdArc::clone(record.cell.service());
        self.mark(&service, Cause::Dependency);
    }

    /// Whether `name` is registered, also if that has not been settled.
    pub(super) fn is_registered(&self, name: &str) -> bool {
        self.records.get(name).is_some_and(Record::is_registered)
    }

    /// Whether `name` is another name of a service.
    pub(super) fn is_alias(&self, name: &str) -> bool {
        let record = self.records.get(name);
        record.is_some_and(|record| matches!(record.nature, Nature::AliasOf(_)))
    }

    /// Has [`settle`](Self::settle) look at `name`.
    pub(super) fn mark(&mut self, name: &Name, cause: Cause) {
        self.marked.push((StdArc::clone(name), cause));
    }

    pub(super) fn mark_all(&mut self, cause: Cause) {
        self.marked.extend(self.records.keys().map(|name| (StdArc::clone(name), cause)));
    }

    /// How many Watch streams are open on services that the latch, on or off, makes show something else.
    pub(super) fn watchers_of_latch(&self, on: bool) -> usize {
        let changes = |record: &&Record| record.shows(on) != record.cell.shown().status();
        self.records.values().filter(changes).map(|record| record.cell.watchers()).sum()
    }

    /// Works out what the marked services and their followers stand for, shows it, and notes what changed.
    pub(super) fn settle(&mut self, moment: Moment, index: &mut IndexWriter<'_>) -> Changed {
        let mut marked = mem::take(&mut self.marked);
        let mut touched = mem::take(&mut self.touched);
        let mut next = 0;
        loop {
            while let Some((name, cause)) = marked.get(next).cloned() {
                next += 1;
                self.work_out(&name, cause, moment, &mut marked, &mut touched);
            }
            for name in &touched {
                self.start(name, moment, &mut marked);
            }
            if next == marked.len() {
                break;
            }
        }
        if touched.len() > 1 {
            // Held throughout, so that no Check or List sees half of the change.
            index.open();
        }
        let mut changed = Changed::default();
        for name in &touched {
            self.show(name, moment, index, &mut changed);
        }
        marked.clear();
        touched.clear();
        (self.marked, self.touched) = (marked, touched);
        self.releaser = None;
        changed
    }

    /// Brings up to date what `name` stands for; if that is news, its followers are next.
    fn work_out(
        &mut self,
        name: &Name,
        cause: Cause,
        moment: Moment,
        marked: &mut Vec<(Name, Cause)>,
        touched: &mut Vec<Name>,
    ) {
        let Some(record) = self.records.get(name) else {
            return;
        };
        let after = self.stand(record, moment);
        let overall_was = self.tally.worst();
        let Some(record) = self.records.get_mut(name) else {
            return;
        };
        if record.visited.is_none() {
            record.visited = Some(cause);
            touched.push(StdArc::clone(name));
        }
        let counts = if record.counts(name) { after.own } else { ServingStatus::ServiceUnknown };
        self.tally.recount(mem::replace(&mut record.counted, counts), counts);
        let before = Stand { own: record.own, alive: record.alive, served: record.served };
        if before != after {
            Stand { own: record.own, alive: record.alive, served: record.served } = after;
            let followers = record.followers.iter();
            marked.extend(followers.map(|name| (StdArc::clone(name), Cause::Dependency)));
        }
        if self.overall_of_all && self.tally.worst() != overall_was {
            marked.push((OVERALL.into(), Cause::Dependency));
        }
    }

    /// Notes that `name` has been SERVING, if it is and had not been; its followers are next.
    ///
    /// Only once nothing is left to work out: a passing state on the way there is none that it was in. What
    /// comes of it takes no SERVING back, as having started only ever speaks for a follower.
    fn start(&mut self, name: &Name, moment: Moment, marked: &mut Vec<(Name, Cause)>) {
        let Some(record) = self.records.get_mut(name) else {
            return;
        };
        let is_service = !matches!(record.nature, Nature::AliasOf(_));
        let is_serving = record.own == ServingStatus::Serving && !record.hides(moment.latched);
        if is_service && is_serving && !record.served {
            record.served = true;
            let followers = record.followers.iter();
            marked.extend(followers.map(|name| (StdArc::clone(name), Cause::Dependency)));
        }
    }

    /// What `record` stands for, by what was said of it and of those that it follows.
    fn stand(&self, record: &Record, moment: Moment) -> Stand {
        if let Nature::AliasOf(service) = &record.nature {
            return self.records.get(service).map_or(Stand::UNKNOWN, |service| Stand {
                own: service.own,
                alive: service.alive,
                served: service.served,
            });
        }
        let found = self.deciding_entries(record).map(|entry| entry.finding);
        let read = record.deciding_edges();
        // A process that drains is alive, whatever its services are.
        let read = read.filter(|edge| !(moment.latched && edge.reading == Reading::Alive));
        let read = read.map(|edge| edge.read(self.records.get(&edge.other)));
        let mut worst = found.chain(read).max().unwrap_or_default();
        if self.overall_of_all && record.cell.service().is_empty() {
            worst = worst.max(self.tally.worst());
        }
        let held = record.is_held();
        let own = Standing { reported: record.reported, worst, held, latched: false }.shown();
        let alive = record.reported != Some(ServingStatus::NotServing)
            && !self.entries(record).any(Entry::asks_for_restart);
        let served = record.served && own != ServingStatus::ServiceUnknown;
        Stand { own, alive, served }
    }

    /// Shows what a record stands for now, and notes it if it is news.
    fn show(
        &mut self,
        name: &Name,
        moment: Moment,
        index: &mut IndexWriter<'_>,
        changed: &mut Changed,
    ) {
        let Some(record) = self.records.get_mut(name) else {
            return;
        };
        let cause = record.visited.take().unwrap_or(Cause::Set);
        let to = record.shows(moment.latched);
        let from = record.cell.shown().status();
        record.publish(to, index);
        if from != to {
            let lasted = (from != ServingStatus::ServiceUnknown)
                .then(|| moment.now.saturating_duration_since(record.since));
            record.since = moment.now;
            changed.push(Arc::clone(&record.cell));
            let why = self.why(name, moment.latched);
            let reason = if cause == Cause::Released { self.released(why) } else { why };
            self.feeds.note(Transition {
                service: StdArc::clone(name),
                from,
                to,
                cause,
                reason,
                at: moment.now,
                lasted,
                sequence: 0,
                lost: 0,
            });
        }
        if self.records.get(name).is_some_and(Record::is_idle) {
            self.records.remove(name);
        }
    }

    /// Who released a service, before `why` it shows what it shows now.
    fn released(&self, why: Option<Name>) -> Option<Name> {
        match (&self.releaser, why) {
            (None, why) => why,
            (Some(by), None) => Some(format!("released by {by}").into()),
            (Some(by), Some(why)) => Some(format!("released by {by}; {why}").into()),
        }
    }

    /// Why `name` shows what it shows, where that is not what was set.
    pub(super) fn why(&self, name: &str, latched: bool) -> Option<Name> {
        let mut record = self.records.get(name)?;
        if let Nature::AliasOf(service) = &record.nature {
            record = self.records.get(service)?;
        }
        if record.own == ServingStatus::ServiceUnknown {
            return None;
        }
        if record.hides(latched) {
            return Some("shutting down".into());
        }
        if let Some(hold) = record.hold.as_ref().filter(|_| record.is_held()) {
            return Some(hold.to_string().into());
        }
        let was_set = record.reported == Some(ServingStatus::NotServing);
        let worst = match record.own {
            ServingStatus::Unknown => Finding::Pending,
            ServingStatus::NotServing if !was_set => Finding::Failing,
            _ => return None,
        };
        let mut conditions = self.deciding_entries(record).filter(|entry| entry.finding == worst);
        if let Some(entry) = conditions.next() {
            let found = entry.reason.as_deref().unwrap_or(entry.finding.as_str());
            return Some(format!("{}: {found}", entry.name).into());
        }
        let edge =
            record.deciding_edges().find(|edge| edge.read(self.records.get(&edge.other)) == worst);
        if let Some(Edge { other, .. }) = edge {
            let status = self.records.get(other).map_or(ServingStatus::ServiceUnknown, |it| it.own);
            return Some(format!("depends on {other:?}, which is {status}").into());
        }
        let behind = self.overall_of_all && record.cell.service().is_empty();
        behind.then(|| self.first_behind(worst)).flatten()
    }

    /// For the overall service: the first, by name, of those that make it what it is.
    fn first_behind(&self, worst: Finding) -> Option<Name> {
        let counted = self.records.iter().filter(|(name, record)| record.counts(name));
        let behind = counted.filter(|(_, record)| Reading::Serving.of(Some(record)) == worst);
        let (name, record) = behind.min_by_key(|(name, _)| StdArc::clone(name))?;
        Some(format!("depends on {name:?}, which is {}", record.own).into())
    }

    /// Believes a finding until `expires`, and has that looked at in time.
    pub(super) fn expire_at(&mut self, place: usize, expires: Option<Instant>) {
        let Some(entry) = self.conditions.get_mut(place) else {
            return;
        };
        entry.expires = expires;
        // An earlier deadline in the queue finds this one when it comes up.
        if let Some(at) = expires
            && entry.queued.is_none_or(|queued| at < queued)
        {
            entry.queued = Some(at);
            self.queue(at, Due::Condition(place));
        }
    }
}
