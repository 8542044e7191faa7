//! A watcher that has its HTTP/1.1 connection to itself.

use std::time::Duration;

use health_tonic::Registry;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{sleep, timeout};

/// A Watch of the server as a whole, in gRPC-Web.
pub(crate) const WATCH: &[u8] =
    b"POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";

/// The first message that answers it.
pub(crate) const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";

/// Far beyond anything that is waited for here; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads until `awaited` has come.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), awaited: &[u8]) {
    let mut read = Vec::new();
    let reading = async {
        while !read.windows(awaited.len()).any(|bytes| bytes == awaited) {
            let text = String::from_utf8_lossy(&read).into_owned();
            assert_ne!(stream.read_buf(&mut read).await.expect(&text), 0, "{text}");
        }
    };
    timeout(PATIENCE, reading).await.expect("hangs");
}

/// Waits until as many watches are open as given.
pub(crate) async fn watchers(health: &Registry, watchers: usize) {
    let counted = async {
        while health.watchers() != watchers {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let Ok(()) = timeout(PATIENCE, counted).await else {
        panic!("{} watchers, not {watchers}", health.watchers());
    };
}
