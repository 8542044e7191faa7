//! The registry and the health service that requests meet now, and how a command changes them.

use std::sync::{Arc, PoisonError, RwLock};

use health_core::http::{Cors, HealthService};
use health_core::rt::Timer;
use health_core::{Registry, ServingStatus};

use crate::command::Command;

/// How the health service is set up, however often it is built.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_request_bytes: Option<usize>,
    pub(crate) max_watchers: Option<usize>,
    pub(crate) cors_allow_origins: Vec<String>,
    pub(crate) cors_allow_headers: Vec<String>,
    pub(crate) timer: Arc<dyn Timer>,
}

/// A handle on the health under test; clones share it.
///
/// An adapter asks for the [`service`](Self::service) at every request, as closing is final for a
/// registry and a `reset` after `close` therefore [puts a new one in its place](Self::is_replaced).
#[derive(Clone, Debug)]
pub(crate) struct State {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// Replaced as a whole; never held while a request is served.
    health: RwLock<Health>,
}

#[derive(Clone, Debug)]
struct Health {
    registry: Registry,
    service: HealthService,
    is_first: bool,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        let health = RwLock::new(Health { is_first: true, ..Health::new(&settings) });
        Self { shared: Arc::new(Shared { settings, health }) }
    }

    pub(crate) fn registry(&self) -> Registry {
        self.health().registry
    }

    pub(crate) fn service(&self) -> HealthService {
        self.health().service
    }

    /// Whether the registry is another one than at the start, which has what `reset` named and no more.
    pub(crate) fn is_replaced(&self) -> bool {
        !self.health().is_first
    }

    /// Carries out `command`; it has taken effect when this returns.
    pub(crate) fn apply(&self, command: Command) {
        let registry = self.registry();
        match command {
            Command::Reset(services) => {
                let services = services.iter().map(|(name, status)| (name.as_str(), *status));
                self.reset(&registry, services);
            }
            Command::Set(services) => {
                for (service, status) in services {
                    registry.set(&service, status);
                }
            }
            Command::Remove(service) => {
                registry.remove(&service);
            }
            Command::Shutdown => registry.shutdown(),
            Command::Resume => registry.resume(),
            Command::Close => registry.close(),
        }
    }

    fn reset<'a>(
        &self,
        registry: &Registry,
        services: impl IntoIterator<Item = (&'a str, ServingStatus)>,
    ) {
        if registry.is_closed() {
            let health = Health::new(&self.shared.settings);
            health.registry.replace(services);
            *self.shared.health.write().unwrap_or_else(PoisonError::into_inner) = health;
        } else {
            registry.replace(services);
            registry.resume();
        }
    }

    fn health(&self) -> Health {
        // A handle is whole at every instruction: a panic elsewhere cannot have spoiled it.
        self.shared.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Health {
    fn new(settings: &Settings) -> Self {
        let mut registry = Registry::builder();
        if let Some(watchers) = settings.max_watchers {
            registry = registry.max_watchers(watchers);
        }
        let registry = registry.build();
        let mut service = HealthService::builder(&registry).timer(Arc::clone(&settings.timer));
        if let Some(bytes) = settings.max_request_bytes {
            service = service.max_request_bytes(bytes);
        }
        if !settings.cors_allow_origins.is_empty() {
            let origins = settings.cors_allow_origins.iter().cloned();
            let headers = settings.cors_allow_headers.iter().cloned();
            service = service.cors(Cors::new(origins).allow_headers(headers));
        }
        let service = service.build();
        Self { registry, service, is_first: false }
    }
}
