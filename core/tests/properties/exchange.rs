//! One request through the service, polled by hand: no runtime, and no clock but the manual one.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use health_core::{Registry, ServingStatus, http::Body};
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame};

use super::{
    request_body::Ending,
    scenario::{Scenario, WatchEnd},
    timer::ManualTimer,
};

/// A reply, read to its end or until it was left.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// It was a Watch, which waited for a change.
    pub(crate) has_waited: bool,
    /// It was dropped before its end.
    pub(crate) was_left: bool,
}

/// Lets the service answer; `None` if the request never ends and there is no timer to end it.
///
/// # Panics
///
/// If the reply does not come or does not end although it should, its body breaks the rules of bodies,
/// or a watcher is left behind.
pub(crate) fn run(scenario: &Scenario) -> Option<Reply> {
    let registry = scenario.settings.registry();
    let timer = ManualTimer::new();
    let builder = scenario.settings.service(&registry);
    let service = if scenario.settings.has_timer {
        builder.timer(Arc::new(timer.clone())).build()
    } else {
        builder.build()
    };
    let mut response = None;
    {
        let mut future = pin!(service.call(scenario.request()));
        if let Poll::Ready(ready) = settle(|cx| future.as_mut().poll(cx)) {
            response = Some(ready);
        } else {
            let ending = scenario.settings.ending;
            assert_eq!(ending, Ending::Never, "no reply, though the body was sent");
            timer.advance(PAST_EVERY_DEADLINE);
            if let Poll::Ready(ready) = settle(|cx| future.as_mut().poll(cx)) {
                response = Some(ready);
            }
        }
    }
    if response.is_none() {
        let has_timer = scenario.settings.has_timer;
        assert!(!has_timer, "no reply, though every deadline has passed");
        assert_eq!(registry.watchers(), 0, "a call that was given up watches");
    }
    let (head, body) = response?.into_parts();
    let mut reader = Reader {
        scenario,
        registry: &registry,
        timer: &timer,
        reply: Reply {
            status: head.status,
            headers: head.headers,
            frames: Vec::new(),
            trailers: None,
            has_waited: false,
            was_left: false,
        },
    };
    reader.read(body);
    assert_eq!(registry.watchers(), 0, "the reply is gone, its watcher is not");
    Some(reader.reply)
}

struct Reader<'a> {
    scenario: &'a Scenario,
    registry: &'a Registry,
    timer: &'a ManualTimer,
    reply: Reply,
}

impl Reader<'_> {
    fn read(&mut self, mut body: Body) {
        let announced = body.size_hint().exact();
        // What is done to a Watch that waits, until it ends.
        let mut steps = [Step::Change, Step::End, Step::Close].into_iter();
        loop {
            assert!(self.registry.watchers() <= 1, "one call, several watchers");
            let ended = body.is_end_stream();
            match settle(|cx| Pin::new(&mut body).poll_frame(cx)) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(frame)) => {
                    assert!(!ended, "a frame after the end of the stream");
                    let Ok(frame) = frame;
                    self.take(frame);
                }
                Poll::Pending => {
                    self.reply.has_waited = true;
                    assert_eq!(self.registry.watchers(), 1, "only a Watch may wait");
                    let step = steps.next().expect("the Watch ends when it is closed");
                    if !self.step(step) {
                        self.reply.was_left = true;
                        return;
                    }
                }
            }
        }
        assert!(body.is_end_stream(), "ended without saying so");
        assert_eq!(self.registry.watchers(), 0, "an ended stream holds a place");
        if let Some(announced) = announced {
            assert_eq!(self.reply.data().len() as u64, announced, "the size hint");
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        assert!(self.reply.trailers.is_none(), "a frame after the trailers");
        match frame.into_data() {
            Ok(data) => {
                assert!(!data.is_empty(), "an empty frame");
                self.reply.frames.push(data);
            }
            Err(frame) => self.reply.trailers = frame.into_trailers().ok(),
        }
    }

    /// Does something to a Watch that waits; `false`: it is left.
    fn step(&self, step: Step) -> bool {
        match step {
            Step::Change => {
                let turned = self.registry.list().unwrap_or_default();
                let turned = turned.iter().map(|(name, status)| match status {
                    ServingStatus::Serving => (&**name, ServingStatus::NotServing),
                    _ => (&**name, ServingStatus::Serving),
                });
                self.registry.replace(turned);
            }
            Step::End => match self.scenario.settings.watch {
                WatchEnd::Close => self.registry.close(),
                WatchEnd::Deadline => self.timer.advance(PAST_EVERY_DEADLINE),
                WatchEnd::Drop => return false,
            },
            Step::Close => self.registry.close(),
        }
        true
    }
}

#[derive(Clone, Copy)]
enum Step {
    Change,
    End,
    Close,
}

impl Reply {
    pub(crate) fn data(&self) -> Vec<u8> {
        self.frames.concat()
    }
}

/// Polls until the outcome is there, or nobody has asked to be polled again.
fn settle<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    struct Task(AtomicBool);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let task = Arc::new(Task(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&task));
    while task.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(outcome) = poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(outcome);
        }
    }
    Poll::Pending
}

/// Past every deadline that a header can state, 99999999 hours being the latest.
const PAST_EVERY_DEADLINE: Duration = Duration::from_secs(100_000_000 * 3_600);
