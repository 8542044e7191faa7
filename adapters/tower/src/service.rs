//! The health service as a tower `Service`.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::{FutureExt, NeverError};
use health_core::http::{Body, HealthService, ResponseFuture};
use http::{Request, Response};
use tower::BoxError;
use tower_service::Service;

/// Whether `request` is for the health service: a call of `grpc.health.v1.Health`, or a probe. Only the
/// path counts.
///
/// For layers that stand before health and must let it through. Better is to put
/// [`HealthLayer`](crate::HealthLayer) outside them, where there is nothing to let through. A nested axum
/// router sees only what is left of the path, so ask outside it.
///
/// # Examples
///
/// Authentication that does not lock out whoever asks for the health:
///
/// ```
/// use axum::{Router, extract::Request, middleware::{Next, from_fn}, response::Response};
/// use health_tower::is_health_request;
/// use http::{StatusCode, header::AUTHORIZATION};
///
/// async fn authenticate(request: Request, next: Next) -> Result<Response, StatusCode> {
///     if is_health_request(&request) || request.headers().contains_key(AUTHORIZATION) {
///         Ok(next.run(request).await)
///     } else {
///         Err(StatusCode::UNAUTHORIZED)
///     }
/// }
///
/// let app: Router = Router::new().layer(from_fn(authenticate));
/// # let _ = app;
/// ```
#[must_use]
pub fn is_health_request<B>(request: &Request<B>) -> bool {
    HealthService::handles(request.uri().path())
}

/// The health service as a tower [`Service`] that answers every request, unknown paths too (404, or
/// UNIMPLEMENTED over gRPC). It is always ready and never fails.
///
/// For health on a port of its own, or as the last fallback of a router.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use health_core::{Registry, http::HealthService};
/// use health_tokio::TokioTimer;
/// use health_tower::HealthTower;
///
/// let health = HealthService::new(&Registry::new(), TokioTimer::shared());
/// let app: Router = Router::new()
///     .route("/hello", get(|| async { "hello" }))
///     .fallback_service(HealthTower::new(health));
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct HealthTower {
    health: HealthService,
}

impl HealthTower {
    /// Makes a tower service of `health`.
    #[must_use]
    pub const fn new(health: HealthService) -> Self {
        Self { health }
    }
}

impl<B: http_body::Body<Error: Into<BoxError>>> Service<Request<B>> for HealthTower {
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
