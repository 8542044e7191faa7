//! `greet.GreetService`, a gRPC service beside health: it answers with its own address, and only
//! while its status is SERVING.
//!
//! Built on tonic as a library, without generated code: two messages and one method.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use health_core::ServingStatus;
use http_body::Body as HttpBody;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::state::State;

/// The name under which the service is registered.
pub(crate) const SERVICE: &str = "greet.GreetService";

/// The path of its one method.
pub(crate) const GREET: &str = "/greet.GreetService/Greet";

#[derive(Clone, PartialEq, prost::Message)]
struct GreetRequest {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GreetResponse {
    #[prost(string, tag = "1")]
    greeting: String,
}

/// The method as an HTTP service, behind the status of [`SERVICE`].
#[derive(Clone, Debug)]
pub(crate) struct Greet {
    state: State,
    address: SocketAddr,
}

impl Greet {
    pub(crate) const fn new(state: State, address: SocketAddr) -> Self {
        Self { state, address }
    }

    fn greet(&self) -> Result<Response<GreetResponse>, Status> {
        match self.state.registry().check(SERVICE) {
            Some(ServingStatus::Serving) => {
                Ok(Response::new(GreetResponse { greeting: self.address.to_string() }))
            }
            _ => Err(Status::unavailable("greet.GreetService is not serving")),
        }
    }
}

impl NamedService for Greet {
    const NAME: &'static str = SERVICE;
}

impl UnaryService<GreetRequest> for Greet {
    type Response = GreetResponse;
    type Future = std::future::Ready<Result<Response<GreetResponse>, Status>>;

    // The whole request was read by now, so a refusal resets no stream that is still sending.
    fn call(&mut self, _request: Request<GreetRequest>) -> Self::Future {
        std::future::ready(self.greet())
    }
}

impl<B> Service<http::Request<B>> for Greet
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let greet = self.clone();
        Box::pin(async move {
            if request.uri().path() != GREET {
                return Ok(Status::unimplemented("unknown method").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::<GreetResponse, GreetRequest>::default());
            Ok(grpc.unary(greet, request).await)
        })
    }
}
