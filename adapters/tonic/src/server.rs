//! The engine as a tonic service: requests in, bodies out, nothing decided here.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{FutureExt, NeverError};
use health_core::{
    Registry,
    http::{Body, HealthService, ResponseFuture},
};
use health_tokio::TokioTimer;
use http::{Request, Response};
use tonic::server::NamedService;
use tower_service::Service;

use crate::routes::BoxError;

/// The health service, to be mounted in tonic's router like any generated server.
///
/// What tonic puts around its services stays around this one: interceptors, layers, TLS, reflection. With
/// `accept_http1(true)` it answers gRPC-Web, Connect and Triple as well. The probes have paths of their
/// own; [`HealthRoutes`](crate::HealthRoutes) mounts those too.
///
/// # Examples
///
/// ```no_run
/// use health_tonic::{HealthServer, Registry};
/// use tonic::transport::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tonic::transport::Error> {
/// let health = Registry::new();
/// Server::builder()
///     .add_service(HealthServer::new(&health))
///     .serve(([127, 0, 0, 1], 50051).into())
///     .await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthServer {
    health: HealthService,
}

impl HealthServer {
    /// The health of `registry`, with deadlines on tokio's clock.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::from_service(HealthService::new(registry, TokioTimer::shared()))
    }

    /// A health service with settings of its own.
    #[must_use]
    pub fn from_service(health: HealthService) -> Self {
        Self { health: health.with_deadline_margin(DEADLINE_MARGIN) }
    }
}

/// tonic's `Server` ends a call at `grpc-timeout` by itself, with CANCELLED and whatever the protocol. Its timer,
/// like ours, is exact to a millisecond, and begins a little earlier.
const DEADLINE_MARGIN: Duration = Duration::from_millis(2);

impl NamedService for HealthServer {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl<B: http_body::Body<Error: Into<BoxError>>> Service<Request<B>> for HealthServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = NeverError<ResponseFuture<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.health.call(request).never_error()
    }
}
