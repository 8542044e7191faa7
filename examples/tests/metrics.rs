//! Runs the metrics example and reads it as Prometheus does.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{net::SocketAddr, process::Stdio, time::Duration};

use health_core::ServingStatus::{NotServing, Serving, Unknown};
use health_examples::{greet::SERVICE, grpc::HealthClient, scrape::scrape};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};

#[tokio::test]
async fn once_prints_the_metrics_of_a_service_that_serves() {
    let output = timeout(PATIENCE, example(&["--once"]).output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "# TYPE grpc_health_status gauge",
        "# HELP grpc_health_status 1 for the status that a service shows.",
        "# TYPE grpc_health_evaluation_duration_seconds histogram",
        r#"grpc_health_evaluation_failures_total{service="greet.GreetService",condition="upstream"} 0"#,
        r#"grpc_health_status{service="",status="SERVING"} 1"#,
        "grpc_health_watchers 1",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in {printed}");
    }
}

#[tokio::test]
async fn the_metrics_follow_the_service_on_the_port_of_its_health() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream_address = upstream.local_addr().unwrap().to_string();
    let (_process, address) = start(&["--upstream", &upstream_address]).await;
    let mut health = HealthClient::connect(address).await.unwrap();
    let mut statuses = health.watch(SERVICE).await.unwrap();
    let mut first = statuses.next().await.unwrap();
    if first == Some(Unknown) {
        first = statuses.next().await.unwrap();
    }
    assert_eq!(first, Some(Serving));
    let status = r#"grpc_health_status{service="greet.GreetService",status="#;
    scrape_until(address, &format!("{status}\"SERVING\"}} 1")).await;

    drop(upstream);
    assert_eq!(statuses.next().await.unwrap(), Some(NotServing));
    let text = scrape_until(address, &format!("{status}\"NOT_SERVING\"}} 1")).await;

    assert!(text.contains(&format!("{status}\"SERVING\"}} 0\n")), "{text}");
    let transition = r#"from="SERVING",to="NOT_SERVING",cause="condition"} 1"#;
    assert!(text.contains(transition), "{text}");
    let failures = r#"failures_total{service="greet.GreetService",condition="upstream"} "#;
    let failures = text.split(failures).nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(failures.parse::<u64>().unwrap() >= 3, "{text}");
    let bucket = r#"condition="upstream",outcome="passed",le="10"}"#;
    assert!(text.contains(bucket), "{text}");
}

/// What is scraped, once `line` is in it: a scrape may come between a change and its record.
async fn scrape_until(address: SocketAddr, line: &str) -> String {
    let scrapes = async {
        loop {
            let text = scrape(address).await.unwrap();
            if text.lines().any(|scraped| scraped == line) {
                return text;
            }
        }
    };
    timeout(PATIENCE, scrapes).await.expect(line)
}

/// The example, and its address; it ends with the value.
async fn start(options: &[&str]) -> (Child, SocketAddr) {
    let mut process = example(options).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let address = line.strip_suffix('.').and_then(|line| line.rsplit(' ').next()).unwrap();
    (process, address.parse().unwrap())
}

fn example(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics"));
    command.args(["--listen", "127.0.0.1:0"]).args(options).kill_on_drop(true);
    command
}

/// A program that hangs fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(20);
