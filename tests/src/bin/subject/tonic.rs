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
    // Before the first request: from here on the greeter is registered.
    let mounted = Mounted::new(site);
    let service = service_fn(move |request: Request<Body>| mounted.routes().call(request));
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

/// The routes of a program: mounted once, each service registered by that.
#[derive(Clone)]
struct Mounted {
    site: Site,
    routes: Routes,
}

impl Mounted {
    fn new(site: Site) -> Self {
        let routes = HealthRoutes::from_service(site.state.service());
        let routes = match &site.greet {
            Some(greet) => routes.add_service(greet.clone()),
            None => routes,
        };
        Self { routes: routes.into_routes(), site }
    }

    fn routes(&self) -> Routes {
        if self.site.state.is_replaced() { self.remounted() } else { self.routes.clone() }
    }

    /// The same routes over the registry that a `reset` made, where they must not register anything.
    fn remounted(&self) -> Routes {
        let routes = HealthRoutes::from_service(self.site.state.service()).into_routes();
        match &self.site.greet {
            Some(greet) => routes.add_service(greet.clone()),
            None => routes,
        }
    }
}
