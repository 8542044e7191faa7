//! `Roster`: which conditions a monitor has, between those who add and remove them and the driver.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_channel::{Receiver, Sender};

use crate::{
    ConfigError, Registry, Scope,
    condition::{
        ConditionConfig, Scoped,
        config::Plan,
        driver::Member,
        schedule::{Id, Pace},
        task::{Control, Outbox, Task},
        threshold::Threshold,
    },
    registry::{Applicant, ConditionKey, LIVENESS},
    sync::{Mutex, lock},
};

/// Names one condition of one monitor, to [remove](super::MonitorHandle::remove) it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConditionId(Id);

/// The conditions of one monitor.
///
/// What is added or removed counts in the registry at once; the driver learns of it as soon as it runs.
pub(super) struct Roster {
    registry: Registry,
    /// What the jitter of the conditions is drawn from.
    seed: u64,
    outbox: Arc<Outbox>,
    commands: Sender<Command>,
    /// Those that were added and not removed. Guards nothing else: no other lock is taken under it.
    live: Mutex<HashMap<Id, ConditionKey>>,
}

/// What the driver is asked to do.
pub(super) enum Command {
    Add(Box<Recruit>),
    Remove(Id),
}

/// A condition on its way to the driver.
pub(super) struct Recruit {
    pub(super) id: Id,
    pub(super) plan: Plan,
    pub(super) pace: Pace,
    pub(super) member: Member,
}

/// A condition whose configuration has not been judged and that is in no registry.
pub(super) struct Candidate {
    id: Id,
    post: Post,
    name: Arc<str>,
    scope: Scope,
    config: ConditionConfig,
    control: Arc<Control>,
    task: Task,
}

/// What a condition decides over.
#[derive(Clone, Debug)]
pub(super) enum Post {
    Service(Arc<str>),
    /// The liveness of the process.
    Liveness,
}

impl Roster {
    pub(super) fn new(
        registry: &Registry,
        seed: u64,
        outbox: Arc<Outbox>,
    ) -> (Self, Receiver<Command>) {
        let (commands, receiver) = async_channel::unbounded();
        let registry = registry.clone();
        (Self { registry, seed, outbox, commands, live: Mutex::default() }, receiver)
    }

    pub(super) const fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Registers a condition, and hands it to the driver.
    pub(super) fn enlist(&self, candidate: Candidate) -> Result<ConditionId, ConfigError> {
        let id = ConditionId(candidate.id);
        self.enlist_all(vec![candidate], &[])?;
        Ok(id)
    }

    /// Registers conditions and dependencies, all of them or none, and hands them to the driver.
    pub(super) fn enlist_all(
        &self,
        candidates: Vec<Candidate>,
        dependencies: &[(Arc<str>, Arc<str>)],
    ) -> Result<(), ConfigError> {
        let plans = candidates.iter().map(|candidate| candidate.config.plan());
        let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
        let applicants: Vec<_> = candidates.iter().map(Candidate::applicant).collect();
        let keys = self.registry.admit(&applicants, dependencies)?;
        for ((candidate, plan), key) in candidates.into_iter().zip(plans).zip(keys) {
            self.hand_over(candidate, plan, key);
        }
        Ok(())
    }

    fn hand_over(&self, candidate: Candidate, plan: Plan, key: ConditionKey) {
        let Candidate { id, post, name, control, task, .. } = candidate;
        lock(&self.live).insert(id, key);
        let service = post.into_service();
        let pace = Pace {
            period: plan.period,
            timeout: plan.timeout,
            jitter: plan.jitter,
            seed: Pace::seed(self.seed, &service, &name),
        };
        let member = Member {
            threshold: Threshold::new(plan.failure_threshold, plan.success_threshold),
            timeout: plan.timeout,
            max_age: plan.max_age,
            service,
            name,
            key,
            reason: None,
            control,
            task: Some(task),
        };
        let recruit = Box::new(Recruit { id, plan, pace, member });
        if self.commands.try_send(Command::Add(recruit)).is_err() {
            // The monitor is gone: what it drives fails, and so does what it would have driven.
            self.registry.abandon(key, DROPPED);
        }
    }

    /// Takes a condition out of the registry and away from the driver.
    pub(super) fn discharge(&self, id: ConditionId) -> bool {
        let Some(key) = lock(&self.live).remove(&id.0) else {
            return false;
        };
        self.registry.remove_condition(key);
        // Without a monitor there is nothing left to be told.
        let _ = self.commands.try_send(Command::Remove(id.0));
        true
    }
}

impl Candidate {
    pub(super) fn new(
        post: Post,
        scoped: impl Scoped,
        config: ConditionConfig,
        outbox: &Arc<Outbox>,
    ) -> Self {
        let (name, scope, condition) = scoped.into_parts();
        let (id, control) = (new_id(), Arc::new(Control::new()));
        let task = Task::new(id, condition, Arc::clone(&control), Arc::clone(outbox));
        Self { id, post, name, scope, config, control, task }
    }

    pub(super) const fn config(&self) -> &ConditionConfig {
        &self.config
    }

    fn applicant(&self) -> Applicant<'_> {
        let service = match &self.post {
            Post::Service(service) => Some(&**service),
            Post::Liveness => None,
        };
        Applicant { service, name: &self.name, scope: self.scope }
    }
}

impl Post {
    fn into_service(self) -> Arc<str> {
        match self {
            Self::Service(service) => service,
            Self::Liveness => LIVENESS.into(),
        }
    }
}

/// Unique in the process, so that an id of one monitor removes nothing from another.
fn new_id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Why the conditions of a monitor fail that is not there any more.
pub(super) const DROPPED: &str = "the monitor was dropped";
