//! Tonic's routes, and the health of what is mounted in them.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use health_core::{Registry, ServingStatus, dubbo::service_key, http::HealthService};
use health_tokio::TokioTimer;
use http::{Request, Response};
use tonic::{body::Body, server::NamedService, service::Routes};
use tower_service::Service;

use crate::HealthServer;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Tonic's [`Routes`], where each service that is mounted is registered by its name and SERVING from the
/// start, and the health service is mounted beside them with its probes.
///
/// # Examples
///
/// ```
/// use health_tonic::{HealthRoutes, Registry, ServingStatus};
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/greet/mod.rs"));
/// # fn main() {
/// # let greet = "hello";
///
/// let health = Registry::new();
/// let routes = HealthRoutes::new(&health)
///     .add_service(GreetServiceServer::new(greet))
///     .into_routes();
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::Serving));
/// # let _ = routes;
/// # }
/// ```
///
/// `Server::builder().add_routes(routes)` serves them.
#[derive(Clone, Debug)]
pub struct HealthRoutes {
    health: HealthService,
    routes: Routes,
}

impl HealthRoutes {
    /// No services yet, and the health of `registry` with deadlines on tokio's clock.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::from_service(HealthService::new(registry, TokioTimer::shared()))
    }

    /// No services yet, and a health service with settings of its own.
    #[must_use]
    pub fn from_service(health: HealthService) -> Self {
        Self { health, routes: Routes::default() }
    }

    /// Mounts `service` and registers it as SERVING under its `NAME`.
    #[must_use]
    pub fn add_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + NamedService,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.health.registry().set(S::NAME, ServingStatus::Serving);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Registers the service of type `S` under its Dubbo service key too, `group/NAME:version`: the name
    /// that a dubbo-go consumer watches by itself.
    #[must_use]
    pub fn add_dubbo_key<S: NamedService>(self, group: &str, version: &str) -> Self {
        let key = service_key(group, S::NAME, version);
        self.health.registry().set(&key, ServingStatus::Serving);
        self
    }

    /// The routes, for `Server::builder().add_routes`.
    ///
    /// Paths that nobody mounted are answered by the health service: UNIMPLEMENTED over gRPC, as tonic
    /// does, and 404 over plain HTTP.
    #[must_use]
    pub fn into_routes(self) -> Routes {
        let server = HealthServer::from_service(self.health);
        let mut router = self.routes.into_axum_router();
        // Not by `Routes::add_service`: its path has a parameter, for which axum allocates at every call, and its
        // requests come in one more box.
        for rpc in ["Check", "List", "Watch"] {
            let path = format!("/{}/{rpc}", HealthServer::NAME);
            router = router.route_service(&path, server.clone());
        }
        router.fallback_service(server).into()
    }
}
