//! The primitives that loom replaces: the only place with `cfg(loom)`.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard, RwLock as ShardedLock, RwLockWriteGuard as ShardedLockWriteGuard,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

// A reader of the sharded lock touches a cache line of its own, so that Checks on several threads do
// not wait for each other.
#[cfg(not(loom))]
pub(crate) use crossbeam_utils::sync::{ShardedLock, ShardedLockWriteGuard};

use std::sync::PoisonError;

/// Locks `mutex`, also after a panic: what the locks of this crate guard is valid at every instruction,
/// as no user code runs under them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
