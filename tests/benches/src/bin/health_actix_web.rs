//! This project before an actix-web App: `health_actix_web::HttpServer`, with one worker.

use std::io;

use actix_web::App;
use health_actix_web::HttpServer;
use health_benches::{SERVICE, Stop};
use health_core::{Registry, ServingStatus};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    health_benches::run(serve)
}

async fn serve(listener: TcpListener, stop: Stop) -> io::Result<()> {
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    HttpServer::new(&registry, App::new)
        .listen(listener.into_std()?)
        .server(|server| server.workers(1))
        .shutdown_signal(stop.requested())
        .run()
        .await
}
