#![doc = include_str!("docs/crate.md")]

mod connection;
mod incoming;
mod reporter;
mod routes;
mod server;

pub use connection::Connection;
pub use health_core::{Registry, ServingStatus, Watch};
pub use health_proto::FILE_DESCRIPTOR_SET;
pub use health_tokio::{drain, terminated};
pub use incoming::incoming;
#[cfg(feature = "tls")]
pub use incoming::incoming_tls;
pub use reporter::{HealthReporter, compat, health_reporter};
pub use routes::HealthRoutes;
pub use server::HealthServer;

#[doc = include_str!("docs/from_tonic_health.md")]
pub mod from_tonic_health {}
