//! Health in tonic's router, through `health_tonic`.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use health_tonic::HealthRoutes;
use http::Request;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::service_fn;
use tower_service::Service as _;

use crate::attentive::Attentive;
use crate::server::{self, Site};

pub(crate) fn start(listener: TcpListener, site: Site) -> io::Result<()> {
    // Before the first request: from here on the greeter is registered.
    let mounted = Mounted::new(site);
    server::on_tokio(listener, |listener| serve(listener, mounted))
}

async fn serve(listener: tokio::net::TcpListener, mounted: Mounted) -> io::Result<()> {
    const STREAMS: u32 = 1000;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let incoming = incoming.map_ok(Attentive::new);
    // What wire.md asks of a server for Watch, and tonic leaves at hyper's defaults.
    let server = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(STREAMS as usize))
        .http2_max_local_error_reset_streams(Some(1024))
        .http2_keepalive_interval(Some(Duration::from_secs(20)));
    let service = service_fn(move |request: Request<Body>| mounted.routes().call(request));
    let served = server.serve_with_incoming(service, incoming).await;
    served.map_err(io::Error::other)
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
