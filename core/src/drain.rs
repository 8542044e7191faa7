//! `Drain`: the end of a server, in the order that health clients need, with a receipt.
//!
//! Knows no server: it is given one as a future, and ends it through a signal.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_channel::Receiver;
use futures_core::Stream;
use futures_util::future::{Either, select};

use crate::{Registry, elapsed::Elapsed, rt::Timer};

/// Takes a server out of service: tells everyone, waits until they have left, ends the streams, stops.
///
/// # Semantics
///
/// Until the signal the server runs. Then, in this order:
///
/// ```text
/// latch       every Check, probe and open Watch reads NOT_SERVING; calls are still served
/// lame duck   clients and load balancers move away; ends early when the server has fallen quiet
/// goaway      the server is told to stop: GOAWAY, `connection: close`, no new connections
/// close       every Watch ends in UNAVAILABLE, so that no stop waits for a watcher
/// stop        what still runs may finish; what has not by the end of that time is cut off
/// ```
///
/// Streams are not ended before the end: a client that is told NOT_SERVING and then cut off, and may watch
/// again, comes back at full speed (gRFC A17, grpc/grpc-go#4469).
///
/// # Cancel safety
///
/// Dropping the future drops the server, and leaves the registry as it was at that point.
///
/// # Examples
///
/// On tokio the clock is `health_tokio::TokioTimer`, and the signal `health_tokio::terminated()`.
///
/// ```
/// # use std::{pin::Pin, task::{Context, Poll}, time::Instant};
/// # use health_core::rt::{Sleep, Timer};
/// # #[derive(Debug)]
/// # struct SomeTimer;
/// # impl Timer for SomeTimer {
/// #     fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> { Box::pin(Thread(at)) }
/// # }
/// # struct Thread(Instant);
/// # impl Future for Thread {
/// #     type Output = ();
/// #     fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
/// #         std::thread::sleep(self.0.saturating_duration_since(Instant::now()));
/// #         Poll::Ready(())
/// #     }
/// # }
/// # impl Sleep for Thread { fn reset(mut self: Pin<&mut Self>, at: Instant) { self.0 = at } }
/// use std::{future::ready, sync::Arc, time::Duration};
///
/// use futures_lite::future::block_on;
/// use health_core::{Registry, drain::Drain};
///
/// let health = Registry::new();
/// let asked_to_end = ready(());
/// let drain = Drain::new(&health, Arc::new(SomeTimer)).lame_duck(Duration::from_millis(50));
/// // A server is anything that ends after its signal, such as `serve(..).with_graceful_shutdown(stop)`.
/// let (ended, receipt) = block_on(drain.run(asked_to_end, |stop| async { stop.await; "done" }));
///
/// assert_eq!(ended, Some("done"));
/// assert!(receipt.lame_duck() >= Duration::from_millis(50));
/// assert_eq!(receipt.streams_cut(), 0);
/// assert!(health.is_closed());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a drain does nothing until it runs"]
pub struct Drain {
    registry: Registry,
    timer: Arc<dyn Timer>,
    lame_duck: Duration,
    quiet: Option<Duration>,
    stop_timeout: Duration,
}

