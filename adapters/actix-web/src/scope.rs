//! Health inside an ordinary App: everything but native gRPC.

use std::time::Duration;

use actix_http::body::{BoxBody, None as NoBody};
use actix_http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_service::fn_service;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{HttpResponse, Scope, guard, web};
use futures_util::future::pending;
use health_core::{Registry, http::HealthService};
use health_tokio::TokioTimer;

use crate::convert;

/// The health service as a scope of an App, for actix-web's own `HttpServer`.
///
/// It answers the paths below `/grpc.health.v1.Health/` and the probes at the root, whatever else the App
/// serves, and leaves every other path to the App. Register it before services that take any path. It can
/// be wrapped in middleware like any scope.
///
/// # Wire
///
/// gRPC-Web, Connect, Triple and the probes are answered in full, over HTTP/1.1 and HTTP/2. Native gRPC
/// cannot be: its status comes in trailers, and actix-http sends none. Each of its calls fails with
/// UNIMPLEMENTED and a message that says so; [`HttpServer`](crate::HttpServer) of this crate serves it.
///
/// Inside an App nothing tells that the peer of a silent stream has left. So a Watch ends by itself after five
/// minutes, with UNAVAILABLE, and whoever still wants it watches again. Until then one that has left counts against
/// [`max_watchers`](health_core::RegistryBuilder::max_watchers). `HttpServer` of this crate sees it leave.
///
/// actix-web's own server waits for open streams when it stops: end it by
/// `shutdown_signal(health_tokio::drain(..))`, which ends every Watch.
///
/// # Examples
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use health_core::Registry;
///
/// # #[actix_web::main]
/// # async fn main() -> std::io::Result<()> {
/// let health = Registry::new();
/// let served = health.clone();
/// let app = move || {
///     App::new()
///         .service(health_actix_web::scope(&served))
///         .route("/hello", web::get().to(|| async { "hello" }))
/// };
/// HttpServer::new(app).bind_auto_h2c("0.0.0.0:20000")?.run().await
/// # }
/// ```
#[must_use]
pub fn scope(registry: &Registry) -> Scope {
    scope_with(HealthService::new(registry, TokioTimer::shared()))
}

/// The [`scope`] of a service with settings of its own.
///
/// # Examples
///
/// ```
/// use actix_web::{App, http::StatusCode, test};
/// use health_core::{Registry, http::{Cors, HealthService}};
/// use health_tokio::TokioTimer;
///
/// # actix_rt::System::new().block_on(async {
/// let health = HealthService::builder(&Registry::new())
///     .timer(TokioTimer::shared())
///     .cors(Cors::new(["https://console.example"]))
///     .build();
/// let app = App::new().service(health_actix_web::scope_with(health));
///
/// let app = test::init_service(app).await;
/// let probe = test::TestRequest::get().uri("/readyz").to_request();
/// assert_eq!(test::call_service(&app, probe).await.status(), StatusCode::OK);
/// # });
/// ```
#[must_use]
pub fn scope_with(health: HealthService) -> Scope {
    let health = health.with_max_watch_age(MAX_WATCH_AGE);
    let is_health = guard::fn_guard(|context| HealthService::handles(context.head().uri.path()));
    let service = fn_service(move |request: ServiceRequest| {
        let (request, payload) = request.into_parts();
        let answer = convert::to_engine(request.head(), payload);
        let answer = convert::from_engine(answer.map(|request| health.call(request)), pending());
        async move {
            let answer = HttpResponse::from(answer.await);
            let answer = if is_native_grpc(&answer) { refuse(answer) } else { answer };
            Ok(ServiceResponse::new(request, answer))
        }
    });
    web::scope("").guard(is_health).default_service(service)
}

/// How long a watcher that has left is kept.
const MAX_WATCH_AGE: Duration = Duration::from_secs(5 * 60);

/// As the engine read the request: its answer echoes the type.
fn is_native_grpc(answer: &HttpResponse) -> bool {
    let media_type = answer.headers().get(CONTENT_TYPE);
    let codec = media_type.and_then(|name| name.as_bytes().strip_prefix(b"application/grpc"));
    codec.is_some_and(|codec| !codec.starts_with(b"-web"))
}

/// Trailers-Only: all of it is in the head.
fn refuse(mut answer: HttpResponse) -> HttpResponse {
    let unimplemented = HeaderValue::from_static("12");
    let way_out = HeaderValue::from_static(WAY_OUT);
    answer.headers_mut().insert(HeaderName::from_static("grpc-status"), unimplemented);
    answer.headers_mut().insert(HeaderName::from_static("grpc-message"), way_out);
    answer.set_body(BoxBody::new(NoBody::new()))
}

/// Has no characters that `grpc-message` would have to escape.
const WAY_OUT: &str = "actix-web cannot send the trailers of gRPC: serve the App with \
                       health_actix_web::HttpServer, or ask by gRPC-Web or Connect";
