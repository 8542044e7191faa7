//! Health before an actix-web App, through the server of `health_actix_web`, and the greeter beside it.

use std::io;

use actix_web::body::None as NoBody;
use actix_web::http::{StatusCode, Version};
use actix_web::{App, HttpRequest, HttpResponse, rt, web};
use futures_util::TryStreamExt as _;
use health_actix_web::HttpServer;
use health_core::http::HealthService;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use crate::server::{self, Ports, Site};

pub(crate) fn start(
    Ports { listener, tls, plain }: Ports,
    Site { state, greet }: Site,
) -> io::Result<()> {
    let health = state.clone();
    let app = move || {
        let state = state.clone();
        App::new().default_service(web::to(move |request, payload| {
            unknown(state.service(), request, payload)
        }))
    };
    server::keep(move || {
        let server = HttpServer::with_service(move || health.service(), app)
            .server(|server| server.disable_signals());
        let server = match tls {
            Some(tls) => server.listen_tls(listener, tls),
            None => server.listen(listener),
        };
        let mut server = match plain {
            Some(plain) => server.listen_health(plain),
            None => server,
        };
        if let Some(greet) = greet {
            server = server.grpc(greet);
        }
        rt::System::new().block_on(server.run())
    })
}

/// What the App has no route for is answered as health answers it: UNIMPLEMENTED over gRPC, and after the
/// body was read.
async fn unknown(
    health: HealthService,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut asked = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().path())
        .version(match request.version() {
            Version::HTTP_2 => http::Version::HTTP_2,
            _ => http::Version::HTTP_11,
        });
    for (name, value) in request.headers() {
        asked = asked.header(name.as_str(), value.as_bytes());
    }
    let data = payload.map_ok(Frame::data).map_err(|error| error.to_string());
    let Ok(asked) = asked.body(StreamBody::new(data)) else {
        return HttpResponse::BadRequest().finish();
    };
    let (head, body) = health.call(asked).await.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or_default();
    let mut answer = HttpResponse::build(status);
    for (name, value) in &head.headers {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    };
    if body.is_empty() && !head.headers.contains_key(CONTENT_LENGTH) {
        // Trailers-Only has no length.
        answer.body(NoBody::new())
    } else {
        answer.body(body)
    }
}
