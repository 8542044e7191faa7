//! tonic's server over the TLS of `incoming_tls`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod greet;
#[path = "../../tls/tests/pki/mod.rs"]
mod pki;
mod watcher;

use std::{net::SocketAddr, time::Duration};

use greet::GreetServiceServer;
use health_proto::{HealthCheckRequest, HealthCheckResponse};
use health_tls::{Tls, TlsBuilder};
use health_tonic::{HealthRoutes, Registry, ServingStatus, drain, incoming, incoming_tls};
use http::uri::PathAndQuery;
use pki::{Authority, Files, Identity, presented};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Error, Server, ServerTlsConfig, server::Router,
};
use tonic::{Code, Request, Status, client::Grpc};
use tonic_prost::ProstCodec;
use watcher::{SERVING, WATCH, read_until, watchers};

const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    health: Registry,
    authority: Authority,
    files: Files,
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new("known");
        let files = Files::new(&authority.issue());
        Self { health: Registry::new(), authority, files }
    }

    fn tls(&self) -> TlsBuilder {
        Tls::builder(self.files.certificate(), self.files.key()).reload_interval(Duration::ZERO)
    }

    fn mutual_tls(&self) -> TlsBuilder {
        self.tls().client_ca(self.files.write("clients.pem", &self.authority.pem()))
    }

    /// Health, and a greeter that says what tonic knows of the peer.
    fn router(&self) -> Router {
        let introduce = |request: Request<()>| {
            let certificates = request.peer_certs().map_or(0, |certificates| certificates.len());
            let address = request.remote_addr().unwrap().ip();
            Err::<Request<()>, _>(Status::aborted(format!("{address}, {certificates}")))
        };
        let greeter = InterceptedService::new(GreetServiceServer::new("hello"), introduce);
        let routes = HealthRoutes::new(&self.health).add_service(greeter).into_routes();
        Server::builder().accept_http1(true).add_routes(routes)
    }

    async fn serve(&self, tls: TlsBuilder) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = incoming_tls(listener, tls.build().unwrap());
        tokio::spawn(self.router().serve_with_incoming(incoming));
        address
    }

    /// tonic's own client.
    async fn channel(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
    ) -> Result<Channel, Error> {
        let tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.authority.pem()));
        let tls = match identity {
            Some(Identity { certificate, key }) => {
                tls.identity(tonic::transport::Identity::from_pem(certificate, key))
            }
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port()));
        endpoint.unwrap().tls_config(tls).unwrap().connect().await
    }
}

async fn call(channel: &Channel, path: &'static str) -> Result<HealthCheckResponse, Status> {
    let mut grpc = Grpc::new(channel.clone());
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = Request::new(HealthCheckRequest::default());
    Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const GREET: &str = "/greet.GreetService/Greet";

async fn watch(channel: &Channel) -> tonic::Streaming<HealthCheckResponse> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = Request::new(HealthCheckRequest::default());
    grpc.server_streaming(request, path, codec).await.unwrap().into_inner()
}

#[tokio::test]
async fn http2_and_http1_are_served_as_alpn_has_it() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    let channel = stage.channel(address, None).await.unwrap();
    assert_eq!(call(&channel, CHECK).await.unwrap().status, 1);

    for alpn in [&["http/1.1"][..], &[]] {
        let mut stream = stage.authority.client(alpn).connect(address).await.unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        read_until(&mut stream, b"\r\n\r\nok").await;
    }
}