/// The signal by which a [`Drain`] stops its server: a future that completes when it is to stop.
#[derive(Debug)]
pub struct Stop {
    closed: Pin<Box<Receiver<Infallible>>>,
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.closed.as_mut().poll_next(cx) {
            Poll::Ready(None) => Poll::Ready(()),
            Poll::Ready(Some(never)) => match never {},
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drain {
    /// A drain of what `registry` says, with waits on `timer`: 10 s of lame duck, 5 s to stop.
    pub fn new(registry: &Registry, timer: Arc<dyn Timer>) -> Self {
        Self {
            registry: registry.clone(),
            timer,
            lame_duck: DEFAULT_LAME_DUCK,
            quiet: Some(DEFAULT_QUIET),
            stop_timeout: DEFAULT_STOP_TIMEOUT,
        }
    }

    /// How long the server goes on while it reads NOT_SERVING, at most; 10 s unless set. Take it longer
    /// than the period of the slowest prober times its failure threshold.
    pub const fn lame_duck(mut self, time: Duration) -> Self {
        self.lame_duck = time;
        self
    }

    /// After how long without any call of the application, running or new, the lame duck ends early; 2 s
    /// unless set, `None` for never. It only does so where an adapter [counts](crate::Traffic) calls.
    pub const fn quiet(mut self, quiet: Option<Duration>) -> Self {
        self.quiet = quiet;
        self
    }

    /// How long what runs may take to finish after the server was told to stop; 5 s unless set. With
    /// [`Duration::MAX`] nothing is cut off.
    ///
    /// A server with a limit of its own, such as `shutdown_timeout` of `health_hyper` (5 s) and of
    /// `health_actix_web`, stops at the shorter of the two: set both. A server that leaves its connections to tasks
    /// of their own, as `axum::serve` and tonic's do, is no longer waited for, and what runs there goes on until
    /// the runtime ends.
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Runs the server that `serve` makes of the stop signal, until `signal`, and then drains it.
    ///
    /// Returns what the server returned, nothing if it was cut off, and the receipt. If the server ends
    /// before the signal, that is all there is.
    pub async fn run<S: IntoFuture>(
        self,
        signal: impl Future<Output = ()>,
        serve: impl FnOnce(Stop) -> S,
    ) -> (Option<S::Output>, Receipt) {
        let (stop, closed) = async_channel::bounded::<Infallible>(1);
        let mut server = pin!(serve(Stop { closed: Box::pin(closed) }).into_future());
        let mut receipt = Receipt::default();
        if let Either::Left((ended, _)) = select(server.as_mut(), pin!(signal)).await {
            return (Some(ended), receipt);
        }

        let start = self.timer.now();
        let mut arrivals = Arrivals::new(&self.registry, start);
        receipt.watchers_told = self.registry.shutdown_counted();
        let mut ended = {
            let lame_duck = pin!(self.wait_out(&mut arrivals));
            match select(server.as_mut(), lame_duck).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right((end, _)) => {
                    receipt.lame_duck_end = end;
                    None
                }
            }
        };
        receipt.lame_duck = self.since(start);

        let told = self.timer.now();
        drop(stop);
        if ended.is_none() {
            // The server gets to send GOAWAY before its streams end.
            ended = self.within(GOAWAY_LEAD, server.as_mut(), &mut arrivals).await;
        }
        self.registry.close();
        if ended.is_none() {
            ended = self.within(self.stop_timeout, server.as_mut(), &mut arrivals).await;
        }
        receipt.stop = self.since(told);
        arrivals.look(&self.registry, self.timer.now());
        receipt.conclude(&self.registry, &arrivals, ended.is_some());
        receipt.log();
        (ended, receipt)
    }

    /// Completes at the end of the lame duck, or when the server has been quiet for long enough.
    async fn wait_out(&self, arrivals: &mut Arrivals) -> LameDuckEnd {
        let start = arrivals.start;
        let end = start.checked_add(self.lame_duck);
        let mut quiet_since = start;
        loop {
            let now = self.timer.now();
            if arrivals.look(&self.registry, now) || self.registry.traffic().running() > 0 {
                quiet_since = now;
            }
            if end.is_some_and(|end| now >= end) {
                return LameDuckEnd::Time;
            }
            let quiet_until = self.quiet.and_then(|quiet| quiet_since.checked_add(quiet));
            let is_quiet = quiet_until.is_some_and(|until| now >= until);
            if is_quiet && self.registry.traffic().is_counted() {
                return LameDuckEnd::Quiet;
            }
            self.sleep_until_next_look(now, end).await;
        }
    }

    /// Lets the server run for `time` at most, and looks meanwhile whether calls come.
    async fn within<S: Future>(
        &self,
        time: Duration,
        server: Pin<&mut S>,
        arrivals: &mut Arrivals,
    ) -> Option<S::Output> {
        // A time that the clock cannot reckon with has no end.
        let end = self.timer.now().checked_add(time);
        let time_out = pin!(async {
            loop {
                let now = self.timer.now();
                arrivals.look(&self.registry, now);
                if end.is_some_and(|end| now >= end) {
                    return;
                }
                self.sleep_until_next_look(now, end).await;
            }
        });
        match select(server, time_out).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(((), _)) => None,
        }
    }

    async fn sleep_until_next_look(&self, now: Instant, end: Option<Instant>) {
        let next = now.checked_add(LOOK).into_iter().chain(end).min().unwrap_or(now);
        self.timer.sleep_until(next).await;
    }

    fn since(&self, start: Instant) -> Duration {
        self.timer.now().saturating_duration_since(start)
    }
}

/// The calls that came after the server was NOT_SERVING.
struct Arrivals {
    start: Instant,
    before: u64,
    seen: u64,
    last: Option<Duration>,
}

impl Arrivals {
    fn new(registry: &Registry, start: Instant) -> Self {
        let before = registry.traffic().arrived();
        Self { start, before, seen: before, last: None }
    }

    /// Whether any came since the last look.
    fn look(&mut self, registry: &Registry, now: Instant) -> bool {
        let arrived = registry.traffic().arrived();
        let is_new = arrived != self.seen;
        if is_new {
            self.seen = arrived;
            self.last = Some(now.saturating_duration_since(self.start));
        }
        is_new
    }
}

