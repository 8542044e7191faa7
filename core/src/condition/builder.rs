//! `MonitorBuilder`: judges everything that a monitor is given, and takes all of it or nothing.

use std::{fmt, sync::Arc};

use crate::{
    ConfigError, Registry,
    condition::{
        ConditionConfig, Local, Monitor, Scoped, Shared,
        driver::Driver,
        observer::Observer,
        roster::{Candidate, Post, Roster},
        task::Outbox,
    },
    rt::Timer,
};

/// What a [`Monitor`] is to evaluate. [`build`](Self::build) judges it.
#[must_use = "a builder builds nothing by itself"]
pub struct MonitorBuilder {
    registry: Registry,
    timer: Arc<dyn Timer>,
    /// `None`: the timer's.
    seed: Option<u64>,
    observers: Vec<Arc<dyn Observer>>,
    outbox: Arc<Outbox>,
    candidates: Vec<Candidate>,
    /// Each a service and one that it depends on.
    dependencies: Vec<(Arc<str>, Arc<str>)>,
}

impl MonitorBuilder {
    pub(super) fn new(registry: &Registry, timer: Arc<dyn Timer>) -> Self {
        Self {
            registry: registry.clone(),
            timer,
            seed: None,
            observers: Vec::new(),
            outbox: Arc::default(),
            candidates: Vec::new(),
            dependencies: Vec::new(),
        }
    }

    /// Lets `service` depend on a condition. A service that is not registered is registered, as SERVING
    /// but for its conditions.
    pub fn condition(
        self,
        service: impl Into<Arc<str>>,
        scoped: impl Scoped,
        config: ConditionConfig,
    ) -> Self {
        self.with(Post::Service(service.into()), scoped, config)
    }

    /// Lets the liveness of the process depend on a condition: while it fails, the liveness probe does,
    /// and the process is restarted.
    ///
    /// Only what is local to the process is taken: a restart cannot cure anything else.
    ///
    /// ```compile_fail,E0308
    /// # fn add(builder: health_core::condition::MonitorBuilder) {
    /// use std::time::Duration;
    ///
    /// use health_core::{Reason, condition::{Shared, every}};
    ///
    /// let postgres = Shared::new("postgres", || async { Ok::<(), Reason>(()) });
    /// builder.liveness(postgres, every(Duration::from_secs(10)));
    /// # }
    /// ```
    pub fn liveness<C>(self, local: Local<C>, config: ConditionConfig) -> Self
    where
        Local<C>: Scoped,
    {
        self.with(Post::Liveness, local, config)
    }

    /// Lets the liveness of the process depend on something that other processes depend on too.
    ///
    /// When it fails, every process of the fleet is restarted, over and over, until it is back.
    pub fn liveness_shared_may_restart_the_fleet<C>(
        self,
        shared: Shared<C>,
        config: ConditionConfig,
    ) -> Self
    where
        Shared<C>: Scoped,
    {
        self.with(Post::Liveness, shared, config)
    }

    /// Lets `service` depend on another one of the registry, as [`Registry::depends_on`] does; that one
    /// must be registered, or have a condition here.
    pub fn depends_on(mut self, service: impl Into<Arc<str>>, other: impl Into<Arc<str>>) -> Self {
        self.dependencies.push((service.into(), other.into()));
        self
    }

    /// Tells `observer` of every evaluation, after those that were named before.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// What the [jitter](ConditionConfig::jitter) is drawn from. By default the timer has a
    /// [seed](Timer::seed), a random one, so that no two processes keep step.
    ///
    /// Two monitors with one seed evaluate conditions of the same names at the same times: for tests that
    /// are to be repeated.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Registers the conditions, each pending, so that their services are UNKNOWN until they pass.
    ///
    /// # Errors
    ///
    /// If anything of it is invalid; then nothing of it is registered, and no watcher saw any of it.
    ///
    /// - a configuration ([`ConditionConfig::validate`]);
    /// - a condition whose service has one of this name;
    /// - a dependency on a service that is not registered, or that would lead back to where it began.
    pub fn build(self) -> Result<Monitor, ConfigError> {
        for candidate in &self.candidates {
            candidate.config().validate()?;
        }
        self.registry.set_clock(&self.timer);
        let seed = self.seed.unwrap_or_else(|| self.timer.seed());
        let (roster, commands) = Roster::new(&self.registry, seed, Arc::clone(&self.outbox));
        roster.enlist_all(self.candidates, &self.dependencies)?;
        let driver = Driver::new(self.registry, self.timer, self.observers, commands, self.outbox);
        Ok(Monitor::new(driver, Arc::new(roster)))
    }

    fn with(mut self, post: Post, scoped: impl Scoped, config: ConditionConfig) -> Self {
        self.candidates.push(Candidate::new(post, scoped, config, &self.outbox));
        self
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorBuilder")
            .field("conditions", &self.candidates.len())
            .field("dependencies", &self.dependencies)
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}
