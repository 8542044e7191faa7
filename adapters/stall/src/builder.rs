//! `StallDetectorBuilder`: what to watch, and what follows from a stall.

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use health_core::Registry;

use crate::{
    StallError,
    board::Board,
    detector::StallDetector,
    executor::Executor,
    listener::Listener,
    signals::{Post, Unregistered},
    watcher::Watcher,
};

/// What a [`StallDetector`] is to watch, and what follows from a stall.
#[must_use = "a builder builds nothing by itself"]
pub struct StallDetectorBuilder {
    executors: Vec<Box<dyn Executor>>,
    posts: Vec<Post>,
    threshold: Duration,
    interval: Duration,
    addr: Option<SocketAddr>,
}

impl StallDetectorBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            executors: Vec::new(),
            posts: Vec::new(),
            threshold: DEFAULT_THRESHOLD,
            interval: DEFAULT_INTERVAL,
            addr: None,
        }
    }

    /// Watches an executor; more can be added to the running detector
    /// ([`Executors::add`](crate::Executors::add)).
    pub fn executor(mut self, executor: impl Executor) -> Self {
        self.executors.push(Box::new(executor));
        self
    }

    /// How long an executor may leave a ping lying; 5 s by default, above zero.
    ///
    /// An executor that is busy, but yields, runs its pings: what counts is the longest time between two
    /// tasks, with all that wait before the ping.
    pub const fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// The time between two looks at the executors; 1 s by default, above zero and at most the threshold.
    ///
    /// A stall is noticed that much after the threshold at most, its end at once.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Binds the liveness of the process: it fails while an executor is stalled. For each executor it gets
    /// a condition, such as `executor main`.
    pub fn liveness(self, registry: &Registry) -> Self {
        self.post(registry, None)
    }

    /// Binds a service: it is NOT_SERVING while an executor is stalled, and UNKNOWN until each has run its
    /// first ping. Registers the service if it is not registered.
    pub fn service(self, registry: &Registry, service: impl Into<Arc<str>>) -> Self {
        self.post(registry, Some(service.into()))
    }

    /// Answers GET and HEAD of `/livez` on this address, from threads of the detector's own: 200 `ok`, or
    /// 503 with the [stalls](crate::Stall), one a line.
    ///
    /// A kubelet asks from outside of the pod, so listen on the pod's address or on `0.0.0.0`.
    ///
    /// It tells of the executors alone. What else liveness depends on is told by the server's own probe,
    /// when it is not stalled.
    ///
    /// # Security
    ///
    /// Anybody who can connect may ask, and learns the names of stalled executors. A peer has 2 s in all for
    /// a request of at most 4 KiB; one connection more than 16 ends the oldest, so that slow peers cannot
    /// keep the kubelet out.
    pub const fn listen(mut self, addr: SocketAddr) -> Self {
        self.addr = Some(addr);
        self
    }

    /// Starts the detector's threads.
    ///
    /// # Errors
    ///
    /// If anything of it cannot be had; then nothing of it is left.
    ///
    /// - there is no executor;
    /// - the threshold or the interval is zero, or the interval is above the threshold;
    /// - two executors have one name, or a service has a condition of that name;
    /// - the address is in use, or not one of this machine;
    /// - the system has no thread left.
    pub fn start(self) -> Result<StallDetector, StallError> {
        self.validate()?;
        let socket = self.addr.map(bind).transpose()?;
        let new_services = Unregistered::among(&self.posts);
        let board = Arc::new(Board::new(self.threshold, self.posts));
        let mut detector = StallDetector::new(Arc::clone(&board));
        for executor in self.executors {
            board.add(executor)?;
        }
        if let Some((socket, addr)) = socket {
            let listener = Listener::start(socket, addr, Arc::clone(&board));
            detector.listener = Some(listener.map_err(StallError::thread)?);
        }
        let watcher = Watcher::new(board, self.interval);
        let thread = thread::Builder::new().name("health-stall".to_owned());
        let thread = thread.spawn(|| watcher.run()).map_err(StallError::thread)?;
        detector.watcher = Some(thread);
        new_services.keep();
        Ok(detector)
    }

    fn post(mut self, registry: &Registry, service: Option<Arc<str>>) -> Self {
        self.posts.push(Post { registry: registry.clone(), service });
        self
    }

    fn validate(&self) -> Result<(), StallError> {
        if self.executors.is_empty() {
            return Err(StallError::no_executor());
        }
        for (field, value) in [("threshold", self.threshold), ("interval", self.interval)] {
            if value.is_zero() {
                return Err(StallError::value(field, value, "greater than zero"));
            }
        }
        if self.interval > self.threshold {
            return Err(StallError::value("interval", self.interval, "at most the threshold"));
        }
        Ok(())
    }
}

fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StallError> {
    let socket = TcpListener::bind(addr);
    let bound = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
    let (addr, socket) = bound.map_err(|source| StallError::listen(addr, source))?;
    Ok((socket, addr))
}

impl fmt::Debug for StallDetectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallDetectorBuilder")
            .field("executors", &self.executors.len())
            .field("posts", &self.posts)
            .field("threshold", &self.threshold)
            .field("interval", &self.interval)
            .field("addr", &self.addr)
            .finish()
    }
}

/// Well above what a busy executor takes, and below the 30 s in which three probes of a kubelet fail.
const DEFAULT_THRESHOLD: Duration = Duration::from_secs(5);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
