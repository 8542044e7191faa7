//! The contract of the `subject` program under TLS.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../../adapters/tls/tests/pki/mod.rs"]
mod pki;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum as _;
use health_conformance::{Adapter, Options, Subject};
use pki::{Authority, Client, Files, presented};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_subject");

/// The adapters that the program serves TLS through.
const OVER_TLS: [Adapter; 3] = [Adapter::Hyper, Adapter::Tonic, Adapter::ActixWeb];

/// What `GET /readyz` is answered with.
async fn readiness(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    let request = b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap()?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

async fn over_tls(client: &Client, subject: &Subject) -> std::io::Result<String> {
    readiness(client.connect(subject.address()).await?).await
}

#[tokio::test]
async fn one_port_wants_a_certificate_and_the_other_answers_in_plaintext() {
    let authority = Authority::new("test");
    let files = Files::new(&authority.issue());
    let clients = files.write("clients.pem", &authority.pem());
    let options = Options::new().tls(&files.certificate(), &files.key());
    let options = options.tls_client_ca(&clients).plain_listen();
    let stranger = authority.client(&["http/1.1"]);
    let known = authority.client(&["http/1.1"]).presenting(&authority.issue());
    for adapter in OVER_TLS {
        let mut subject = Subject::start(Path::new(PROGRAM), adapter, &options).await.unwrap();
        let plain = subject.plain().unwrap();
        for (command, expected) in [
            (json!({"set": {"": "SERVING"}}), "HTTP/1.1 200 OK"),
            (json!({"shutdown": true}), "HTTP/1.1 503 Service Unavailable"),
            (json!({"close": true}), "HTTP/1.1 503 Service Unavailable"),
            (json!({"reset": {"": "SERVING"}}), "HTTP/1.1 200 OK"),
        ] {
            subject.command(&command).await.unwrap();
            assert_eq!(over_tls(&known, &subject).await.unwrap(), expected, "{adapter}: {command}");
            let plain = TcpStream::connect(plain).await.unwrap();
            assert_eq!(readiness(plain).await.unwrap(), expected, "{adapter}: {command}");
        }
        over_tls(&stranger, &subject).await.expect_err(adapter.as_str());
        subject.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_new_certificate_is_presented_within_seconds() {
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(), authority.issue());
    let files = Files::new(&old);
    let options = Options::new().tls(&files.certificate(), &files.key());
    let client = authority.client(&["h2"]);
    let subject = Subject::start(Path::new(PROGRAM), Adapter::Hyper, &options).await.unwrap();
    assert_eq!(subject.plain(), None);
    assert_eq!(presented(&client.connect(subject.address()).await.unwrap()), old.der());
    files.replace(&new);
    let seen = async {
        while presented(&client.connect(subject.address()).await.unwrap()) != new.der() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(20), seen).await.unwrap();
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let refused = |adapter: Adapter, arguments: &[&str]| {
        let adapter = ["--adapter", adapter.as_str()];
        let output = Command::new(PROGRAM).args(adapter).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {said}");
        said
    };
    let files = ["--tls-cert", "missing.crt", "--tls-key", "missing.key"];
    for adapter in Adapter::value_variants() {
        let said = refused(*adapter, &files);
        let reason = if OVER_TLS.contains(adapter) { "missing.crt" } else { "--tls-cert" };
        assert!(said.contains(reason), "{adapter}: {said}");
    }
    for (arguments, missing) in [
        (&["--tls-cert", "a"][..], "--tls-key"),
        (&["--tls-key", "a"], "--tls-cert"),
        (&["--tls-client-ca", "a"], "--tls-cert"),
        (&["--plain-listen", "127.0.0.1:0"], "--tls-cert"),
    ] {
        let said = refused(Adapter::Hyper, arguments);
        assert!(said.contains(missing), "{arguments:?}: {said}");
    }
}
