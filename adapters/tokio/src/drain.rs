//! The end of a server, in the order that health clients need.

use std::{future::Future, time::Duration};

use health_core::Registry;

/// Waits for `signal`, then takes `registry` out of service, and completes when the server may stop.
///
/// # Semantics
///
/// 1. When `signal` completes, the registry is shut down: every Check, probe and open Watch reads
///    NOT_SERVING. Calls are still served, Watch streams stay open.
/// 2. For `grace` nothing more happens: load balancers and clients move away. Take it longer than the
///    period of the slowest prober.
/// 3. The registry is closed: every Watch ends, so that no server stop waits for a watcher.
///
/// Pass it as the shutdown signal of the server, which stops accepting when it completes.
///
/// # Cancel safety
///
/// Dropping the future leaves the registry as it was at that point: before `signal` untouched, during
/// the grace shut down but not closed.
///
/// # Examples
///
/// ```
/// use std::{future::ready, time::Duration};
///
/// use health_core::Registry;
/// use health_tokio::drain;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let health = Registry::new();
/// drain(&health, Duration::from_secs(10), ready(())).await;
/// assert!(health.is_closed());
/// # }
/// ```
pub fn drain<F>(
    registry: &Registry,
    grace: Duration,
    signal: F,
) -> impl Future<Output = ()> + use<F>
where
    F: Future<Output = ()>,
{
    let registry = registry.clone();
    async move {
        signal.await;
        registry.shutdown();
        tokio::time::sleep(grace).await;
        registry.close();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use futures_lite::{StreamExt, future::poll_once};
    use health_core::ServingStatus::{NotServing, Serving};
    use tokio::{sync::oneshot, time::Instant};

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn nothing_changes_before_the_signal() {
        let registry = Registry::new();
        let draining = tokio::spawn(drain(&registry, GRACE, pending()));
        tokio::time::sleep(100 * GRACE).await;
        assert_eq!(registry.check(""), Some(Serving));
        assert!(!registry.is_shut_down() && !draining.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_reads_not_serving_for_the_grace_and_then_ends() {
        let registry = Registry::new();
        let mut watch = registry.watch("").unwrap();
        assert_eq!(watch.next().await, Some(Serving));
        let (stop, stopped) = oneshot::channel();
        let draining = tokio::spawn(drain(&registry, GRACE, async { stopped.await.unwrap() }));

        let start = Instant::now();
        stop.send(()).unwrap();
        assert_eq!(watch.next().await, Some(NotServing));
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::sleep(GRACE - Duration::from_millis(1)).await;
        assert_eq!(poll_once(watch.next()).await, None, "the stream is held open");
        assert_eq!(watch.next().await, None);
        assert!(start.elapsed() >= GRACE);
        draining.await.unwrap();
        assert!(registry.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_is_dropped_in_the_grace_leaves_the_latch_and_closes_nothing() {
        let registry = Registry::new();
        let draining = tokio::time::timeout(GRACE / 2, drain(&registry, GRACE, async {}));
        assert!(draining.await.is_err());
        tokio::time::sleep(GRACE).await;
        assert!(registry.is_shut_down() && !registry.is_closed());
    }
}
