//! A server under test on a real socket, and the peers that talk to it.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::{fmt, io, net::SocketAddr, net::TcpListener, sync::Arc, time::Duration};

use actix_http::{Request as AppRequest, Response as AppResponse, body::MessageBody};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{App, Error, dev::AppConfig};
use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use health_actix_web::HttpServer;
use health_core::Registry;
use http::{HeaderMap, Request};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

/// Far beyond anything that is waited for here; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const LIST: &str = "/grpc.health.v1.Health/List";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The numbers of `grpc.health.v1.HealthCheckResponse.ServingStatus`.
pub(crate) const SERVING: u8 = 1;
pub(crate) const NOT_SERVING: u8 = 2;
pub(crate) const SERVICE_UNKNOWN: u8 = 3;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    stop: Arc<Notify>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Health alone, beside an App without routes.
    pub(crate) async fn start() -> Self {
        Self::with(App::new, |server| server).await
    }

    pub(crate) async fn with<F, I, S, B>(
        app: F,
        settings: impl FnOnce(HttpServer<F>) -> HttpServer<F>,
    ) -> Self
    where
        F: Fn() -> I + Clone + Send + 'static,
        I: IntoServiceFactory<S, AppRequest> + 'static,
        S: ServiceFactory<AppRequest, Config = AppConfig, InitError: fmt::Debug> + 'static,
        S: ServiceFactory<AppRequest, Response: Into<AppResponse<B>>, Error: Into<Error>>,
        B: MessageBody + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let server = HttpServer::new(&registry, app).listen(listener).server(|server| {
            server.workers(1).shutdown_signal(async move { stopped.notified().await })
        });
        Self { address, registry, stop, running: tokio::spawn(settings(server).run()) }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection over HTTP/2, driven in the background.
    pub(crate) async fn http2(&self) -> SendRequest<Bytes> {
        http2(self.connect().await).await
    }

    /// What comes back for `request` until the server closes the connection.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }

    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Drops the server.
    pub(crate) fn abort(&self) {
        self.running.abort();
    }

    /// Waits for the server to end.
    pub(crate) async fn ended(self) {
        within(self.running).await.unwrap().unwrap();
    }

    /// Waits until as many watches are open as given.
    pub(crate) async fn watchers(&self, watchers: usize) {
        let counted = async {
            while self.registry.watchers() != watchers {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let Ok(()) = timeout(PATIENCE, counted).await else {
            panic!("{} watchers, not {watchers}", self.registry.watchers());
        };
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("hangs")
}

pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    within(stream.read_to_end(&mut read)).await.unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

/// One HTTP/1 response whose length is given by its `content-length`.
pub(crate) async fn read_response(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = String::new();
    loop {
        if let Some((head, body)) = read.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect(head);
            if body.len() >= length.parse::<usize>().unwrap() {
                return read;
            }
        }
        let byte = within(stream.read_u8()).await.expect(&read);
        read.push(char::from(byte));
    }
}

/// A Check in JSON over HTTP/1.1, with more header lines if wanted.
pub(crate) fn json_check(body: &[u8], headers: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {CHECK} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A Watch of the server as a whole in gRPC-Web over HTTP/1.1.
pub(crate) fn grpc_web_watch() -> Vec<u8> {
    let request = String::from_utf8(json_check(&[0; 5], "")).unwrap();
    let request = request.replace(CHECK, WATCH).replace("/json", "/grpc-web");
    request.into()
}

/// Reads the next message of [`grpc_web_watch`], which comes in a chunk of its own.
pub(crate) async fn read_grpc_web(stream: &mut (impl AsyncRead + Unpin), status: u8) {
    let mut read = Vec::new();
    while !read.ends_with(&[0, 0, 0, 0, 2, 8, status, b'\r', b'\n']) {
        read.push(within(stream.read_u8()).await.unwrap());
    }
}

pub(crate) async fn http2(stream: TcpStream) -> SendRequest<Bytes> {
    stream.set_nodelay(true).unwrap();
    http2_over(stream).await
}

/// HTTP/2 over any stream.
pub(crate) async fn http2_over<T>(stream: T) -> SendRequest<Bytes>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Beyond a stream's: what is not read on one stream holds no other up.
    let mut client = h2::client::Builder::new();
    client.initial_connection_window_size(1024 * 1024);
    let (requests, connection) = client.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// The gRPC frame of a `HealthCheckRequest`.
pub(crate) fn grpc_frame(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.extend([0x0a, u8::try_from(service.len()).unwrap()]);
        message.extend(service.as_bytes());
    }
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    frame.into()
}

/// A gRPC call as a client sees it: what came, in order.
pub(crate) struct Call {
    pub(crate) body: RecvStream,
    unread: Vec<u8>,
}

impl Call {
    /// Sends a call whose request is complete; waits for the head of its reply.
    pub(crate) async fn open(requests: &mut SendRequest<Bytes>, path: &str, service: &str) -> Self {
        let request = Request::post(format!("http://test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        *requests = requests.clone().ready().await.unwrap();
        let (response, mut body) = requests.send_request(request, false).unwrap();
        body.send_data(grpc_frame(service), true).unwrap();
        let response = within(response).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), unread: Vec::new() }
    }

    /// The status in the next message.
    pub(crate) async fn message(&mut self) -> Option<u8> {
        loop {
            if let Some(length) = self.unread.get(4).map(|length| 5 + usize::from(*length))
                && self.unread.len() >= length
            {
                let frame: Vec<_> = self.unread.drain(..length).collect();
                return Some(frame.get(6).copied().unwrap_or(0));
            }
            let data = within(self.body.data()).await?.unwrap();
            let _ = self.body.flow_control().release_capacity(data.len());
            self.unread.extend(data);
        }
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

/// A gRPC Check of a service that is registered.
pub(crate) async fn grpc_check(requests: &mut SendRequest<Bytes>, service: &str) -> u8 {
    let mut call = Call::open(requests, CHECK, service).await;
    let status = call.message().await.expect("no message");
    assert_eq!(call.status().await, 0);
    status
}

/// A request over HTTP/2 with its body, and the answer with all of its body.
pub(crate) async fn fetch(
    requests: &mut SendRequest<Bytes>,
    request: http::request::Builder,
    body: &[u8],
) -> (http::response::Parts, Vec<u8>) {
    let request = request.body(()).unwrap();
    *requests = requests.clone().ready().await.unwrap();
    let (response, mut sending) = requests.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        sending.send_data(Bytes::copy_from_slice(body), true).unwrap();
    }
    let (head, mut body) = within(response).await.unwrap().into_parts();
    let mut read = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data.unwrap();
        let _ = body.flow_control().release_capacity(data.len());
        read.extend(data);
    }
    (head, read)
}
