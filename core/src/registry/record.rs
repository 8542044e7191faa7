//! What is known of one name, and how one service reads another.

use std::{sync::Arc as StdArc, time::Instant};

use super::{IndexWriter, groups::LIVENESS};
use crate::{
    Finding, Hold, OVERALL, Scope, ServingStatus,
    cell::{Cell, Shown},
    sync::Arc,
    transition::Cause,
};

pub(super) type Name = StdArc<str>;

/// What is known of one name.
pub(super) struct Record {
    pub(super) cell: Arc<Cell>,
    /// What the application set; `None` while it is not registered.
    pub(super) reported: Option<ServingStatus>,
    /// Why an operator holds the service, if one does.
    pub(super) hold: Option<Hold>,
    /// Places in [`Ledger::conditions`](super::ledger::Ledger::conditions).
    pub(super) conditions: Vec<usize>,
    /// The services that this one follows. Never a cycle.
    pub(super) follows: Vec<Edge>,
    /// The names that follow this one, once for each edge.
    pub(super) followers: Vec<Name>,
    pub(super) nature: Nature,
    /// What it stands for while the registry is not shut down, worked out by `settle`.
    pub(super) own: ServingStatus,
    /// Whether nothing that concerns this process alone speaks against it.
    pub(super) alive: bool,
    /// Whether it was SERVING at least once since it was registered.
    pub(super) served: bool,
    /// Since when it shows what it shows.
    pub(super) since: Instant,
    /// As what it is in [`Ledger::tally`](super::ledger::Ledger::tally); SERVICE_UNKNOWN if it is not.
    pub(super) counted: ServingStatus,
    /// Why `settle` looked at it, while it does.
    pub(super) visited: Option<Cause>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Nature {
    Service,
    /// Another name of a service: stands for what that stands for.
    AliasOf(Name),
    /// Made up of others, of which this counts.
    Group(Reading),
}

/// That a service follows another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Edge {
    pub(super) other: Name,
    pub(super) reading: Reading,
    /// Whether it decides, or is only told.
    pub(super) critical: bool,
    pub(super) origin: Origin,
}

/// Who made a service follow another one, and so may end it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Dependency,
    Group,
    Overall,
}

/// What of another service counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// That nothing local speaks against it.
    Alive,
    /// That it is SERVING.
    Serving,
    /// That it has been SERVING once.
    Started,
}

/// What a condition decides over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Post {
    Service(Name),
    /// The liveness of the process, which no name of a service reaches.
    Liveness,
}

/// One condition.
pub(super) struct Entry {
    pub(super) post: Post,
    pub(super) name: Name,
    pub(super) scope: Scope,
    pub(super) finding: Finding,
    pub(super) reason: Option<Name>,
    /// When that was found.
    pub(super) at: Instant,
    /// Until when it is believed.
    pub(super) expires: Option<Instant>,
    /// Its owner is gone.
    pub(super) is_abandoned: bool,
    /// The deadline under which it stands in [`Ledger::deadlines`](super::ledger::Ledger::deadlines).
    pub(super) queued: Option<Instant>,
    pub(super) generation: u64,
}

/// What `settle` works out of a record.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Stand {
    pub(super) own: ServingStatus,
    pub(super) alive: bool,
    pub(super) served: bool,
}

impl Stand {
    pub(super) const UNKNOWN: Self =
        Self { own: ServingStatus::ServiceUnknown, alive: true, served: false };
}

