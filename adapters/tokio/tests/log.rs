//! What an operator reads in the log: one line a transition, and one for a drain.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    future::ready,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use health_core::{Hold, Reason, Registry, ServingStatus};
use health_tokio::{Drain, TokioTimer};
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_one_line_and_a_drain_is_one() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).without_time().with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let health = Registry::builder().clock(TokioTimer::shared()).build();
    health.set("greet", ServingStatus::Serving);
    health.set("greet", ServingStatus::Serving);
    tokio::time::advance(Duration::from_secs(90)).await;
    let pool = health.signal("greet", "postgres").unwrap();
    pool.fail(Reason::new("connection refused"));
    health.hold("", Hold::new("upgrade").by("ada"));
    let drain = Drain::new(&health, TokioTimer::shared()).lame_duck(Duration::from_secs(1));
    drain.run(ready(()), |stop| stop).await;

    let lines = log.lines();
    let has = |parts: &[&str]| {
        let found = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {lines:#?}");
    };
    let changed = "health status changed";
    has(&[changed, r#"service="greet" from="SERVICE_UNKNOWN" to="SERVING" cause="set""#]);
    has(&[changed, r#"from="SERVING" to="UNKNOWN""#, "lasted=90s"]);
    has(&[changed, r#"to="NOT_SERVING" cause="condition" reason="postgres: connection refused""#]);
    has(&[changed, r#"service="" "#, r#"cause="held" reason="held by ada: upgrade""#]);
    has(&["drained: NOT_SERVING for 1.0 s, watchers told 0"]);
    assert_eq!(lines.len(), 6, "the server as a whole was SERVING first: {lines:#?}");
}
