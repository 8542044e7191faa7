#![doc = include_str!("docs/crate.md")]

mod reporter;
mod routes;
mod server;

pub use health_core::{Registry, ServingStatus, Watch};
pub use health_proto::FILE_DESCRIPTOR_SET;
pub use health_tokio::{drain, terminated};
pub use reporter::{HealthReporter, compat, health_reporter};
pub use routes::HealthRoutes;
pub use server::HealthServer;

#[doc = include_str!("docs/from_tonic_health.md")]
pub mod from_tonic_health {}
