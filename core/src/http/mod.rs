//! The wire engine: [`HealthService`] turns an HTTP request into the reply of the health service.
//!
//! It speaks gRPC, gRPC-Web (binary and text), Connect, Triple and the HTTP probes, in protobuf and JSON,
//! and knows no server and no runtime: an adapter hands the request in and maps the body out.
//!
//! # How to read it
//!
//! A request goes through these modules from top to bottom; each protocol is one file.
//!
//! | module | decides |
//! |---|---|
//! | `service` | what is to be done, from the head alone |
//! | `route` | which question the path asks |
//! | `protocol` | which protocol the content type means |
//! | `grpc`, `grpc_web`, `connect`, `triple` | what the protocol's headers say, and how its replies look |
//! | `timeout`, `compression`, `fault` | the grammar and the code tables they share |
//! | `exchange`, `intake`, `envelope` | how the body is read |
//! | `call`, `message`, `stream` | what is answered |
//! | `probe`, `accept`, `query`, `cors` | the rest of HTTP |
//! | `body` | the reply's body |
//! | `gate`, `refusal` | which calls of other services are refused, and how |
//! | `counted` | which calls of other services run, for a drain |

mod accept;
mod body;
mod call;
mod compression;
mod connect;
mod cors;
mod counted;
mod envelope;
mod exchange;
mod fault;
mod gate;
mod grpc;
mod grpc_web;
mod intake;
mod message;
mod probe;
mod protocol;
mod query;
mod refusal;
mod route;
mod service;
mod stream;
mod timeout;
mod triple;

pub use body::Body;
pub use cors::Cors;
pub use counted::{CountedBody, CountedFuture, count, uncounted};
pub use exchange::ResponseFuture;
pub use gate::{Gate, Refusal};
pub use service::{HealthService, HealthServiceBuilder};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
