//! This project: `health_hyper::serve`, with the timer that deadlines need.

use std::io;

use health_benches::{SERVICE, Stop};
use health_core::http::HealthService;
use health_core::{Registry, ServingStatus};
use health_tokio::TokioTimer;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> io::Result<()> {
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    health_hyper::serve(listener, HealthService::new(&registry, TokioTimer::shared()))
        .with_graceful_shutdown(stop.requested())
        .await
}
