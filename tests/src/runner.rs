//! Replays every vector against every adapter, a few subjects at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::adapter::{Adapter, Runtime};
use crate::exchange::exchange;
use crate::judge::{Mismatch, judge};
use crate::matrix::Matrix;
use crate::reply::Reply;
use crate::subject::{Options, Subject};
use crate::vector::{Config, HttpVersion, Vector, Vectors};

/// Subjects that serve one configuration of one adapter side by side. Most of a run is waiting for
/// streams to stay silent, so there are more of them than processors.
const SUBJECTS: usize = 8;

/// Replays `vectors` against each of `adapters`, served by `program`.
///
/// # Errors
///
/// If a subject does not start or stop as its contract says. A vector that does not hold is no error
/// here: the [`Report`] has it.
pub async fn replay(program: &Path, adapters: &[Adapter], vectors: &Vectors) -> io::Result<Report> {
    let mut groups = BTreeMap::<Config, VecDeque<Vector>>::new();
    for vector in &vectors.0 {
        groups.entry(vector.config.clone()).or_default().push_back(vector.clone());
    }
    let mut workers = JoinSet::new();
    for adapter in adapters {
        for (config, vectors) in &groups {
            let count = SUBJECTS.min(vectors.len());
            let queue = Arc::new(Mutex::new(vectors.clone()));
            for _ in 0..count {
                let worker = Worker {
                    program: program.to_owned(),
                    adapter: *adapter,
                    options: config.options(),
                    queue: Arc::clone(&queue),
                };
                workers.spawn(worker.run());
            }
        }
    }
    let mut verdicts = Vec::new();
    while let Some(done) = workers.join_next().await {
        verdicts.extend(done.map_err(io::Error::other)??);
    }
    verdicts.sort_by(|a, b| (a.adapter, &a.vector.id).cmp(&(b.adapter, &b.vector.id)));
    Ok(Report { verdicts })
}

/// One subject, and the queue of vectors that it shares with its like.
struct Worker {
    program: PathBuf,
    adapter: Adapter,
    options: Options,
    queue: Arc<Mutex<VecDeque<Vector>>>,
}

impl Worker {
    async fn run(self) -> io::Result<Vec<Verdict>> {
        let mut subject = Subject::start(&self.program, self.adapter, &self.options).await?;
        let mut verdicts = Vec::new();
        while let Some(vector) = self.next() {
            let mut failures = Vec::new();
            for version in vector.http_versions() {
                let failure = match exchange(&vector, version, &mut subject).await {
                    Ok(reply) => Failure::of(&vector, reply),
                    Err(error) => Some(Failure::NoReply(version, error.to_string())),
                };
                failures.extend(failure);
            }
            verdicts.push(Verdict { adapter: self.adapter, vector, failures });
        }
        self.look_at_runtime(&subject)?;
        subject.stop().await?;
        Ok(verdicts)
    }

    /// The runtime that the table names is the one that the subject's threads belong to.
    fn look_at_runtime(&self, subject: &Subject) -> io::Result<()> {
        if !cfg!(target_os = "linux") {
            // Only Linux tells the names of another process's threads.
            return Ok(());
        }
        let threads = subject.threads()?;
        let (adapter, expected) = (self.adapter, self.adapter.runtime());
        if Runtime::of_threads(&threads) != Some(expected) {
            let text = format!("{adapter} was to run on {expected}; its threads: {threads:?}");
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    fn next(&self) -> Option<Vector> {
        // Nothing panics under the lock, and a queue is whole at every instruction.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// What became of one vector on one adapter.
#[derive(Debug)]
struct Verdict {
    adapter: Adapter,
    vector: Vector,
    failures: Vec<Failure>,
}

#[derive(Debug)]
enum Failure {
    NoReply(HttpVersion, String),
    Reply(Box<Reply>, Vec<Mismatch>),
}

impl Failure {
    fn of(vector: &Vector, reply: Reply) -> Option<Self> {
        let found = judge(vector, &reply);
        (!found.is_empty()).then(|| Self::Reply(Box::new(reply), found))
    }
}

/// What became of every vector.
///
/// [`Display`](fmt::Display) shows each vector that did not hold, with what was expected and what
/// came, then the [`Matrix`].
#[derive(Debug)]
pub struct Report {
    verdicts: Vec<Verdict>,
}

impl Report {
    /// The vectors that did not hold, as `adapter id`.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        let failed = self.verdicts.iter().filter(|verdict| !verdict.failures.is_empty());
        failed.map(|verdict| format!("{} {}", verdict.adapter, verdict.vector.id)).collect()
    }

    /// How many vectors hold, by adapter and protocol.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        let verdicts = self.verdicts.iter();
        verdicts.map(|v| (v.adapter, v.vector.protocol, v.failures.is_empty())).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Verdict { adapter, vector, failures } in &self.verdicts {
            if !failures.is_empty() {
                writeln!(f, "FAILED {} on {adapter}: {}", vector.id, vector.why)?;
            }
            for failure in failures {
                match failure {
                    Failure::NoReply(version, why) => writeln!(f, "  {version}: {why}")?,
                    Failure::Reply(reply, found) => {
                        for mismatch in found {
                            writeln!(f, "  {}: {mismatch}", reply.version)?;
                        }
                        write!(f, "{reply}")?;
                    }
                }
            }
        }
        write!(f, "{}", self.matrix())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reply::{End, Fields, Head};

    #[test]
    fn a_failure_shows_what_was_expected_and_what_came() {
        let Vectors(vectors) = Vectors::load().unwrap();
        let vector = vectors.into_iter().find(|v| v.id == "grpc-check-named").unwrap();
        let reply = Reply {
            version: HttpVersion::Http2,
            head: Head { status: 503, headers: Fields::default(), ends_stream: false },
            body: b"\x01ok".to_vec(),
            arrivals: vec![(Duration::from_millis(7), 3)],
            trailers: None,
            end: End::Broken("stream reset".to_owned()),
        };
        let failures = Failure::of(&vector, reply).into_iter().collect();
        let report =
            Report { verdicts: vec![Verdict { adapter: Adapter::Hyper, vector, failures }] };
        assert_eq!(report.failed(), ["hyper grpc-check-named"]);
        let text = report.to_string();
        for part in [
            "FAILED grpc-check-named on hyper: named service",
            "  HTTP/2: status: expected 200, came 503",
            "came: HTTP/2 503, broken: stream reset",
            "body: 3 bytes, 3 after 7 ms",
            "hex 016f6b",
            "text \\x01ok",
            "| grpc | 0/1 |",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
