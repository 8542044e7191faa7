//! A gRPC client of `grpc.health.v1.Health`: Check and Watch through tonic.

use std::net::SocketAddr;

use health_core::ServingStatus;
use health_proto::{HealthCheckRequest, HealthCheckResponse};
use hyper::http::uri::PathAndQuery;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    transport::{Channel, Endpoint, Error},
};
use tonic_prost::ProstCodec;

/// A connection on which to ask for the health of services.
#[derive(Clone, Debug)]
pub struct HealthClient {
    grpc: Grpc<Channel>,
}

impl HealthClient {
    /// Connects to the server at `address`, in plaintext HTTP/2.
    ///
    /// # Errors
    ///
    /// The transport's error when nothing listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Self { grpc: Grpc::new(channel) })
    }

    /// Asks for the status of `service` now.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` when the server does not know `service`; whatever else the call ended with.
    pub async fn check(&mut self, service: &str) -> Result<ServingStatus, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
        let reply = self.grpc.unary(request(service), path, codec()).await?;
        Ok(status(&reply.into_inner()))
    }

    /// Asks for the status of `service` now and for every change of it.
    ///
    /// # Errors
    ///
    /// Whatever the call ended with before its first message.
    pub async fn watch(&mut self, service: &str) -> Result<Statuses, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");
        let reply = self.grpc.server_streaming(request(service), path, codec()).await?;
        Ok(Statuses { messages: reply.into_inner() })
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::from_error(error.into()))
    }
}

/// The statuses that a Watch brings.
#[derive(Debug)]
pub struct Statuses {
    messages: Streaming<HealthCheckResponse>,
}

impl Statuses {
    /// Waits for the next status; `None` is the end of the stream.
    ///
    /// # Errors
    ///
    /// What the server ended the stream with: `UNAVAILABLE` when it stops.
    pub async fn next(&mut self) -> Result<Option<ServingStatus>, Status> {
        Ok(self.messages.message().await?.as_ref().map(status))
    }
}

fn request(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

fn codec() -> ProstCodec<HealthCheckRequest, HealthCheckResponse> {
    ProstCodec::default()
}

fn status(reply: &HealthCheckResponse) -> ServingStatus {
    ServingStatus::from_wire(reply.status)
}
