//! A server that cannot accept for a while.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![cfg(unix)]

mod peer;

use std::{
    env,
    fs::File,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use peer::{Server, json_check, read_response};
use tokio::{io::AsyncWriteExt, net::TcpSocket, time::sleep};
use tracing::{Event, Level, Metadata, Subscriber, span};

static WARNINGS: AtomicUsize = AtomicUsize::new(0);

/// Counts warnings.
struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        WARNINGS.fetch_add(1, Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
#[ignore = "uses up all file descriptors of its process: the next test runs it with few of them"]
async fn out_of_file_descriptors() {
    tracing::subscriber::set_global_default(Log).unwrap();
    let server = Server::start().await;
    let client = TcpSocket::new_v4().unwrap();
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }

    // The kernel takes the connection; the server cannot have it yet.
    let mut stream = client.connect(server.address).await.unwrap();
    stream.write_all(&json_check(b"{}", "")).await.unwrap();
    sleep(Duration::from_millis(700)).await;
    let warnings = WARNINGS.load(Relaxed);
    assert!((1..=2).contains(&warnings), "{warnings} warnings");

    drop(all);
    let answer = read_response(&mut stream).await;
    assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
}

#[test]
fn a_server_that_is_out_of_file_descriptors_logs_it_waits_and_goes_on() {
    let script = r#"ulimit -n 64 && exec "$0" --exact out_of_file_descriptors --ignored"#;
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script]).arg(env::current_exe().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
