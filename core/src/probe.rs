//! Liveness, readiness and startup: the questions that a kubelet or a load balancer asks.
//!
//! A probe reads a snapshot of the registry and never runs anything. How a [`Report`] looks on the wire
//! is not decided here.

use std::{iter, sync::Arc};

use crate::{ConfigError, Finding, Group, OVERALL, Registry, ServingStatus, registry::LIVENESS};

/// The question.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Probe {
    /// Is the process alive? It stays so while it is NOT_SERVING or drains.
    Liveness,
    /// Shall it get traffic?
    Readiness,
    /// Has it started?
    Startup,
}

/// Which services make up each probe: [`OVERALL`] alone for readiness and startup, none for liveness,
/// unless configured. Every service named must pass, but for the optional ones.
///
/// Liveness has, besides, the conditions that were bound to it:
/// [`MonitorBuilder::liveness`](crate::condition::MonitorBuilder::liveness),
/// [`Registry::liveness_signal`], [`Registry::liveness_heartbeat`].
///
/// ```
/// use health_core::{OVERALL, Registry, ServingStatus, probe::{Probe, ProbeConfig}};
///
/// let health = Registry::new();
/// let probes = ProbeConfig::new().readiness([OVERALL, "greet.GreetService"]);
/// assert!(!probes.report(Probe::Readiness, &health).is_healthy());
///
/// health.set("greet.GreetService", ServingStatus::Serving);
/// assert!(probes.report(Probe::Readiness, &health).is_healthy());
/// ```
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    liveness: Vec<Arc<str>>,
    readiness: Vec<Arc<str>>,
    optional: Vec<Arc<str>>,
    startup: Vec<Arc<str>>,
}

impl ProbeConfig {
    /// The default: [`OVERALL`] decides.
    #[must_use]
    pub fn new() -> Self {
        Self {
            liveness: Vec::new(),
            readiness: vec![OVERALL.into()],
            optional: Vec::new(),
            startup: vec![OVERALL.into()],
        }
    }

    /// The services without which the process is to be restarted: each must be
    /// [alive](Registry::is_alive).
    ///
    /// Only what concerns this process alone counts, what was set and local conditions. A service that
    /// follows a shared database stays alive without it: a restart would not bring it back, but would
    /// take the whole fleet down.
    #[must_use]
    pub fn liveness<S: Into<Arc<str>>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        self.liveness = services.into_iter().map(Into::into).collect();
        self
    }

    /// The services that must be SERVING for the process to get traffic.
    #[must_use]
    pub fn readiness<S: Into<Arc<str>>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        self.readiness = services.into_iter().map(Into::into).collect();
        self
    }

    /// Services that readiness tells of and that do not decide: the process gets traffic without them.
    #[must_use]
    pub fn optional<S: Into<Arc<str>>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        self.optional = services.into_iter().map(Into::into).collect();
        self
    }

    /// The services that must have been SERVING once for the process to count as started.
    #[must_use]
    pub fn startup<S: Into<Arc<str>>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        self.startup = services.into_iter().map(Into::into).collect();
        self
    }

    /// Makes `liveness`, `readiness` and `startup` services of `registry` that Check and Watch can be asked
    /// for, each made up as the probe of that name is: what kubernetes/website#39919 recommends for gRPC
    /// probes, which have no paths.
    ///
    /// As `/livez`, `liveness` stays SERVING while the process drains; `readiness` does not.
    ///
    /// ```
    /// use health_core::{Registry, ServingStatus::*, probe::ProbeConfig};
    ///
    /// let health = Registry::new();
    /// ProbeConfig::new().register(&health)?;
    /// assert_eq!(health.check("readiness"), Some(Serving));
    ///
    /// health.shutdown();
    /// assert_eq!(health.check("readiness"), Some(NotServing));
    /// assert_eq!(health.check("liveness"), Some(Serving));
    /// # Ok::<(), health_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a service named is not registered, or one of the three names is that of a service. Nothing is
    /// registered or replaced then.
    pub fn register(&self, registry: &Registry) -> Result<(), ConfigError> {
        let readiness = Group::serving(self.readiness.clone()).optional(self.optional.clone());
        registry.groups([
            (LIVENESS, Group::alive(self.liveness.clone())),
            ("readiness", readiness),
            ("startup", Group::started(self.startup.clone())),
        ])
    }

    /// Answers `probe` from what `registry` shows now.
    #[must_use]
    pub fn report(&self, probe: Probe, registry: &Registry) -> Report {
        let components = match probe {
            Probe::Liveness => self.alive(registry),
            Probe::Readiness => self.ready(registry),
            Probe::Startup => self.started(registry),
        };
        Report { components }
    }

    fn alive(&self, registry: &Registry) -> Vec<Component> {
        let services = self.liveness.iter().map(|service| {
            // The latch is no reason for a restart: a draining process is alive.
            let alive = registry.is_shut_down() || registry.is_alive(service);
            Component::of(service, "serving", alive).because(|| registry.why(service))
        });
        let conditions = registry.liveness_conditions().into_iter().map(|condition| {
            let passed = condition.finding != Finding::Failing;
            Component::new(condition.name, passed).because(|| condition.reason)
        });
        iter::once(Component::new("ping", true)).chain(services).chain(conditions).collect()
    }

    fn ready(&self, registry: &Registry) -> Vec<Component> {
        let component = |service: &Arc<str>| {
            let serving = registry.check(service) == Some(ServingStatus::Serving);
            Component::of(service, "serving", serving).because(|| registry.why(service))
        };
        let shutdown = Component::new("shutdown", !registry.is_shut_down());
        let critical = self.readiness.iter().map(component);
        let optional = self.optional.iter().map(component).map(Component::optional);
        critical.chain(optional).chain(iter::once(shutdown)).collect()
    }

    fn started(&self, registry: &Registry) -> Vec<Component> {
        let component = |service: &Arc<str>| {
            let started = registry.has_served(service);
            Component::of(service, "started", started).because(|| registry.why(service))
        };
        self.startup.iter().map(component).collect()
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The answer to a probe: the checks it is made of, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    components: Vec<Component>,
}

