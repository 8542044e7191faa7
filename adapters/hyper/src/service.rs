//! The engine as a hyper `Service`: requests in, bodies out, nothing decided here.

use std::convert::Infallible;

use futures_util::future::{Either, FutureExt, Map, MapOk, NeverError, TryFutureExt};
use health_core::http::{Body, CountedBody, CountedFuture, HealthService, ResponseFuture, count};
use http_body_util::Either::{self as EitherBody, Left, Right};
use hyper::{Request, Response, body, service::Service};

use crate::serve::BoxError;

/// A health service as a hyper [`Service`], by itself or in front of another one.
///
/// # Examples
///
/// Health beside an application, on the application's own port:
///
/// ```
/// use std::convert::Infallible;
///
/// use health_core::{Registry, http::HealthService};
/// use health_hyper::HealthHyper;
/// use health_tokio::TokioTimer;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::{body::{Bytes, Incoming}, service::service_fn};
///
/// let hello = service_fn(|_: Request<Incoming>| async {
///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
/// });
/// let health = HealthService::new(&Registry::new(), TokioTimer::shared());
/// let service = HealthHyper::beside(health, hello);
/// # let _ = service;
/// ```
#[derive(Clone, Debug)]
pub struct HealthHyper<S = Alone> {
    health: HealthService,
    inner: S,
}

/// In [`HealthHyper`]'s type: nothing else is served, every path belongs to the health service.
#[derive(Clone, Copy, Debug)]
pub struct Alone(());

impl HealthHyper {
    /// A service that answers everything, unknown paths too (404, or UNIMPLEMENTED over gRPC).
    #[must_use]
    pub const fn new(health: HealthService) -> Self {
        Self { health, inner: Alone(()) }
    }
}

impl<S> HealthHyper<S> {
    /// A service that answers the health paths and passes every other request to `inner`, untouched.
    ///
    /// The calls of `inner` are [counted](health_core::Traffic), so that a
    /// [`Drain`](health_core::drain::Drain) knows when the server has fallen quiet.
    pub fn beside(health: HealthService, inner: S) -> Self {
        health.registry().traffic().count();
        Self { health, inner }
    }

    pub(crate) const fn health(&self) -> &HealthService {
        &self.health
    }
}

impl<B: body::Body<Error: Into<BoxError>>> Service<Request<B>> for HealthHyper {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = NeverError<ResponseFuture<B>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.health.call(request).never_error()
    }
}

impl<S, R, B: body::Body<Error: Into<BoxError>>> Service<Request<B>> for HealthHyper<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<EitherBody<Body, CountedBody<R>>>;
    type Error = S::Error;
    type Future = Either<
        Map<ResponseFuture<B>, fn(Response<Body>) -> Result<Self::Response, S::Error>>,
        MapOk<CountedFuture<S::Future>, fn(Response<CountedBody<R>>) -> Self::Response>,
    >;

    fn call(&self, request: Request<B>) -> Self::Future {
        if HealthService::handles(request.uri().path()) {
            Either::Left(self.health.call(request).map(|answer| Ok(answer.map(Left))))
        } else {
            let traffic = self.health.registry().traffic();
            let answer = count(traffic, self.inner.call(request));
            Either::Right(answer.map_ok(|answer| answer.map(Right)))
        }
    }
}
