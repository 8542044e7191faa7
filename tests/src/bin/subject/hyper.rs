//! Health on hyper and tokio, through `health_hyper`.

use std::io;
use std::net::SocketAddr;

use health_hyper::HealthHyper;
use http_body_util::Either;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::greeter::{GREET, Greet};
use crate::server;
use crate::state::State;

/// Starts the server on threads of its own, and returns where it listens.
pub(crate) fn start(listen: SocketAddr, state: State, greeter: bool) -> io::Result<SocketAddr> {
    let runtime = Runtime::new()?;
    let listener = runtime.block_on(TcpListener::bind(listen))?;
    let address = listener.local_addr()?;
    if greeter {
        let greet = Greet::new(state.clone(), address);
        server::keep(move || runtime.block_on(serve_beside(listener, state, greet)))?;
    } else {
        server::keep(move || runtime.block_on(serve(listener, state)))?;
    }
    Ok(address)
}

async fn serve(listener: TcpListener, state: State) -> io::Result<()> {
    let health = service_fn(move |request: Request<Incoming>| {
        HealthHyper::new(state.service()).call(request)
    });
    health_hyper::serve_with(listener, health).await
}

async fn serve_beside(listener: TcpListener, state: State, greet: Greet) -> io::Result<()> {
    let greet = TowerToHyperService::new(greet);
    let service = service_fn(move |request: Request<Incoming>| {
        let (health, greet) = (state.service(), greet.clone());
        let unknown = HealthHyper::new(health.clone());
        let inner = service_fn(move |request: Request<Incoming>| {
            let (greet, unknown) = (greet.clone(), unknown.clone());
            async move {
                if request.uri().path() == GREET {
                    greet
                        .call(request)
                        .await
                        .map(|answer| answer.map(Either::Left))
                } else {
                    unknown
                        .call(request)
                        .await
                        .map(|answer| answer.map(Either::Right))
                }
            }
        });
        HealthHyper::beside(health, inner).call(request)
    });
    health_hyper::serve_with(listener, service).await
}
