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
    signals::{Post, Retirement, Signals},
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
    seats: Vec<Seat>,
    /// What the detector's thread has not heard of.
    orders: Vec<Order>,
    is_stopped: bool,
}

/// A name that is taken.
struct Seat {
    pulse: Arc<Pulse>,
    /// Of nothing until the executor has its conditions.
    retirement: Retirement,
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
                lock(&self.state).seats.retain(|seat| !Arc::ptr_eq(&seat.pulse, &pulse));
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
        let Some(seat) = state.seats.iter_mut().find(|it| Arc::ptr_eq(&it.pulse, &member.pulse))
        else {
            drop(state);
            return Ok(());
        };
        seat.retirement = member.signals.retirement();
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
        if state.seats.iter().any(|seat| seat.pulse.name() == pulse.name()) {
            return Err(StallError::duplicate(Arc::clone(pulse.name())));
        }
        state.seats.push(Seat { pulse, retirement: Retirement::default() });
        Ok(())
    }

    /// Gives the name back, and takes the conditions away: the next one of that name may come at once.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut state = lock(&self.state);
        let Some(at) = state.seats.iter().position(|seat| **seat.pulse.name() == *name) else {
            return false;
        };
        let Seat { pulse, retirement } = state.seats.remove(at);
        state.orders.push(Order::Forget(pulse));
        drop(state);
        retirement.begin();
        self.bell.ring();
        true
    }

    /// The executors that make no progress at `now`.
    pub(crate) fn stalls(&self, now: Instant) -> Vec<Stall> {
        let pulses: Vec<_> =
            lock(&self.state).seats.iter().map(|seat| Arc::clone(&seat.pulse)).collect();
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
        let (seats, orders) = (std::mem::take(&mut state.seats), std::mem::take(&mut state.orders));
        drop(state);
        // User code: dropped where no lock is held.
        drop((seats, orders));
        self.bell.ring();
    }
}
