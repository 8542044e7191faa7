//! `Watcher`: the thread that pings the executors and tells how they stand.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::board::{Board, Member, Order};

/// What runs in the detector's thread. Its end takes the conditions of the executors away.
pub(crate) struct Watcher {
    board: Arc<Board>,
    interval: Duration,
    members: Vec<Member>,
}

impl Watcher {
    pub(crate) const fn new(board: Arc<Board>, interval: Duration) -> Self {
        Self { board, interval, members: Vec::new() }
    }

    /// Runs until the board is stopped: every interval, and whenever the bell rings, because there is a
    /// new executor, or one has got going.
    pub(crate) fn run(mut self) {
        while let Some(orders) = self.board.take_orders() {
            orders.into_iter().for_each(|order| self.obey(order));
            for member in &mut self.members {
                member.tell(self.board.threshold);
                member.ping();
            }
            self.board.bell.wait(self.interval);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Watch(member) => self.members.push(member),
            Order::Forget(pulse) => {
                self.members.retain(|member| !Arc::ptr_eq(&member.pulse, &pulse));
            }
        }
    }
}

impl Member {
    fn ping(&self) {
        if let Some(ping) = self.pulse.send(Instant::now()) {
            // The panic hook has reported it; the ping was dropped, which counts as a refusal.
            let _ = catch_unwind(AssertUnwindSafe(|| self.executor.ping(ping)));
        }
    }

    fn tell(&mut self, threshold: Duration) {
        self.signals.tell(self.pulse.take_progress(Instant::now(), threshold));
    }
}
