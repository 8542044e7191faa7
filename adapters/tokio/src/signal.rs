//! The signals by which an operator, a container runtime or a terminal asks the process to end.

use std::future::Future;

/// Completes when the process is asked to end: by SIGTERM or Ctrl-C, off Unix by Ctrl-C alone.
///
/// The signals are caught from the moment of the call, not of the first poll, so none is lost between
/// start-up and the first `await`. A signal that cannot be caught is left out: it then ends the process
/// as if this function had not been called. A process that has called this function is no longer ended
/// by these signals, also after the future completed.
///
/// # Panics
///
/// If called outside a tokio runtime, or inside one that was built without its IO driver.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// health_tokio::terminated().await;
/// println!("asked to end");
/// # }
/// ```
#[cfg(unix)]
pub fn terminated() -> impl Future<Output = ()> + Send + 'static {
    use std::{future::poll_fn, task::Poll};

    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
    let mut signals: Vec<_> = kinds.into_iter().flat_map(signal).collect();
    poll_fn(move |cx| {
        if signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
}

/// Completes when the process is asked to end by Ctrl-C.
///
/// If Ctrl-C cannot be caught the future stays pending, and Ctrl-C ends the process as if this function
/// had not been called.
#[cfg(not(unix))]
pub fn terminated() -> impl Future<Output = ()> + Send + 'static {
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
