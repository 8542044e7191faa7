//! `grpc.health.v1`: the messages of the gRPC health checking protocol, as prost types.
//!
//! The code is generated from `proto/grpc/health/v1/health.proto` and checked in, so that building
//! needs no protoc; a test generates it anew and compares.
//!
//! ```
//! use health_proto::{HealthCheckResponse, health_check_response::ServingStatus};
//! use prost::Message;
//!
//! let response = HealthCheckResponse::decode(&[0x08, 0x01][..])?;
//! assert_eq!(response.status(), ServingStatus::Serving);
//! # Ok::<(), prost::DecodeError>(())
//! ```

#[allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::must_use_candidate,
    reason = "generated"
)]
#[rustfmt::skip]
#[path = "generated/grpc.health.v1.rs"]
mod generated;

pub use generated::*;

/// The encoded `google.protobuf.FileDescriptorSet` of the schema, for gRPC server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor_set.bin");
