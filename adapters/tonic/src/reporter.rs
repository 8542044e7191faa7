//! The names of tonic-health, so that moving over is a change of imports.

use health_core::{Registry, ServingStatus, Update};
use tonic::server::NamedService;

use crate::HealthServer;

/// Sets the health of services by their type or name, with the method names of tonic-health.
///
/// Its setters are plain functions: they wait for nobody, and may be called from a `Drop`. A cheap handle;
/// clones are the same. [`registry`](Self::registry) has everything else.
#[derive(Clone, Debug, Default)]
pub struct HealthReporter {
    registry: Registry,
}

/// A reporter, and the server that serves what it reports.
///
/// ```
/// use health_tonic::{ServingStatus, health_reporter};
///
/// let (reporter, server) = health_reporter();
/// reporter.set_service_status("greet.GreetService", ServingStatus::Serving);
/// # let _ = server;
/// ```
#[must_use]
pub fn health_reporter() -> (HealthReporter, HealthServer) {
    let reporter = HealthReporter::new();
    let server = HealthServer::new(&reporter.registry);
    (reporter, server)
}

impl HealthReporter {
    /// A reporter of a new registry, in which the server as a whole is SERVING.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A reporter of `registry`.
    #[must_use]
    pub fn from_registry(registry: &Registry) -> Self {
        Self { registry: registry.clone() }
    }

    /// The registry that the reporter writes to.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Sets the service of type `S` SERVING.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn set_serving<S: NamedService>(&self) -> Update {
        self.set_service_status(S::NAME, ServingStatus::Serving)
    }

    /// Sets the service of type `S` NOT_SERVING.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn set_not_serving<S: NamedService>(&self) -> Update {
        self.set_service_status(S::NAME, ServingStatus::NotServing)
    }

    /// Sets a service by its name.
    pub fn set_service_status<S: AsRef<str>>(&self, service: S, status: ServingStatus) -> Update {
        self.registry.set(service.as_ref(), status)
    }

    /// Takes a service out. Its watchers see SERVICE_UNKNOWN and stay.
    #[expect(clippy::must_use_candidate, reason = "what it did matters to few callers")]
    pub fn clear_service_status(&self, service: &str) -> Update {
        self.registry.remove(service)
    }
}

/// tonic-health's signatures to the letter, `async` included: for code that is to compile unchanged.
pub mod compat {
    use super::{NamedService, ServingStatus};
    use crate::HealthServer;

    /// A [`HealthReporter`](super::HealthReporter) whose methods are `async`. They never wait.
    #[derive(Clone, Debug, Default)]
    pub struct HealthReporter {
        inner: super::HealthReporter,
    }

    /// A reporter, and the server that serves what it reports.
    #[must_use]
    pub fn health_reporter() -> (HealthReporter, HealthServer) {
        let (inner, server) = super::health_reporter();
        (HealthReporter { inner }, server)
    }

    impl HealthReporter {
        /// A reporter of a new registry, in which the server as a whole is SERVING.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        /// The reporter without `async`.
        #[must_use]
        pub const fn reporter(&self) -> &super::HealthReporter {
            &self.inner
        }

        /// Sets the service of type `S` SERVING.
        pub async fn set_serving<S: NamedService>(&self) {
            self.inner.set_serving::<S>();
        }

        /// Sets the service of type `S` NOT_SERVING.
        pub async fn set_not_serving<S: NamedService>(&self) {
            self.inner.set_not_serving::<S>();
        }

        /// Sets a service by its name.
        pub async fn set_service_status<S: AsRef<str>>(&self, service: S, status: ServingStatus) {
            self.inner.set_service_status(service, status);
        }

        /// Takes a service out.
        pub async fn clear_service_status(&mut self, service: &str) {
            self.inner.clear_service_status(service);
        }
    }
}
