//! `StallDetector`: the handle of the detector's threads.

use std::{fmt, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Instant};

use crate::{
    Stall, StallDetectorBuilder, StallError, board::Board, executor::Executor, listener::Listener,
};

/// Watches executors, from threads of its own.
///
/// Dropping it stops the threads, closes the port, and takes its conditions away: the services show what
/// their other conditions make of them. Keep it as long as the executors run.
#[must_use = "dropping it stops the detector"]
pub struct StallDetector {
    executors: Executors,
    pub(crate) watcher: Option<JoinHandle<()>>,
    pub(crate) listener: Option<Listener>,
}

/// Adds executors to a [`StallDetector`] and removes them, while it runs. A cheap handle.
///
/// # Examples
///
/// Each worker of an actix-web server adds itself, in the factory of the App, which runs in the worker:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use health_stall::{Executors, executor};
///
/// static WORKERS: AtomicUsize = AtomicUsize::new(0);
///
/// fn watch_this_worker(executors: &Executors) -> Result<(), health_stall::StallError> {
///     let name = format!("worker {}", WORKERS.fetch_add(1, Ordering::Relaxed));
///     let handle = tokio::runtime::Handle::current();
///     executors.add(executor(name, move |ping| drop(handle.spawn(ping))))
/// }
/// ```
#[derive(Clone)]
pub struct Executors {
    board: Arc<Board>,
}

impl StallDetector {
    /// Starts with a detector that watches nothing, and from whose findings nothing follows.
    pub const fn builder() -> StallDetectorBuilder {
        StallDetectorBuilder::new()
    }

    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self { executors: Executors { board }, watcher: None, listener: None }
    }

    /// A handle that adds and removes executors.
    #[must_use]
    pub fn executors(&self) -> Executors {
        self.executors.clone()
    }

    /// The executors that make no progress now, in the order in which they were added.
    #[must_use]
    pub fn stalls(&self) -> Vec<Stall> {
        self.executors.board.stalls(Instant::now())
    }

    /// Where `/livez` is answered, if it is: with the port that the system chose, if it was to.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::local_addr)
    }
}

impl Drop for StallDetector {
    fn drop(&mut self) {
        self.executors.board.stop();
        if let Some(watcher) = self.watcher.take() {
            // It has reported its panic, if it had one.
            let _ = watcher.join();
        }
    }
}

impl Executors {
    /// Watches one more executor. What is bound to the detector depends on it from here on, and is pending
    /// until it has run its first ping.
    ///
    /// # Errors
    ///
    /// If another executor has its name, a bound service has a condition of that name, or the detector is
    /// gone.
    pub fn add(&self, executor: impl Executor) -> Result<(), StallError> {
        self.board.add(Box::new(executor))
    }

    /// Watches an executor no more, whose end is intended, and takes its conditions away: another one may have
    /// its name at once. `false` if there is none of this name.
    #[expect(clippy::must_use_candidate, reason = "whether it was there matters to few callers")]
    pub fn remove(&self, name: &str) -> bool {
        self.board.remove(name)
    }
}

impl fmt::Debug for StallDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallDetector")
            .field("stalls", &self.stalls())
            .field("local_addr", &self.local_addr())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executors").finish_non_exhaustive()
    }
}
