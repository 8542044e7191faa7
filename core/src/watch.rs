//! `Watch`: the stream of one service's statuses.

use std::{
    fmt,
    pin::Pin,
    sync::Arc as StdArc,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream};

use crate::{ServingStatus, cell::Cell, sync::Arc};

/// The statuses of one service, as [`Registry::watch`] subscribes to them.
///
/// # Yields
///
/// - first item: the status at the time of the first poll, or [`ServiceUnknown`] if the service is
///   not registered; the stream stays open.
/// - later items: the newest status, each different from the item before it. What changed and changed
///   back between two polls is not seen.
/// - end of stream: only after [`Registry::close`], following the last status. A Watch opened after
///   that ends at once, without an item.
///
/// # Cancel safety
///
/// Dropping a pending `next()` loses nothing; dropping the stream deregisters it.
///
/// [`Registry::watch`]: crate::Registry::watch
/// [`Registry::close`]: crate::Registry::close
/// [`ServiceUnknown`]: ServingStatus::ServiceUnknown
#[must_use = "a stream does nothing unless polled"]
pub struct Watch {
    /// `None` once the stream has ended.
    seat: Option<Seat>,
}

/// Where a Watch came from, and where its place is given back.
pub(crate) trait Usher: Send + Sync {
    /// Brings the cells up to date with the clock.
    fn let_go(&self);

    /// The Watch at `slot` of `cell` is gone.
    fn leave(&self, cell: &Arc<Cell>, slot: usize);
}

struct Seat {
    cell: Arc<Cell>,
    usher: StdArc<dyn Usher>,
    slot: u32,
    /// The last item; `None` before the first.
    last: Option<ServingStatus>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.usher.leave(&self.cell, self.slot as usize);
    }
}

impl Watch {
    pub(crate) fn seated(cell: Arc<Cell>, usher: StdArc<dyn Usher>, slot: u32) -> Self {
        Self { seat: Some(Seat { cell, usher, slot, last: None }) }
    }

    /// A stream that has ended before its first item.
    pub(crate) const fn ended() -> Self {
        Self { seat: None }
    }
}

impl Stream for Watch {
    type Item = ServingStatus;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServingStatus>> {
        let Some(seat) = &mut self.seat else {
            return Poll::Ready(None);
        };
        seat.usher.let_go();
        let mut shown = seat.cell.shown();
        while seat.last == Some(shown.status()) && !shown.is_closed() {
            match seat.cell.park(seat.slot as usize, shown, cx.waker()) {
                Some(now) => shown = now,
                None => return Poll::Pending,
            }
        }
        let status = shown.status();
        let news = seat.last.replace(status) != Some(status);
        if shown.is_closed() {
            self.seat = None;
        }
        Poll::Ready(news.then_some(status))
    }
}

impl FusedStream for Watch {
    fn is_terminated(&self) -> bool {
        self.seat.is_none()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("last", &self.seat.as_ref().map(|seat| seat.last)).finish()
    }
}
