//! What an adapter sees of the application's calls: how many run, how many came.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// Counts the calls of the application, health's own excepted. A cheap handle; clones share the counts.
///
/// A drain asks it whether the server has fallen quiet, and how many calls still came after NOT_SERVING.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    counted: AtomicBool,
    running: AtomicUsize,
    arrived: AtomicU64,
}

impl Traffic {
    /// Notes that somebody counts: from here on "nothing runs" means that nothing runs.
    pub fn count(&self) {
        self.counts.counted.store(true, Ordering::Release);
    }

    /// Whether somebody counts. Where nobody does, the other numbers say nothing.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.counts.counted.load(Ordering::Acquire)
    }

    /// Counts a call, which runs until the guard is dropped.
    ///
    /// ```
    /// use health_core::Traffic;
    ///
    /// let traffic = Traffic::default();
    /// let call = traffic.enter();
    /// assert_eq!((traffic.running(), traffic.arrived()), (1, 1));
    /// drop(call);
    /// assert_eq!((traffic.running(), traffic.arrived()), (0, 1));
    /// ```
    #[must_use = "the call ends when this is dropped"]
    pub fn enter(&self) -> RunningCall {
        self.count();
        self.counts.arrived.fetch_add(1, Ordering::Relaxed);
        self.counts.running.fetch_add(1, Ordering::AcqRel);
        RunningCall { counts: Arc::clone(&self.counts) }
    }

    /// How many calls run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.counts.running.load(Ordering::Acquire)
    }

    /// How many calls have come since the start.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.counts.arrived.load(Ordering::Relaxed)
    }
}

/// One call that runs, from [`Traffic::enter`].
#[derive(Debug)]
pub struct RunningCall {
    counts: Arc<Counts>,
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.counts.running.fetch_sub(1, Ordering::AcqRel);
    }
}
