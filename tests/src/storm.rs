//! Load that no well-behaved peer causes, and the proof that nothing of it stays.
//!
//! A storm is a function of its seed: the same seed sends the same bytes.

mod frames;
mod malformed;
mod random;
mod watches;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Call, Piece};
use crate::subject::Subject;
use crate::vector::{HttpVersion, Request, Vectors};

/// How much a storm sends, and in what order.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Storm {
    /// Malformed requests: cut off, or with bytes changed, over HTTP/1.1 and HTTP/2.
    pub requests: u32,
    /// Watches of as many distinct names that nobody registers, opened and dropped.
    pub watches: u32,
    /// What the order and the changes follow from.
    pub seed: u64,
    /// How long the subject may take to answer a call, and to let go of watches that are dropped.
    pub patience: Duration,
}

impl Storm {
    /// A storm with the seed that the tests use, and 10 s of patience.
    #[must_use]
    pub const fn new(requests: u32, watches: u32) -> Self {
        Self { requests, watches, seed: 0x5eed, patience: Duration::from_secs(10) }
    }
}

/// Watchers that a subject under a storm must allow, no more and no fewer (`--max-watchers`).
pub const MAX_WATCHERS: usize = 900;

/// Memory of the subject in KiB, before and after a storm.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Memory {
    /// When the storm began.
    pub before: u64,
    /// When it was over, and nothing of it was under way any more.
    pub after: u64,
}

impl Memory {
    /// Whether the memory is back within 5 % of what it was.
    #[must_use]
    pub const fn is_back(self) -> bool {
        self.after * 100 <= self.before * 105
    }
}

/// Sends `storm` to `subject`, which must allow [`MAX_WATCHERS`], and checks that it still answers
/// and holds no watcher.
///
/// Half of the storm goes ahead, so that what is allocated once is allocated. An allocator keeps
/// pages of its own for a while all the same; so where the memory is not back, the storm is sent
/// again, [`ATTEMPTS`] times at most: what a storm leaves behind is left behind by each of them.
/// `progress` is told what is under way, and how far it is.
///
/// # Errors
///
/// If the subject stops answering, or still holds a watcher when the patience of `storm` is over.
pub async fn run(
    subject: &mut Subject,
    storm: Storm,
    mut progress: impl FnMut(&str, u32) + Send,
) -> io::Result<Memory> {
    let state = json!({"reset": {"": "SERVING", "svc": "NOT_SERVING"}});
    subject.command(&state).await?;
    let half = Storm { requests: storm.requests / 2, watches: storm.watches / 2, ..storm };
    blow(subject, half, "warm-up", &mut progress).await?;
    let mut memory = Memory { before: 0, after: subject.resident_kib()? };
    for attempt in 1..=ATTEMPTS {
        let again = Storm { seed: storm.seed.wrapping_add(u64::from(attempt) << 32), ..storm };
        blow(subject, again, &format!("storm {attempt}"), &mut progress).await?;
        memory = Memory { before: memory.after, after: subject.resident_kib()? };
        if memory.is_back() {
            break;
        }
    }
    Ok(memory)
}

/// How often a storm is sent before what it leaves behind counts.
pub const ATTEMPTS: u32 = 3;

async fn blow(
    subject: &Subject,
    storm: Storm,
    part: &str,
    progress: &mut impl FnMut(&str, u32),
) -> io::Result<()> {
    let address = subject.address();
    let Vectors(vectors) = Vectors::load().map_err(io::Error::other)?;
    let (mut tasks, done) = (JoinSet::new(), Done::default());
    malformed::spawn(&mut tasks, address, &vectors, storm, &done);
    finish(tasks, &done, |done| progress(&format!("{part}, malformed requests"), done)).await?;
    let (mut tasks, done) = (JoinSet::new(), Done::default());
    watches::spawn(&mut tasks, address, storm, &done).await?;
    finish(tasks, &done, |done| progress(&format!("{part}, watches"), done)).await?;
    answers(address, storm.patience).await?;
    watches::none_is_held(address, storm.patience).await?;
    // The KiB of a process that runs here fit in 32 bits by far.
    let resident = u32::try_from(subject.resident_kib()?).unwrap_or(u32::MAX);
    progress(&format!("{part}, memory in KiB"), resident);
    Ok(())
}

/// Counts what the tasks of a storm have done.
type Done = Arc<AtomicU32>;

/// Waits for the tasks of a storm, and tells every second how far they are.
async fn finish(
    mut tasks: JoinSet<io::Result<()>>,
    done: &Done,
    mut told: impl FnMut(u32),
) -> io::Result<()> {
    loop {
        match timeout(Duration::from_secs(1), tasks.join_next()).await {
            Ok(Some(ended)) => ended.map_err(io::Error::other)??,
            Ok(None) => break,
            Err(_) => told(done.load(Ordering::Relaxed)),
        }
    }
    told(done.load(Ordering::Relaxed));
    Ok(())
}

/// Asks over both versions of HTTP.
async fn answers(address: SocketAddr, patience: Duration) -> io::Result<()> {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let request = Request::post("Check", "application/json", br#"{"service":"svc"}"#.to_vec());
        let asked = async {
            let mut call = Call::start(version, address, &request).await?;
            let head = call.head().await?;
            let mut body = Vec::new();
            while let Piece::Body(bytes) = call.piece().await? {
                body.extend(bytes);
            }
            Ok::<_, io::Error>((head.status, body))
        };
        let (status, body) = timeout(patience, asked)
            .await
            .map_err(|_| io::Error::other(format!("no answer over {version} any more")))??;
        if status != 200 || body != br#"{"status":"NOT_SERVING"}"# {
            let body = body.escape_ascii();
            return Err(io::Error::other(format!("over {version} it answers {status} {body}")));
        }
    }
    Ok(())
}

/// Tries until `attempt` succeeds, for a while: a server learns of a closed connection when it
/// next looks at it.
async fn eventually<F>(patience: Duration, mut attempt: impl FnMut() -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let deadline = Instant::now() + patience;
    loop {
        match attempt().await {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(Duration::from_millis(50)).await,
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_back_within_five_percent() {
        let memory = |before, after| Memory { before, after };
        assert!(memory(1000, 900).is_back());
        assert!(memory(1000, 1050).is_back());
        assert!(!memory(1000, 1051).is_back());
    }
}
