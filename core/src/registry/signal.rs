//! Conditions that are told instead of evaluated: signals and heartbeats.

use std::{
    fmt,
    sync::Arc as StdArc,
    time::{Duration, Instant},
};

use super::{ConditionKey, Registry};
use crate::{ConfigError, Finding, Reason, Scope};

impl Registry {
    /// A condition of `service` that somebody tells: a connection pool that knows whether it is connected,
    /// a client that watches another server's health. It is something shared with others; for what
    /// concerns this process alone there is [`local_signal`](Self::local_signal).
    ///
    /// Registers the service if it is not registered. Pending until it is told.
    ///
    /// ```
    /// use health_core::{Reason, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let pool = health.signal("greet.GreetService", "postgres")?;
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Unknown));
    /// pool.pass();
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Serving));
    /// pool.fail(Reason::new("no connection left"));
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the service has a condition of this name.
    pub fn signal(
        &self,
        service: &str,
        name: impl Into<StdArc<str>>,
    ) -> Result<Signal, ConfigError> {
        let key = self.add_condition(service, &name.into(), Scope::Shared)?;
        Ok(Signal { registry: self.clone(), key })
    }

    /// A [`signal`](Self::signal) of something that concerns this process alone.
    ///
    /// # Errors
    ///
    /// If the service has a condition of this name.
    pub fn local_signal(
        &self,
        service: &str,
        name: impl Into<StdArc<str>>,
    ) -> Result<Signal, ConfigError> {
        let key = self.add_condition(service, &name.into(), Scope::Local)?;
        Ok(Signal { registry: self.clone(), key })
    }

    /// A signal that liveness is bound to: while it fails, the process asks to be restarted. For what a
    /// restart mends, and what concerns this process alone.
    ///
    /// # Errors
    ///
    /// If liveness has a condition of this name.
    pub fn liveness_signal(&self, name: impl Into<StdArc<str>>) -> Result<Signal, ConfigError> {
        let key = self.add_liveness_condition(&name.into(), Scope::Local)?;
        Ok(Signal { registry: self.clone(), key })
    }

    /// A condition of `service` that passes as long as somebody says so every `ttl`: a worker that is stuck
    /// takes its service out of rotation. Pending until the first [`beat`](Heartbeat::beat), which must
    /// come within a `ttl` too.
    ///
    /// ```
    /// use std::time::Duration;
    /// use health_core::{Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let worker = health.heartbeat("greet.GreetService", "queue", Duration::from_secs(10))?;
    /// worker.beat(); // once each round
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Serving));
    /// drop(worker);
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `ttl` is zero, or the service has a condition of this name.
    pub fn heartbeat(
        &self,
        service: &str,
        name: impl Into<StdArc<str>>,
        ttl: Duration,
    ) -> Result<Heartbeat, ConfigError> {
        check_ttl(ttl)?;
        let signal = self.local_signal(service, name)?;
        Ok(Heartbeat::new(signal, ttl))
    }

    /// A [`heartbeat`](Self::heartbeat) that liveness is bound to.
    ///
    /// # Errors
    ///
    /// If `ttl` is zero, or liveness has a condition of this name.
    pub fn liveness_heartbeat(
        &self,
        name: impl Into<StdArc<str>>,
        ttl: Duration,
    ) -> Result<Heartbeat, ConfigError> {
        check_ttl(ttl)?;
        Ok(Heartbeat::new(self.liveness_signal(name)?, ttl))
    }
}

fn check_ttl(ttl: Duration) -> Result<(), ConfigError> {
    if ttl.is_zero() {
        return Err(ConfigError::value("ttl", &format!("{ttl:?}"), "greater than zero"));
    }
    Ok(())
}

/// A condition that is told what it is, from [`Registry::signal`].
///
/// Dropping it fails it: whoever could know is gone. [`retire`](Self::retire) takes it away instead.
#[derive(Debug)]
#[must_use = "dropping it fails the condition"]
pub struct Signal {
    registry: Registry,
    key: ConditionKey,
}

impl Signal {
    /// It holds.
    pub fn pass(&self) {
        self.registry.report(self.key, Finding::Passing, None, None);
    }

    /// It does not, and why.
    pub fn fail(&self, reason: impl Into<Reason>) {
        let reason = reason.into().to_string();
        self.registry.report(self.key, Finding::Failing, Some(reason.into()), None);
    }

    /// Nobody knows for now.
    pub fn pending(&self) {
        self.registry.report(self.key, Finding::Pending, None, None);
    }

    /// Takes the condition away; the service shows what the others make of it. What it is told afterwards
    /// comes to nothing.
    ///
    /// ```
    /// use health_core::{Reason, Registry, ServingStatus};
    ///
    /// let health = Registry::new();
    /// let pool = health.signal("greet.GreetService", "postgres")?;
    /// pool.retire();
    /// pool.fail(Reason::new("too late"));
    /// drop(pool);
    /// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Serving));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    pub fn retire(&self) {
        self.registry.remove_condition(self.key);
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.registry.abandon(self.key, "dropped");
    }
}

/// A condition that lasts from beat to beat, from [`Registry::heartbeat`].
///
/// Dropping it fails it. [`retire`](Self::retire) takes it away instead. Silence is noticed with the next
/// question at the latest; a [`Monitor`](crate::condition::Monitor) notices it on time.
#[must_use = "dropping it fails the condition"]
pub struct Heartbeat {
    signal: Signal,
    ttl: Duration,
}

impl Heartbeat {
    fn new(signal: Signal, ttl: Duration) -> Self {
        let heartbeat = Self { signal, ttl };
        heartbeat.renew(Finding::Pending);
        heartbeat
    }

    /// All is well for another ttl. Neither waits nor allocates.
    pub fn beat(&self) {
        self.renew(Finding::Passing);
    }

    /// How long a silence may last.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Takes the condition away, where the worker ended as it should.
    pub fn retire(self) {
        self.signal.retire();
    }

    fn renew(&self, finding: Finding) {
        let Signal { registry, key } = &self.signal;
        // A ttl beyond what the clock can reckon with is for ever.
        let end: Option<Instant> = registry.inner.now().checked_add(self.ttl);
        registry.report(*key, finding, None, end);
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
