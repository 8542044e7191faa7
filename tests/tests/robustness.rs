//! A storm of malformed requests and dropped watches leaves nothing behind. These are the short
//! ones; the program `soak` sends the long ones.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails, and says how far it was"
)]

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use health_conformance::storm::{self, MAX_WATCHERS, Storm};
use health_conformance::{Adapter, Options, Subject};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn weather(adapter: Adapter, storm: Storm) {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    let options = Options::new().max_watchers(MAX_WATCHERS);
    let mut subject = Subject::start(program, adapter, &options).await.unwrap();
    let told = |part: &str, done: u32| println!("{adapter}: {part}: {done}");
    let memory = storm::run(&mut subject, storm, told).await.unwrap();
    assert!(memory.is_back(), "{adapter}: {memory:?} KiB");
    subject.stop().await.unwrap();
}

/// What a storm of nothing says of a subject that allows so many watchers, one of which is missing
/// if `held`.
async fn calm(max_watchers: usize, held: bool) -> Result<(), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    let options = Options::new().max_watchers(max_watchers);
    let mut subject = Subject::start(program, Adapter::Hyper, &options).await.unwrap();
    let mut stream = TcpStream::connect(subject.address()).await.unwrap();
    if held {
        let watch = b"POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\n\
            content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";
        stream.write_all(watch).await.unwrap();
        stream.readable().await.unwrap();
    }
    let mut storm = Storm::new(0, 0);
    storm.patience = Duration::from_millis(500);
    let run = storm::run(&mut subject, storm, |_, _| {}).await;
    run.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_held_is_seen() {
    assert_eq!(calm(MAX_WATCHERS, false).await, Ok(()));
    let held = calm(MAX_WATCHERS, true).await.unwrap_err();
    assert!(held.contains("1 watchers are held"), "{held}");
    let unlimited = calm(MAX_WATCHERS + 1, false).await.unwrap_err();
    assert!(unlimited.contains("more than 900"), "{unlimited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_leave_nothing_behind() {
    for adapter in Adapter::value_variants() {
        weather(*adapter, Storm::new(2_000, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_of_unknown_names_leave_nothing_behind() {
    for adapter in Adapter::value_variants() {
        weather(*adapter, Storm::new(0, 4_000)).await;
    }
}
