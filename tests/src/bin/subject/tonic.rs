//! Health in tonic's router, through `health_tonic`.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use health_tonic::{HealthRoutes, incoming};
use http::Request;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::service_fn;
use tower_service::Service as _;

use crate::server::{self, Site};

pub(crate) fn start(listener: TcpListener, site: Site) -> io::Result<()> {
    server::on_tokio(listener, |listener| serve(listener, site))
}

async fn serve(listener: tokio::net::TcpListener, site: Site) -> io::Result<()> {
    const STREAMS: u32 = 1000;
    // What wire.md asks of a server for Watch, and tonic leaves at hyper's defaults.
    let server = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(STREAMS as usize))
        .http2_max_local_error_reset_streams(Some(1024))
        .http2_keepalive_interval(Some(Duration::from_secs(20)));
    let service = service_fn(move |request: Request<Body>| routes(&site).call(request));
    let served = server.serve_with_incoming(service, incoming(listener)).await;
    served.map_err(io::Error::other)
}

/// The routes as they are now; a program of its own has them once and for all.
fn routes(site: &Site) -> Routes {
    let routes = HealthRoutes::from_service(site.state.service()).into_routes();
    match &site.greet {
        // Not through `HealthRoutes`, which would set it SERVING again at every request.
        Some(greet) => routes.add_service(greet.clone()),
        None => routes,
    }
}
