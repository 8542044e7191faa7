//! `Tasks`: an executor that runs when it is told to, in the order in which tasks were spawned.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Names one task of one [`TestBed`](crate::TestBed), to [end](crate::TestBed::end) it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TaskId(u64);

#[derive(Default)]
pub(crate) struct Tasks {
    tasks: BTreeMap<u64, Task>,
    next: u64,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Tasks {
    pub(crate) fn spawn(&mut self, future: impl Future + 'static) -> TaskId {
        let future = Box::pin(async {
            future.await;
        });
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let id = self.next;
        self.next += 1;
        self.tasks.insert(id, Task { future, woken });
        TaskId(id)
    }

    /// Drops a task; `false` if it is done.
    pub(crate) fn end(&mut self, id: TaskId) -> bool {
        self.tasks.remove(&id.0).is_some()
    }

    /// Polls what was woken, until nothing is.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        let mut rounds = 0;
        while self.tasks.values().any(|task| task.woken.0.load(Ordering::Acquire)) {
            self.tasks.retain(|_, task| task.poll().is_pending());
            rounds += 1;
            assert!(rounds < MAX_ROUNDS, "a task wakes itself for ever, and no time passes");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }
}

impl Task {
    fn poll(&mut self) -> Poll<()> {
        if !self.woken.0.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A monitor of 100 000 conditions that are all due wakes itself some 1 600 times.
const MAX_ROUNDS: usize = 100_000;
