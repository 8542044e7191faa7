//! The contract of the `subject` program: its command line, its first line, its commands.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum as _;
use health_conformance::{Adapter, Options, Subject, Vectors, replay};
use serde_json::{Value, json};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_subject");

async fn start(adapter: Adapter, options: Options) -> Subject {
    Subject::start(Path::new(PROGRAM), adapter, &options).await.unwrap()
}

/// The `grpc-status` of an empty gRPC call, and what its message holds.
async fn call(address: SocketAddr, path: &str) -> (String, Vec<u8>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut body) =
        requests.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data(vec![0; 5].into(), true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        message.extend(data.unwrap());
    }
    let trailers = body.trailers().await.unwrap().unwrap_or(head.headers);
    driver.abort();
    let status = trailers["grpc-status"].to_str().unwrap().to_owned();
    (status, message.split_off(5.min(message.len())))
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const GREET: &str = "/greet.GreetService/Greet";

#[tokio::test]
async fn commands_take_effect_before_they_are_answered() {
    const UNKNOWN: (&str, &[u8]) = ("0", b"");
    const SERVING: (&str, &[u8]) = ("0", b"\x08\x01");
    const NOT_SERVING: (&str, &[u8]) = ("0", b"\x08\x02");
    const NOT_FOUND: (&str, &[u8]) = ("5", b"");
    let rows = [
        (json!({"set": {"": "NOT_SERVING"}}), NOT_SERVING),
        (json!({"set": {"": "UNKNOWN", "svc": "SERVING"}}), UNKNOWN),
        (json!({"reset": {"": "SERVING"}}), SERVING),
        (json!({"shutdown": true}), NOT_SERVING),
        (json!({"set": {"": "UNKNOWN"}}), NOT_SERVING),
        (json!({"resume": true}), UNKNOWN),
        (json!({"remove": ""}), NOT_FOUND),
        (json!({"shutdown": true}), NOT_FOUND),
        (json!({"reset": {"": "SERVING"}}), SERVING),
        // Closing ends streams; it says nothing about what is serving.
        (json!({"close": true}), SERVING),
        (json!({"reset": {"": "SERVING"}}), SERVING),
        (json!({"reset": {}}), NOT_FOUND),
    ];
    for adapter in Adapter::value_variants() {
        let mut subject = start(*adapter, Options::new()).await;
        let address = subject.address();
        let (status, message) = call(address, CHECK).await;
        assert_eq!((status.as_str(), &*message), SERVING, "{adapter}: at the start");
        for (number, (command, expected)) in rows.iter().enumerate() {
            subject.command(command).await.unwrap();
            let (status, message) = call(address, CHECK).await;
            assert_eq!((status.as_str(), &*message), *expected, "{adapter}: {number} {command}");
        }
    }
}

/// Open watches, whose replies the steps steer; run by the runner, which checks each frame.
fn watches() -> Value {
    let watch = |id: &str, steps: Value, frames: &[&str], status: Option<&str>| {
        let frames: Vec<_> =
            frames.iter().map(|message| json!({"flags": 0, "message_base64": message})).collect();
        let response = match status {
            Some(status) => json!({"http_status": 200, "body_frames": frames,
                "trailers": {"grpc-status": status}}),
            None => json!({"http_status": 200, "body_frames": frames, "stays_open": true}),
        };
        json!({
            "id": id, "protocol": "grpc", "why": "", "source": "", "strength": "must",
            "state": {"svc": "NOT_SERVING"}, "steps": steps, "response": response,
            "request": {"http_version": "2", "method": "POST",
                "path": "/grpc.health.v1.Health/Watch", "body_base64": "AAAAAAUKA3N2Yw==",
                "headers": {"content-type": "application/grpc"}},
        })
    };
    let mut watches = json!([
        watch(
            "reset-is-followed",
            json!([{"after_frames": 1, "reset": {"svc": "SERVING"}},
                {"after_frames": 2, "reset": {}}]),
            &["CAI=", "CAE=", "CAM="],
            None,
        ),
        watch(
            "reset-lifts-the-latch",
            json!([{"after_frames": 1, "set": {"svc": "SERVING"}},
                {"after_frames": 2, "shutdown": true},
                {"after_frames": 3, "reset": {"svc": "SERVING"}}]),
            &["CAI=", "CAE=", "CAI=", "CAE="],
            None,
        ),
        watch("close-ends", json!([{"after_frames": 1, "close": true}]), &["CAI="], Some("14")),
        watch(
            "a-new-registry-is-followed",
            json!([{"after_frames": 1, "set": {"svc": "SERVING"}}]),
            &["CAI=", "CAE="],
            None,
        ),
    ]);
    let reopened = json!([{"close": true}, {"reset": {"svc": "NOT_SERVING"}}]);
    watches[3]["before"] = reopened;
    watches
}

#[tokio::test(flavor = "multi_thread")]
async fn open_watches_follow_a_reset_and_end_with_close() {
    let vectors = Vectors::parse(&watches().to_string()).unwrap();
    let report = replay(Path::new(PROGRAM), Adapter::value_variants(), &vectors).await.unwrap();
    assert!(report.failed().is_empty(), "\n{report}");
}

