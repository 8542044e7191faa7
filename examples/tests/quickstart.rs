//! Runs the quickstart as a newcomer does, and looks at it as its peers do.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod probe;

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use bytes::Bytes;
use health_core::ServingStatus::{NotServing, Serving};
use health_examples::{
    greet::{GREET, GreetRequest, GreetResponse, SERVICE},
    grpc::HealthClient,
    json,
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http2, header::CONTENT_TYPE, http::uri::PathAndQuery};
use hyper_util::rt::{TokioExecutor, TokioIo};
use probe::probe;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout},
};
use tonic::{Code, client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;

const CHECK: &str = r#"{"service":"greet.GreetService"}"#;

#[tokio::test]
async fn once_prints_the_demonstration_in_its_order() {
    let output = quickstart(&["--once"]).output();
    let output = timeout(PATIENCE, output).await.expect("it ends by itself").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let address = printed.lines().next().and_then(address_in).expect("it tells its address");

    let curl = format!(
        "$ curl -d '{CHECK}' -H 'content-type: application/json' {address}/grpc.health.v1.Health/Check"
    );
    let expected = [
        "greet.GreetService's health status:SERVING",
        "greet.GreetService's health status:SERVING",
        &curl,
        r#"{"status":"SERVING"}"#,
        "$ touch FILE",
        "greet.GreetService's health status:NOT_SERVING",
        "$ rm FILE",
        "greet.GreetService's health status:SERVING",
    ];
    let told = printed.lines().filter(|line| line.starts_with(['g', '$', '{']));
    let told: Vec<_> = told.skip(1).map(without_the_path).collect();
    assert_eq!(told, expected, "{printed}");
}

#[tokio::test]
async fn every_peer_is_answered_on_the_one_port() {
    let server = Quickstart::start(&[]).await;

    assert_eq!(json::post(server.address, CHECK).await.unwrap(), r#"{"status":"SERVING"}"#);
    assert_eq!(post_over_h2c(server.address).await, r#"{"status":"SERVING"}"#);

    let mut health = HealthClient::connect(server.address).await.unwrap();
    assert_eq!(health.check("").await.unwrap(), Serving);
    assert_eq!(health.check("nobody.Knows").await.unwrap_err().code(), Code::NotFound);

    assert_eq!(greet(server.address, "Rust").await, "Rust");
}

#[tokio::test]
async fn the_maintenance_file_is_what_the_status_follows() {
    let mut server = Quickstart::start(&[]).await;
    let mut health = HealthClient::connect(server.address).await.unwrap();
    let mut statuses = health.watch(SERVICE).await.unwrap();
    assert_eq!(statuses.next().await.unwrap(), Some(Serving));

    std::fs::write(&server.maintenance, "").unwrap();
    assert_eq!(statuses.next().await.unwrap(), Some(NotServing));
    server.wait_for("greet.GreetService's health status:NOT_SERVING").await;
    assert_eq!(health.check("").await.unwrap(), NotServing);
    assert_eq!(probe(server.address, "/readyz").await, 503);
    assert_eq!(probe(server.address, "/livez").await, 200);

    std::fs::remove_file(&server.maintenance).unwrap();
    assert_eq!(statuses.next().await.unwrap(), Some(Serving));
    server.wait_for("greet.GreetService's health status:SERVING").await;
    assert_eq!(probe(server.address, "/readyz").await, 200);
}

#[tokio::test]
async fn sigterm_drains_and_ends_within_the_grace_although_a_watch_is_open() {
    let mut server = Quickstart::start(&["--grace", "1.5"]).await;
    let mut health = HealthClient::connect(server.address).await.unwrap();
    let mut statuses = health.watch(SERVICE).await.unwrap();
    assert_eq!(statuses.next().await.unwrap(), Some(Serving));

    let told = Instant::now();
    server.signal("TERM").await;

    // Every watcher learns it at once, and the questions are still answered.
    assert_eq!(statuses.next().await.unwrap(), Some(NotServing));
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    let answer = json::post(server.address, CHECK).await.unwrap();
    assert_eq!(answer, r#"{"status":"NOT_SERVING"}"#);

    // The end of the grace ends the stream, and with it the server.
    assert_eq!(statuses.next().await.unwrap_err().code(), Code::Unavailable);
    let status = timeout(PATIENCE, server.process.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(told.elapsed() >= Duration::from_millis(1500), "{:?}", told.elapsed());
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
    server.wait_for("Stopped.").await;
    assert!(!server.maintenance.parent().unwrap().exists(), "it leaves nothing behind");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let rows = [
        (taken.as_str(), "choose another one", "IP:PORT"),
        ("foo", "write IP:PORT", "another one"),
        ("127.0.0.1", "write IP:PORT", "another one"),
        ("127.0.0.1:99999", "write IP:PORT", "another one"),
        ("192.0.2.1:0", "", "another one"),
    ];
    for (address, told, not_told) in rows {
        let output = Command::new(env!("CARGO_BIN_EXE_quickstart"))
            .args(["--listen", address])
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{address}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{error}");
        assert!(error.contains(told) && !error.contains(not_told), "{error}");
    }
}

#[tokio::test]
async fn it_goes_on_when_nobody_reads_what_it_prints() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = quickstart(&["--once"]).stdout(writer).output();
    let output = timeout(PATIENCE, output).await.expect("it ends by itself").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn help_tells_dubbos_java_users_where_to_listen() {
    let output = quickstart(&["--help"]).output().await.unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for said in ["--listen", "--once", "--grace", "Java", "127.", "0.0.0.0:20000"] {
        assert!(help.contains(said), "{said} in {help}");
    }
}

/// A quickstart that has shown what it shows and stays up; it ends with this value.
struct Quickstart {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    maintenance: PathBuf,
    /// Where the program keeps its own temporary directory: killed, it cannot clean up.
    _directory: TempDir,
}

impl Quickstart {
    async fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = quickstart(options);
        command.env("TMPDIR", directory.path()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut address, mut maintenance) = (None, None);
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").unwrap();
            let line = line.expect("it stays up");
            address = address.or_else(|| address_in(&line));
            maintenance = maintenance.or_else(|| line.strip_prefix("$ touch ").map(PathBuf::from));
            if line.starts_with("The server stays up") {
                let (address, maintenance) = (address.unwrap(), maintenance.unwrap());
                return Self { process, lines, address, maintenance, _directory: directory };
            }
        }
    }

    async fn wait_for(&mut self, expected: &str) {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect(expected).unwrap();
            if line.expect(expected) == expected {
                return;
            }
        }
    }

    async fn signal(&self, name: &str) {
        let process = self.process.id().unwrap().to_string();
        let kill = Command::new("kill").args(["-s", name, &process]).status().await.unwrap();
        assert!(kill.success());
    }
}

fn quickstart(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.args(["--listen", "127.0.0.1:0"]).args(options).kill_on_drop(true);
    command
}

/// The first line ends with the address and a full stop.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.strip_suffix('.')?.rsplit(' ').next()?.parse().ok()
}

fn without_the_path(line: &str) -> &str {
    match line {
        _ if line.starts_with("$ touch ") => "$ touch FILE",
        _ if line.starts_with("$ rm ") => "$ rm FILE",
        _ => line,
    }
}

/// What `curl --http2-prior-knowledge` does.
async fn post_over_h2c(address: SocketAddr) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) = http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{}", json::CHECK))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from_static(CHECK.as_bytes())))
        .unwrap();
    let body = sender.send_request(request).await.unwrap().into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn greet(address: SocketAddr, name: &str) -> String {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let mut request = GreetRequest::default();
    request.name = name.to_owned();
    let codec = ProstCodec::<GreetRequest, GreetResponse>::default();
    let path = PathAndQuery::from_static(GREET);
    let reply = grpc.unary(tonic::Request::new(request), path, codec).await.unwrap();
    reply.into_inner().greeting
}

/// A program that hangs fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(20);
