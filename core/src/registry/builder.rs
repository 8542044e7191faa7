//! The limits and the clock of a registry.

use std::sync::{Arc as StdArc, OnceLock};

use super::{Index, Inner, Registry, age, ledger::Ledger};
use crate::{
    OVERALL, ServingStatus, Traffic,
    rt::{self, Timer},
    sync::{AtomicBool, Mutex, ShardedLock},
};

/// The limits of a [`Registry`].
#[derive(Clone, Debug)]
#[must_use = "a builder builds nothing by itself"]
pub struct RegistryBuilder {
    max_watchers: usize,
    list_limit: usize,
    history: usize,
    clock: Option<StdArc<dyn Timer>>,
}

impl RegistryBuilder {
    pub(super) const fn new() -> Self {
        Self {
            max_watchers: DEFAULT_MAX_WATCHERS,
            list_limit: DEFAULT_LIST_LIMIT,
            history: DEFAULT_HISTORY,
            clock: None,
        }
    }

    /// How many Watch streams may be open at once; 10 000 by default, `u32::MAX` at most.
    ///
    /// The peer chooses which names to watch and how many, so this bounds the memory that peers take.
    pub fn max_watchers(mut self, max: usize) -> Self {
        self.max_watchers = max.min(u32::MAX as usize);
        self
    }

    /// How many services List answers; beyond it List fails. 100 by default, as in grpc-go.
    pub fn list_limit(mut self, limit: usize) -> Self {
        self.list_limit = limit;
        self
    }

    /// How many of the last transitions are kept for [`Registry::history`]; 32 by default.
    pub fn history(mut self, transitions: usize) -> Self {
        self.history = transitions;
        self
    }

    /// The clock by which findings, heartbeats and holds grow old. By default that of the first
    /// [`Monitor`](crate::condition::Monitor) of the registry, and the system's before there is one.
    pub fn clock(mut self, timer: StdArc<dyn Timer>) -> Self {
        self.clock = Some(timer);
        self
    }

    /// A registry whose only service is [`OVERALL`], SERVING.
    #[must_use]
    pub fn build(self) -> Registry {
        let clock = self.clock.map_or_else(OnceLock::new, OnceLock::from);
        let epoch = clock.get().map_or_else(rt::system_now, |clock| clock.now());
        let inner = Inner {
            index: ShardedLock::new(Index::default()),
            ledger: Mutex::new(Ledger::new(self.history)),
            latched: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            next_deadline: std::sync::atomic::AtomicU64::new(age::NEVER),
            epoch,
            clock,
            traffic: Traffic::default(),
            max_watchers: self.max_watchers,
            list_limit: self.list_limit,
        };
        let registry = Registry { inner: StdArc::new(inner) };
        registry.set(OVERALL, ServingStatus::Serving);
        registry
    }
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        Registry::builder()
    }
}

/// Watch streams open at once: at about 600 bytes a stream in this crate, where each is on a name of its
/// own, 6 MB (`tests/no_alloc.rs`).
const DEFAULT_MAX_WATCHERS: usize = 10_000;

/// grpc-go `health/server.go`, `maxAllowedServices`.
const DEFAULT_LIST_LIMIT: usize = 100;

/// What an operator looks back on: some 100 bytes each.
const DEFAULT_HISTORY: usize = 32;
