//! A WebSocket beside health, on an HTTP/1.1 connection (RFC 6455).

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use actix_ws::Message;
use futures_util::StreamExt as _;
use peer::{Server, json_check, read_response, read_to_end, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// Says each text back.
async fn echo(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            match message {
                Message::Text(text) => session.text(format!("{text}!")).await.unwrap(),
                Message::Close(reason) => return session.close(reason).await.unwrap(),
                _ => {}
            }
        }
    });
    Ok(response)
}

/// A client's frame of less than 126 bytes, with a mask that changes nothing.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(payload.len()).unwrap();
    [&[kind, length, 0, 0, 0, 0], payload].concat()
}

async fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = within(stream.read_u8()).await.unwrap();
    let length = within(stream.read_u8()).await.unwrap();
    let mut payload = vec![0; usize::from(length)];
    within(stream.read_exact(&mut payload)).await.unwrap();
    (kind, payload)
}

#[tokio::test]
async fn an_http1_connection_is_upgraded_after_other_requests() {
    let app = || App::new().route("/echo", web::get().to(echo));
    let server = Server::with(app, |server| server).await;
    let mut stream = server.connect().await;
    stream.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut stream).await;

    let upgrade = "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // The first frame comes along, as some clients send it.
    let bytes = [upgrade.as_bytes(), &frame(TEXT, b"one")].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The answer of RFC 6455 §1.3 to this key.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert_eq!(read_frame(&mut stream).await, (TEXT, b"one!".to_vec()));
    for text in ["two", "three"] {
        stream.write_all(&frame(TEXT, text.as_bytes())).await.unwrap();
        let echo = format!("{text}!").into_bytes();
        assert_eq!(read_frame(&mut stream).await, (TEXT, echo));
    }
    stream.write_all(&frame(CLOSE, &[])).await.unwrap();
    assert_eq!(read_frame(&mut stream).await, (CLOSE, Vec::new()));
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}
