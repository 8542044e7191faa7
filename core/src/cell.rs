//! One service's shown status and the tasks that wait for it to change.
//!
//! All lock-free reasoning of the crate stands here, and `tests/loom.rs` checks it.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc as StdArc,
    task::Waker,
};

use slab::Slab;

use crate::{
    ServingStatus,
    sync::{AtomicU8, Mutex, Ordering, lock},
};

/// What a cell shows: a status, whether the service was ever SERVING, and whether streams are to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shown(u8);

impl Shown {
    const STATUS: u8 = 0b0011;
    const SERVED: u8 = 0b0100;
    const CLOSED: u8 = 0b1000;

    pub(crate) const fn new(status: ServingStatus, served: bool) -> Self {
        Self(status as u8 | if served { Self::SERVED } else { 0 })
    }

    pub(crate) const fn status(self) -> ServingStatus {
        ServingStatus::from_wire((self.0 & Self::STATUS) as i32)
    }

    pub(crate) const fn has_served(self) -> bool {
        self.0 & Self::SERVED != 0
    }

    pub(crate) const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }
}

/// The status of one service, and the wakers of the Watch streams that wait for the next one.
///
/// ```text
/// reader:  load -> unchanged? -> lock, load again -> unchanged? -> leave waker, unlock, wait
/// setter:  lock, store, unlock -> (lock, take up to 32 wakers, unlock, wake them)*
/// ```
///
/// No wake-up is lost: the store and the second load are ordered by the lock. Either the reader locks
/// first, and its waker is there when the setter takes the wakers after its store; or it locks after
/// the store, and sees the new status instead of parking.
#[derive(Debug)]
pub(crate) struct Cell {
    service: StdArc<str>,
    /// Written only under the `parked` lock, with `Release`; read anywhere with `Acquire`, so that
    /// whoever acts on a status sees what its setter did before.
    shown: AtomicU8,
    /// One slot for each Watch, with its waker while it is parked. Guards the writes of `shown` too.
    /// Innermost lock of the crate: no other lock is taken and no user code runs under it.
    parked: Mutex<Slab<Option<Waker>>>,
}

impl Cell {
    /// A cell that shows SERVICE_UNKNOWN.
    pub(crate) fn new(service: StdArc<str>) -> Self {
        let shown = Shown::new(ServingStatus::ServiceUnknown, false);
        Self { service, shown: AtomicU8::new(shown.0), parked: Mutex::new(Slab::new()) }
    }

    pub(crate) fn service(&self) -> &StdArc<str> {
        &self.service
    }

    pub(crate) fn shown(&self) -> Shown {
        Shown(self.shown.load(Ordering::Acquire))
    }

    /// Shows a new value. A closed cell stays closed.
    ///
    /// The caller wakes the watchers afterwards, when it holds no lock any more.
    pub(crate) fn publish(&self, shown: Shown) {
        let _parked = lock(&self.parked);
        let closed = self.shown().0 & Shown::CLOSED;
        self.shown.store(shown.0 | closed, Ordering::Release);
    }

    /// Makes every Watch end once it has yielded the last status. The caller wakes.
    pub(crate) fn close(&self) {
        let _parked = lock(&self.parked);
        self.shown.store(self.shown().0 | Shown::CLOSED, Ordering::Release);
    }

    /// Takes a slot for a new Watch.
    pub(crate) fn enter(&self) -> usize {
        lock(&self.parked).insert(None)
    }

    /// Gives the slot back, and hands out the waker that was in it for the caller to drop where it
    /// holds no lock: that is user code.
    pub(crate) fn leave(&self, slot: usize) -> Option<Waker> {
        let mut parked = lock(&self.parked);
        let waker = parked.try_remove(slot).flatten();
        if parked.is_empty() {
            // A crowd of watchers that has gone leaves no memory behind.
            parked.shrink_to_fit();
        }
        waker
    }

    /// How many Watches have a slot here.
    pub(crate) fn watchers(&self) -> usize {
        lock(&self.parked).len()
    }

    /// Whether no Watch has a slot here.
    pub(crate) fn is_vacant(&self) -> bool {
        lock(&self.parked).is_empty()
    }

    /// Leaves `waker` in the slot to be woken by the next change, if nothing has changed since `seen`;
    /// else returns what is shown now.
    pub(crate) fn park(&self, slot: usize, seen: Shown, waker: &Waker) -> Option<Shown> {
        // Cloned before, and the old one dropped after, the lock is held: both are user code.
        let mut swapped = Some(waker.clone());
        let mut parked = lock(&self.parked);
        let now = self.shown();
        if now != seen {
            drop(parked);
            return Some(now);
        }
        if let Some(place) = parked.get_mut(slot) {
            mem::swap(place, &mut swapped);
        }
        drop(parked);
        None
    }

    /// Wakes whoever is parked, in batches, without the lock held while a waker runs.
    ///
    /// A waker that panics strands nobody: the others are woken all the same, and the panic, which the
    /// panic hook has reported, ends there, as it is no fault of the setter.
    pub(crate) fn wake(&self) {
        let mut next = 0;
        let mut end = None;
        loop {
            let mut batch: [Option<Waker>; WAKE_BATCH] = [const { None }; WAKE_BATCH];
            let mut taken = 0;
            let mut parked = lock(&self.parked);
            // Slots made after this have seen the new status: the walk has an end.
            let end = *end.get_or_insert_with(|| parked.capacity());
            while next < end {
                let Some(place) = batch.get_mut(taken) else {
                    break;
                };
                *place = parked.get_mut(next).and_then(Option::take);
                taken += usize::from(place.is_some());
                next += 1;
            }
            drop(parked);
            for waker in batch.into_iter().flatten() {
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
            if next >= end {
                return;
            }
        }
    }
}

/// Wakers taken under one hold of the lock: bounds how long a watcher that parks meanwhile waits, and
/// the stack that a setter needs (16 bytes a waker).
const WAKE_BATCH: usize = 32;
