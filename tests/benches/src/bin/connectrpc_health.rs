//! connectrpc-health in connectrpc's own server.

use connectrpc::{Router, Server};
use connectrpc_health::install_static;
use health_benches::{SERVICE, Stop};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> Result<(), Box<dyn std::error::Error>> {
    let (router, _health) = install_static(Router::new(), [SERVICE]);
    Server::from_listener(listener)
        .serve_with_graceful_shutdown(router, stop.requested())
        .await
        .map_err(|error| error as Box<dyn std::error::Error>)
}
