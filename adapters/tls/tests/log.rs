//! What is logged of files that change. Alone in its process, as the log is the process's.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod pki;

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::{mem, time::Duration};

use health_tls::Tls;
use pki::{Authority, Files, presented};
use tokio::net::TcpListener;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was logged since the last call.
fn lines() -> Vec<String> {
    mem::take(&mut LINES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps each event at INFO and above as a line.
struct Log;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("health_tls")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_certificate_and_is_logged_once_by_name_and_reason() {
    tracing::subscriber::set_global_default(Log).unwrap();
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(), authority.issue());
    let files = Files::new(&old);
    let tls = Tls::builder(files.certificate(), files.key());
    let tls = tls.reload_interval(Duration::ZERO).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tls.accept(stream).await.unwrap();
        }
    });
    let client = authority.client(&[]);
    let certificate = async || presented(&client.connect(address).await.unwrap());
    assert_eq!(certificate().await, old.der());
    assert_eq!(lines(), [""; 0]);

    // The key is still the old one, as between the two writes of a renewal.
    files.write("tls.crt", &new.certificate);
    for _ in 0..3 {
        assert_eq!(certificate().await, old.der());
    }
    let key = files.key().display().to_string();
    let said = lines();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("WARN") && said[0].contains(&key), "{said:?}");
    assert!(said[0].contains("does not belong to the certificate in "), "{said:?}");

    // Another fault is another line.
    files.write("tls.key", "");
    assert_eq!(certificate().await, old.der());
    let said = lines();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("has no private key in it"), "{said:?}");

    files.replace(&new);
    for _ in 0..3 {
        assert_eq!(certificate().await, new.der());
    }
    let said = lines();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("INFO") && said[0].contains("tls.crt"), "{said:?}");

    // The first fault again, after a time without one.
    files.write("tls.key", "");
    assert_eq!(certificate().await, new.der());
    assert_eq!(lines().len(), 1);
}
