//! The health service where it is meant to be: in tonic's own router, behind tonic's own server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod greet;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use greet::GreetServiceServer;
use health_proto::{HealthCheckRequest, HealthCheckResponse};
use health_tonic::{
    FILE_DESCRIPTOR_SET, HealthReporter, HealthRoutes, HealthServer, Registry, ServingStatus,
    compat, drain,
};
use http::{Request, StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Status,
    client::Grpc,
    service::{Routes, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

/// Serves `routes` until the test ends.
async fn serve(routes: Routes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().accept_http1(true).add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

async fn check(channel: Channel, service: &str) -> Result<i32, Code> {
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = send(channel, path, request).await;
    response.map(|response| response.status).map_err(|status| status.code())
}

async fn call(channel: Channel, path: &'static str) -> Status {
    let path = PathAndQuery::from_static(path);
    send(channel, path, HealthCheckRequest::default()).await.unwrap_err()
}

async fn send(
    channel: Channel,
    path: PathAndQuery,
    request: HealthCheckRequest,
) -> Result<HealthCheckResponse, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    Ok(grpc.unary(tonic::Request::new(request), path, codec).await?.into_inner())
}

async fn get(address: SocketAddr, path: &str) -> (StatusCode, Bytes) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "test").body(Full::<Bytes>::default()).unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    (head.status, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn mounted_services_are_registered_by_themselves() {
    let health = Registry::new();
    let routes = HealthRoutes::new(&health)
        .add_service(GreetServiceServer::new("hello"))
        .add_dubbo_key::<GreetServiceServer>("lab", "1.0.0")
        .unwrap()
        .into_routes();
    let channel = channel(serve(routes).await).await;
    assert_eq!(check(channel.clone(), "greet.GreetService").await, Ok(1));
    assert_eq!(check(channel.clone(), "lab/greet.GreetService:1.0.0").await, Ok(1));
    assert_eq!(call(channel.clone(), "/greet.GreetService/Greet").await.message(), "hello");
    assert_eq!(call(channel, "/greet.Nobody/Greet").await.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_service_behind_an_interceptor_is_mounted_too() {
    let health = Registry::new();
    let refuse = |_: tonic::Request<()>| Err(Status::permission_denied("no"));
    let guarded = InterceptedService::new(GreetServiceServer::new("hello"), refuse);
    let routes = HealthRoutes::new(&health).add_service(guarded).into_routes();
    let channel = channel(serve(routes).await).await;
    assert_eq!(
        call(channel.clone(), "/greet.GreetService/Greet").await.code(),
        Code::PermissionDenied
    );
    assert_eq!(check(channel, "greet.GreetService").await, Ok(1));
}

#[tokio::test]
async fn every_protocol_is_on_tonics_port() {
    let health = Registry::new();
    health.set("svc", ServingStatus::NotServing);
    let address = serve(HealthRoutes::new(&health).into_routes()).await;
    let channel = channel(address).await;
    assert_eq!(check(channel.clone(), "svc").await, Ok(2));
    assert_eq!(check(channel, "nope").await, Err(Code::NotFound));
    assert_eq!(get(address, "/readyz").await, (StatusCode::OK, Bytes::from("ok")));
    assert_eq!(get(address, "/nothing").await.0, StatusCode::NOT_FOUND);
    let connect_get =
        "/grpc.health.v1.Health/Check?encoding=json&message=%7B%22service%22%3A%22svc%22%7D";
    let expected = Bytes::from(r#"{"status":"NOT_SERVING"}"#);
    assert_eq!(get(address, connect_get).await, (StatusCode::OK, expected));
}

#[tokio::test]
async fn reflection_shows_the_schema() {
    let health = Registry::new();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let routes = HealthRoutes::new(&health).into_routes().add_service(reflection);
    let mut client = ServerReflectionClient::new(channel(serve(routes).await).await);
    let symbol = MessageRequest::FileContainingSymbol("grpc.health.v1.Health".to_owned());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let responses = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let response = responses.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::FileDescriptorResponse(files)) = response.message_response else {
        panic!("{:?}", response.message_response)
    };
    let file = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    for name in ["Check", "List", "Watch", "HealthListResponse"] {
        assert!(file.contains(name), "{name}");
    }
}

#[tokio::test]
async fn the_names_of_tonic_health_report_to_the_registry() {
    let health = Registry::new();
    let reporter = HealthReporter::from_registry(&health);
    reporter.set_not_serving::<HealthServer>();
    assert_eq!(health.check("grpc.health.v1.Health"), Some(ServingStatus::NotServing));
    reporter.set_serving::<HealthServer>();
    assert_eq!(health.check("grpc.health.v1.Health"), Some(ServingStatus::Serving));
    reporter.clear_service_status("grpc.health.v1.Health");
    assert_eq!(health.check("grpc.health.v1.Health"), None);

    let (mut reporter, server) = compat::health_reporter();
    reporter.set_not_serving::<HealthServer>().await;
    reporter.set_service_status("db", ServingStatus::Serving).await;
    reporter.clear_service_status("db").await;
    let address = serve(Routes::new(server)).await;
    assert_eq!(check(channel(address).await, "grpc.health.v1.Health").await, Ok(2));
    assert_eq!(reporter.reporter().registry().check("db"), None);
}

#[tokio::test]
async fn tonics_stop_does_not_wait_for_watchers() {
    let health = Registry::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let signal = async { drop(stopped.await) };
    let server = Server::builder()
        .add_routes(HealthRoutes::new(&health).into_routes())
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            drain(&health, Duration::from_millis(200), signal),
        );
    let server = tokio::spawn(server);

    let mut grpc = Grpc::new(channel(address).await);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");
    let request = tonic::Request::new(HealthCheckRequest::default());
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let mut watch = grpc.server_streaming(request, path, codec).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    stop.send(()).unwrap();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    timeout(Duration::from_secs(1), server).await.unwrap().unwrap().unwrap();
}
