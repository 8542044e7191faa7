//! Runs the example `postgres` without a database; with one, `tests/interop/postgres` does.

use std::{process::Stdio, time::Duration};

use health_core::ServingStatus::NotServing;
use health_examples::{greet::SERVICE, grpc::HealthClient};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
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

    let mut printed = Vec::new();
    while printed.len() < 3 {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").unwrap();
        printed.push(line.expect("it stays up"));
    }
    let starts = |start: &str| printed.iter().find(|line| line.starts_with(start)).cloned();
    let unknown = starts("\"greet.GreetService\": SERVICE_UNKNOWN -> UNKNOWN: ");
    assert!(unknown.is_some(), "{printed:?}");
    let failed = starts("\"greet.GreetService\": UNKNOWN -> NOT_SERVING after ").unwrap();
    assert!(failed.contains(&format!("postgres {database}/app")), "{failed}");
    assert!(failed.contains("Connection refused") && !failed.contains("secret"), "{failed}");

    let served = starts("greet.GreetService and its health are served on ").unwrap();
    let address = served.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
    let mut health = HealthClient::connect(address).await.unwrap();
    assert_eq!(health.check(SERVICE).await.unwrap(), NotServing);

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
