//! The gate as middleware: before an App, a scope or a resource.

use actix_http::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpResponse, middleware::Next, middleware::from_fn};
use futures_util::future::pending;
use health_core::http::Gate;

use crate::convert;

/// The answer of the service behind the gate, or the refusal.
type Gated<B> = ServiceResponse<EitherBody<B>>;

/// Middleware that refuses calls to a service that is not SERVING, as `gate` says.
///
/// # Examples
///
/// ```
/// use actix_web::{App, http::StatusCode, test, web};
/// use health_core::{Registry, ServingStatus, http::Gate};
///
/// # actix_rt::System::new().block_on(async {
/// let health = Registry::new();
/// health.set("shop.OrderService", ServingStatus::NotServing);
/// let gate = Gate::new(&health).prefix("/orders", "shop.OrderService");
/// let app = App::new()
///     .wrap(health_actix_web::gate(gate))
///     .route("/orders/{id}", web::get().to(|| async { "one order" }))
///     .route("/help", web::get().to(|| async { "help" }));
///
/// let app = test::init_service(app).await;
/// let ask = |path| test::call_service(&app, test::TestRequest::get().uri(path).to_request());
/// assert_eq!(ask("/orders/7").await.status(), StatusCode::SERVICE_UNAVAILABLE);
/// assert_eq!(ask("/help").await.status(), StatusCode::OK);
///
/// health.set("shop.OrderService", ServingStatus::Serving);
/// assert_eq!(ask("/orders/7").await.status(), StatusCode::OK);
/// # });
/// ```
#[must_use]
pub fn gate<S, B>(
    gate: Gate,
) -> impl Transform<S, ServiceRequest, Response = Gated<B>, Error = Error, InitError = ()>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        let gate = gate.clone();
        async move {
            // As the App will read it: percent-decoded.
            if !gate.refuses(request.match_info().as_str()) {
                return Ok(next.call(request).await?.map_into_left_body());
            }
            let (request, payload) = request.into_parts();
            let refusal = convert::to_engine(request.head(), payload);
            let refusal = refusal.map(|request| gate.refuse(request));
            let refusal = convert::from_engine(refusal, pending()).await;
            let refusal = ServiceResponse::new(request, HttpResponse::from(refusal));
            Ok(refusal.map_into_right_body())
        }
    })
}
