//! What evaluates one condition: a future that lives as long as the condition does, so that an
//! evaluation allocates nothing but what the condition itself does.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

use crate::{
    Reason,
    condition::{Condition, schedule::Id},
    sync::{Mutex, lock},
};

/// Evaluates its condition whenever it is told to; done when it is told to end.
///
/// No panic of the condition leaves it, also when it is dropped.
pub(super) struct Task {
    /// `None` while it is dropped.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What the driver tells one task.
pub(super) struct Control {
    /// Innermost lock: no other lock is taken and no user code runs under it.
    order: Mutex<Order>,
    task: AtomicWaker,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    /// To wait for another order.
    Rest,
    /// To evaluate the condition, once.
    Evaluate,
    /// To drop the evaluation, if it is not done.
    Cancel,
    /// To drop the condition. Final.
    End,
}

/// What the tasks tell the driver.
#[derive(Default)]
pub(super) struct Outbox {
    /// Innermost lock: no other lock is taken and no user code runs under it.
    outcomes: Mutex<Vec<(Id, Outcome)>>,
}

/// What became of one evaluation.
pub(super) enum Outcome {
    /// It was dropped before it was done.
    Cancelled,
    Done(Result<(), Reason>),
}

impl Control {
    pub(super) fn new() -> Self {
        Self { order: Mutex::new(Order::Rest), task: AtomicWaker::new() }
    }

    /// Starts an evaluation. The one before it must have had its outcome.
    pub(super) fn evaluate(&self) {
        self.give(Order::Evaluate);
    }

    /// Drops the evaluation that runs.
    pub(super) fn cancel(&self) {
        self.give(Order::Cancel);
    }

    /// Drops the condition, and the evaluation if one runs.
    pub(super) fn end(&self) {
        self.give(Order::End);
    }

    fn give(&self, order: Order) {
        *lock(&self.order) = order;
        self.task.wake();
    }

    fn order(&self) -> Order {
        *lock(&self.order)
    }

    /// The current order; the task is woken by the next one.
    fn poll_order(&self, cx: &Context<'_>) -> Order {
        // Before the order is read, so that none is missed.
        self.task.register(cx.waker());
        self.order()
    }

    /// The evaluation has ended.
    fn rest(&self) {
        let mut order = lock(&self.order);
        if *order != Order::End {
            *order = Order::Rest;
        }
    }
}

impl Outbox {
    fn post(&self, id: Id, outcome: Outcome) {
        lock(&self.outcomes).push((id, outcome));
    }

    /// Swaps what was posted with `empty`, whose memory is used again.
    pub(super) fn swap(&self, empty: &mut Vec<(Id, Outcome)>) {
        std::mem::swap(&mut *lock(&self.outcomes), empty);
    }
}

impl Task {
    pub(super) fn new<C: Condition>(
        id: Id,
        condition: C,
        control: Arc<Control>,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self { future: Some(Box::pin(serve(id, condition, control, outbox))) }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let poll =
            || self.future.as_mut().map_or(Poll::Ready(()), |future| future.as_mut().poll(cx));
        // The condition is dropped in there. A task that is over leaves its result to grow stale.
        caught(poll).unwrap_or(Poll::Ready(()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Nobody is left whom the panic would concern, and other tasks are to be dropped after this one.
        let _ = caught(|| self.future = None);
    }
}

async fn serve<C: Condition>(id: Id, mut condition: C, control: Arc<Control>, outbox: Arc<Outbox>) {
    while is_to_evaluate(&control).await {
        let outcome = evaluate(&mut condition, &control).await;
        control.rest();
        outbox.post(id, outcome);
    }
}

/// Waits for an order: `true` to evaluate, `false` to end.
async fn is_to_evaluate(control: &Control) -> bool {
    poll_fn(|cx| match control.poll_order(cx) {
        Order::Evaluate => Poll::Ready(true),
        Order::End => Poll::Ready(false),
        Order::Rest | Order::Cancel => Poll::Pending,
    })
    .await
}

/// One evaluation. Whatever the condition's code does, it ends here: its panics too, when it is called,
/// polled and dropped.
async fn evaluate<C: Condition>(condition: &mut C, control: &Control) -> Outcome {
    let mut evaluation = pin!(None);
    match caught(|| condition.evaluate()) {
        Ok(future) => evaluation.set(Some(future)),
        Err(panic) => return Outcome::Done(Err(panic)),
    }
    let outcome = poll_fn(|cx| {
        if control.poll_order(cx) != Order::Evaluate {
            return Poll::Ready(Outcome::Cancelled);
        }
        let Some(future) = evaluation.as_mut().as_pin_mut() else {
            return Poll::Ready(Outcome::Cancelled);
        };
        match caught(|| future.poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Outcome::Done(result)),
            Err(panic) => Poll::Ready(Outcome::Done(Err(panic))),
        }
    })
    .await;
    match (caught(|| evaluation.set(None)), outcome) {
        (Err(panic), Outcome::Done(Ok(()))) => Outcome::Done(Err(panic)),
        (_, outcome) => outcome,
    }
}

/// Runs user code; a panic becomes the reason of a failure.
///
/// A future that panicked is dropped and never polled again. The condition is evaluated again: what it
/// makes of its state after a panic is its own affair, as with a lock that is not poisoned.
pub(super) fn caught<T>(user_code: impl FnOnce() -> T) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(user_code)).map_err(|panic| {
        let reason = panicked(&*panic);
        discard(panic);
        reason
    })
}

/// Drops what a panic carried, which is user code too.
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Dropping this one might panic in turn, for ever: it is not worth its memory.
        Box::leak(next);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Reason {
    let message = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match message {
        Some(message) => Reason::new(format!("panicked: {message}")),
        None => Reason::new("panicked"),
    }
}
