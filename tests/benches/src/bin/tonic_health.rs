//! tonic-health in tonic's own server.

use health_benches::{SERVICE, Stop};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> Result<(), tonic::transport::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status(SERVICE, ServingStatus::Serving).await;
    Server::builder()
        .add_service(health)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.requested(),
        )
        .await
}