/// What ended a lame duck.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum LameDuckEnd {
    /// The server, which went by itself.
    #[default]
    Server,
    Quiet,
    Time,
}

/// What a [`Drain`] did, for the operator who sets its times.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    lame_duck: Duration,
    lame_duck_end: LameDuckEnd,
    stop: Duration,
    watchers_told: usize,
    late_calls: Option<u64>,
    last_late_call: Option<Duration>,
    calls_cut: usize,
    streams_cut: usize,
}

impl Receipt {
    /// How long the server went on while it read NOT_SERVING; zero if it was never asked to end.
    #[must_use]
    pub const fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// From the moment the server was told to stop to its end.
    #[must_use]
    pub const fn stop(&self) -> Duration {
        self.stop
    }

    /// Watch streams that were told NOT_SERVING: those that were open on a service, or an alias or group
    /// of services, that was registered and did not read NOT_SERVING before.
    #[must_use]
    pub const fn watchers_told(&self) -> usize {
        self.watchers_told
    }

    /// Calls of the application that came after NOT_SERVING; `None` where no adapter counts them.
    #[must_use]
    pub const fn late_calls(&self) -> Option<u64> {
        self.late_calls
    }

    /// How long after NOT_SERVING the last of them came, to within 100 ms.
    #[must_use]
    pub const fn last_late_call(&self) -> Option<Duration> {
        self.last_late_call
    }

    /// Calls of the application that ran when the server was cut off.
    #[must_use]
    pub const fn calls_cut(&self) -> usize {
        self.calls_cut
    }

    /// Watch streams that were open when the server was cut off, those within the process among them; 0 if
    /// the server ended by itself, for then what is still open is no stream of it.
    #[must_use]
    pub const fn streams_cut(&self) -> usize {
        self.streams_cut
    }

    /// Whether clients still called when the lame duck was over: it should be longer, or the
    /// [`quiet`](Drain::quiet) time if that ended it. Calls that were cut off ask for a longer
    /// [`stop_timeout`](Drain::stop_timeout) instead.
    #[must_use]
    pub fn is_lame_duck_too_short(&self) -> bool {
        self.last_late_call.is_some_and(|last| match self.lame_duck_end {
            LameDuckEnd::Server => false,
            LameDuckEnd::Quiet => last > self.lame_duck,
            LameDuckEnd::Time => last + LOOK >= self.lame_duck,
        })
    }

    fn conclude(&mut self, registry: &Registry, arrivals: &Arrivals, has_ended: bool) {
        let traffic = registry.traffic();
        self.late_calls = traffic.is_counted().then(|| arrivals.seen - arrivals.before);
        self.last_late_call = arrivals.last;
        // A server has a time limit of its own too: what still runs is cut off, whoever ended it.
        self.calls_cut = traffic.running();
        self.streams_cut = if has_ended { 0 } else { registry.watchers() };
    }

    #[cfg(feature = "tracing")]
    fn log(&self) {
        tracing::info!(
            lame_duck = ?self.lame_duck,
            stop = ?self.stop,
            watchers_told = self.watchers_told,
            late_calls = self.late_calls,
            calls_cut = self.calls_cut,
            streams_cut = self.streams_cut,
            "{self}"
        );
    }

    #[cfg(not(feature = "tracing"))]
    const fn log(&self) {}
}

impl fmt::Display for Receipt {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lame_duck, stop) = (Elapsed(self.lame_duck), Elapsed(self.stop));
        write!(f, "drained: NOT_SERVING for {lame_duck}, watchers told {}", self.watchers_told)?;
        match (self.late_calls, self.last_late_call) {
            (None, _) => write!(f, ", late calls not counted")?,
            (Some(late), None) => write!(f, ", late calls {late}")?,
            (Some(late), Some(last)) => {
                write!(f, ", late calls {late} (the last after {})", Elapsed(last))?;
            }
        }
        write!(f, ", stopped in {stop}")?;
        if self.calls_cut + self.streams_cut > 0 {
            write!(f, ", cut off: calls {}, streams {}", self.calls_cut, self.streams_cut)?;
        }
        if self.is_lame_duck_too_short() {
            f.write_str("; the lame duck is too short: calls came until its end")?;
        }
        Ok(())
    }
}

/// Longer than three rounds of a prober that asks every 3 s.
const DEFAULT_LAME_DUCK: Duration = Duration::from_secs(10);

/// Twice the second in which most probers and name services look again.
const DEFAULT_QUIET: Duration = Duration::from_secs(2);

/// As `health_hyper::serve` has it.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server has between the order to stop and the end of its streams.
const GOAWAY_LEAD: Duration = Duration::from_millis(20);

/// How often a drain looks whether calls came.
const LOOK: Duration = Duration::from_millis(100);
