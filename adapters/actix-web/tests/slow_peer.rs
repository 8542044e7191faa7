//! Peers that take their time: how much of it they are given, and that the slow are not the wrong.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::time::{Duration, Instant};

use actix_web::App;
use futures_util::future::join_all;
use http::Request;
use peer::{
    Call, SERVING, Server, WATCH, grpc_check, grpc_web_watch, json_check, read_response, within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// actix-http reads its clock twice a second: what is shorter may strike at once.
const LIMIT: Duration = Duration::from_secs(1);

/// A limit that must not strike.
const NEVER: Duration = Duration::MAX;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An empty SETTINGS frame.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Waits until the server has closed the connection; what it sent before, and how long that took.
async fn closed(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let mut read = Vec::new();
    // A reset is as good as a FIN here.
    let _ = within(stream.read_to_end(&mut read)).await;
    (read, start.elapsed())
}

#[tokio::test]
async fn a_peer_that_never_ends_its_first_header_block_is_cut_off() {
    let server =
        Server::with(App::new, |server| server.client_request_timeout(LIMIT).keep_alive(NEVER))
            .await;
    let beginnings: [&[u8]; 5] =
        [b"", b"P", &PREFACE[..23], b"GET /livez HT", b"GET /livez HTTP/1.1\r\nhost: test\r\n"];
    let cut_off = beginnings.map(async |beginning| {
        let mut stream = server.connect().await;
        stream.write_all(beginning).await.unwrap();
        (beginning, closed(&mut stream).await)
    });
    for (beginning, (read, took)) in join_all(cut_off).await {
        let beginning = String::from_utf8_lossy(beginning);
        let read = String::from_utf8_lossy(&read);
        assert!(read.is_empty() || read.starts_with("HTTP/1.1 408 "), "{beginning}: {read}");
        assert!(took >= LIMIT / 4, "{beginning}: cut off after {took:?}");
    }
}

#[tokio::test]
async fn bytes_that_trickle_do_not_extend_the_limit() {
    let server =
        Server::with(App::new, |server| server.client_request_timeout(LIMIT).keep_alive(NEVER))
            .await;
    for beginning in ["GET / HTTP/1.1\r\nhost: test\r\n", "PRI * HTTP/2"] {
        let mut stream = server.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let start = Instant::now();
        while stream.write_all(b"x").await.is_ok() {
            assert!(start.elapsed() < 10 * LIMIT, "{beginning}: still fed");
            sleep(LIMIT / 10).await;
        }
    }
}

#[tokio::test]
async fn an_idle_http1_connection_is_closed() {
    let server = Server::with(App::new, |server| server.keep_alive(LIMIT)).await;
    let mut stream = server.connect().await;
    stream.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut stream).await;
    let (read, took) = closed(&mut stream).await;
    assert_eq!(read, b"");
    assert!(took >= LIMIT / 4, "closed after {took:?}");
}

#[tokio::test]
async fn an_http1_answer_under_way_is_not_idle() {
    let server = Server::with(App::new, |server| server.keep_alive(LIMIT)).await;
    let mut stream = server.connect().await;
    stream.write_all(&grpc_web_watch()).await.unwrap();
    server.watchers(1).await;
    sleep(3 * LIMIT).await;
    assert_eq!(server.registry.watchers(), 1);
}

#[tokio::test]
async fn a_peer_stuck_in_http2_cannot_answer_a_ping_and_is_cut_off() {
    let server = Server::with(App::new, |server| server.http2_ping_interval(LIMIT)).await;
    let silent = PREFACE.to_vec();
    let half_a_frame = [PREFACE, SETTINGS, b"\0\0\x40"].concat();
    // HEADERS without END_HEADERS, and no CONTINUATION.
    let half_a_block = [PREFACE, SETTINGS, b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat();
    let cut_off = [silent, half_a_frame, half_a_block].map(async |beginning| {
        let mut stream = server.connect().await;
        stream.write_all(&beginning).await.unwrap();
        (beginning, closed(&mut stream).await)
    });
    for (beginning, (_, took)) in join_all(cut_off).await {
        assert!(took >= LIMIT, "{beginning:?}: cut off after {took:?}");
    }
}

#[tokio::test]
async fn an_idle_http2_peer_that_answers_pings_stays() {
    const INTERVAL: Duration = Duration::from_millis(500);
    let server =
        Server::with(App::new, |server| server.http2_ping_interval(INTERVAL).keep_alive(LIMIT))
            .await;
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));
    sleep(5 * INTERVAL / 2).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    drop(watch);
    server.watchers(0).await;
    sleep(5 * INTERVAL / 2).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
}

/// A stream that hands its bytes on one by one.
async fn byte_by_byte(server: &Server) -> TcpStream {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let to = server.connect().await;
    to.set_nodelay(true).unwrap();
    tokio::spawn(async move {
        let ((mut far_read, mut far_write), (mut to_read, mut to_write)) =
            (far.into_split(), to.into_split());
        let there = async {
            while let Ok(byte) = far_read.read_u8().await {
                to_write.write_u8(byte).await.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        };
        let back = tokio::io::copy(&mut to_read, &mut far_write);
        let _ = tokio::join!(there, back);
    });
    near
}

#[tokio::test]
async fn requests_that_come_byte_by_byte_are_answered() {
    let server = Server::start().await;
    let mut stream = byte_by_byte(&server).await;
    for _ in 0..2 {
        stream.write_all(&json_check(b"{}", "")).await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
    }
    let mut requests = peer::http2(byte_by_byte(&server).await).await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
}

#[tokio::test]
async fn a_request_body_that_never_ends_holds_no_other_call_up() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let request = Request::post(format!("http://test{WATCH}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (_response, _body) = requests.send_request(request, false).unwrap();
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    assert_eq!(server.registry.watchers(), 0);
}
