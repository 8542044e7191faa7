//! `http_get`, asked of a real HTTP server.

#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod evaluation;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use evaluation::{condition_of, evaluate};
use health_conditions::{Expected, http_get, http_get_over};
use http::{Request, Response, StatusCode, header::LOCATION};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    time::timeout,
};

#[tokio::test]
async fn it_passes_by_the_status() {
    let address = serve().await;
    for (path, expected, reason) in [
        ("200", Expected::success(), ""),
        ("204", Expected::success(), ""),
        ("204", Expected::status(204), ""),
        ("503", Expected::status(503), ""),
        ("503", Expected::success(), "status 503, expected 2xx"),
        ("200", Expected::status(204), "status 200, expected 204"),
        ("302", Expected::success(), "status 302, expected 2xx"),
    ] {
        let uri = format!("http://{address}/{path}");
        let mut condition = condition_of(http_get(&uri, expected).unwrap());
        assert_eq!(evaluate(&mut condition).await, reason, "{path}");
    }
}

#[tokio::test]
async fn it_passes_by_the_body() {
    let address = serve().await;
    for (text, reason) in [("GET /200", ""), ("", ""), ("green", "the body lacks \"green\"")] {
        let uri = format!("http://{address}/200?token=secret");
        let expected = Expected::success().body(text);
        let mut condition = condition_of(http_get(&uri, expected).unwrap());
        assert_eq!(evaluate(&mut condition).await, reason, "{text:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_only_so_far() {
    let address = serve().await;
    let uri = format!("http://{address}/long");
    for (text, reason) in [
        ("GET /long", ""),
        ("within", ""),
        ("beyond", "the first 64 KiB of the body lack \"beyond\""),
    ] {
        let mut condition = condition_of(http_get(&uri, Expected::success().body(text)).unwrap());
        assert_eq!(evaluate(&mut condition).await, reason, "{text:?}");
    }
    // Where nothing of the body is wanted, nothing of it is read.
    let mut condition = condition_of(http_get(&uri, Expected::success()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
}

#[tokio::test]
async fn a_body_that_breaks_off_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut request).await.unwrap(), 0, "{request}");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ngreen").await.unwrap();
    });
    let mut condition = condition_of(http_get(&uri, Expected::success().body("green")).unwrap());
    let reason = evaluate(&mut condition).await;
    assert!(reason.starts_with("cannot read the body: "), "{reason}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_fails_without_the_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let uri = format!("http://{address}/health?token=secret");
    let mut condition = condition_of(http_get(&uri, Expected::success()).unwrap());
    let reason = evaluate(&mut condition).await;
    assert!(reason.starts_with(&format!("cannot GET http://{address}/health: ")), "{reason}");
    assert!(reason.contains("Connection refused") && !reason.contains("secret"), "{reason}");
}

#[tokio::test]
async fn one_that_does_not_answer_has_no_connection_left_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let scoped = http_get_over(HttpConnector::new(), &uri, Expected::success()).unwrap();
    let mut condition = condition_of(scoped);
    let evaluation = timeout(Duration::from_millis(200), evaluate(&mut condition));
    assert!(evaluation.await.is_err());

    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut request = String::new();
    let end = timeout(PATIENCE, accepted.read_to_string(&mut request));
    end.await.expect("the connection ends").unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("user-agent: health-conditions/"), "{request}");
}

/// A server that answers with the status that the path names.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let (status, body) = match path.trim_start_matches('/').parse::<u16>() {
        Ok(status) => (status, Bytes::from(format!("{} {path}", request.method()))),
        Err(_) => (200, long_body(&format!("{} {path}", request.method()))),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if response.status().is_redirection() {
        response.headers_mut().insert(LOCATION, "/200".parse().unwrap());
    }
    Ok(response)
}

/// Much more than is read, with a word on either side of where that ends.
fn long_body(start: &str) -> Bytes {
    let gap = ".".repeat(READ - start.len() - "within".len());
    [start, &gap, "within", "beyond", &".".repeat(1024 * 1024)].concat().into()
}

/// How much of a body is read.
const READ: usize = 64 * 1024;

const PATIENCE: Duration = Duration::from_secs(20);
