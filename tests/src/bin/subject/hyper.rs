//! Health on hyper and tokio, through `health_hyper`.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io;

use bytes::Bytes;
use health_hyper::HealthHyper;
use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;

use crate::greeter::GREET;
use crate::server::{self, Ports, Site};

pub(crate) fn start(Ports { listener, tls, plain }: Ports, site: Site) -> io::Result<()> {
    let service = service(site);
    server::on_tokio(async {
        let served = health_hyper::serve_with(server::tokio_listener(listener)?, service.clone());
        let served = match tls {
            Some(tls) => served.tls(tls),
            None => served,
        };
        let beside = async {
            match plain {
                Some(plain) => {
                    health_hyper::serve_with(server::tokio_listener(plain)?, service).await
                }
                None => pending().await,
            }
        };
        tokio::select! {
            ended = served.into_future() => ended,
            ended = beside => ended,
        }
    })
}

/// Health, and the greeter beside it if there is one.
pub(crate) fn service(
    Site { state, greet }: Site,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let greet = greet.map(TowerToHyperService::new);
    service_fn(move |request: Request<Incoming>| {
        let (health, greet) = (state.service(), greet.clone());
        let unknown = HealthHyper::new(health.clone());
        let inner = service_fn(move |request: Request<Incoming>| {
            let greet = greet.clone().filter(|_| request.uri().path() == GREET);
            let unknown = unknown.clone();
            async move {
                match greet {
                    Some(greet) => Ok(greet.call(request).await?.map(Either::Left)),
                    None => Ok(unknown.call(request).await?.map(Either::Right)),
                }
            }
        });
        HealthHyper::beside(health, inner).call(request)
    })
}
