//! The health service of `health-core` on [actix-web](https://docs.rs/actix-web): [`HttpServer`], which
//! serves an App and health, native gRPC included, on the same port; [`scope()`], which puts health into
//! an App on actix-web's own server; and [`gate()`], middleware that follows the status.
//!
//! # Which one
//!
//! | | [`HttpServer`] | [`scope()`] |
//! |---|---|---|
//! | HTTP/1.1 and cleartext HTTP/2 on one port | yes | yes, with `bind_auto_h2c` |
//! | both over TLS | `bind_tls`, with the feature `tls` | yes, with `bind_rustls_0_23` |
//! | health alone on a plaintext port beside | [`bind_health`](HttpServer::bind_health) | no |
//! | gRPC-Web, Connect, Triple, probes | yes | yes |
//! | native gRPC health | yes | UNIMPLEMENTED |
//! | other native gRPC services, such as tonic's | yes, with [`grpc`](HttpServer::grpc) | no |
//! | health passes through the App's middleware | no | yes |
//! | `HttpRequest::conn_data` | no: `web::ReqData` | yes |
//!
//! actix-http cannot send the trailers that native gRPC ends with. [`HttpServer`] therefore hands each
//! HTTP/2 connection to hyper, which calls the App on the same worker; HTTP/1.1 stays with actix-http.
//! What is answered on the health paths is decided by `health-core`.
//!
//! # Examples
//!
//! ```no_run
//! use actix_web::{App, web};
//! use health_core::Registry;
//!
//! # #[actix_web::main]
//! # async fn main() -> std::io::Result<()> {
//! let health = Registry::new();
//! let app = || App::new().route("/hello", web::get().to(|| async { "hello" }));
//! health_actix_web::HttpServer::new(&health, app).bind("0.0.0.0:20000")?.run().await
//! # }
//! ```

mod connection;
mod convert;
mod counted;
mod gate;
mod grpc;
mod http2;
mod scope;
mod server;
#[cfg(feature = "tls")]
mod tls;

pub use gate::gate;
pub use scope::{scope, scope_with};
pub use server::HttpServer;
