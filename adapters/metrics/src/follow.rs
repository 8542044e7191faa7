//! `FollowFuture`: keeps the recorded statuses true to the registry.

use std::{
    collections::HashSet,
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::StreamExt;
use health_core::{Registry, Transition, Transitions};

use crate::recording;

/// Follows the statuses of a registry, from [`HealthMetrics::follow`](crate::HealthMetrics::follow).
#[derive(Debug)]
#[must_use = "a future does nothing unless polled"]
pub struct FollowFuture {
    registry: Registry,
    feed: Transitions,
    /// The services that were recorded and not removed since; none before the first poll.
    recorded: Option<HashSet<Arc<str>>>,
}

impl FollowFuture {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            feed: registry.transitions(FEED_CAPACITY),
            recorded: None,
        }
    }

    /// Records every service as it is now.
    fn record_all(&mut self) {
        let services = self.registry.services();
        let now: HashSet<_> = services.iter().map(|service| Arc::clone(&service.name)).collect();
        for service in &services {
            recording::show(&service.name, Some(service.status));
        }
        let before = self.recorded.replace(now).unwrap_or_default();
        let is_gone = |service: &Arc<str>| self.registry.check(service).is_none();
        before.iter().filter(|service| is_gone(service)).for_each(|gone| {
            recording::show(gone, None);
        });
    }

    fn handle(&mut self, transition: &Transition) {
        recording::count(transition);
        if transition.lost > 0 {
            self.record_all();
        }
        // What is, not what was: a transition that has waited in the feed may be overtaken.
        let service = &transition.service;
        let status = self.registry.check(service);
        recording::show(service, status);
        let recorded = self.recorded.get_or_insert_default();
        match status {
            Some(_) => recorded.insert(Arc::clone(service)),
            None => recorded.remove(service),
        };
    }
}

impl Future for FollowFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.recorded.is_none() {
            self.record_all();
        }
        for _ in 0..FEED_CAPACITY.get() {
            let Some(transition) = ready!(self.feed.poll_next_unpin(cx)) else {
                return Poll::Ready(());
            };
            self.handle(&transition);
        }
        // Statuses change as fast as they are recorded: the executor's other tasks come first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Transitions that wait for a reader that lags. A drain of as many services is one for each.
const FEED_CAPACITY: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");
