//! Liveness, readiness and startup: the questions that a kubelet or a load balancer asks.
//!
//! A probe reads a snapshot of the registry and never runs anything. How a [`Report`] looks on the wire
//! is not decided here.

use std::sync::Arc;

use crate::{OVERALL, Registry, ServingStatus};

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
/// unless configured. Every service named must pass.
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
    startup: Vec<Arc<str>>,
}

impl ProbeConfig {
    /// The default: [`OVERALL`] decides.
    #[must_use]
    pub fn new() -> Self {
        Self {
            liveness: Vec::new(),
            readiness: vec![OVERALL.into()],
            startup: vec![OVERALL.into()],
        }
    }

    /// The services without which the process is to be restarted: each must not be NOT_SERVING.
    ///
    /// Name only services whose status depends on this process alone. One that follows a shared
    /// database turns an outage of the database into a restart of the whole fleet.
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

    /// The services that must have been SERVING once for the process to count as started.
    #[must_use]
    pub fn startup<S: Into<Arc<str>>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        self.startup = services.into_iter().map(Into::into).collect();
        self
    }

    /// Answers `probe` from what `registry` shows now.
    #[must_use]
    pub fn report(&self, probe: Probe, registry: &Registry) -> Report {
        let mut components = Vec::new();
        match probe {
            Probe::Liveness => {
                components.push(Component::new("ping", true));
                components.extend(self.liveness.iter().map(|service| {
                    // The latch is no reason for a restart: a draining process is alive.
                    let alive = registry.is_shut_down()
                        || registry.check(service) != Some(ServingStatus::NotServing);
                    Component::of(service, "serving", alive)
                }));
            }
            Probe::Readiness => {
                components.extend(self.readiness.iter().map(|service| {
                    let serving = registry.check(service) == Some(ServingStatus::Serving);
                    Component::of(service, "serving", serving)
                }));
                components.push(Component::new("shutdown", !registry.is_shut_down()));
            }
            Probe::Startup => {
                components.extend(self.startup.iter().map(|service| {
                    Component::of(service, "started", registry.has_served(service))
                }));
            }
        }
        Report { components }
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
    /// Whether every check passed.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.components.iter().all(|component| component.passed)
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
}

impl Component {
    fn new(name: impl Into<Arc<str>>, passed: bool) -> Self {
        Self { name: name.into(), passed }
    }

    /// A check of one service: named after it, or `overall` for the server as a whole.
    fn of(service: &Arc<str>, overall: &str, passed: bool) -> Self {
        let name = if **service == *OVERALL { overall.into() } else { Arc::clone(service) };
        Self { name, passed }
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
