//! Health in tonic's router, through `health_tonic`.

use std::future::pending;
use std::io;
use std::time::Duration;

use health_tonic::{HealthRoutes, incoming, incoming_tls};
use http::Request;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::service_fn;
use tower_service::Service as _;

use crate::server::{self, Ports, Site};

pub(crate) fn start(Ports { listener, tls, plain }: Ports, site: Site) -> io::Result<()> {
    let service = service_fn(move |request: Request<Body>| routes(&site).call(request));
    server::on_tokio(async {
        let beside = service.clone();
        let beside = async {
            match plain {
                Some(plain) => {
                    let incoming = incoming(server::tokio_listener(plain)?);
                    server().serve_with_incoming(beside, incoming).await.map_err(io::Error::other)
                }
                None => pending().await,
            }
        };
        let served = async {
            let listener = server::tokio_listener(listener)?;
            let served = match tls {
                Some(tls) => {
                    server().serve_with_incoming(service, incoming_tls(listener, tls)).await
                }
                None => server().serve_with_incoming(service, incoming(listener)).await,
            };
            served.map_err(io::Error::other)
        };
        tokio::select! {
            ended = served => ended,
            ended = beside => ended,
        }
    })
}

/// With what wire.md asks of a server for Watch, and tonic leaves at hyper's defaults.
fn server() -> Server {
    const STREAMS: u32 = 1000;
    Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(STREAMS as usize))
        .http2_max_local_error_reset_streams(Some(1024))
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
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
