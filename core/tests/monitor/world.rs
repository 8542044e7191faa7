//! What the tests share: a registry, a clock, a monitor that is polled when it is woken, and conditions
//! that do as they are told.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use health_core::{
    ConditionState, Reason, Registry, RegistryBuilder, ServingStatus,
    condition::{Condition, ConditionConfig, Local, Monitor, MonitorBuilder, MonitorFuture, every},
    rt::Timer as _,
};

pub(crate) use crate::timer::ManualTimer;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

/// The service of most tests.
pub(crate) const SVC: &str = "greet.GreetService";

/// Every 10 s, without jitter, and whatever the first result is decides.
pub(crate) fn strict() -> ConditionConfig {
    every(10 * S).jitter(0.0).failure_threshold(1)
}

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) timer: ManualTimer,
    start: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::by(ManualTimer::new(), Registry::builder())
    }

    /// One whose monitors go by `timer`, and whose registry has a clock of its own if it is given one.
    pub(crate) fn by(timer: ManualTimer, registry: RegistryBuilder) -> Self {
        Self { registry: registry.build(), start: timer.now(), timer }
    }

    pub(crate) fn builder(&self) -> MonitorBuilder {
        Monitor::builder(&self.registry, Arc::new(self.timer.clone()))
    }

    /// Runs a monitor with these conditions, each of the service [`SVC`].
    pub(crate) fn run<const N: usize>(
        &self,
        conditions: [(&Script, ConditionConfig); N],
    ) -> Runner {
        let add = |builder: MonitorBuilder, (script, config): (&Script, _)| {
            builder.condition(SVC, script.local(), config)
        };
        let builder = conditions.into_iter().fold(self.builder(), add);
        self.start(builder.build().expect("valid conditions"))
    }

    pub(crate) fn start(&self, monitor: Monitor) -> Runner {
        let mut runner = Runner {
            timer: self.timer.clone(),
            task: Arc::new(Task::default()),
            future: Some(monitor.run()),
        };
        runner.poll();
        runner.settle();
        runner
    }

    /// A condition of this name, which passes until it is told otherwise.
    pub(crate) fn script(&self, name: &str) -> Script {
        let stage = Stage { timer: self.timer.clone(), behaviour: Behaviour::Pass, ..Stage::new() };
        Script { name: name.into(), stage: Arc::new(Mutex::new(stage)), start: self.start }
    }

    pub(crate) fn status(&self) -> Option<ServingStatus> {
        self.registry.check(SVC)
    }

    /// The condition of this name of [`SVC`].
    pub(crate) fn condition(&self, name: &str) -> ConditionState {
        let found = self.registry.conditions(SVC).into_iter().find(|found| *found.name == *name);
        found.expect("a condition of this name")
    }

    /// Why the condition of this name does not pass.
    pub(crate) fn reason(&self, name: &str) -> Option<String> {
        self.condition(name).reason.map(|reason| reason.to_string())
    }
}

/// Polls a running monitor as an executor would.
pub(crate) struct Runner {
    timer: ManualTimer,
    task: Arc<Task>,
    future: Option<MonitorFuture>,
}

#[derive(Default)]
pub(crate) struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    pub(crate) fn was_woken(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }
}

impl Runner {
    /// Polls once, woken or not.
    pub(crate) fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.task));
        let future = self.future.as_mut().expect("the monitor runs");
        match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {}
            Poll::Ready(never) => match never {},
        }
    }

    pub(crate) fn was_woken(&self) -> bool {
        self.task.was_woken()
    }

    /// Polls until nobody wakes it; returns how often that was.
    pub(crate) fn settle(&mut self) -> usize {
        let mut polls = 0;
        while self.was_woken() {
            self.poll();
            polls += 1;
            assert!(polls < 10_000, "the monitor spins");
        }
        polls
    }

    /// Lets time pass, and polls the monitor whenever it wants to be.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.settle();
        let end = self.timer.now() + time;
        while let Some(next) = self.timer.next_deadline().filter(|at| *at <= end) {
            self.timer.advance(next.saturating_duration_since(self.timer.now()));
            assert!(self.settle() > 0, "its sleep is over, and it was not woken");
        }
        self.timer.advance(end - self.timer.now());
        self.settle();
    }

    pub(crate) fn drop_future(&mut self) {
        self.future = None;
    }
}

