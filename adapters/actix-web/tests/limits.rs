//! What a peer may do, and what it may not.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::time::{Duration, Instant};

use actix_web::App;
use h2::Ping;
use health_core::ServingStatus::{NotServing, Serving};
use http::Request;
use peer::{
    Call, NOT_SERVING, SERVING, Server, WATCH, grpc_check, grpc_web_watch, json_check,
    read_grpc_web, read_response, within,
};
use tokio::{io::AsyncWriteExt, time::timeout};

#[tokio::test]
async fn pings_without_any_stream_are_answered_and_not_punished() {
    let server = Server::start().await;
    let (requests, mut connection) = h2::client::handshake(server.connect().await).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    for _ in 0..500 {
        within(pings.ping(Ping::opaque())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(grpc_check(&mut requests.clone(), "").await, SERVING);
}

#[tokio::test]
async fn a_client_that_cancels_1000_watches_at_once_keeps_its_connection() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    // More often than once: nothing may add up over the life of a connection.
    for _ in 0..3 {
        let mut watches = Vec::new();
        for _ in 0..1000 {
            let mut watch = Call::open(&mut requests, WATCH, "nobody").await;
            watch.message().await.unwrap();
            watches.push(watch);
        }
        assert_eq!(server.registry.watchers(), 1000);
        drop(watches);
        assert_eq!(grpc_check(&mut requests, "").await, SERVING);
        server.watchers(0).await;
    }
}

#[tokio::test]
async fn a_client_with_999_watches_gets_its_check_through_and_the_1001st_waits() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    let mut watches = Vec::new();
    for open in 0..1000 {
        if open == 999 {
            assert_eq!(grpc_check(&mut requests, "").await, SERVING);
        }
        let mut watch = Call::open(&mut requests, WATCH, "").await;
        assert_eq!(watch.message().await, Some(SERVING));
        watches.push(watch);
    }
    assert_eq!(requests.current_max_send_streams(), 1000);
    let mut one_more = Box::pin(Call::open(&mut requests, WATCH, ""));
    let opened = timeout(Duration::from_millis(100), &mut one_more).await;
    assert!(opened.is_err(), "more than 1 000 calls are open");
    assert_eq!(server.registry.watchers(), 1000);
    watches.pop();
    assert_eq!(one_more.await.message().await, Some(SERVING));
}

#[tokio::test]
async fn an_oversized_header_list_is_refused_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/livez").header("x", "y".repeat(17 * 1024)).body(());
    let (response, _) = requests.send_request(request.unwrap(), true).unwrap();
    let response = within(response).await.unwrap();
    assert_eq!(response.status(), 431);
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);

    // Over HTTP/1.1 the limits are those of actix-http.
    for headers in [format!("x: {}\r\n", "y".repeat(140 * 1024)), "x: y\r\n".repeat(97)] {
        let answer = server.raw(format!("GET /livez HTTP/1.1\r\nhost: test\r\n{headers}\r\n"));
        let answer = answer.await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_at_once() {
    let server =
        Server::with(App::new, |server| server.client_request_timeout(Duration::MAX)).await;
    // A TLS ClientHello, cut off: whoever sends one waits for an answer to it.
    for nonsense in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xfb"[..], b"HELO\r\n\r\n"] {
        let answer = server.raw(nonsense).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Server::with(App::new, |server| {
        server.server(|server| server.max_concurrent_connections(2))
    })
    .await;
    let first = server.http2().await;
    let mut second = server.http2().await;
    let mut third = server.connect().await;
    third.write_all(&json_check(b"{}", "")).await.unwrap();
    assert_eq!(grpc_check(&mut second, "").await, SERVING);
    let turned_up = timeout(Duration::from_millis(100), third.readable()).await;
    assert!(turned_up.is_err(), "the third connection is served beside two others");

    drop(first);
    let answer = read_response(&mut third).await;
    assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
}

#[tokio::test]
async fn small_messages_are_not_held_back_for_more() {
    let server = Server::start().await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let mut stream = server.connect().await;
        server.registry.set("", Serving);
        // Now the client's kernel takes this for a dialogue, and delays its acknowledgements.
        for _ in 0..3 {
            stream.write_all(&json_check(b"{}", "")).await.unwrap();
            read_response(&mut stream).await;
        }
        stream.write_all(&grpc_web_watch()).await.unwrap();
        read_grpc_web(&mut stream, SERVING).await;
        let start = Instant::now();
        server.registry.set("", NotServing);
        read_grpc_web(&mut stream, NOT_SERVING).await;
        fastest = fastest.min(start.elapsed());
    }
    // Nagle's algorithm would wait for the acknowledgement, 40 ms each time.
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_asks_a_silent_peer_whether_it_is_still_there() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut stream).await;

    // proc_net_tcp(5): local and remote address, state 01 for established, queues, active timer.
    let near = format!(":{:04X}", server.address.port());
    let far = format!(":{:04X}", stream.local_addr().unwrap().port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let timer = sockets.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_it = fields[1].ends_with(&near) && fields[2].ends_with(&far);
        is_it.then(|| fields[5].to_owned())
    });
    let timer = timer.expect(&sockets);
    assert!(timer.starts_with("02:"), "{timer} is not keep-alive");
}
