//! A monitor to which anything is done at any time: no condition runs twice or for too long, none is
//! lost, and nothing is SERVING that was not found so lately enough.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use arbitrary::Arbitrary;
use futures_core::Stream as _;
use health_core::{
    Reason, Registry,
    ServingStatus::{self, NotServing, Serving},
    condition::{
        Condition, ConditionConfig, ConditionId, Local, Monitor, MonitorFuture, MonitorHandle,
        every,
    },
    probe::{Probe, ProbeConfig},
    rpc,
    rt::Timer as _,
};

use super::timer::ManualTimer;

#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Operation {
    Add(Settings),
    /// Removes the condition at this place, counted around.
    Remove(u8),
    /// What the condition at this place does from its next evaluation on.
    Behave(u8, Behaviour),
    /// Ends an evaluation that waits.
    Finish(u8),
    /// Time passes, in milliseconds, and the monitor runs meanwhile.
    Pass(u16),
    /// Time passes, and the monitor's executor is busy.
    Stall(u16),
    /// The monitor is polled, woken or not.
    Poll,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) service: bool,
    /// In milliseconds, as the others.
    pub(crate) period: u16,
    pub(crate) timeout: u16,
    pub(crate) delay: u8,
    /// In 255ths of the period.
    pub(crate) jitter: u8,
    pub(crate) failures: u8,
    pub(crate) passes: u8,
    pub(crate) behaviour: Behaviour,
}

#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Behaviour {
    Pass,
    Fail,
    Panic,
    /// Waits to be finished, and passes.
    Wait,
    /// Never done, and panics when it is dropped.
    Hang,
}

/// Runs the operations, and then lets the monitor catch up and end: it is dropped, or never polled again.
///
/// # Panics
///
/// At the first thing that must not be.
pub(crate) fn run(operations: &[Operation]) {
    let mut world = World::new();
    for operation in operations {
        world.apply(operation);
        world.judge();
    }
    world.catch_up();
    if operations.len().is_multiple_of(2) {
        world.go_stale();
    }
    world.drop_monitor();
}

struct World {
    registry: Registry,
    timer: ManualTimer,
    future: Option<MonitorFuture>,
    handle: MonitorHandle,
    woken: Arc<Flag>,
    members: Vec<Member>,
}

struct Member {
    id: ConditionId,
    service: &'static str,
    plan: Plan,
    /// What its condition does, and did.
    act: Arc<Mutex<Act>>,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    period: Duration,
    timeout: Duration,
    failures: u32,
    passes: u32,
}

impl Plan {
    /// The longest that may lie between two ends of evaluations, and the time a result is believed.
    const fn max_age(&self) -> Duration {
        self.period.saturating_mul(3)
    }
}

