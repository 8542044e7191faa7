//! HTTP/2 by hyper, which can send the trailers of gRPC: health by the engine, the services of
//! [`grpc`](crate::HttpServer::grpc) by themselves, the rest by the App.

use std::{io, rc::Rc};

use actix_http::{Response, error::PayloadError};
use actix_service::Service as _;
use futures_util::future::{Either, FutureExt as _, TryFutureExt as _};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use health_core::http::{Body, CountedBody, HealthService, count};
use http_body_util::{BodyDataStream, Either as Body2, Either::Left, Either::Right};
use hyper::{Request, body::Incoming, rt::Executor};

use crate::connection::{App, Peer, Settings};
use crate::convert::{self, AppBody};
use crate::grpc::{GrpcBody, is_native};

/// Spawns on the worker that it is called on, which the App does not leave.
#[derive(Clone, Copy)]
pub(crate) struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        actix_rt::spawn(future);
    }
}

type Answer = http::Result<http::Response<Body2<Body, Body2<AppBody, CountedBody<GrpcBody>>>>>;

pub(crate) fn answer(
    request: Request<Incoming>,
    settings: &Settings,
    app: &App,
    peer: &Rc<Peer>,
) -> impl Future<Output = Answer> + use<> {
    if HealthService::handles(request.uri().path()) {
        let answer = (settings.health)().call(request);
        return Either::Left(answer.map(|answer| Ok(answer.map(Left))));
    }
    Either::Right(match &settings.grpc {
        Some(grpc) if is_native(request.headers()) => {
            let health = (settings.health)();
            let answer = count(health.registry().traffic(), grpc(request).map(Ok));
            Either::Left(answer.map_ok(|answer| answer.map(|body| Right(Right(body)))))
        }
        _ => Either::Right(by_app(request, Rc::clone(app), Rc::clone(peer))),
    })
}

async fn by_app(request: Request<Incoming>, app: App, peer: Rc<Peer>) -> Answer {
    let (head, body) = request.into_parts();
    let data = BodyDataStream::new(body).map_err(|error| PayloadError::Io(io::Error::other(error)));
    let answer = match convert::to_app(&head, data.boxed_local().into()) {
        Some(mut request) => {
            peer.introduce(&mut request);
            app.call(request).await.unwrap_or_else(|refusal| refusal)
        }
        None => Response::bad_request(),
    };
    let answer = convert::from_app(answer, head.method == http::Method::HEAD)?;
    Ok(answer.map(|body| Right(Left(body))))
}
