//! `Registry`: the statuses of a server's services, and everything that may change them.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc as StdArc, PoisonError},
};

use crate::{
    Code, OVERALL, RpcError, ServingStatus, TooManyWatchers, Watch,
    cell::{Cell, Shown},
    status::Standing,
    sync::{
        Arc, AtomicBool, Mutex, MutexGuard, Ordering, ShardedLock, ShardedLockWriteGuard, lock,
    },
    transition::{Cause, Feeds, Transitions},
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
/// set NOT_SERVING                                 -> NOT_SERVING
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

struct Inner {
    /// Names to cells, for readers: registered services only. Written only under the ledger's lock.
    index: ShardedLock<Index>,
    /// What was said of each service. Every writer holds it from its first to its last store, so that
    /// writes have one order. Lock order: ledger, index, cell.
    ledger: Mutex<Ledger>,
    /// Copies of the ledger's flags that can be read without its lock.
    latched: AtomicBool,
    closed: AtomicBool,
    max_watchers: usize,
    list_limit: usize,
}

/// Only the application names what stands here, so that a quick hash will do; the peers' names, which are
/// in the ledger, need one that cannot be foreseen.
type Index = HashMap<StdArc<str>, Arc<Cell>, foldhash::fast::RandomState>;

#[derive(Default)]
struct Ledger {
    /// Registered, held or watched names. A name that is none of these has no record.
    records: HashMap<StdArc<str>, Record>,
    watchers: usize,
    feeds: Feeds,
}

struct Record {
    cell: Arc<Cell>,
    /// What the application set; `None` while it is not registered.
    reported: Option<ServingStatus>,
    /// Why an operator holds the service, if one does.
    hold: Option<Box<str>>,
}

impl Registry {
    /// A registry whose only service is [`OVERALL`], SERVING.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with the limits as they are by default.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder { max_watchers: DEFAULT_MAX_WATCHERS, list_limit: DEFAULT_LIST_LIMIT }
    }

    /// Sets the status of `service`, which registers it if it is not registered.
    ///
    /// Setting [`ServingStatus::ServiceUnknown`] is [`remove`](Self::remove): that status is never
    /// stored. Does not allocate if the name is known.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn set(&self, service: &str, status: ServingStatus) -> Update {
        if status == ServingStatus::ServiceUnknown {
            return self.remove(service);
        }
        self.amend(service, Cause::Set, |record| record.reported = Some(status))
    }

    /// Takes `service` out of the registry. Its watchers see SERVICE_UNKNOWN and stay; if it is
    /// registered again, they follow it.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn remove(&self, service: &str) -> Update {
        self.amend(service, Cause::Removed, |record| record.reported = None)
    }

    /// Makes the registered services exactly `services`, in one step that no reader sees half of.
    ///
    /// What is not named is removed. Startup begins anew: a service counts as started
    /// ([`has_served`](Self::has_served)) only if it is SERVING from here on. Holds and the shutdown
    /// latch stay as they are. If a name comes twice, the last one counts.
    pub fn replace<'a>(&self, services: impl IntoIterator<Item = (&'a str, ServingStatus)>) {
        // The iterator is user code: it runs before any lock is taken. Of a name's statuses the last one
        // stays.
        let mut wanted: HashMap<&str, ServingStatus> = services.into_iter().collect();
        wanted.retain(|_, status| *status != ServingStatus::ServiceUnknown);
        let mut ledger = self.inner.lock();
        for (name, record) in &mut ledger.records {
            record.reported = wanted.remove(&**name);
        }
        for (name, status) in wanted {
            ledger.record(name).reported = Some(status);
        }
        self.show_all(ledger, Cause::Replaced, true);
    }

    /// Holds `service` out of rotation: NOT_SERVING whatever is set, until [`release`](Self::release).
    ///
    /// A name that is not registered can be held too; the hold counts from its registration on. Holding
    /// what is held replaces the reason.
    pub fn hold(&self, service: &str, reason: impl Into<Box<str>>) -> Update {
        let reason = reason.into();
        self.amend(service, Cause::Held, |record| record.hold = Some(reason))
    }

    /// Ends a hold: the service shows its own status again.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn release(&self, service: &str) -> Update {
        self.amend(service, Cause::Released, |record| record.hold = None)
    }

    /// Why `service` is held, if it is. For operators; never sent to peers.
    #[must_use]
    pub fn held(&self, service: &str) -> Option<Box<str>> {
        self.inner.lock().records.get(service)?.hold.clone()
    }

    /// Latches NOT_SERVING over every service, registered now or later. Watch streams yield it and stay
    /// open. What is set meanwhile is recorded. Idempotent.
    pub fn shutdown(&self) {
        self.latch(true, Cause::Shutdown);
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

    /// The status of `service`; `None` if it is not registered. Neither waits nor allocates.
    #[must_use]
    pub fn check(&self, service: &str) -> Option<ServingStatus> {
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        Some(index.get(service)?.shown().status())
    }

    /// Whether `service` is registered and has been SERVING at least once since.
    #[must_use]
    pub fn has_served(&self, service: &str) -> bool {
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(service).is_some_and(|cell| cell.shown().has_served())
    }

    /// Every registered service with its status, sorted by name.
    ///
    /// # Errors
    ///
    /// [`Code::ResourceExhausted`] if there are more than [`list_limit`](RegistryBuilder::list_limit).
    pub fn list(&self) -> Result<Vec<(StdArc<str>, ServingStatus)>, RpcError> {
        let index = self.inner.index.read().unwrap_or_else(PoisonError::into_inner);
        if index.len() > self.inner.list_limit {
            return Err(LIST_TOO_LONG);
        }
        let mut services: Vec<_> =
            index.iter().map(|(name, cell)| (StdArc::clone(name), cell.shown().status())).collect();
        drop(index);
        services.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(services)
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
    /// `""` ([`OVERALL`]) is the server as a whole. An update neither allocates nor waits for readers.
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
        let mut ledger = self.inner.lock();
        if self.is_closed() {
            return Ok(Watch::ended());
        }
        if ledger.watchers >= self.inner.max_watchers {
            return Err(TooManyWatchers::new(self.inner.max_watchers));
        }
        ledger.watchers += 1;
        let cell = Arc::clone(&ledger.record(service).cell);
        let slot = cell.enter();
        drop(ledger);
        let usher: StdArc<dyn Usher> = StdArc::<Inner>::clone(&self.inner);
        // `max_watchers` is at most u32::MAX, and slots are reused, so the number fits.
        Ok(Watch::seated(cell, usher, slot as u32))
    }

    /// How many Watch streams are open.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.inner.lock().watchers
    }

    /// Whether [`shutdown`](Self::shutdown) is in force.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.latched.load(Ordering::Acquire)
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

    /// Edits one record, shows the result and tells everyone.
    fn amend(&self, service: &str, cause: Cause, edit: impl FnOnce(&mut Record)) -> Update {
        let inner = &*self.inner;
        let mut guard = inner.lock();
        let ledger = &mut *guard;
        let undoes = matches!(cause, Cause::Removed | Cause::Released);
        if undoes && !ledger.records.contains_key(service) {
            return Update::Unchanged;
        }
        let record = ledger.record(service);
        let before = record.is_registered_and_held();
        let reported = record.reported;
        edit(record);
        if reported == record.reported && before == record.is_registered_and_held() {
            return Update::Unchanged;
        }
        let change = record.show(self.is_shut_down(), false, &mut inner.index_writer());
        let cell = Arc::clone(&record.cell);
        if record.is_idle() {
            ledger.records.remove(service);
        }
        let Some((from, to)) = change else {
            return Update::Hidden;
        };
        ledger.feeds.note(cell.service(), from, to, cause);
        let deliver = ledger.feeds.is_due();
        drop(guard);
        cell.wake();
        if deliver {
            inner.deliver();
        }
        Update::Changed
    }

    fn latch(&self, on: bool, cause: Cause) {
        let ledger = self.inner.lock();
        if self.inner.latched.swap(on, Ordering::AcqRel) != on {
            self.show_all(ledger, cause, false);
        }
    }

    /// Shows every record anew, and tells everyone once the ledger is free.
    fn show_all(&self, mut guard: MutexGuard<'_, Ledger>, cause: Cause, anew: bool) {
        let latched = self.is_shut_down();
        let ledger = &mut *guard;
        let mut index = self.inner.index_writer();
        // Held throughout, so that no Check or List sees half of the change.
        index.open();
        let mut changed = Vec::new();
        ledger.records.retain(|_, record| {
            if let Some((from, to)) = record.show(latched, anew, &mut index) {
                ledger.feeds.note(record.cell.service(), from, to, cause);
                changed.push(Arc::clone(&record.cell));
            }
            !record.is_idle()
        });
        drop(index);
        drop(guard);
        changed.iter().for_each(|cell| cell.wake());
        self.inner.deliver();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn index_writer(&self) -> IndexWriter<'_> {
        IndexWriter { index: &self.index, guard: None }
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

impl Ledger {
    fn record(&mut self, service: &str) -> &mut Record {
        let known = self.records.get_key_value(service).map(|(name, _)| StdArc::clone(name));
        let name = known.unwrap_or_else(|| service.into());
        self.records.entry(name).or_insert_with_key(|name| {
            let cell = Arc::new(Cell::new(StdArc::clone(name)));
            Record { cell, reported: None, hold: None }
        })
    }
}

impl Record {
    fn is_registered_and_held(&self) -> (bool, bool) {
        (self.reported.is_some(), self.hold.is_some())
    }

    /// Whether nothing is lost when the record is dropped.
    fn is_idle(&self) -> bool {
        self.reported.is_none() && self.hold.is_none() && self.cell.is_vacant()
    }

    /// Shows what the record stands for now; returns the shown status before and after if they differ.
    /// With `anew`, what it has served before is forgotten.
    fn show(
        &self,
        latched: bool,
        anew: bool,
        index: &mut IndexWriter<'_>,
    ) -> Option<(ServingStatus, ServingStatus)> {
        let held = self.hold.is_some();
        let to = Standing { reported: self.reported, conditions: &[], held, latched }.shown();
        let before = self.cell.shown();
        let from = before.status();
        let registered = to != ServingStatus::ServiceUnknown;
        let served = to == ServingStatus::Serving || (before.has_served() && registered && !anew);
        if registered == (from != ServingStatus::ServiceUnknown) {
            self.cell.publish(Shown::new(to, served));
        } else {
            let index = index.open();
            self.cell.publish(Shown::new(to, served));
            let name = self.cell.service();
            if registered {
                index.insert(StdArc::clone(name), Arc::clone(&self.cell));
            } else {
                index.remove(&**name);
            }
        }
        (from != to).then_some((from, to))
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

/// The limits of a [`Registry`].
#[derive(Clone, Debug)]
#[must_use = "a builder builds nothing by itself"]
pub struct RegistryBuilder {
    max_watchers: usize,
    list_limit: usize,
}

impl RegistryBuilder {
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

    /// A registry whose only service is [`OVERALL`], SERVING.
    #[must_use]
    pub fn build(self) -> Registry {
        let inner = Inner {
            index: ShardedLock::new(Index::default()),
            ledger: Mutex::new(Ledger::default()),
            latched: AtomicBool::new(false),
            closed: AtomicBool::new(false),
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

/// Watch streams open at once: at about 100 bytes a stream in this crate, 1 MB.
const DEFAULT_MAX_WATCHERS: usize = 10_000;

/// grpc-go `health/server.go`, `maxAllowedServices`.
const DEFAULT_LIST_LIMIT: usize = 100;

const LIST_TOO_LONG: RpcError =
    RpcError::new(Code::ResourceExhausted, "more services are registered than List may return");

#[cfg(test)]
mod tests;
