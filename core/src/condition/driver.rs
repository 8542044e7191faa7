//! `Driver`: turns what the schedule says into evaluations, and what they find into reports.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_channel::Receiver;
use futures_core::Stream as _;
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    Finding, Reason, Registry,
    condition::{
        alarm::Alarm,
        config::RESOLUTION,
        observer::{Evaluation, Observer},
        roster::{Command, DROPPED, Recruit},
        schedule::{Id, Run, Schedule, Spread, later},
        task::{Control, Outbox, Outcome, Task, caught},
        threshold::Threshold,
    },
    registry::ConditionKey,
    rt::Timer,
};

/// Everything of a monitor that moves. Whoever polls it moves it on; dropping it fails its conditions.
pub(super) struct Driver {
    registry: Registry,
    timer: Arc<dyn Timer>,
    observers: Vec<Arc<dyn Observer>>,
    commands: Pin<Box<Receiver<Command>>>,
    schedule: Schedule,
    spread: Spread,
    members: HashMap<Id, Member, foldhash::fast::RandomState>,
    /// The tasks of the conditions that have been started once. Only those that were woken are polled.
    tasks: FuturesUnordered<Task>,
    outbox: Arc<Outbox>,
    /// Empty between two calls; kept for its memory.
    outcomes: Vec<(Id, Outcome)>,
    alarm: Alarm,
}

/// One condition of the driver.
pub(super) struct Member {
    pub(super) service: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) key: ConditionKey,
    pub(super) threshold: Threshold,
    pub(super) timeout: Duration,
    pub(super) max_age: Duration,
    /// Why it last failed, while that is what keeps it from passing.
    pub(super) reason: Option<Arc<str>>,
    pub(super) control: Arc<Control>,
    /// Until it is first started.
    pub(super) task: Option<Task>,
}

