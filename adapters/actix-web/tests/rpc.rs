//! The health service on the App's port, over HTTP/1.1 and HTTP/2.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use health_core::ServingStatus::{NotServing, Serving};
use http::Request;
use peer::{
    CHECK, Call, LIST, NOT_SERVING, SERVICE_UNKNOWN, SERVING, Server, WATCH, fetch, grpc_check,
    grpc_web_watch, json_check, read_grpc_web, read_response, read_to_end, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_check_in_grpc_over_http2() {
    let server = Server::start().await;
    server.registry.set("a", NotServing);
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    assert_eq!(grpc_check(&mut requests, "a").await, NOT_SERVING);

    let request = Request::post(format!("http://test{CHECK}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = requests.send_request(request, false).unwrap();
    body.send_data(peer::grpc_frame("nobody"), true).unwrap();
    let response = within(response).await.unwrap();
    assert_eq!(peer::grpc_status(response.headers()), 5, "Trailers-Only");
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_list_in_grpc_over_http2() {
    let server = Server::start().await;
    server.registry.set("a", NotServing);
    let mut requests = server.http2().await;
    let mut list = Call::open(&mut requests, LIST, "").await;
    let envelope = within(list.body.data()).await.unwrap().unwrap();
    // Two map entries, sorted: "" SERVING, "a" NOT_SERVING.
    assert_eq!(
        envelope[5..],
        *b"\x0a\x06\x0a\x00\x12\x02\x08\x01\x0a\x07\x0a\x01a\x12\x02\x08\x02"
    );
    assert_eq!(list.status().await, 0);
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
async fn a_deadline_ends_a_watch() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let request = Request::post(format!("http://test{WATCH}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "50m")
        .body(())
        .unwrap();
    let (response, mut body) = requests.send_request(request, false).unwrap();
    body.send_data(peer::grpc_frame(""), true).unwrap();
    let mut body = within(response).await.unwrap().into_body();
    assert_eq!(within(body.data()).await.unwrap().unwrap()[5..], [8, 1]);
    assert!(within(body.data()).await.is_none());
    let trailers = within(body.trailers()).await.unwrap().unwrap();
    assert_eq!(peer::grpc_status(&trailers), 4);
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
async fn a_check_in_json_over_http1_and_http2() {
    let server = Server::start().await;
    server.registry.set("greet.GreetService", NotServing);
    let body = br#"{"service":"greet.GreetService"}"#;

    let answer = server.raw(json_check(body, "connection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"NOT_SERVING\"}"), "{answer}");

    let request =
        Request::post(format!("http://test{CHECK}")).header("content-type", "application/json");
    let (head, answer) = fetch(&mut server.http2().await, request, body).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.headers["content-length"], "24");
    assert_eq!(answer, br#"{"status":"NOT_SERVING"}"#);
}

#[tokio::test]
async fn the_probes_over_http1_and_http2() {
    let server = Server::start().await;
    let probe = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
    };
    for path in ["/livez", "/readyz", "/startupz", "/healthz", "/readyz/serving"] {
        let answer = server.raw(probe("GET", path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        let answer = server.raw(probe("HEAD", path)).await;
        assert!(answer.contains("content-length: 2\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    server.registry.set("", NotServing);
    let answer = server.raw(probe("GET", "/readyz")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");

    let mut requests = server.http2().await;
    let (head, _) = fetch(&mut requests, Request::get("http://test/readyz"), b"").await;
    assert_eq!(head.status, 503);
    let (head, body) = fetch(&mut requests, Request::head("http://test/livez"), b"").await;
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b""[..]));
    assert_eq!(head.headers["content-length"], "2");
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
async fn a_watch_in_grpc_web_over_http1_is_sent_message_by_message() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(&grpc_web_watch()).await.unwrap();
    read_grpc_web(&mut stream, SERVING).await;
    server.registry.set("", NotServing);
    read_grpc_web(&mut stream, NOT_SERVING).await;
    server.registry.close();
    let mut end = Vec::new();
    while !end.ends_with(b"\r\n0\r\n\r\n") {
        end.push(within(stream.read_u8()).await.unwrap());
    }
    let end = String::from_utf8_lossy(&end);
    assert!(end.contains("grpc-status: 14\r\n"), "{end}");
}

#[tokio::test]
async fn an_http1_client_that_closed_its_sending_side_gets_its_answer() {
    let server = Server::start().await;
    for request in [json_check(b"{}", ""), b"GET /livez HTTP/1.0\r\n\r\n".to_vec()] {
        let mut stream = server.connect().await;
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains(" 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_http1_watcher_that_leaves_is_no_watcher_any_more() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(&grpc_web_watch()).await.unwrap();
    server.watchers(1).await;
    drop(stream);
    server.watchers(0).await;

    // Its FIN lies behind more than the server reads of a next request.
    let mut stream = server.connect().await;
    stream.write_all(&grpc_web_watch()).await.unwrap();
    read_grpc_web(&mut stream, SERVING).await;
    let unread = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(200_000));
    stream.write_all(unread.as_bytes()).await.unwrap();
    drop(stream);
    server.watchers(0).await;

    // One that only stops sending is told what happens in the next second.
    let mut stream = server.connect().await;
    stream.write_all(&grpc_web_watch()).await.unwrap();
    read_grpc_web(&mut stream, SERVING).await;
    stream.shutdown().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    server.registry.set("", NotServing);
    read_grpc_web(&mut stream, NOT_SERVING).await;
    server.watchers(0).await;
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