/// A condition that does as it is told, and the record of what was done to it.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) name: Arc<str>,
    stage: Arc<Mutex<Stage>>,
    start: Instant,
}

/// What an evaluation does.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    Pass,
    Fail(&'static str),
    /// Never done.
    Hang,
    /// Passes when it has been told to, as [`Script::release`] does.
    Wait,
    /// Panics before there is a future.
    PanicAtOnce(&'static str),
    /// Panics when its future is polled.
    Panic(&'static str),
    /// Never done, and panics when its future is dropped.
    HangAndPanicInDrop,
}

struct Stage {
    timer: ManualTimer,
    behaviour: Behaviour,
    starts: Vec<Instant>,
    running: usize,
    /// How many ran at once, at most.
    most_running: usize,
    dropped: bool,
    released: bool,
    waker: Option<Waker>,
}

impl Stage {
    fn new() -> Self {
        Self {
            timer: ManualTimer::new(),
            behaviour: Behaviour::Pass,
            starts: Vec::new(),
            running: 0,
            most_running: 0,
            dropped: false,
            released: false,
            waker: None,
        }
    }
}

impl Script {
    /// The condition itself.
    pub(crate) fn condition(&self) -> Acted {
        Acted(self.clone())
    }

    pub(crate) fn local(&self) -> Local<Acted> {
        Local::new(Arc::clone(&self.name), self.condition())
    }

    pub(crate) fn does(&self, behaviour: Behaviour) -> &Self {
        self.stage().behaviour = behaviour;
        self
    }

    /// Lets the evaluation that waits pass.
    pub(crate) fn release(&self) {
        let mut stage = self.stage();
        stage.released = true;
        let waker = stage.waker.take();
        drop(stage);
        waker.expect("an evaluation waits").wake();
    }

    /// When it was evaluated, from the start of the test.
    pub(crate) fn starts(&self) -> Vec<Duration> {
        self.stage().starts.iter().map(|at| *at - self.start).collect()
    }

    pub(crate) fn running(&self) -> usize {
        self.stage().running
    }

    pub(crate) fn most_running(&self) -> usize {
        self.stage().most_running
    }

    /// Whether the condition itself was dropped.
    pub(crate) fn was_dropped(&self) -> bool {
        self.stage().dropped
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("nothing panics while it is locked")
    }
}

pub(crate) struct Acted(Script);

impl Drop for Acted {
    fn drop(&mut self) {
        self.0.stage().dropped = true;
    }
}

/// Counts an evaluation while it lives.
struct Running {
    script: Script,
    panics: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.script.stage().running -= 1;
        assert!(!self.panics, "dropped");
    }
}

impl Condition for Acted {
    fn evaluate(&mut self) -> impl Future<Output = Result<(), Reason>> + Send {
        let script = self.0.clone();
        let mut stage = script.stage();
        let now = stage.timer.now();
        stage.starts.push(now);
        stage.released = false;
        let behaviour = stage.behaviour.clone();
        drop(stage);
        if let Behaviour::PanicAtOnce(message) = behaviour {
            panic!("{message}");
        }
        let mut stage = script.stage();
        stage.running += 1;
        stage.most_running = stage.most_running.max(stage.running);
        drop(stage);
        let panics = matches!(behaviour, Behaviour::HangAndPanicInDrop);
        act(Running { script, panics }, behaviour)
    }
}

async fn act(running: Running, behaviour: Behaviour) -> Result<(), Reason> {
    match behaviour {
        Behaviour::Pass => Ok(()),
        Behaviour::Fail(reason) => Err(Reason::new(reason)),
        Behaviour::Hang | Behaviour::HangAndPanicInDrop => std::future::pending().await,
        Behaviour::Wait => {
            poll_fn(|cx| {
                let mut stage = running.script.stage();
                stage.waker = Some(cx.waker().clone());
                if stage.released { Poll::Ready(Ok(())) } else { Poll::Pending }
            })
            .await
        }
        Behaviour::PanicAtOnce(message) | Behaviour::Panic(message) => panic!("{message}"),
    }
}
