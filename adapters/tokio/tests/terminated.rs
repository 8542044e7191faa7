//! [`health_tokio::terminated`] against real signals, which this test process sends to itself. Were
//! they not caught, they would end it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![cfg(unix)]

use std::{
    process::{self, Command},
    thread,
    time::Duration,
};

use futures_lite::future::poll_once;
use health_core::{Registry, ServingStatus::NotServing};
use health_tokio::{drain, terminated};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn send_to_self(signal: &str) {
    let id = process::id().to_string();
    let kill = Command::new("kill").args([signal, &id]).status();
    assert!(kill.unwrap().success(), "kill {signal} {id}");
}

// One test, so that no two signals are under way in the process at once.
#[tokio::test]
async fn sigterm_and_ctrl_c_are_caught_from_the_call_on() {
    for signal in ["-TERM", "-INT"] {
        let mut waiting = Box::pin(terminated());
        assert_eq!(poll_once(&mut waiting).await, None, "{signal}: before");
        send_to_self(signal);
        timeout(PATIENCE, waiting).await.expect(signal);

        let unpolled = terminated();
        send_to_self(signal);
        thread::sleep(Duration::from_millis(50));
        timeout(PATIENCE, unpolled).await.expect(signal);
    }

    let registry = Registry::new();
    let draining = tokio::spawn(drain(&registry, Duration::ZERO, terminated()));
    send_to_self("-TERM");
    timeout(PATIENCE, draining).await.unwrap().unwrap();
    assert_eq!(registry.check(""), Some(NotServing));
    assert!(registry.is_closed());
}
