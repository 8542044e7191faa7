//! Tonic's routes, and the health of what is mounted in them.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use health_core::http::{HealthService, count};
use health_core::{ConfigError, Registry, ServingStatus, dubbo::service_key};
use health_tokio::TokioTimer;
use http::{Request, Response};
use tonic::{body::Body, server::NamedService, service::Routes};
use tower::util::MapFutureLayer;
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

    /// Gives the service of type `S`, once it is mounted, its Dubbo service key as a second name,
    /// `group/NAME:version`: the one that a dubbo-go consumer watches by itself.
    ///
    /// # Errors
    ///
    /// If the service is not mounted, or something else is registered under the key.
    pub fn add_dubbo_key<S: NamedService>(
        self,
        group: &str,
        version: &str,
    ) -> Result<Self, ConfigError> {
        let key = service_key(group, S::NAME, version);
        // Without group and version the key is the name.
        if key != S::NAME {
            self.health.registry().alias(&key, S::NAME)?;
        }
        Ok(self)
    }

    /// The routes, for `Server::builder().add_routes`.
    ///
    /// The calls of the services mounted so far are [counted](health_core::Traffic), for a
    /// [`Drain`](health_core::drain::Drain) to know when the server has fallen quiet. Paths that nobody
    /// mounted are answered by the health service: UNIMPLEMENTED over gRPC, as tonic
    /// does, and 404 over plain HTTP.
    #[must_use]
    pub fn into_routes(self) -> Routes {
        let traffic = self.health.registry().traffic().clone();
        traffic.count();
        let counted = MapFutureLayer::new(move |answer| count(&traffic, answer));
        let server = HealthServer::from_service(self.health);
        let mut router = self.routes.into_axum_router().layer(counted);
        // Not by `Routes::add_service`: its path has a parameter, for which axum allocates at every call, and its
        // requests come in one more box.
        for rpc in ["Check", "List", "Watch"] {
            let path = format!("/{}/{rpc}", HealthServer::NAME);
            router = router.route_service(&path, server.clone());
        }
        router.fallback_service(server).into()
    }
}
