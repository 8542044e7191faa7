//! The parts that the example programs are put together from.
//!
//! Read the program first, `src/bin/quickstart.rs`; then, as far as they interest you:
//!
//! - [`greet`]: the application itself, a gRPC service with one method;
//! - [`maintenance`]: a status that follows something real, whether a file exists;
//! - [`grpc`]: a peer that asks for the health over gRPC;
//! - [`json`]: a peer that asks for it as `curl` does;
//! - [`options`]: what the programs' options mean;
//! - [`output`]: how they print;
//! - [`scrape`]: a peer that asks for the metrics as Prometheus does.
//!
//! `examples/custom_server` is a package of its own: a server without any of this, nor an async runtime.

pub mod greet;
pub mod grpc;
pub mod json;
pub mod maintenance;
pub mod options;
pub mod output;
pub mod scrape;
