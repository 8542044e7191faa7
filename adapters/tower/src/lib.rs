//! The health service of `health-core` for [tower](https://docs.rs/tower), and so for axum, warp and
//! everything else that is built from tower services.
//!
//! | | is | for |
//! |---|---|---|
//! | [`HealthLayer`] | a layer | health on the port of an application: its own paths are answered, the rest passed on |
//! | [`HealthTower`] | a service | health alone, or as the fallback of a router |
//! | [`GateLayer`] | a layer | refusing calls to a service that is not SERVING, as its [`Gate`](health_core::http::Gate) says |
//! | [`is_health_request`] | a predicate | layers that must let health through |
//!
//! What is answered is decided by `health-core`. This crate knows no runtime: deadlines are kept by the
//! timer that it is given (`health-tokio` has one for tokio).
//!
//! # Examples
//!
//! Health beside the routes of an axum application. In axum a layer covers the routes and fallbacks that
//! were there before it, so this one comes last; then it is also the outermost, and neither authentication nor
//! logging nor a concurrency limit of the application stands before health:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use health_core::{Registry, ServingStatus};
//! use health_tokio::TokioTimer;
//! use health_tower::HealthLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let health = Registry::new();
//! health.set("greet.GreetService", ServingStatus::Serving);
//!
//! let app = Router::new()
//!     .route("/hello", get(|| async { "hello" }))
//!     .layer(HealthLayer::new(&health, TokioTimer::shared()));
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:20000").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! gRPC needs axum's feature `http2`. To stop, give `axum::serve(..).with_graceful_shutdown` the drain of
//! `health-tokio`, which ends every Watch; without one `axum::serve` waits for those that are open. Over HTTP/1.1 it does
//! not see a watcher leave that left bytes unread, and keeps it until the status has changed.
//!
//! Around any other tower service:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use health_core::Registry;
//! use health_tokio::TokioTimer;
//! use health_tower::HealthLayer;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hello = service_fn(|_: Request<Full<&'static [u8]>>| async {
//!     Ok::<_, Infallible>(Response::new(Full::from("hello")))
//! });
//! let service = ServiceBuilder::new()
//!     .layer(HealthLayer::new(&Registry::new(), TokioTimer::shared()))
//!     .service(hello);
//!
//! for (path, expected) in [("/", "hello"), ("/readyz", "ok")] {
//!     let request = Request::get(path).body(Full::default())?;
//!     let response = service.clone().oneshot(request).await?;
//!     assert_eq!(response.into_body().collect().await?.to_bytes(), expected);
//! }
//! # Ok(())
//! # }
//! ```

mod body;
mod layer;
mod service;

pub use body::ReplyBody;
pub use layer::{GateLayer, HealthLayer, Layered, LayeredFuture};
pub use service::{HealthTower, is_health_request};
