//! This project in tonic's router: `HealthRoutes` on tonic's own server, set up as `tonic_health` is.

use health_benches::{SERVICE, Stop};
use health_core::{Registry, ServingStatus};
use health_tonic::HealthRoutes;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> Result<(), tonic::transport::Error> {
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    Server::builder()
        .add_routes(HealthRoutes::new(&registry).into_routes())
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.requested(),
        )
        .await
}
