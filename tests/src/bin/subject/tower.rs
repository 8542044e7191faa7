//! Health before an axum application, through `health_tower`.

use std::io;
use std::net::TcpListener;

use axum::Router;
use health_tower::{HealthLayer, HealthTower};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tower::service_fn;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::greeter::GREET;
use crate::server::{self, Site};

pub(crate) fn start(listener: TcpListener, site: Site) -> io::Result<()> {
    server::on_tokio(serve(listener, site))
}

async fn serve(listener: TcpListener, Site { state, greet }: Site) -> io::Result<()> {
    let listener = server::tokio_listener(listener)?;
    let health = state.clone();
    // What no route has is answered as health answers it: UNIMPLEMENTED over gRPC.
    let unknown = service_fn(move |request| HealthTower::new(health.service()).call(request));
    let app = Router::new().fallback_service(unknown);
    let app = match greet {
        Some(greet) => app.route_service(GREET, greet),
        None => app,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let health = HealthLayer::from_service(state.service());
        health.layer(app.clone()).call(request)
    });
    // axum::serve allows 200 calls on a connection, and cannot be told to allow more.
    health_hyper::serve_with(listener, TowerToHyperService::new(service)).await
}
