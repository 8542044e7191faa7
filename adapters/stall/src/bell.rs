//! `Bell`: wakes the detector's thread before its time, and the lock that everything here uses.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Rung by whoever has news; heard once, also by one who only begins to wait later.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.heard.notify_one();
    }

    /// Waits until the bell rings, for no longer than `time`.
    pub(crate) fn wait(&self, time: Duration) {
        let waited = self.heard.wait_timeout_while(lock(&self.rung), time, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// No user code runs under a lock of this crate, and what they guard is whole at every instruction.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
