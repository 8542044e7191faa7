//! `greet.GreetService`: the application whose health the examples serve.
//!
//! ```proto
//! service GreetService { rpc Greet(GreetRequest) returns (GreetResponse); }
//! message GreetRequest  { string name = 1; }
//! message GreetResponse { string greeting = 1; }
//! ```
//!
//! One method needs no generated code: these are the lines that `tonic-build` would write.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use hyper::{StatusCode, body::Incoming, header::CONTENT_TYPE};
use tonic::{Request, Response, Status, body::Body, server::UnaryService};
use tonic_prost::ProstCodec;

/// The name that health is asked about.
pub const SERVICE: &str = "greet.GreetService";

/// The path of the method.
pub const GREET: &str = "/greet.GreetService/Greet";

/// Asks for a greeting.
#[derive(Clone, PartialEq, prost::Message)]
#[non_exhaustive]
pub struct GreetRequest {
    /// Who is to be greeted.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Brings the greeting.
#[derive(Clone, PartialEq, prost::Message)]
#[non_exhaustive]
pub struct GreetResponse {
    /// The greeting.
    #[prost(string, tag = "1")]
    pub greeting: String,
}

/// Answers a gRPC call of `Greet`; anything else is 404.
///
/// # Errors
///
/// None: the result is the form in which hyper takes a function for a service.
pub async fn answer(
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
    if is_grpc && request.uri().path() == GREET {
        return Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(Greet, request).await);
    }
    let mut response = hyper::Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

struct Greet;

impl UnaryService<GreetRequest> for Greet {
    type Response = GreetResponse;
    type Future = Ready<Result<Response<GreetResponse>, Status>>;

    fn call(&mut self, request: Request<GreetRequest>) -> Self::Future {
        let greeting = request.into_inner().name;
        ready(Ok(Response::new(GreetResponse { greeting })))
    }
}