impl Record {
    pub(super) fn new(name: Name, now: Instant) -> Self {
        let Stand { own, alive, served } = Stand::UNKNOWN;
        Self {
            cell: Arc::new(Cell::new(name)),
            reported: None,
            hold: None,
            conditions: Vec::new(),
            follows: Vec::new(),
            followers: Vec::new(),
            nature: Nature::Service,
            own,
            alive,
            served,
            since: now,
            counted: ServingStatus::ServiceUnknown,
            visited: None,
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        // By what was said and not by `own`, so that an edit sees what it registered itself.
        self.reported.is_some() || matches!(self.nature, Nature::AliasOf(_))
    }

    /// Whether the application made it something: it is registered, or has a condition or a dependency.
    pub(super) fn is_anything(&self) -> bool {
        self.reported.is_some() || !self.conditions.is_empty() || !self.follows.is_empty()
    }

    /// Whether nothing is lost when the record is dropped.
    pub(super) fn is_idle(&self) -> bool {
        self.own == ServingStatus::ServiceUnknown
            && self.reported.is_none()
            && self.hold.is_none()
            && self.conditions.is_empty()
            && self.follows.is_empty()
            && self.followers.is_empty()
            && !matches!(self.nature, Nature::AliasOf(_))
            && self.cell.is_vacant()
    }

    /// Whether it is one of the services that make up the server as a whole.
    pub(super) fn counts(&self, name: &str) -> bool {
        name != OVERALL && self.nature == Nature::Service
    }

    /// Whether a shutdown makes it NOT_SERVING.
    pub(super) fn is_latched(&self) -> bool {
        !matches!(self.nature, Nature::Group(Reading::Alive | Reading::Started))
    }

    /// Whether a hold makes it NOT_SERVING.
    pub(super) fn is_held(&self) -> bool {
        self.hold.is_some() && !self.tells_liveness()
    }

    /// Whether it says of what a restart is to mend, and so only what a restart may mend counts.
    pub(super) fn tells_liveness(&self) -> bool {
        self.nature == Nature::Group(Reading::Alive)
    }

    /// Whether it is the liveness of the process, made a service.
    pub(super) fn is_process_liveness(&self) -> bool {
        self.tells_liveness() && **self.cell.service() == *LIVENESS
    }

    /// Of what it follows, what decides over it.
    pub(super) fn deciding_edges(&self) -> impl Iterator<Item = &Edge> {
        let counts = |edge: &&Edge| !self.tells_liveness() || edge.reading == Reading::Alive;
        self.follows.iter().filter(|edge| edge.critical).filter(counts)
    }

    /// Whether it shows NOT_SERVING for a shutdown that is in force, whatever it stands for.
    pub(super) fn hides(&self, latched: bool) -> bool {
        latched && self.is_latched()
    }

    pub(super) fn shows(&self, latched: bool) -> ServingStatus {
        match self.own {
            ServingStatus::ServiceUnknown => ServingStatus::ServiceUnknown,
            _ if self.hides(latched) => ServingStatus::NotServing,
            own => own,
        }
    }

    pub(super) fn publish(&self, to: ServingStatus, index: &mut IndexWriter<'_>) {
        let shown = Shown::new(to, self.served);
        let registered = to != ServingStatus::ServiceUnknown;
        if registered == (self.cell.shown().status() != ServingStatus::ServiceUnknown) {
            return self.cell.publish(shown);
        }
        let index = index.open();
        self.cell.publish(shown);
        let name = self.cell.service();
        if registered {
            index.insert(StdArc::clone(name), Arc::clone(&self.cell));
        } else {
            index.remove(&**name);
        }
    }
}

impl Entry {
    /// Whether it fails, and that is one more reason to restart the process.
    pub(super) fn asks_for_restart(&self) -> bool {
        let may_mend = self.scope == Scope::Local || self.post == Post::Liveness;
        may_mend && self.finding == Finding::Failing
    }
}

impl Edge {
    /// What the service at the other end is to this one.
    pub(super) fn read(&self, other: Option<&Record>) -> Finding {
        self.reading.of(other)
    }
}

impl Reading {
    pub(super) fn of(self, other: Option<&Record>) -> Finding {
        let own = other.map_or(ServingStatus::ServiceUnknown, |other| other.own);
        match self {
            Self::Alive if other.is_none_or(|other| other.alive) => Finding::Passing,
            Self::Started if other.is_some_and(|other| other.served) => Finding::Passing,
            Self::Started => Finding::Pending,
            Self::Alive => Finding::Failing,
            Self::Serving => match own {
                ServingStatus::Serving => Finding::Passing,
                ServingStatus::Unknown => Finding::Pending,
                ServingStatus::NotServing | ServingStatus::ServiceUnknown => Finding::Failing,
            },
        }
    }
}