#[tokio::test]
async fn tonic_knows_the_peer_and_its_certificate() {
    let stage = Stage::new();
    let optional = stage.files.write("clients.pem", &stage.authority.pem());
    let address = stage.serve(stage.tls().optional_client_ca(optional)).await;
    let identity = stage.authority.issue();
    for (identity, expected) in [(None, "127.0.0.1, 0"), (Some(&identity), "127.0.0.1, 1")] {
        let channel = stage.channel(address, identity).await.unwrap();
        assert_eq!(call(&channel, GREET).await.unwrap_err().message(), expected);
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_the_plaintext_port_answers_its_probe() {
    let stage = Stage::new();
    let address = stage.serve(stage.mutual_tls()).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_address = plain.local_addr().unwrap();
    let probed = HealthRoutes::new(&stage.health).into_routes();
    let probed = Server::builder().accept_http1(true).add_routes(probed);
    tokio::spawn(probed.serve_with_incoming(incoming(plain)));

    let channel = stage.channel(address, Some(&stage.authority.issue())).await.unwrap();
    let stranger = Authority::new("stranger").issue();
    for identity in [None, Some(&stranger)] {
        // Over TLS 1.3 the client learns of it after its part of the handshake.
        if let Ok(channel) = stage.channel(address, identity).await {
            call(&channel, CHECK).await.unwrap_err();
        }
    }
    let endpoint = Endpoint::from_shared(format!("http://{plain_address}")).unwrap();
    let plain = endpoint.connect().await.unwrap();
    for status in [ServingStatus::Serving, ServingStatus::NotServing] {
        stage.health.set("", status);
        let expected = status as i32;
        assert_eq!(call(&channel, CHECK).await.unwrap().status, expected);
        assert_eq!(call(&plain, CHECK).await.unwrap().status, expected);
    }
    // Of the application nothing is there in plaintext.
    assert_eq!(call(&plain, GREET).await.unwrap_err().code(), Code::Unimplemented);
    let mut probe = TcpStream::connect(plain_address).await.unwrap();
    probe.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    read_until(&mut probe, b"HTTP/1.1 503 ").await;
}

#[tokio::test]
async fn peers_that_fail_their_handshake_hold_nobody_up() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut alert = Vec::new();
    timeout(PATIENCE, plain.read_to_end(&mut alert)).await.unwrap().unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    let channel = stage.channel(address, None).await.unwrap();
    assert_eq!(call(&channel, CHECK).await.unwrap().status, 1);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls().handshake_timeout(Duration::from_millis(100))).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let closed = timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await.unwrap();
    assert_eq!(closed.unwrap(), 0);
}

#[tokio::test]
async fn a_watcher_that_leaves_is_let_go_whatever_it_left_unread() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    let client = stage.authority.client(&["http/1.1"]);
    for behind in [&b""[..], b"x", WATCH] {
        let mut stream = client.connect(address).await.unwrap();
        stream.write_all(&[WATCH, behind].concat()).await.unwrap();
        read_until(&mut stream, SERVING).await;
        assert_eq!(stage.health.watchers(), 1);
        drop(stream);
        watchers(&stage.health, 0).await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_seen_and_an_open_watch_goes_on() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    let channel = stage.channel(address, None).await.unwrap();
    let mut open = watch(&channel).await;
    assert_eq!(open.message().await.unwrap().unwrap().status, 1);

    let new = stage.authority.issue();
    stage.files.replace(&new);
    let stream = stage.authority.client(&["h2"]).connect(address).await.unwrap();
    assert_eq!(presented(&stream), new.der());
    stage.health.set("", ServingStatus::NotServing);
    assert_eq!(open.message().await.unwrap().unwrap().status, 2);
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let signal = drain(&stage.health, Duration::ZERO, async { drop(stopped.await) });
    let incoming = incoming_tls(listener, stage.tls().build().unwrap());
    let router = stage.router();
    let server: JoinHandle<Result<(), Error>> =
        tokio::spawn(async { router.serve_with_incoming_shutdown(incoming, signal).await });

    let mut silent = TcpStream::connect(address).await.unwrap();
    let channel = stage.channel(address, None).await.unwrap();
    let mut open = watch(&channel).await;
    assert_eq!(open.message().await.unwrap().unwrap().status, 1);
    stop.send(()).unwrap();
    assert_eq!(open.message().await.unwrap().unwrap().status, 2);
    assert_eq!(open.message().await.unwrap_err().code(), Code::Unavailable);
    drop((open, channel));
    timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
    assert_eq!(silent.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn tonics_own_tls_is_served_as_before() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let Identity { certificate, key } = stage.authority.issue();
    let identity = tonic::transport::Identity::from_pem(certificate, key);
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_routes(HealthRoutes::new(&stage.health).into_routes())
        .serve_with_incoming(incoming(listener));
    tokio::spawn(server);
    let channel = stage.channel(address, None).await.unwrap();
    assert_eq!(call(&channel, CHECK).await.unwrap().status, 1);
}
