//! TLS for the servers of the health adapters: [`Tls`], made of PEM files that may be replaced while the
//! server runs.
//!
//! Each adapter has it behind its feature `tls`.
//!
//! # hyper
//!
//! ```no_run
//! use health_core::{Registry, http::HealthService};
//! use health_tls::Tls;
//! use health_tokio::TokioTimer;
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let health = HealthService::new(&Registry::new(), TokioTimer::shared());
//! health_hyper::serve(TcpListener::bind("0.0.0.0:20000").await?, health)
//!     .tls(Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?)
//!     // In plaintext, for probers that have no certificate.
//!     .listen_health(TcpListener::bind("0.0.0.0:20001").await?)
//!     .await
//! # }
//! ```
//!
//! # tonic
//!
//! ```no_run
//! use health_tls::Tls;
//! use health_tonic::{HealthRoutes, Registry, incoming, incoming_tls};
//! use tokio::net::TcpListener;
//! use tonic::transport::Server;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Registry::new();
//! // In plaintext, for probers that have no certificate.
//! let plain = Server::builder().accept_http1(true).add_routes(HealthRoutes::new(&health).into_routes());
//! tokio::spawn(plain.serve_with_incoming(incoming(TcpListener::bind("0.0.0.0:20001").await?)));
//!
//! let tls = Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?;
//! Server::builder()
//!     .accept_http1(true)
//!     .add_routes(HealthRoutes::new(&health).into_routes())
//!     .serve_with_incoming(incoming_tls(TcpListener::bind("0.0.0.0:20000").await?, tls))
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # actix-web
//!
//! ```no_run
//! use actix_web::{App, web};
//! use health_core::Registry;
//! use health_tls::Tls;
//!
//! # #[actix_web::main]
//! # async fn main() -> std::io::Result<()> {
//! let app = || App::new().route("/hello", web::get().to(|| async { "hello" }));
//! let tls = Tls::builder("tls.crt", "tls.key").client_ca("clients.pem").build()?;
//! health_actix_web::HttpServer::new(&Registry::new(), app)
//!     .bind_tls("0.0.0.0:20000", tls)?
//!     // In plaintext, for probers that have no certificate.
//!     .bind_health("0.0.0.0:20001")?
//!     .run()
//!     .await
//! # }
//! ```
//!
//! # Cryptography
//!
//! [rustls](https://docs.rs/rustls) does the protocol with the provider of ring, which builds with a C compiler
//! alone. It is given to rustls by name: no default provider of the process is needed or touched. A program
//! that uses rustls with another provider as well has to name or install that one, as rustls no longer knows
//! which of the two is meant.

mod error;
mod files;
mod tls;

pub use error::TlsError;
pub use tls::{Tls, TlsBuilder};
/// The stream of a connection after its handshake; from tokio-rustls.
pub use tokio_rustls::server::TlsStream;