impl Driver {
    pub(super) fn new(
        registry: Registry,
        timer: Arc<dyn Timer>,
        observers: Vec<Arc<dyn Observer>>,
        commands: Receiver<Command>,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self {
            registry,
            timer,
            observers,
            commands: Box::pin(commands),
            schedule: Schedule::default(),
            spread: Spread::default(),
            members: HashMap::default(),
            tasks: FuturesUnordered::new(),
            outbox,
            outcomes: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    /// Does what is due, and waits for what is due next, for ever.
    pub(super) fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        // Before the deadline is read, so that no earlier one is missed.
        self.registry.wake_when_earlier(cx.waker());
        let commands_left = self.take_commands(true, cx);
        let starts_left = self.advance(None, cx);
        if commands_left || starts_left {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let own = self.schedule.next_start().into_iter().chain(self.schedule.next_timeout());
        self.sleep_until(own.chain(self.next_expiry()).min(), cx);
        Poll::Pending
    }

    /// Evaluates what is due when it is first polled with this `horizon`, and is ready when nothing runs
    /// any more.
    pub(super) fn poll_refresh(
        &mut self,
        horizon: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.take_commands(false, cx) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let horizon = *horizon.get_or_insert_with(|| self.timer.now());
        if self.advance(Some(horizon), cx) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.schedule.in_flight() == 0 {
            return Poll::Ready(());
        }
        let timeout = self.schedule.next_timeout();
        self.sleep_until(timeout, cx);
        Poll::Pending
    }

    /// Does whatever is due by the clock, whether or not a sleep has completed: tokio's may be pending
    /// past its deadline when the task has used up its budget (`tokio::task::coop`).
    ///
    /// Conditions are started that were due at the `horizon`, or now. Returns whether some are left.
    fn advance(&mut self, horizon: Option<Instant>, cx: &mut Context<'_>) -> bool {
        // What is done by now counts, also if its time is up by now: only the driver was late.
        self.poll_tasks(cx);
        let now = self.timer.now();
        self.cancel_overdue(now);
        let starts_left = self.start_due(horizon.unwrap_or(now), now);
        self.poll_tasks(cx);
        self.registry.expire_due();
        starts_left
    }

    /// Adds and removes what was asked for; returns whether there is more of it.
    fn take_commands(&mut self, spread: bool, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            match self.commands.as_mut().poll_next(cx) {
                Poll::Ready(Some(Command::Add(recruit))) => self.admit(*recruit, spread),
                Poll::Ready(Some(Command::Remove(id))) => self.dismiss(id),
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
        true
    }

    fn admit(&mut self, recruit: Recruit, spread: bool) {
        let Recruit { id, plan, pace, member } = recruit;
        let now = self.timer.now();
        let place = if spread { self.spread.place(now, plan.period) } else { now };
        self.schedule.handle_add(id, pace, later(place, plan.initial_delay));
        self.members.insert(id, member);
    }

    fn dismiss(&mut self, id: Id) {
        self.schedule.handle_remove(id);
        if let Some(member) = self.members.remove(&id) {
            member.control.end();
        }
    }

    /// Polls the tasks that were woken, and takes in what they found.
    fn poll_tasks(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.tasks.poll_next_unpin(cx) {}
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.outbox.swap(&mut outcomes);
        if !outcomes.is_empty() {
            let now = self.timer.now();
            for (id, outcome) in outcomes.drain(..) {
                let run = self.schedule.handle_finish(id, now);
                if let (Some(run), Outcome::Done(result)) = (run, outcome) {
                    self.conclude(id, run, &result);
                }
            }
        }
        self.outcomes = outcomes;
    }

    fn cancel_overdue(&mut self, now: Instant) {
        while let Some((id, run)) = self.schedule.poll_timeout(now) {
            let Some(member) = self.members.get(&id) else {
                continue;
            };
            member.control.cancel();
            let reason = Reason::new(format!("timed out after {:?}", member.timeout));
            self.conclude(id, run, &Err(reason));
        }
    }

    /// Starts what was due at the `horizon`; returns whether some of it is left.
    fn start_due(&mut self, horizon: Instant, now: Instant) -> bool {
        for _ in 0..BATCH {
            if self.schedule.next_start().is_none_or(|at| at > horizon) {
                return false;
            }
            let member = self.schedule.poll_start(now).and_then(|id| self.members.get_mut(&id));
            if let Some(member) = member {
                member.control.evaluate();
                self.tasks.extend(member.task.take());
            }
        }
        self.schedule.next_start().is_some_and(|at| at <= horizon)
    }

    /// Counts a result, reports what is believed of the condition now, and tells the observers.
    fn conclude(&mut self, id: Id, run: Run, result: &Result<(), Reason>) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let before = member.threshold.finding();
        let finding = member.threshold.handle_result(result.is_ok());
        match (finding, result) {
            // A few failures that are not believed are no reason.
            (Finding::Passing, _) | (Finding::Pending, Ok(())) => member.reason = None,
            (Finding::Failing, Ok(())) => {}
            (Finding::Pending | Finding::Failing, Err(reason)) => {
                member.reason = Some(text(reason))
            }
        }
        if finding != before {
            member.log(finding);
        }
        let expires = later(self.registry.now(), member.max_age);
        self.registry.report(member.key, finding, member.reason.clone(), Some(expires));
        let evaluation = Evaluation {
            service: &member.service,
            condition: &member.name,
            result: result.as_ref().copied(),
            finding,
            duration: run.duration,
            lateness: run.lateness,
        };
        for observer in &self.observers {
            // The panic hook has reported it; a counter that is broken must not stop the monitor.
            let _ = caught(|| observer.evaluated(&evaluation));
        }
    }

    /// When something of the registry is over next, which has a clock of its own, by the driver's.
    fn next_expiry(&self) -> Option<Instant> {
        let left = self.registry.next_deadline()?.saturating_duration_since(self.registry.now());
        Some(later(self.timer.now(), left))
    }

    /// Has the driver polled at `at`, or a [`RESOLUTION`] from now if that is later.
    fn sleep_until(&mut self, at: Option<Instant>, cx: &mut Context<'_>) {
        let Some(at) = at else {
            return;
        };
        let rested = later(self.timer.now(), RESOLUTION);
        if self.alarm.poll(&*self.timer, at.max(rested), cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl Drop for Driver {
    /// A dead monitor must not report SERVING for ever. Before the conditions are dropped, which is user
    /// code.
    fn drop(&mut self) {
        for member in self.members.values() {
            self.registry.abandon(member.key, DROPPED);
        }
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Add(recruit) = command {
                self.registry.abandon(recruit.member.key, DROPPED);
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("conditions", &self.members.len())
            .field("in_flight", &self.schedule.in_flight())
            .finish()
    }
}

impl Member {
    #[cfg(feature = "tracing")]
    fn log(&self, finding: Finding) {
        tracing::info!(
            service = &*self.service,
            condition = &*self.name,
            finding = finding.as_str(),
            reason = self.reason.as_deref(),
            "condition changed"
        );
    }

    #[cfg(not(feature = "tracing"))]
    const fn log(&self, _: Finding) {}
}

/// A reason as text; the error in it is user code.
fn text(reason: &Reason) -> Arc<str> {
    caught(|| reason.to_string()).unwrap_or_else(|panic| panic.to_string()).into()
}

/// How much of one kind a poll does at most, so that the other tasks of the executor get their turn
/// when very many conditions come, or come due, at once.
const BATCH: usize = 64;
