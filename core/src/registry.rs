//! `Registry`: the statuses of a server's services, and everything that may change them.

mod admission;
mod age;
mod builder;
mod conditions;
mod groups;
mod holds;
mod ledger;
mod record;
mod relations;
mod services;
mod signal;
mod tally;

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc as StdArc, OnceLock, PoisonError},
    task::Waker,
    time::Instant,
};

pub(crate) use admission::Applicant;
pub use builder::RegistryBuilder;
pub(crate) use conditions::ConditionKey;
pub use conditions::ConditionState;
pub use groups::Group;
pub(crate) use groups::LIVENESS;
use ledger::{Changed, Ledger, Moment};
use record::{Name, Record};
pub use relations::Overall;
pub use services::ServiceState;
pub use signal::{Heartbeat, Signal};

use crate::{
    Code, ConfigError, RpcError, ServingStatus, TooManyWatchers, Traffic, Transition, Watch,
    cell::Cell,
    rt::Timer,
    sync::{
        Arc, AtomicBool, Mutex, MutexGuard, Ordering, ShardedLock, ShardedLockWriteGuard, lock,
    },
    transition::{Cause, Transitions},
    watch::Usher,
};

/// The statuses of a server's services. A cheap handle: clones share the same statuses.
///
/// Every setter is a plain function: it neither waits for a reader nor runs user code under a lock, and
/// it says what it did ([`Update`]). What a service shows is decided by the first rule that applies:
///
/// ```text
/// not registered                                  -> SERVICE_UNKNOWN (Watch), NOT_FOUND (Check)
/// registry shut down, or the service held         -> NOT_SERVING
/// set NOT_SERVING, or a condition of it failing   -> NOT_SERVING
/// a condition of it pending                       -> UNKNOWN
/// otherwise                                       -> what was set
///
///             shutdown()                 close()
///  open  <================>  shut down  ---------->  closed: streams end, no new ones;
///             resume()           (also from open)           setters and Checks go on
/// ```
///
/// Differences to other servers, on purpose: grpc-go and dubbo-go drop what is set while shut down, and
/// their `Resume` makes every service SERVING, also one that was NOT_SERVING before. Here the latch lies
/// over the statuses, and [`resume`](Self::resume) shows each service's own status again.
///
/// A condition is what a [`Monitor`](crate::condition::Monitor) evaluates, a
/// [`heartbeat`](Self::heartbeat), a [`signal`](Self::signal), or a [dependency](Self::depends_on). What
/// it found may have an age at which it is no longer believed; a question never gets an older answer,
/// whether or not anything still runs that could find out.
///
/// # Examples
///
/// ```
/// use health_core::{OVERALL, Registry, ServingStatus, Update};
///
/// let health = Registry::new();
/// assert_eq!(health.check(OVERALL), Some(ServingStatus::Serving));
/// assert_eq!(health.check("greet.GreetService"), None);
///
/// assert_eq!(health.set("greet.GreetService", ServingStatus::Serving), Update::Changed);
/// health.shutdown();
/// assert_eq!(health.set("greet.GreetService", ServingStatus::Unknown), Update::Hidden);
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
/// health.resume();
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Unknown));
/// ```
#[derive(Clone)]
pub struct Registry {
    inner: StdArc<Inner>,
}

/// What a setter did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// The service shows another status than before.
    Changed,
    /// Nothing is different.
    Unchanged,
    /// Recorded, but the service shows what it showed before: it is shut down or held, or not
    /// registered yet.
    Hidden,
}

impl Update {
    /// Name in lower case, such as `"changed"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Hidden => "hidden",
        }
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

struct Inner {
    /// Names to cells, for readers: registered services only. Written only under the ledger's lock.
    index: ShardedLock<Index>,
    /// What was said of each service. Every writer holds it from its first to its last store, so that
    /// writes have one order. Lock order: ledger, index, cell.
    ledger: Mutex<Ledger>,
    /// Copies of the ledger's flags that can be read without its lock.
    latched: AtomicBool,
    closed: AtomicBool,
    /// When the first thing ends by itself, in nanoseconds after `epoch`; see `age`. A copy of the ledger's,
    /// written under its lock. std's, also under loom: a reader that sees it late lets go late, by no more
    /// than a store takes to be seen, and no other order hangs on it.
    next_deadline: std::sync::atomic::AtomicU64,
    epoch: Instant,
    /// By what age is judged; the system's clock if nobody gave another.
    clock: OnceLock<StdArc<dyn Timer>>,
    traffic: Traffic,
    max_watchers: usize,
    list_limit: usize,
}

/// Only the application names what stands here, so that a quick hash will do; the peers' names, which are
/// in the ledger, need one that cannot be foreseen.
type Index = HashMap<Name, Arc<Cell>, foldhash::fast::RandomState>;