struct Act {
    timer: ManualTimer,
    behaviour: Behaviour,
    /// Since when an evaluation runs.
    running: Option<Instant>,
    /// When one last ended, whatever came of it.
    ended: Option<Instant>,
    /// Whether an evaluation began while another one ran.
    ran_twice: bool,
    starts: usize,
    passed_in_a_row: u32,
    most_passed_in_a_row: u32,
    failed_in_a_row: u32,
    finished: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    fn new() -> Self {
        let (registry, timer) = (Registry::new(), ManualTimer::new());
        let monitor = Monitor::builder(&registry, Arc::new(timer.clone()))
            .build()
            .expect("nothing that could be invalid");
        let handle = monitor.handle();
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { registry, timer, future: Some(monitor.run()), handle, woken, members: Vec::new() }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Add(settings) => self.add(settings),
            Operation::Remove(at) => self.remove(*at),
            Operation::Behave(at, behaviour) => {
                if let Some(member) = self.member(*at) {
                    lock(&member.act).behaviour = *behaviour;
                }
            }
            Operation::Finish(at) => {
                if let Some(member) = self.member(*at) {
                    member.finish();
                }
            }
            Operation::Pass(by) => self.pass(some_time(*by)),
            Operation::Stall(by) => self.timer.advance(some_time(*by)),
            Operation::Poll => {
                self.poll();
                self.settle();
            }
        }
    }

    fn place(&self, at: u8) -> Option<usize> {
        usize::from(at).checked_rem(self.members.len())
    }

    fn member(&self, at: u8) -> Option<&Member> {
        self.members.get(self.place(at)?)
    }

    fn remove(&mut self, at: u8) {
        if let Some(at) = self.place(at) {
            let member = self.members.swap_remove(at);
            assert!(self.handle.remove(&member.id), "it was there");
            assert!(!self.handle.remove(&member.id), "it is not there any more");
        }
    }

    fn add(&mut self, settings: &Settings) {
        if self.members.len() == MAX_CONDITIONS {
            return;
        }
        let (plan, config) = settings.plan();
        let service = if settings.service { "one" } else { "other" };
        let act = Arc::new(Mutex::new(Act::new(&self.timer, settings.behaviour)));
        // A name for each that was ever added.
        let name = format!("{:p}", Arc::as_ptr(&act));
        let added = self.handle.add(service, Local::new(name, Actor(Arc::clone(&act))), config);
        let id = added.expect("valid, and a new name");
        assert_ne!(self.registry.check(service), Some(Serving), "it has not passed");
        self.members.push(Member { id, service, plan, act });
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        if let Some(future) = &mut self.future {
            match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => {}
                Poll::Ready(never) => match never {},
            }
        }
    }

    fn settle(&mut self) {
        let mut polls = 0;
        while self.woken.0.swap(false, Ordering::Relaxed) {
            self.poll();
            polls += 1;
            assert!(polls < 1_000, "the monitor spins");
        }
        let now = self.timer.now();
        for member in &self.members {
            let running = lock(&member.act).running.map(|since| now - since);
            let longest = member.plan.timeout + REST;
            assert!(running.is_none_or(|age| age < longest), "{running:?}: {:?}", member.plan);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.settle();
        let end = self.timer.now() + time;
        while let Some(next) = self.timer.next_deadline().filter(|at| *at <= end) {
            assert!(next >= self.timer.now(), "a sleep that is over wakes");
            self.timer.advance(next - self.timer.now());
            self.settle();
        }
        self.timer.advance(end - self.timer.now());
        self.settle();
    }

    /// Nothing is SERVING that was not found so, by each of its conditions, lately enough.
    fn judge(&self) {
        let now = self.timer.now();
        for member in &self.members {
            assert!(!lock(&member.act).ran_twice, "{:?}", member.plan);
            if self.registry.check(member.service) != Some(Serving) {
                continue;
            }
            let act = lock(&member.act);
            let age = act.ended.map(|at| now - at).expect("an evaluation has ended");
            assert!(age < member.plan.max_age(), "{age:?}: {:?}", member.plan);
            assert!(act.most_passed_in_a_row >= member.plan.passes, "{:?}", member.plan);
            assert!(act.failed_in_a_row < member.plan.failures, "{:?}", member.plan);
        }
    }

    /// Whatever was done, nothing is lost: once all conditions pass, all services are SERVING.
    fn catch_up(&mut self) {
        for member in &self.members {
            lock(&member.act).behaviour = Behaviour::Pass;
            member.finish();
        }
        // What hangs is cancelled within a period; then each passes as often as it must, in periods that
        // the jitter makes twice as long at most.
        let end = self.timer.now() + MAX_DELAY + 2 * (MAX_PASSES + 2) * MAX_PERIOD;
        let is_serving =
            |world: &Self, member: &Member| world.registry.check(member.service) == Some(Serving);
        while !self.members.iter().all(|member| is_serving(self, member)) {
            self.pass(MAX_PERIOD / 10);
            self.judge();
            if self.timer.now() > end {
                let late = self.members.iter().find(|member| !is_serving(self, member));
                panic!("never started, or lost: {:?}", late.map(|member| member.plan));
            }
        }
    }

    /// The monitor is never polled again.
    fn go_stale(&self) {
        self.timer.advance(Duration::from_millis(1));
        self.timer.advance(MAX_PERIOD * 3);
        let readiness = ProbeConfig::new().readiness(self.services());
        for service in self.services() {
            assert_eq!(rpc::check(&self.registry, service), Ok(NotServing));
            assert_eq!(first(&self.registry, service), Some(NotServing));
            let list = rpc::list(&self.registry).expect("few services");
            assert!(list.iter().any(|(name, status)| **name == *service && *status == NotServing));
            assert!(!readiness.report(Probe::Readiness, &self.registry).is_healthy());
        }
    }

    fn drop_monitor(&mut self) {
        self.future = None;
        for service in self.services() {
            assert_eq!(self.registry.check(service), Some(NotServing));
        }
        for member in &self.members {
            assert!(self.handle.remove(&member.id));
        }
    }

    fn services(&self) -> Vec<&'static str> {
        let mut services: Vec<_> = self.members.iter().map(|member| member.service).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

impl Settings {
    fn plan(&self) -> (Plan, ConditionConfig) {
        let period = MIN_PERIOD + Duration::from_millis(u64::from(self.period));
        let period = period.min(MAX_PERIOD);
        let timeout = Duration::from_millis(1 + u64::from(self.timeout)).min(period);
        let failures = u32::from(self.failures % 4) + 1;
        let passes = u32::from(self.passes) % MAX_PASSES + 1;
        let config = every(period)
            .timeout(timeout)
            .initial_delay(Duration::from_millis(u64::from(self.delay)))
            .jitter(f64::from(self.jitter) / 255.0)
            .failure_threshold(failures)
            .success_threshold(passes);
        (Plan { period, timeout, failures, passes }, config)
    }
}

impl Member {
    fn finish(&self) {
        let mut act = lock(&self.act);
        act.finished = true;
        let waker = act.waker.take();
        drop(act);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Act {
    fn new(timer: &ManualTimer, behaviour: Behaviour) -> Self {
        Self {
            timer: timer.clone(),
            behaviour,
            running: None,
            ended: None,
            ran_twice: false,
            starts: 0,
            passed_in_a_row: 0,
            most_passed_in_a_row: 0,
            failed_in_a_row: 0,
            finished: false,
            waker: None,
        }
    }
}

/// The condition itself.
struct Actor(Arc<Mutex<Act>>);

/// An evaluation while it lives. It has failed unless it says that it passed.
struct Running {
    act: Arc<Mutex<Act>>,
    passed: bool,
    panics: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut act = lock(&self.act);
        act.running = None;
        act.ended = Some(act.timer.now());
        if self.passed {
            act.passed_in_a_row += 1;
            act.most_passed_in_a_row = act.most_passed_in_a_row.max(act.passed_in_a_row);
            act.failed_in_a_row = 0;
        } else {
            act.passed_in_a_row = 0;
            act.failed_in_a_row += 1;
        }
        drop(act);
        if self.panics {
            resume_unwind(Box::new(Quiet));
        }
    }
}

impl Condition for Actor {
    fn evaluate(&mut self) -> impl Future<Output = Result<(), Reason>> + Send {
        let mut act = lock(&self.0);
        let now = act.timer.now();
        // Not asserted here: the monitor would catch it.
        act.ran_twice |= act.running.replace(now).is_some();
        act.starts += 1;
        act.finished = false;
        let behaviour = act.behaviour;
        drop(act);
        let panics = behaviour == Behaviour::Hang;
        let running = Running { act: Arc::clone(&self.0), passed: false, panics };
        if behaviour == Behaviour::Panic {
            // Before there is a future.
            resume_unwind(Box::new(Quiet));
        }
        evaluate(running, behaviour)
    }
}

async fn evaluate(mut running: Running, behaviour: Behaviour) -> Result<(), Reason> {
    match behaviour {
        Behaviour::Fail => return Err(Reason::new("down")),
        Behaviour::Panic | Behaviour::Hang => std::future::pending().await,
        Behaviour::Wait => {
            poll_fn(|cx| {
                let mut act = lock(&running.act);
                act.waker = Some(cx.waker().clone());
                if act.finished { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        Behaviour::Pass => {}
    }
    running.passed = true;
    Ok(())
}

/// What the conditions panic with, past the panic hook: where this is fuzzed, that hook aborts.
struct Quiet;

fn lock(act: &Mutex<Act>) -> MutexGuard<'_, Act> {
    act.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From nothing to more than two of the longest periods.
fn some_time(milliseconds: u16) -> Duration {
    Duration::from_millis(u64::from(milliseconds % 2_500))
}

/// What a new Watch yields first.
fn first(registry: &Registry, service: &str) -> Option<ServingStatus> {
    let mut watch = registry.watch(service).expect("few watches");
    match Pin::new(&mut watch).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(status) => status,
        Poll::Pending => None,
    }
}

/// How much later than it is to a monitor may look, for it rests between wake-ups.
const REST: Duration = Duration::from_millis(1);
const MAX_CONDITIONS: usize = 8;
const MAX_PASSES: u32 = 3;
const MIN_PERIOD: Duration = Duration::from_millis(25);
const MAX_PERIOD: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_millis(255);
