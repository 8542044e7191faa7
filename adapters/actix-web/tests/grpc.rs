//! Native gRPC services beside the App, on its port: server reflection, as tonic has it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use actix_web::{App, HttpResponse, web};
use health_core::ServingStatus::NotServing;
use http::Request;
use peer::{CHECK, Call, NOT_SERVING, Server, fetch, grpc_check, within};
use tonic::service::Routes;

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// `ServerReflectionRequest { list_services: "" }` in a frame.
const LIST_SERVICES: &[u8] = &[0, 0, 0, 0, 2, 0x3a, 0];

/// An App that takes every path, and reflection beside it.
async fn start() -> Server {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(health_proto::FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let app = || App::new().default_service(web::to(|| async { HttpResponse::Ok().body("app") }));
    Server::with(app, |server| server.grpc(Routes::new(reflection))).await
}

#[tokio::test]
async fn a_stream_of_tonics_goes_both_ways() {
    let server = start().await;
    let mut requests = server.http2().await;
    let request = Request::post(format!("http://test{REFLECTION}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut sending) = requests.send_request(request, false).unwrap();
    sending.send_data(LIST_SERVICES.into(), false).unwrap();
    let mut answer = within(response).await.unwrap().into_body();
    // The answers come while the request is still open.
    for _ in 0..2 {
        let listed = within(answer.data()).await.unwrap().unwrap();
        let listed = String::from_utf8_lossy(&listed).into_owned();
        assert!(listed.contains("grpc.health.v1.Health"), "{listed:?}");
        sending.send_data(LIST_SERVICES.into(), false).unwrap();
    }
    sending.send_data(LIST_SERVICES.into(), true).unwrap();
    while within(answer.data()).await.transpose().unwrap().is_some() {}
    let trailers = within(answer.trailers()).await.unwrap().unwrap();
    assert_eq!(peer::grpc_status(&trailers), 0);
}

#[tokio::test]
async fn native_grpc_is_the_services_and_all_else_is_healths_or_the_apps() {
    let server = start().await;
    server.registry.set("a", NotServing);
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "a").await, NOT_SERVING);
    for (content_type, by_app) in [
        ("application/grpc", false),
        ("application/grpc+proto", false),
        ("application/grpc-web", true),
        ("application/json", true),
    ] {
        let request = Request::post("http://test/nobody.Service/Method");
        let request = request.header("content-type", content_type);
        let (head, body) = fetch(&mut requests, request, &[0; 5]).await;
        if by_app {
            assert_eq!(body, b"app", "{content_type}");
        } else {
            assert_eq!(peer::grpc_status(&head.headers), 12, "{content_type}");
        }
    }
    let plain = Request::get("http://test/page");
    assert_eq!(fetch(&mut requests, plain, b"").await.1, b"app");
    // Over HTTP/1.1, where there is no native gRPC, the App has it as well.
    let http1 = format!(
        "POST {REFLECTION} HTTP/1.1\r\nhost: test\r\ncontent-type: application/grpc\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let answer = server.raw(http1).await;
    assert!(answer.ends_with("\r\n\r\napp"), "{answer}");
}

#[tokio::test]
async fn a_stop_lets_a_call_under_way_finish() {
    let server = start().await;
    let mut requests = server.http2().await;
    let mut call = Call::open(&mut requests, CHECK, "").await;
    assert!(call.message().await.is_some());
    let request = Request::post(format!("http://test{REFLECTION}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut sending) = requests.send_request(request, false).unwrap();
    sending.send_data(LIST_SERVICES.into(), false).unwrap();
    let mut answer = within(response).await.unwrap().into_body();
    assert!(within(answer.data()).await.is_some());
    server.stop();
    // The server goes away, which this side learns from the connection, and the call goes on.
    let refused = async {
        while requests.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
    sending.send_data(LIST_SERVICES.into(), true).unwrap();
    assert!(within(answer.data()).await.is_some());
    let trailers = within(answer.trailers()).await.unwrap().unwrap();
    assert_eq!(peer::grpc_status(&trailers), 0);
    drop((requests, sending, answer, call));
    within(server.ended()).await;
}
