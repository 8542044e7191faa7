//! A storm of malformed requests and dropped watches leaves nothing behind. These are the short
//! ones; the program `soak` sends the long ones.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails, and says how far it was"
)]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use health_conformance::storm::{self, MAX_WATCHERS, Storm};
use health_conformance::{Adapter, Options, Subject};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

async fn weather(adapter: Adapter, storm: Storm) {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    let options = Options::new().max_watchers(MAX_WATCHERS);
    let mut subject = Subject::start(program, adapter, &options).await.unwrap();
    let told = |part: &str, done: u32| println!("{adapter}: {part}: {done}");
    let memory = storm::run(&mut subject, storm, told).await.unwrap();
    assert!(memory.is_back(), "{adapter}: {memory:?} KiB");
    subject.stop().await.unwrap();
}

/// A Watch that has its connection to itself.
const WATCH: &[u8] = b"POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";

/// The first message of the Watch of a server that is SERVING.
const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";

/// What a storm of nothing says of a subject that allows so many watchers, one of which is missing
/// if `held`.
async fn calm(max_watchers: usize, held: bool) -> Result<(), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    let options = Options::new().max_watchers(max_watchers);
    let mut subject = Subject::start(program, Adapter::Hyper, &options).await.unwrap();
    let mut stream = TcpStream::connect(subject.address()).await.unwrap();
    if held {
        stream.write_all(WATCH).await.unwrap();
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
        weather(*adapter, Storm::new(1_000, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_of_unknown_names_leave_nothing_behind() {
    for adapter in Adapter::value_variants() {
        weather(*adapter, Storm::new(0, 3_000)).await;
    }
}

/// Bytes that come right behind the request of a Watch, and bytes that come once it is answered: the
/// server has no use for them until the Watch is over, and may not read so far.
const UNREAD: [(&[u8], &[u8]); 4] = [(b"", b""), (b"x", b""), (b"", b"x"), (WATCH, WATCH)];

/// Opens a Watch, if the subject allows one more.
async fn watch(address: SocketAddr, behind: &[u8]) -> io::Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&[WATCH, behind].concat()).await?;
    let mut answer = Vec::new();
    loop {
        let has = |bytes: &[u8]| answer.windows(bytes.len()).any(|window| window == bytes);
        if has(SERVING) {
            return Ok(Some(stream));
        }
        if has(b"grpc-status") || stream.read_buf(&mut answer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Whether the one watcher that is allowed is free again after a peer left `unread` bytes and closed.
async fn is_let_go(adapter: Adapter, unread: (&[u8], &[u8])) -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_subject"));
    let options = Options::new().max_watchers(1);
    let subject = Subject::start(program, adapter, &options).await.unwrap();
    let mut held = watch(subject.address(), unread.0).await.unwrap().unwrap();
    assert!(watch(subject.address(), b"").await.unwrap().is_none(), "{adapter}: one more");
    held.write_all(unread.1).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    drop(held);
    let freed = async {
        while watch(subject.address(), b"").await.unwrap().is_none() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(8), freed).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_leaves_is_let_go_whatever_it_left_unread() {
    let mut cases = JoinSet::new();
    for adapter in Adapter::value_variants() {
        for (number, unread) in UNREAD.into_iter().enumerate() {
            cases.spawn(async move { (adapter, number, is_let_go(*adapter, unread).await) });
        }
    }
    let mut held = cases.join_all().await;
    held.retain(|(_, _, let_go)| !let_go);
    assert_eq!(held, [], "these hold a watcher for a peer that is gone");
}