impl Registry {
    /// A registry whose only service is [`OVERALL`](crate::OVERALL), SERVING.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with the limits as they are by default.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::new()
    }

    /// Sets the status of `service`, which registers it if it is not registered.
    ///
    /// Setting [`ServingStatus::ServiceUnknown`] is [`remove`](Self::remove): that status is never
    /// stored. Setting an [alias](Self::alias) sets its service. Does not allocate if the name is known.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn set(&self, service: &str, status: ServingStatus) -> Update {
        if status == ServingStatus::ServiceUnknown {
            return self.remove(service);
        }
        self.amend(service, Cause::Set, |record| record.reported.replace(status) != Some(status))
    }

    /// Takes `service` out of the registry. Its watchers see SERVICE_UNKNOWN and stay; if it is
    /// registered again, they follow it.
    ///
    /// Its aliases end with it; removing an alias or a group ends that alone. Conditions belong to those
    /// who made them: they count again if the service is registered again.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn remove(&self, service: &str) -> Update {
        self.update(|ledger, _| {
            if !ledger.is_registered(service) {
                return None;
            }
            ledger.unregister(service, Cause::Removed)
        })
    }

    /// Makes the registered services exactly `services`, in one step that no reader sees half of.
    ///
    /// What is not named is removed, and an [alias](Self::alias) that is named is a service of its own from
    /// then on. Startup begins anew: a service counts as started
    /// ([`has_served`](Self::has_served)) only if it is SERVING from here on. Holds and the shutdown
    /// latch stay as they are. If a name comes twice, the last one counts.
    pub fn replace<'a>(&self, services: impl IntoIterator<Item = (&'a str, ServingStatus)>) {
        // The iterator is user code: it runs before any lock is taken. Of a name's statuses the last one
        // stays.
        let mut wanted: HashMap<&str, ServingStatus> = services.into_iter().collect();
        wanted.retain(|_, status| *status != ServingStatus::ServiceUnknown);
        self.change(|ledger, moment| {
            // A name that is wanted is that of a service, not another one's.
            let gone = ledger
                .registered()
                .filter(|name| !wanted.contains_key::<str>(name) || ledger.is_alias(name));
            for name in gone.cloned().collect::<Vec<_>>() {
                ledger.unregister(&name, Cause::Replaced);
            }
            for (name, status) in wanted {
                ledger.record(name, moment.now).reported = Some(status);
            }
            ledger.records.values_mut().for_each(|record| record.served = false);
            ledger.mark_all(Cause::Replaced);
        });
    }

    /// Latches NOT_SERVING over every service, registered now or later. Watch streams yield it and stay
    /// open. What is set meanwhile is recorded. Idempotent.
    pub fn shutdown(&self) {
        self.latch(true, Cause::Shutdown);
    }

    /// The same; returns how many Watch streams that tells NOT_SERVING.
    pub(crate) fn shutdown_counted(&self) -> usize {
        self.latch(true, Cause::Shutdown)
    }

    /// Lifts the latch of [`shutdown`](Self::shutdown): each service shows its own status. Idempotent.
    pub fn resume(&self) {
        self.latch(false, Cause::Resumed);
    }

    /// Ends every Watch stream once it has yielded its last status; later ones end at once. Final.
    ///
    /// It belongs at the end of a drain: a client that is told NOT_SERVING and then cut off, and may
    /// watch again, comes back at full speed (gRFC A17), so the streams stay open until the server goes.
    pub fn close(&self) {
        let ledger = self.inner.lock();
        self.inner.closed.store(true, Ordering::Release);
        let cells: Vec<_> =
            ledger.records.values().map(|record| Arc::clone(&record.cell)).collect();
        cells.iter().for_each(|cell| cell.close());
        drop(ledger);
        cells.iter().for_each(|cell| cell.wake());
    }

    /// The status of `service`; `None` if it is not registered. Neither waits nor allocates, and never
    /// evaluates a condition.
    #[must_use]
    pub fn check(&self, service: &str) -> Option<ServingStatus> {
        self.inner.let_go();
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        Some(index.get(service)?.shown().status())
    }

    /// Whether `service` is registered and has been SERVING at least once since.
    #[must_use]
    pub fn has_served(&self, service: &str) -> bool {
        self.inner.let_go();
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(service).is_some_and(|cell| cell.shown().has_served())
    }

    /// Every registered service with its status, sorted by name.
    ///
    /// # Errors
    ///
    /// [`Code::ResourceExhausted`] if there are more than [`list_limit`](RegistryBuilder::list_limit).
    pub fn list(&self) -> Result<Vec<(StdArc<str>, ServingStatus)>, RpcError> {
        self.list_up_to(self.inner.list_limit).ok_or(LIST_TOO_LONG)
    }

    /// The same with another limit; `None` if there are more.
    pub(crate) fn list_up_to(&self, limit: usize) -> Option<Vec<(StdArc<str>, ServingStatus)>> {
        self.inner.let_go();
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        if index.len() > limit {
            return None;
        }
        let mut services: Vec<_> =
            index.iter().map(|(name, cell)| (StdArc::clone(name), cell.shown().status())).collect();
        drop(index);
        services.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Some(services)
    }

    /// Subscribes to the serving status of `service`.
    ///
    /// The stream starts with the current status and then follows every change. It keeps only the
    /// latest value: a reader that falls behind sees the newest status, never a backlog, and a change
    /// that is undone before it is read is not reported. [`Watch`] lists all that it yields.
    ///
    /// # Wire
    ///
    /// `service` is a full protobuf name such as `acme.user.v1.UserService`, compared byte for byte;
    /// `""` ([`OVERALL`](crate::OVERALL)) is the server as a whole. An update neither allocates nor waits for readers.
    ///
    /// # Errors
    ///
    /// [`TooManyWatchers`] when [`max_watchers`](RegistryBuilder::max_watchers) streams are open. RPC
    /// layers report it as `RESOURCE_EXHAUSTED`.
    ///
    /// # Concurrency
    ///
    /// May be called from any thread and polled on any executor; dropping the stream deregisters it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{StreamExt, future::block_on};
    /// use health_core::{Registry, ServingStatus};
    ///
    /// let registry = Registry::new();
    /// let mut watch = registry.watch("acme.user.v1.UserService")?;
    /// assert_eq!(block_on(watch.next()), Some(ServingStatus::ServiceUnknown));
    ///
    /// registry.set("acme.user.v1.UserService", ServingStatus::Serving);
    /// assert_eq!(block_on(watch.next()), Some(ServingStatus::Serving));
    /// # Ok::<(), health_core::TooManyWatchers>(())
    /// ```
    ///
    /// # Source
    ///
    /// `grpc/health/v1/health.proto`, comment on `rpc Watch`; coalescing as in grpc-go
    /// `health/server.go`.
    pub fn watch(&self, service: &str) -> Result<Watch, TooManyWatchers> {
        let now = self.inner.now();
        let mut ledger = self.inner.lock();
        if self.is_closed() {
            return Ok(Watch::ended());
        }
        if ledger.watchers >= self.inner.max_watchers {
            return Err(TooManyWatchers::new(self.inner.max_watchers));
        }
        ledger.watchers += 1;
        let cell = Arc::clone(&ledger.record(service, now).cell);
        let slot = cell.enter();
        drop(ledger);
        let usher: StdArc<dyn Usher> = StdArc::<Inner>::clone(&self.inner);
        // `max_watchers` is at most u32::MAX, and slots are reused, so the number fits.
        Ok(Watch::seated(cell, usher, slot as u32))
    }

    /// Why `service` shows what it shows, where that is not what was set: a hold, a condition and what it
    /// found, a dependency. For operators; no RPC carries it.
    ///
    /// ```
    /// use health_core::{Reason, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let database = health.signal("greet.GreetService", "postgres")?;
    /// database.fail(Reason::new("connection refused"));
    ///
    /// assert_eq!(health.why("greet.GreetService").as_deref(), Some("postgres: connection refused"));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn why(&self, service: &str) -> Option<StdArc<str>> {
        self.inner.let_go();
        self.inner.lock().why(service, self.is_shut_down())
    }

    /// The calls of the application, as far as an adapter counts them.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.inner.traffic
    }

    /// How many Watch streams are open.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.inner.lock().watchers
    }

    /// Whether [`shutdown`](Self::shutdown) is in force.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.is_latched()
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    /// A feed of what changes from now on. It holds `capacity` transitions for a reader that lags, and
    /// then loses the oldest.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use futures_lite::{StreamExt, future::block_on};
    /// use health_core::{Cause, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let mut feed = health.transitions(NonZeroUsize::new(16).unwrap());
    /// health.set("greet.GreetService", ServingStatus::Serving);
    ///
    /// let transition = block_on(feed.next()).unwrap();
    /// assert_eq!(&*transition.service, "greet.GreetService");
    /// assert_eq!(transition.from, ServingStatus::ServiceUnknown);
    /// assert_eq!(transition.to, ServingStatus::Serving);
    /// assert_eq!(transition.cause, Cause::Set);
    /// ```
    pub fn transitions(&self, capacity: NonZeroUsize) -> Transitions {
        self.inner.lock().feeds.open(capacity)
    }

    /// The last transitions, oldest first; how many is set by [`RegistryBuilder::history`].
    #[must_use]
    pub fn history(&self) -> Vec<Transition> {
        self.inner.let_go();
        self.inner.lock().feeds.history()
    }

    /// Edits the record of one service; `edit` says whether anything is different.
    fn amend(&self, service: &str, cause: Cause, edit: impl FnOnce(&mut Record) -> bool) -> Update {
        self.update(|ledger, moment| {
            let service = ledger.resolve(service);
            if cause == Cause::Released && !ledger.records.contains_key(&service) {
                return None;
            }
            let record = ledger.record(&service, moment.now);
            let cell = Arc::clone(&record.cell);
            if !edit(record) {
                return None;
            }
            ledger.mark(&service, cause);
            Some(cell)
        })
    }

    /// Has `edit` change what one service stands for, and tells what came of it; nothing if nothing is
    /// different.
    fn update(&self, edit: impl FnOnce(&mut Ledger, Moment) -> Option<Arc<Cell>>) -> Update {
        let (edited, changed) = self.change(edit);
        changed.update(edited)
    }

    /// The same for an edit that may be refused.
    fn try_update(
        &self,
        edit: impl FnOnce(&mut Ledger, Moment) -> Result<Option<Arc<Cell>>, ConfigError>,
    ) -> Result<Update, ConfigError> {
        let (edited, changed) = self.change(edit);
        Ok(changed.update(edited?))
    }

    /// Has `edit` change the ledger, shows the result and tells everyone.
    fn change<T>(&self, edit: impl FnOnce(&mut Ledger, Moment) -> T) -> (T, Changed) {
        self.inner.change(self.inner.now(), edit)
    }

    /// Returns how many Watch streams the latch tells something new.
    fn latch(&self, on: bool, cause: Cause) -> usize {
        self.change(|ledger, _| {
            if self.inner.latched.swap(on, Ordering::AcqRel) == on {
                return 0;
            }
            ledger.mark_all(cause);
            ledger.watchers_of_latch(on)
        })
        .0
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn index_writer(&self) -> IndexWriter<'_> {
        IndexWriter { index: &self.index, guard: None }
    }

    /// Has `edit` change the ledger at `now`, shows the result in one step, and tells everyone once no lock
    /// is held. What is over by then ends first, in a step of its own: `edit` never builds on it.
    fn change<T>(&self, now: Instant, edit: impl FnOnce(&mut Ledger, Moment) -> T) -> (T, Changed) {
        let mut ledger = self.lock();
        let over = self.end_what_is_over(&mut ledger, now);
        let done = edit(&mut ledger, Moment { now, latched: self.is_latched() });
        let moment = Moment { now, latched: self.is_latched() };
        let changed = ledger.settle(moment, &mut self.index_writer());
        let drivers = self.publish_deadline(&mut ledger);
        let deliver = ledger.feeds.is_due();
        drop(ledger);
        over.wake();
        changed.wake();
        drivers.into_iter().for_each(Waker::wake);
        if deliver {
            self.deliver();
        }
        (done, changed)
    }

    fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Acquire)
    }

    /// Hands pending transitions to the feeds, with no lock held, unless another thread is at it.
    fn deliver(&self) {
        struct Delivering<'a>(&'a Inner);
        impl Drop for Delivering<'_> {
            fn drop(&mut self) {
                self.0.lock().feeds.delivered();
            }
        }
        loop {
            let Some(delivery) = self.lock().feeds.take() else {
                return;
            };
            let _delivering = Delivering(self);
            delivery.run();
        }
    }
}