#[tokio::test]
async fn a_bad_command_is_answered_with_what_is_accepted_and_changes_nothing() {
    let mut subject = start(Adapter::Hyper, Options::new()).await;
    for line in ["", "stop", r#"{"set":{"":"DOWN"}}"#, r#"{"close":false}"#, "\u{fffd}"] {
        let answer: Value = serde_json::from_str(&subject.line(line).await.unwrap()).unwrap();
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("accepted: "), "{line:?}: {error}");
    }
    assert_eq!(call(subject.address(), CHECK).await, ("0".to_owned(), b"\x08\x01".to_vec()));
}

#[tokio::test]
async fn end_of_input_stops_it_while_a_watch_is_open() {
    for adapter in Adapter::value_variants() {
        let subject = start(*adapter, Options::new()).await;
        let stream = TcpStream::connect(subject.address()).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let request = http::Request::post(format!(
            "http://{}/grpc.health.v1.Health/Watch",
            subject.address()
        ))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
        let mut requests = requests.ready().await.unwrap();
        let (response, mut body) = requests.send_request(request, false).unwrap();
        body.send_data(vec![0; 5].into(), true).unwrap();
        let mut watch = response.await.unwrap().into_body();
        watch.data().await.unwrap().unwrap();
        subject.stop().await.unwrap();
        driver.abort();
    }
}

async fn the_greeter_of(adapter: Adapter) {
    let set = |status: &str| json!({"set": {"greet.GreetService": status}});
    let mut subject = start(adapter, Options::new().greeter()).await;
    let address = subject.address();
    let greeting = address.to_string();
    let mut expected = vec![0x0a, greeting.len() as u8];
    expected.extend(greeting.as_bytes());
    let (serving, refused) = (("0".to_owned(), expected), ("14".to_owned(), Vec::new()));
    assert_eq!(call(address, GREET).await, serving, "{adapter}");
    let rows = [
        (set("NOT_SERVING"), &refused),
        (set("SERVING"), &serving),
        (set("UNKNOWN"), &refused),
        (json!({"close": true}), &refused),
        (json!({"reset": {"greet.GreetService": "SERVING"}}), &serving),
        (json!({"shutdown": true}), &refused),
        (json!({"resume": true}), &serving),
        (json!({"reset": {}}), &refused),
    ];
    for (command, expected) in rows {
        subject.command(&command).await.unwrap();
        assert_eq!(call(address, GREET).await, *expected, "{adapter}: {command}");
    }
    let (status, _) = call(address, "/greet.GreetService/Other").await;
    assert_eq!(status, "12", "{adapter}");
}

#[tokio::test]
async fn the_greeter_answers_with_its_address_while_it_is_serving() {
    for adapter in Adapter::value_variants() {
        the_greeter_of(*adapter).await;
    }
}

#[tokio::test]
async fn without_the_flag_there_is_no_greeter() {
    for adapter in Adapter::value_variants() {
        let subject = start(*adapter, Options::new()).await;
        assert_eq!(call(subject.address(), GREET).await.0, "12", "{adapter}");
    }
}

#[tokio::test]
async fn smol_serves_without_a_runtime_of_tokio() {
    for (adapter, has_tokio) in [(Adapter::Hyper, true), (Adapter::Smol, false)] {
        let subject = start(adapter, Options::new()).await;
        assert_eq!(call(subject.address(), CHECK).await.0, "0", "{adapter}");
        let threads = subject.threads().unwrap();
        let found = threads.iter().any(|name| name.starts_with("tokio"));
        assert_eq!(found, has_tokio, "{adapter}: {threads:?}");
    }
}

#[test]
fn the_first_line_has_its_fields_in_the_order_of_the_contract() {
    for options in [&[][..], &["--cors-allow-header", "x-a"]] {
        // Without input it ends at once, and has said by then where it listened.
        let mut subject = Command::new(PROGRAM);
        subject.args(["--adapter", "hyper"]).args(options).stdin(Stdio::null());
        let output = subject.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let rest = printed.strip_prefix(r#"{"listening":"127.0.0.1:"#).expect(&printed);
        let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        assert_eq!(rest, "\",\"adapter\":\"hyper\"}\n");
    }
}

#[test]
fn a_wrong_command_line_is_refused_and_help_names_everything() {
    for arguments in [
        &["--listen", "127.0.0.1:0"][..],
        &["--adapter", "none"],
        &["--adapter", "hyper", "--listen", "here"],
        &["--adapter", "hyper", "--max-watchers", "-1"],
    ] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for name in [
        "--adapter",
        "--listen",
        "--max-request-bytes",
        "--cors-allow-origin",
        "--cors-allow-header",
        "--max-watchers",
        "--greeter",
        "--tls-cert",
        "--tls-key",
        "--tls-client-ca",
        "--plain-listen",
        r#"{"close":true}"#,
    ] {
        assert!(help.contains(name), "{name} is not in:\n{help}");
    }
    for adapter in Adapter::value_variants() {
        assert!(help.contains(adapter.as_str()), "{adapter} is not in:\n{help}");
    }
}