impl Report {
    /// Whether every check passed that decides.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.components.iter().all(|component| component.passed || component.is_optional)
    }

    /// The checks, in order.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }
}

/// One check of a [`Report`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Component {
    name: Arc<str>,
    passed: bool,
    is_optional: bool,
    reason: Option<Arc<str>>,
}

impl Component {
    fn new(name: impl Into<Arc<str>>, passed: bool) -> Self {
        Self { name: name.into(), passed, is_optional: false, reason: None }
    }

    fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    fn because(mut self, why: impl FnOnce() -> Option<Arc<str>>) -> Self {
        if !self.passed {
            self.reason = why();
        }
        self
    }

    /// A check of one service: named after it, or `overall` for the server as a whole.
    fn of(service: &Arc<str>, overall: &str, passed: bool) -> Self {
        let name = if **service == *OVERALL { overall.into() } else { Arc::clone(service) };
        Self::new(name, passed)
    }

    /// Name of the check, such as `serving`, `shutdown` or a service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it passed.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.passed
    }

    /// Whether it is told and does not decide.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Why it failed, where that is known. For operators: what a probe tells only where details are
    /// switched on.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(config: &ProbeConfig, probe: Probe, registry: &Registry) -> Vec<(String, bool)> {
        let report = config.report(probe, registry);
        let all = report.components().iter().all(Component::is_healthy);
        assert_eq!(report.is_healthy(), all);
        report.components().iter().map(|c| (c.name().to_owned(), c.is_healthy())).collect()
    }

    fn pairs(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        expected.iter().map(|(name, passed)| ((*name).to_owned(), *passed)).collect()
    }

    #[test]
    fn by_default_the_overall_status_decides() {
        let (config, registry) = (ProbeConfig::new(), Registry::new());
        let readiness = || outcome(&config, Probe::Readiness, &registry);
        registry.set("down", ServingStatus::NotServing);
        assert_eq!(readiness(), pairs(&[("serving", true), ("shutdown", true)]));
        registry.set(OVERALL, ServingStatus::Unknown);
        assert_eq!(readiness(), pairs(&[("serving", false), ("shutdown", true)]));
        registry.remove(OVERALL);
        assert_eq!(readiness(), pairs(&[("serving", false), ("shutdown", true)]));
        registry.set(OVERALL, ServingStatus::Serving);
        registry.shutdown();
        assert_eq!(readiness(), pairs(&[("serving", false), ("shutdown", false)]));
        assert_eq!(outcome(&config, Probe::Liveness, &registry), pairs(&[("ping", true)]));
    }

    #[test]
    fn startup_is_latched() {
        let (config, registry) = (ProbeConfig::new(), Registry::new());
        registry.replace([(OVERALL, ServingStatus::NotServing)]);
        assert_eq!(outcome(&config, Probe::Startup, &registry), pairs(&[("started", false)]));
        registry.set(OVERALL, ServingStatus::Serving);
        registry.set(OVERALL, ServingStatus::NotServing);
        assert_eq!(outcome(&config, Probe::Startup, &registry), pairs(&[("started", true)]));
    }

    #[test]
    fn configured_services_are_named_after_themselves() {
        let config =
            ProbeConfig::new().readiness(["a", OVERALL]).liveness(["worker"]).startup(["a"]);
        let registry = Registry::new();
        registry.set("a", ServingStatus::Serving);
        registry.set("worker", ServingStatus::NotServing);
        let readiness = pairs(&[("a", true), ("serving", true), ("shutdown", true)]);
        assert_eq!(outcome(&config, Probe::Readiness, &registry), readiness);
        let liveness = pairs(&[("ping", true), ("worker", false)]);
        assert_eq!(outcome(&config, Probe::Liveness, &registry), liveness);
        assert_eq!(outcome(&config, Probe::Startup, &registry), pairs(&[("a", true)]));
        registry.shutdown();
        let draining = pairs(&[("ping", true), ("worker", true)]);
        assert_eq!(outcome(&config, Probe::Liveness, &registry), draining);
    }
}
