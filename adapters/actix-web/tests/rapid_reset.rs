//! Calls that are cancelled before they are handled, frame by frame: what is a client's right, and what
//! is an attack (CVE-2023-44487).

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::collections::VecDeque;

use actix_web::App;
use peer::{CHECK, SERVING, Server, WATCH, grpc_check, grpc_frame, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
const ENHANCE_YOUR_CALM: [u8; 4] = 11_u32.to_be_bytes();

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A gRPC call with its request, in HPACK literals (RFC 7541 §6.2.2) beside `:method` and `:scheme`.
fn call(stream: u32, path: &str) -> Vec<u8> {
    let literal = |name: &[u8], value: &str| {
        [name, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
    };
    let block = [
        vec![0x83, 0x86],
        literal(&[0x04], path),
        literal(&[0x01], "test"),
        literal(&[0x0f, 0x10], "application/grpc"),
    ]
    .concat();
    let head = frame(HEADERS, END_HEADERS, stream, &block);
    [head, frame(DATA, END_STREAM, stream, &grpc_frame(""))].concat()
}

fn cancelled(streams: impl Iterator<Item = u32>) -> Vec<u8> {
    streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &CANCEL)).collect()
}

/// The streams that a client opens, one after the other.
fn streams(from: u32, count: usize) -> impl Iterator<Item = u32> {
    (from..).step_by(2).take(count)
}

/// Reads frames until `wanted` says that it is the one; fails at the end of the connection.
async fn frame_that(
    stream: &mut TcpStream,
    wanted: impl Fn(u8, u32, &[u8]) -> bool,
) -> Result<Vec<u8>, VecDeque<u8>> {
    let mut kinds = VecDeque::new();
    loop {
        let mut head = [0; 9];
        if within(stream.read_exact(&mut head)).await.is_err() {
            return Err(kinds);
        }
        let [a, b, c, kind, _, id @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
        let mut payload = vec![0; length];
        within(stream.read_exact(&mut payload)).await.unwrap();
        kinds.push_back(kind);
        if wanted(kind, u32::from_be_bytes(id), &payload) {
            return Ok(payload);
        }
    }
}

async fn begin(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&[PREFACE, &settings].concat()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_may_cancel_as_many_calls_at_once_as_it_may_have_open() {
    let server = Server::start().await;
    let mut stream = begin(&server).await;
    let calls = streams(1, 1000).flat_map(|stream| call(stream, WATCH));
    // One write: the server meets most of the resets before it has handled the calls.
    let mut bytes: Vec<_> = calls.collect();
    bytes.extend(cancelled(streams(1, 1000)));
    bytes.extend(call(2001, CHECK));
    stream.write_all(&bytes).await.unwrap();

    let answer = frame_that(&mut stream, |kind, id, _| kind == DATA && id == 2001).await;
    assert_eq!(answer, Ok(vec![0, 0, 0, 0, 2, 8, SERVING]));
    server.watchers(0).await;
}

#[tokio::test]
async fn streams_that_were_reset_before_they_were_handled_stay_bounded() {
    let server = Server::with(App::new, |server| server.max_concurrent_streams(10)).await;
    let mut stream = begin(&server).await;
    let pairs = streams(1, 1000).flat_map(|id| [call(id, WATCH), cancelled([id].into_iter())]);
    let bytes: Vec<_> = pairs.flatten().collect();
    stream.write_all(&bytes).await.unwrap();

    let end = frame_that(&mut stream, |kind, _, _| kind == GOAWAY).await;
    assert_eq!(end.unwrap()[4..8], ENHANCE_YOUR_CALM);
    server.watchers(0).await;
    assert_eq!(grpc_check(&mut server.http2().await, "").await, SERVING);
}

#[tokio::test]
async fn a_flood_of_cancelled_calls_leaves_nothing_behind() {
    let server = Server::start().await;
    let mut stream = begin(&server).await;
    let (mut read, mut write) = stream.split();
    let flood = async {
        for round in 0..20 {
            let pairs = streams(round * 2000 + 1, 1000)
                .flat_map(|id| [call(id, WATCH), cancelled([id].into_iter())]);
            let bytes: Vec<_> = pairs.flatten().collect();
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        write.shutdown().await.unwrap();
    };
    let mut waste = Vec::new();
    let (_, _) = within(async { tokio::join!(flood, read.read_to_end(&mut waste)) }).await;
    server.watchers(0).await;
    assert_eq!(grpc_check(&mut server.http2().await, "").await, SERVING);
}
