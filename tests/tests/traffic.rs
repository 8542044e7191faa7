//! The calls of the application are counted through each adapter, and those of health are not: a drain asks
//! whether the server has fallen quiet.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use actix_web::{App, web};
use axum::{Router, routing::get};
use bytes::Bytes;
use health_conformance::Adapter;
use health_core::{Registry, http::HealthService};
use health_hyper::HealthHyper;
use health_tokio::TokioTimer;
use health_tonic::HealthRoutes;
use health_tower::HealthLayer;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tower_service::Service;

/// What tonic mounts at `/hello/*`.
#[derive(Clone)]
struct Hello;

impl NamedService for Hello {
    const NAME: &'static str = "hello";
}

impl Service<Request<Body>> for Hello {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::new(Full::new(Bytes::from("hello"))))))
    }
}

/// Serves `/hello/world` and health through `adapter`, until the test ends.
fn start(adapter: Adapter, registry: &Registry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let registry = registry.clone();
    thread::spawn(move || match adapter {
        Adapter::ActixWeb => actix_web::rt::System::new().block_on(async {
            let app = || App::new().route("/hello/world", web::get().to(|| async { "hello" }));
            let server = health_actix_web::HttpServer::new(&registry, app);
            server.listen(listener).run().await.unwrap();
        }),
        _ => tokio::runtime::Runtime::new().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            match adapter {
                Adapter::Hyper => {
                    let hello = service_fn(|_: Request<hyper::body::Incoming>| async {
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
                    });
                    let health = HealthService::new(&registry, TokioTimer::shared());
                    let service = HealthHyper::beside(health, hello);
                    health_hyper::serve_with(listener, service).await.unwrap();
                }
                Adapter::Tonic => {
                    let routes = HealthRoutes::new(&registry).add_service(Hello).into_routes();
                    let server = Server::builder().accept_http1(true).add_routes(routes);
                    server.serve_with_incoming(health_tonic::incoming(listener)).await.unwrap();
                }
                _ => {
                    let app = Router::new().route("/hello/world", get(|| async { "hello" }));
                    let app = app.layer(HealthLayer::new(&registry, TokioTimer::shared()));
                    axum::serve(listener, app).await.unwrap();
                }
            }
        }),
    });
    address
}

async fn fetch(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn calls_of_the_application_are_counted_and_those_of_health_are_not() {
    for adapter in [Adapter::Hyper, Adapter::Tonic, Adapter::ActixWeb, Adapter::Tower] {
        let registry = Registry::new();
        let address = start(adapter, &registry);
        let answer = fetch(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{adapter}: {answer}");
        let traffic = registry.traffic();
        assert!(traffic.is_counted(), "{adapter}");
        assert_eq!(traffic.arrived(), 0, "{adapter}");
        for number in 1..=2 {
            let answer = fetch(address, "/hello/world").await;
            assert!(answer.contains("hello"), "{adapter}: {answer}");
            assert_eq!(traffic.arrived(), number, "{adapter}");
            // The peer has the last byte before the server lets go of the body.
            while traffic.running() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}
