//! Bodies of tens of MiB, streamed both ways: what one side does not take, the other does not send.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{convert::Infallible, time::Duration};

use actix_web::{App, HttpResponse, web};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use h2::{RecvStream, SendStream};
use http::Request;
use peer::{SERVING, Server, grpc_check, read_response, read_to_end, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::{sync::Semaphore, time::timeout};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 48 * MIB;
const PIECE: usize = 64 * 1024;

/// All that sockets, windows and buffers on the way may hold.
const HELD: usize = 16 * MIB;

/// Longer than anything here takes if nothing holds it up.
const A_WHILE: Duration = Duration::from_millis(300);

/// What handlers do, and what holds them up.
#[derive(Clone)]
struct State {
    /// Bytes that went through.
    moved: Arc<AtomicUsize>,
    /// Uploads read nothing before it is opened.
    gate: Arc<Semaphore>,
}

async fn start() -> (Server, State) {
    let state = State { moved: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
    let data = state.clone();
    let app = move || {
        App::new()
            .app_data(web::Data::new(data.clone()))
            .route("/upload", web::post().to(upload))
            .route("/download", web::get().to(download))
    };
    (Server::with(app, |server| server).await, state)
}

async fn upload(state: web::Data<State>, mut body: web::Payload) -> String {
    let _open = state.gate.acquire().await.unwrap();
    let mut sum = 0_u64;
    while let Some(piece) = body.next().await {
        let piece = piece.unwrap();
        state.moved.fetch_add(piece.len(), SeqCst);
        sum += piece.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    sum.to_string()
}

async fn download(state: web::Data<State>) -> HttpResponse {
    let pieces = stream::iter(0..SIZE / PIECE).map(move |_| {
        state.moved.fetch_add(PIECE, SeqCst);
        Ok::<_, Infallible>(Bytes::from(vec![7; PIECE]))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// The answer to an upload of sevens.
fn sum() -> String {
    (7 * SIZE).to_string()
}

/// Sends what is missing of an upload.
async fn send(body: &mut SendStream<Bytes>, sent: &mut usize) {
    while *sent < SIZE {
        body.reserve_capacity(PIECE);
        let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = room.min(SIZE - *sent);
        *sent += piece;
        body.send_data(vec![7; piece].into(), *sent == SIZE).unwrap();
    }
}

async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        read.extend(data);
    }
    read
}

#[tokio::test]
async fn an_upload_over_http2_waits_for_its_handler() {
    let (server, state) = start().await;
    let mut requests = server.http2().await;
    let request = Request::post("http://test/upload").body(()).unwrap();
    let (response, mut body) = requests.send_request(request, false).unwrap();
    let mut sent = 0;
    assert!(timeout(A_WHILE, send(&mut body, &mut sent)).await.is_err());
    assert!(sent > 0 && sent < HELD, "{sent} bytes are held");
    assert_eq!(grpc_check(&mut requests, "").await, SERVING, "it holds nobody up");

    state.gate.add_permits(1);
    within(send(&mut body, &mut sent)).await;
    let answer = within(response).await.unwrap();
    assert_eq!(read(&mut answer.into_body()).await, sum().as_bytes());
    assert_eq!(state.moved.load(SeqCst), SIZE);
}

#[tokio::test]
async fn an_upload_over_http1_waits_for_its_handler() {
    let (server, state) = start().await;
    let mut stream = server.connect().await;
    let head = format!("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: {SIZE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut sent, piece) = (0, vec![7; PIECE]);
    let send = async {
        while sent < SIZE {
            sent += stream.write(&piece[..PIECE.min(SIZE - sent)]).await.unwrap();
        }
    };
    let mut send = Box::pin(send);
    assert!(timeout(A_WHILE, &mut send).await.is_err());
    state.gate.add_permits(1);
    within(send).await;
    let answer = read_response(&mut stream).await;
    assert!(answer.ends_with(&format!("\r\n\r\n{}", sum())), "{answer}");
    assert_eq!(state.moved.load(SeqCst), SIZE);
}

#[tokio::test]
async fn a_download_over_http2_waits_for_its_reader() {
    let (server, state) = start().await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/download").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut body = within(response).await.unwrap().into_body();
    tokio::time::sleep(A_WHILE).await;
    let held = state.moved.load(SeqCst);
    assert!(held > 0 && held < HELD, "{held} bytes are held");
    assert_eq!(grpc_check(&mut requests, "").await, SERVING, "it holds nobody up");

    let read = read(&mut body).await;
    assert!(read.len() == SIZE && read.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_download_over_http1_waits_for_its_reader() {
    let (server, state) = start().await;
    let mut stream = server.connect().await;
    let request = b"GET /download HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    let held = state.moved.load(SeqCst);
    assert!(held > 0 && held < HELD, "{held} bytes are held");
    let mut read = Vec::new();
    within(stream.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read.iter().filter(|byte| **byte == 7).count(), SIZE);
}

#[tokio::test]
async fn an_upload_that_is_not_read_is_answered_all_the_same() {
    let app = || {
        let refuse = || async { HttpResponse::PayloadTooLarge().body("no") };
        App::new().route("/refuse", web::post().to(refuse))
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let request = Request::post("http://test/refuse").body(()).unwrap();
    let (response, _body) = requests.send_request(request, false).unwrap();
    let answer = within(response).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(read(&mut answer.into_body()).await, b"no");
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);

    let mut stream = server.connect().await;
    let request = format!("POST /refuse HTTP/1.1\r\nhost: test\r\ncontent-length: {SIZE}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
