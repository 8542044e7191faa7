//! The feed of transitions: what changed, from what to what, and why.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_channel::{Receiver, Sender};
use futures_core::{FusedStream, Stream};

use crate::ServingStatus;

/// One change of the status that a service shows.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The service; `""` is the server as a whole.
    pub service: Arc<str>,
    /// What it showed before; [`ServingStatus::ServiceUnknown`] if it was not registered.
    pub from: ServingStatus,
    /// What it shows now.
    pub to: ServingStatus,
    /// What made it change.
    pub cause: Cause,
    /// Why the service shows what it shows now, where more than the cause is known: a condition and what
    /// it found, a dependency, a hold. For operators.
    pub reason: Option<Arc<str>>,
    /// When, by the registry's clock.
    pub at: Instant,
    /// How long it showed `from`; nothing for a service that was not registered.
    pub lasted: Option<Duration>,
    /// Number of this transition in its registry, counted from 1 without gaps.
    pub sequence: u64,
    /// How many transitions this reader lost just before this one, because it lagged by more than the
    /// capacity of its feed.
    pub lost: u64,
}

/// What made a service change.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// [`Registry::alias`](crate::Registry::alias).
    Aliased,
    /// A condition found something else than before, was added or was removed.
    Condition,
    /// A service that it depends on, is an alias of or is made up of shows something else, or there is
    /// another one.
    Dependency,
    /// A hold came to its end.
    Expired,
    /// [`Registry::group`](crate::Registry::group).
    Grouped,
    /// [`Registry::hold`](crate::Registry::hold).
    Held,
    /// [`Registry::release`](crate::Registry::release).
    Released,
    /// [`Registry::remove`](crate::Registry::remove).
    Removed,
    /// [`Registry::replace`](crate::Registry::replace).
    Replaced,
    /// [`Registry::resume`](crate::Registry::resume).
    Resumed,
    /// [`Registry::set`](crate::Registry::set).
    Set,
    /// [`Registry::shutdown`](crate::Registry::shutdown).
    Shutdown,
    /// What a condition found, or a heartbeat, is too old to be believed.
    Stale,
}

impl Cause {
    /// Name in lower case, such as `"condition"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aliased => "aliased",
            Self::Condition => "condition",
            Self::Dependency => "dependency",
            Self::Expired => "expired",
            Self::Grouped => "grouped",
            Self::Held => "held",
            Self::Released => "released",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Resumed => "resumed",
            Self::Set => "set",
            Self::Shutdown => "shutdown",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A bounded feed of [`Transition`]s, oldest first, from [`Registry::transitions`].
///
/// A reader that lags loses the oldest ones and is told how many ([`Transition::lost`]); it never
/// makes a setter wait. The stream ends when the registry and its clones are gone.
///
/// [`Registry::transitions`]: crate::Registry::transitions
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Transitions {
    receiver: Pin<Box<Receiver<Transition>>>,
    /// Sequence of the transition that comes next if none is lost.
    next: u64,
}

impl Stream for Transitions {
    type Item = Transition;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        let Some(mut transition) = ready!(self.receiver.as_mut().poll_next(cx)) else {
            return Poll::Ready(None);
        };
        transition.lost = transition.sequence.saturating_sub(self.next);
        self.next = transition.sequence.saturating_add(1);
        Poll::Ready(Some(transition))
    }
}

impl FusedStream for Transitions {
    fn is_terminated(&self) -> bool {
        self.receiver.is_terminated()
    }
}

/// The writers' side: numbers transitions under the ledger's lock, delivers them after it.
///
/// Delivery wakes readers, which is user code, so it runs without the lock; `delivering` keeps it to
/// one thread at a time, and so in order. A setter that finds another one delivering leaves its
/// transition to that one.
#[derive(Debug)]
pub(crate) struct Feeds {
    sequence: u64,
    /// The last transitions, at most `history_limit`.
    history: VecDeque<Transition>,
    history_limit: usize,
    senders: Vec<Sender<Transition>>,
    pending: VecDeque<Transition>,
    delivering: bool,
}

impl Feeds {
    /// No feeds yet, and room for so many transitions of the past.
    pub(crate) fn new(history_limit: usize) -> Self {
        Self {
            sequence: 0,
            history: VecDeque::with_capacity(history_limit),
            history_limit,
            senders: Vec::new(),
            pending: VecDeque::new(),
            delivering: false,
        }
    }

    pub(crate) fn open(&mut self, capacity: NonZeroUsize) -> Transitions {
        let (sender, receiver) = async_channel::bounded(capacity.get());
        // Not only with the next transition, which may be long in coming.
        self.forget_dropped();
        self.senders.push(sender);
        Transitions { receiver: Box::pin(receiver), next: self.sequence + 1 }
    }

    /// Numbers a transition and puts it by for delivery and for the history.
    pub(crate) fn note(&mut self, mut transition: Transition) {
        self.sequence += 1;
        transition.sequence = self.sequence;
        if self.history_limit > 0 {
            if self.history.len() == self.history_limit {
                self.history.pop_front();
            }
            self.history.push_back(transition.clone());
        }
        self.forget_dropped();
        if !self.senders.is_empty() || cfg!(feature = "tracing") {
            self.pending.push_back(transition);
        }
    }

    fn forget_dropped(&mut self) {
        self.senders.retain(|sender| !sender.is_closed());
    }

    /// The last transitions, oldest first.
    pub(crate) fn history(&self) -> Vec<Transition> {
        self.history.iter().cloned().collect()
    }

    /// Whether something waits for delivery.
    pub(crate) fn is_due(&self) -> bool {
        !self.pending.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn open_feeds(&self) -> usize {
        self.senders.len()
    }

    /// Takes what is to be delivered, if nobody else is delivering. [`Self::delivered`] ends it.
    pub(crate) fn take(&mut self) -> Option<Delivery> {
        if self.delivering || self.pending.is_empty() {
            return None;
        }
        self.delivering = true;
        Some(Delivery { transitions: std::mem::take(&mut self.pending), to: self.senders.clone() })
    }

    pub(crate) fn delivered(&mut self) {
        self.delivering = false;
    }
}

/// Transitions on their way to the readers, outside of any lock.
#[derive(Debug)]
pub(crate) struct Delivery {
    transitions: VecDeque<Transition>,
    to: Vec<Sender<Transition>>,
}

impl Delivery {
    pub(crate) fn run(self) {
        for transition in self.transitions {
            #[cfg(feature = "tracing")]
            tracing::info!(
                service = &*transition.service,
                from = transition.from.as_str(),
                to = transition.to.as_str(),
                cause = transition.cause.as_str(),
                reason = transition.reason.as_deref(),
                lasted = transition.lasted.map(tracing::field::debug),
                sequence = transition.sequence,
                "health status changed"
            );
            for sender in &self.to {
                // A closed feed has nobody to tell; a waker that panics must not end the delivery.
                let _ = catch_unwind(AssertUnwindSafe(|| sender.force_send(transition.clone())));
            }
        }
    }
}
