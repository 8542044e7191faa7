//! Runs the example `postgres` without a database; with one, `tests/interop/postgres` does.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod probe;

use std::{process::Stdio, time::Duration};

use health_core::ServingStatus::NotServing;
use health_examples::{greet::SERVICE, grpc::HealthClient};
use probe::probe;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};

#[tokio::test]
async fn without_its_database_the_service_is_not_serving_and_the_reason_is_printed() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = closed.local_addr().unwrap();
    drop(closed);
    let url = format!("postgres://postgres:secret@{database}/app");
    let mut process = postgres(&["--database", &url, "--period", "0.1"])
        .args(["--timeout", "0.1", "--failure-threshold", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();

    let (mut served, mut failed, mut printed) = (None, None, Vec::new());
    while served.is_none() || failed.is_none() {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").unwrap();
        let line = line.expect("it stays up");
        if let Some(address) = line.strip_prefix("greet.GreetService and its health are served on ")
        {
            served = Some(address.trim_end_matches('.').parse().unwrap());
        } else if line.starts_with("\"greet.GreetService\": UNKNOWN -> NOT_SERVING after ") {
            failed = Some(line);
        } else {
            printed.push(line);
        }
    }
    let (address, failed) = (served.unwrap(), failed.unwrap());
    let unknown = "\"greet.GreetService\": SERVICE_UNKNOWN -> UNKNOWN: ";
    assert!(printed.iter().any(|line| line.starts_with(unknown)), "{printed:?}");
    assert!(failed.contains(&format!("postgres {database}/app")), "{failed}");
    assert!(failed.contains("Connection refused") && !failed.contains("secret"), "{failed}");

    let mut health = HealthClient::connect(address).await.unwrap();
    for service in [SERVICE, ""] {
        assert_eq!(health.check(service).await.unwrap(), NotServing, "{service:?}");
    }
    for (path, status) in [("/readyz", 503), ("/startupz", 503), ("/livez", 200)] {
        assert_eq!(probe(address, path).await, status, "{path}");
    }

    terminate(process).await;
}

#[tokio::test]
async fn it_goes_on_when_nobody_reads_what_it_prints() {
    let mut process = postgres(&["--database", "postgres://127.0.0.1:1/app", "--period", "0.1"])
        .args(["--timeout", "0.1", "--failure-threshold", "10"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = loop {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").unwrap();
        let line = line.expect("it stays up");
        if let Some(address) = line.strip_prefix("greet.GreetService and its health are served on ")
        {
            break address.trim_end_matches('.').parse().unwrap();
        }
    };
    drop(lines);

    // What is printed of this change, nobody reads.
    let mut health = HealthClient::connect(address).await.unwrap();
    let mut statuses = health.watch(SERVICE).await.unwrap();
    while statuses.next().await.unwrap().expect("the Watch goes on") != NotServing {}
    terminate(process).await;
}

async fn terminate(mut process: Child) {
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().await.unwrap().success());
    let status = timeout(PATIENCE, process.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn wrong_options_are_errors_that_say_what_to_do() {
    for (options, told) in [
        (&["--database", "secret"][..], "write postgres://"),
        (&["--database", "postgres://host", "--timeout", "9"], "timeout is 9s"),
        (&["--database", "postgres://host", "--failure-threshold", "0"], "failure_threshold is 0"),
    ] {
        let output = timeout(PATIENCE, postgres(options).output()).await.expect("it ends").unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told) && !error.contains("secret"), "{error}");
    }
}

fn postgres(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postgres"));
    command.args(["--listen", "127.0.0.1:0"]).args(options).kill_on_drop(true);
    command
}

/// A program that hangs fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(20);
