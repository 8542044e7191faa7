//! axum applications on real sockets, and the peers that talk to them.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The numbers of `grpc.health.v1.HealthCheckResponse.ServingStatus`.
pub(crate) const SERVING: u8 = 1;
pub(crate) const NOT_SERVING: u8 = 2;
pub(crate) const SERVICE_UNKNOWN: u8 = 3;

/// Serves `app` over HTTP/1.1 and cleartext HTTP/2 until the test's runtime ends.
pub(crate) async fn start(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// Far beyond anything that is waited for here; what takes longer hangs.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(20);
    timeout(patience, future).await.expect("hangs")
}

/// What comes back over HTTP/1.1 for `request` until the server closes the connection.
pub(crate) async fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut read = Vec::new();
    within(stream.read_to_end(&mut read)).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// The status and the body that a GET of `path` over HTTP/1.1 brings, with more header lines if wanted.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
    let answer = raw(address, request).await;
    let status = answer[9..12].parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// A POST over HTTP/1.1.
pub(crate) fn post(path: &str, content_type: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A connection over HTTP/2 with prior knowledge, driven in the background.
pub(crate) async fn http2(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// The frame of a message whose only field is a string with the number 1.
pub(crate) fn frame(text: &str) -> Bytes {
    let mut message = Vec::new();
    if !text.is_empty() {
        message.extend([0x0a, u8::try_from(text.len()).unwrap()]);
        message.extend(text.as_bytes());
    }
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    frame.into()
}

/// Sends the head of a gRPC call; waits for nothing.
pub(crate) fn open(
    requests: &mut SendRequest<Bytes>,
    path: &str,
    headers: &[(&str, &str)],
) -> (impl Future<Output = Response<RecvStream>>, SendStream<Bytes>) {
    let mut request = Request::post(format!("http://test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    (async { within(response).await.unwrap() }, body)
}

/// A gRPC call as a client sees it: what came, in order.
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    body: RecvStream,
    unread: Vec<u8>,
}

impl Call {
    /// Sends a call whose request is complete; waits for the head of its reply.
    pub(crate) async fn start(
        requests: &mut SendRequest<Bytes>,
        path: &str,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Self {
        let (response, mut body) = open(requests, path, headers);
        body.send_data(frame(text), true).unwrap();
        let (head, body) = response.await.into_parts();
        assert_eq!(head.status, 200);
        Self { headers: head.headers, body, unread: Vec::new() }
    }

    /// The next message; `None` is the end of the body.
    pub(crate) async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = self.unread.get(4).map(|length| 5 + usize::from(*length))
                && self.unread.len() >= length
            {
                return Some(self.unread.drain(..length).skip(5).collect());
            }
            let data = within(self.body.data()).await?.unwrap();
            let _ = self.body.flow_control().release_capacity(data.len());
            self.unread.extend(data);
        }
    }

    /// The status in the next message.
    pub(crate) async fn serving_status(&mut self) -> u8 {
        let message = self.message().await.expect("no message");
        message.get(1).copied().unwrap_or(0)
    }

    /// `grpc-status`, after the last message.
    pub(crate) async fn status(&mut self) -> u8 {
        assert_eq!(self.message().await, None);
        let trailers = within(self.body.trailers()).await.unwrap();
        grpc_status(&trailers.expect("no trailers"))
    }
}

pub(crate) fn grpc_status(headers: &HeaderMap) -> u8 {
    headers["grpc-status"].to_str().unwrap().parse().unwrap()
}
