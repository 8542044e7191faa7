//! `Board`: what the detector's threads share with those who add executors and ask for stalls.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    StallError,
    bell::{Bell, lock},
    executor::Executor,
    pulse::Pulse,
    signals::{Post, Signals},
    stall::Stall,
};

/// The executors of one detector.
pub(crate) struct Board {
    pub(crate) threshold: Duration,
    pub(crate) bell: Arc<Bell>,
    posts: Vec<Post>,
    /// Outer to the lock of a [`Pulse`].
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pulses: Vec<Arc<Pulse>>,
    /// What the detector's thread has not heard of.
    orders: Vec<Order>,
    is_stopped: bool,
}

/// What the detector's thread is asked to do.
pub(crate) enum Order {
    Watch(Member),
    Forget(Arc<Pulse>),
}

/// One executor, on its way to the detector's thread or there.
pub(crate) struct Member {
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) signals: Signals,
}

impl Board {
    pub(crate) fn new(threshold: Duration, posts: Vec<Post>) -> Self {
        Self { threshold, bell: Arc::default(), posts, state: Mutex::default() }
    }

    pub(crate) fn add(&self, executor: Box<dyn Executor>) -> Result<(), StallError> {
        let name: Arc<str> = executor.name().into();
        let pulse = Arc::new(Pulse::new(Arc::clone(&name), Arc::clone(&self.bell)));
        self.enter(Arc::clone(&pulse))?;
        match Signals::new(&name, &self.posts) {
            Ok(signals) => self.order(Member { executor, pulse, signals }),
            Err(error) => {
                lock(&self.state).pulses.retain(|other| !Arc::ptr_eq(other, &pulse));
                Err(error.into())
            }
        }
    }

    /// Hands a member to the detector's thread, unless that was stopped, or the member removed, meanwhile.
    fn order(&self, member: Member) -> Result<(), StallError> {
        let mut state = lock(&self.state);
        if state.is_stopped {
            drop(state);
            return Err(StallError::stopped());
        }
        if !state.pulses.iter().any(|pulse| Arc::ptr_eq(pulse, &member.pulse)) {
            drop(state);
            return Ok(());
        }
        state.orders.push(Order::Watch(member));
        drop(state);
        self.bell.ring();
        Ok(())
    }

    /// Takes the name, which nobody else may have.
    fn enter(&self, pulse: Arc<Pulse>) -> Result<(), StallError> {
        let mut state = lock(&self.state);
        if state.is_stopped {
            return Err(StallError::stopped());
        }
        if state.pulses.iter().any(|other| other.name() == pulse.name()) {
            return Err(StallError::duplicate(Arc::clone(pulse.name())));
        }
        state.pulses.push(pulse);
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut state = lock(&self.state);
        let Some(at) = state.pulses.iter().position(|pulse| **pulse.name() == *name) else {
            return false;
        };
        let pulse = state.pulses.remove(at);
        state.orders.push(Order::Forget(pulse));
        drop(state);
        self.bell.ring();
        true
    }

    /// The executors that make no progress at `now`.
    pub(crate) fn stalls(&self, now: Instant) -> Vec<Stall> {
        let pulses = lock(&self.state).pulses.clone();
        pulses.iter().filter_map(|pulse| pulse.stall(now, self.threshold)).collect()
    }

    /// What there is to do since the last time; `None` if the detector is to stop.
    pub(crate) fn take_orders(&self) -> Option<Vec<Order>> {
        let mut state = lock(&self.state);
        (!state.is_stopped).then(|| std::mem::take(&mut state.orders))
    }

    pub(crate) fn stop(&self) {
        let mut state = lock(&self.state);
        state.is_stopped = true;
        let (pulses, orders) =
            (std::mem::take(&mut state.pulses), std::mem::take(&mut state.orders));
        drop(state);
        // User code: dropped where no lock is held.
        drop((pulses, orders));
        self.bell.ring();
    }
}
