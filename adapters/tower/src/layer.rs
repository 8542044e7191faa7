//! The layers: requests that they answer themselves, and those that they pass on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::Either::{self, Left, Right};
use health_core::http::{CountedFuture, Gate, HealthService, Refusal, ResponseFuture};
use health_core::http::{count, uncounted};
use health_core::{Registry, rt::Timer};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{BoxError, util::Oneshot};
use tower_layer::Layer;
use tower_service::Service;

use crate::ReplyBody;

/// A [`Layer`] that puts health before a service: health paths are answered, the rest is passed on
/// untouched.
///
/// # Placement
///
/// Health should answer whatever becomes of the application, so this layer belongs outside all others:
/// the last `Router::layer` in axum, the first `layer` of a `ServiceBuilder` or of tonic's server. Inside
/// an authentication layer health needs credentials, which no probe has; inside a concurrency limit
/// probes wait behind the traffic that they are to judge. Where it cannot be outside, see
/// [`is_health_request`](crate::is_health_request).
///
/// In axum, a route or fallback that is added *after* the layer is not covered by it. On a nested router
/// the layer sees paths without their prefix, and none at all of those that the nested router does not
/// know: it belongs on the outermost one.
///
/// # Readiness
///
/// The layered service is always ready: health does not wait until the service behind it is. Each
/// request that is passed on waits by itself for that, so back-pressure delays the reply, not the call.
///
/// # Drain
///
/// What is passed on is [counted](health_core::Traffic), so that a
/// [`Drain`](health_core::drain::Drain) knows when the server has fallen quiet.
///
/// # Examples
///
/// With settings of its own:
///
/// ```
/// use health_core::{Registry, http::{Cors, HealthService}};
/// use health_tokio::TokioTimer;
/// use health_tower::HealthLayer;
///
/// let health = HealthService::builder(&Registry::new())
///     .timer(TokioTimer::shared())
///     .cors(Cors::new(["https://status.example"]))
///     .build();
/// let app: axum::Router = axum::Router::new().layer(HealthLayer::from_service(health));
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct HealthLayer {
    health: HealthService,
}

impl HealthLayer {
    /// Health over `registry`, with the deadlines of its callers kept by `timer`.
    ///
    /// There is no default timer: tower runs on any runtime, and without a timer the deadlines that
    /// clients send would silently not hold. For a server that has none, say so:
    /// `HealthLayer::from_service(HealthService::without_deadlines(&registry))`.
    #[must_use]
    pub fn new(registry: &Registry, timer: Arc<dyn Timer>) -> Self {
        Self::from_service(HealthService::new(registry, timer))
    }

    /// Health with the settings of `health`.
    #[must_use]
    pub const fn from_service(health: HealthService) -> Self {
        Self { health }
    }
}

impl<S> Layer<S> for HealthLayer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        self.health.registry().traffic().count();
        let front = Front::Health(self.health.clone());
        Layered { front, inner }
    }
}

/// A [`Layer`] that refuses calls to a service that is not SERVING: a client that goes on calling it gets a
/// quick, retryable error, and the service gets no work. What is refused, and how, is the [`Gate`]'s
/// affair.
///
/// # Placement
///
/// Inside authentication and logging, as the calls are the application's. It lets health through, so
/// whether it is inside or outside [`HealthLayer`] makes no difference. The layered service is always
/// ready; each call that passes waits by itself until the service behind it is.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::{get, post}};
/// use health_core::{Registry, ServingStatus, http::Gate};
/// use health_tokio::TokioTimer;
/// use health_tower::{GateLayer, HealthLayer};
/// use http::Request;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let health = Registry::new();
/// health.set("shop.OrderService", ServingStatus::NotServing);
///
/// let app = Router::new()
///     .route("/shop.OrderService/Place", post(|| async { "placed" }))
///     .route("/orders/{id}", get(|| async { "one order" }))
///     .route("/help", get(|| async { "help" }))
///     .layer(GateLayer::new(Gate::new(&health).prefix("/orders", "shop.OrderService")))
///     .layer(HealthLayer::new(&health, TokioTimer::shared()));
///
/// for (path, status) in [("/orders/7", 503), ("/help", 200), ("/readyz", 200)] {
///     let request = Request::get(path).body(axum::body::Body::empty())?;
///     assert_eq!(app.clone().oneshot(request).await?.status(), status, "{path}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// Before everything on a tonic server:
///
/// ```
/// use health_core::{Registry, http::Gate};
/// use health_tower::GateLayer;
/// use tonic::{service::Routes, transport::Server};
///
/// # fn serve(greeter: Routes) {
/// let health = Registry::new();
/// let gate = GateLayer::new(Gate::new(&health));
/// let server = Server::builder().layer(gate).add_routes(greeter);
/// # let _ = server;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GateLayer {
    gate: Gate,
}

impl GateLayer {
    /// Puts `gate` before a service.
    #[must_use]
    pub const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        let front = Front::Gate(self.gate.clone());
        Layered { front, inner }
    }
}

/// The service that [`HealthLayer`] and [`GateLayer`] make of the service `S`.
#[derive(Clone, Debug)]
pub struct Layered<S> {
    front: Front,
    inner: S,
}

#[derive(Clone, Debug)]
enum Front {
    Gate(Gate),
    Health(HealthService),
}

impl<S, B, R> Service<Request<B>> for Layered<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
    R: http_body::Body<Data = Bytes>,
{
    type Response = Response<ReplyBody<R>>;
    type Error = S::Error;
    type Future = LayeredFuture<S, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let inner = |request| Oneshot::new(self.inner.clone(), request);
        let reply = match &self.front {
            Front::Gate(gate) if gate.refuses(path) => Left(Left(gate.refuse(request))),
            Front::Gate(_) => Right(uncounted(inner(request))),
            Front::Health(health) if HealthService::handles(path) => {
                Left(Right(health.call(request)))
            }
            Front::Health(health) => Right(count(health.registry().traffic(), inner(request))),
        };
        LayeredFuture { reply }
    }
}

pin_project! {
    /// The reply of a [`Layered`] service: its own, or that of the service `S` behind it.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct LayeredFuture<S: Service<Request<B>>, B> {
        #[pin]
        reply: Either<Either<Refusal<B>, ResponseFuture<B>>, CountedFuture<Oneshot<S, Request<B>>>>,
    }
}

impl<S, B, R> Future for LayeredFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: http_body::Body,
{
    type Output = Result<Response<ReplyBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = match self.project().reply.as_pin_mut() {
            Left(own) => ready!(own.poll(cx)).map(Left),
            Right(inner) => ready!(inner.poll(cx))?.map(Right),
        };
        Poll::Ready(Ok(reply.map(|body| ReplyBody { body })))
    }
}