impl Usher for Inner {
    fn let_go(&self) {
        Self::let_go(self);
    }

    fn leave(&self, cell: &Arc<Cell>, slot: usize) {
        let mut ledger = self.lock();
        ledger.watchers -= 1;
        let waker = cell.leave(slot);
        if ledger.records.get(&**cell.service()).is_some_and(Record::is_idle) {
            ledger.records.remove(&**cell.service());
        }
        drop(ledger);
        // User code: dropped where no lock is held.
        drop(waker);
    }
}

/// The index for writing, locked when it is first needed.
struct IndexWriter<'a> {
    index: &'a ShardedLock<Index>,
    guard: Option<ShardedLockWriteGuard<'a, Index>>,
}

impl IndexWriter<'_> {
    fn open(&mut self) -> &mut Index {
        self.guard.get_or_insert_with(|| self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (services, watchers) = {
            let ledger = self.inner.lock();
            (
                ledger.records.values().filter(|record| record.reported.is_some()).count(),
                ledger.watchers,
            )
        };
        f.debug_struct("Registry")
            .field("services", &services)
            .field("watchers", &watchers)
            .field("shut_down", &self.is_shut_down())
            .field("closed", &self.is_closed())
            .finish()
    }
}

const LIST_TOO_LONG: RpcError =
    RpcError::new(Code::ResourceExhausted, "more services are registered than List may return");

#[cfg(test)]
mod tests;
