//! The health service on one port, over HTTP/1.1 and HTTP/2.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::{convert::Infallible, time::Duration};

use health_core::{
    Registry,
    ServingStatus::{NotServing, Serving},
    http::HealthService,
};
use health_hyper::{HealthHyper, serve_with};
use health_tokio::TokioTimer;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use peer::{
    CHECK, Call, NOT_SERVING, SERVICE_UNKNOWN, SERVING, Server, WATCH, grpc_check, grpc_web_watch,
    http2, json_check, read_grpc_web, read_response, read_to_end, within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

#[tokio::test]
async fn a_check_in_json_over_http1() {
    let server = Server::start().await;
    server.registry.set("greet.GreetService", NotServing);

    let request = json_check(br#"{"service":"greet.GreetService"}"#, "connection: close\r\n");
    let answer = server.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"NOT_SERVING\"}"), "{answer}");
}

#[tokio::test]
async fn an_http1_connection_is_kept_alive_and_pipelines() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(&json_check(b"{}", "")).await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
    }
    stream.write_all(&json_check(b"{}", "").repeat(5)).await.unwrap();
    for _ in 0..5 {
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
    }
}

#[tokio::test]
async fn a_check_in_grpc_over_http2() {
    let server = Server::start().await;
    server.registry.set("a", NotServing);
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    assert_eq!(grpc_check(&mut requests, "a").await, NOT_SERVING);

    let mut unknown = Call::open(&mut requests, WATCH, "b").await;
    assert_eq!(unknown.message().await, Some(SERVICE_UNKNOWN));
}

#[tokio::test]
async fn a_watch_follows_a_set_and_ends_at_close() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "a").await;
    assert_eq!(watch.message().await, Some(SERVICE_UNKNOWN));
    server.registry.set("a", Serving);
    assert_eq!(watch.message().await, Some(SERVING));
    server.registry.set("a", NotServing);
    assert_eq!(watch.message().await, Some(NOT_SERVING));
    server.registry.close();
    assert_eq!(watch.status().await, 14);
}

#[tokio::test]
async fn a_dropped_http2_watch_leaves_no_watcher() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(server.registry.watchers(), 1);
    drop(watch);
    server.watchers(0).await;
}

#[tokio::test]
async fn an_http1_client_that_closed_its_sending_side_gets_its_answer() {
    let server = Server::start().await;
    for request in [json_check(b"{}", ""), b"GET /livez HTTP/1.0\r\n\r\n".to_vec()] {
        let mut stream = server.connect().await;
        let (most, last) = request.split_at(request.len() - 1);
        stream.write_all(most).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        // The end of the request and that of the stream come at once.
        stream.write_all(last).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains(" 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_http1_watcher_that_leaves_is_no_watcher_any_more() {
    let server = Server::start().await;
    for reads_the_message in [true, false] {
        let mut stream = server.connect().await;
        stream.write_all(&grpc_web_watch()).await.unwrap();
        if reads_the_message {
            // With nothing left unread, it leaves by FIN, else by reset.
            read_grpc_web(&mut stream, SERVING).await;
        }
        server.watchers(1).await;
        drop(stream);
        server.watchers(0).await;
    }
}

#[tokio::test]
async fn grpc_over_http1_is_refused_and_the_connection_closed() {
    let server = Server::start().await;
    let request = json_check(b"", "");
    let request = String::from_utf8(request).unwrap().replace("/json", "/grpc");
    let answer = server.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_asked_for_its_body() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let head = json_check(b"", "expect: 100-continue\r\n");
    let head = String::from_utf8(head).unwrap().replace("length: 0", "length: 2");
    stream.write_all(head.as_bytes()).await.unwrap();

    let mut interim = [0; 25];
    within(stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    let answer = read_response(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn beside_another_service_only_the_health_paths_are_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = HealthService::new(&Registry::new(), TokioTimer::shared());
    let inner = service_fn(|request: Request<Incoming>| async move {
        let said = format!("inner {}", request.uri().path());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(said))))
    });
    let service = HealthHyper::beside(health, inner);
    tokio::spawn(serve_with(listener, service).into_future());

    let rows = [
        ("/hello", "inner /hello"),
        ("/", "inner /"),
        ("/grpc.health.v1.HealthX/Check", "inner /grpc.health.v1.HealthX/Check"),
        ("/livez", "ok"),
    ];
    for (path, expected) in rows {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{path}: {answer}");
    }
    let mut requests = http2(TcpStream::connect(address).await.unwrap()).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING, "{CHECK}");
}
