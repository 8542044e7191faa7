//! `ResponseFuture`: reads the request's body to its end, within the limits of size and time, and then
//! gives the reply (wire.md section 1, second paragraph).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode, Version,
    header::{CONNECTION, EXPECT},
    request::Parts,
};
use http_body::Body as _;
use pin_project_lite::pin_project;

use super::{
    body::Body,
    call::{Call, Deadline},
    cors,
    fault::{Family, Fault},
    intake::Intake,
    service::Engine,
};
use crate::rt::Sleep;

pin_project! {
    /// The reply to one request. Holds the request's body only until it is read.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<B> {
        #[pin]
        body: B,
        exchange: Exchange,
    }
}

/// What is to be done once the body is read.
pub(super) enum Plan {
    /// The reply is known from the head: the body is thrown away.
    Answer(Box<Response<Body>>),
    Call(Call, Intake),
    /// The reply was given.
    Done,
}

impl Plan {
    pub(super) fn answer(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

/// One request and its reply, whatever the type of the body.
struct Exchange {
    engine: Arc<Engine>,
    plan: Plan,
    /// The page that may read the reply.
    origin: Option<Box<HeaderValue>>,
    /// Over HTTP/1 a reply to a body that was not read to its end closes the connection.
    is_http1: bool,
    /// Nothing more of the body is read: the reply goes out at once.
    unread: bool,
    /// What is still to come of the body is too much, or of no use any more: it has little time.
    is_cut_short: bool,
    /// Bytes of the body so far; an empty frame counts as one.
    read: usize,
    /// When reading ends, whatever came; known once there is something to wait for.
    give_up: Option<Instant>,
    sleep: Option<(Instant, Pin<Box<dyn Sleep>>)>,
}

impl<B: http_body::Body> ResponseFuture<B> {
    pub(super) fn new(
        engine: Arc<Engine>,
        plan: Plan,
        head: &Parts,
        body: B,
        origin: Option<HeaderValue>,
    ) -> Self {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut exchange = Exchange {
            engine,
            plan,
            origin: origin.map(Box::new),
            is_http1: head.version < Version::HTTP_2,
            unread: false,
            is_cut_short: false,
            read: 0,
            give_up: None,
            sleep: None,
        };
        exchange.judge_announced(announced, &head.headers);
        Self { body, exchange }
    }
}

#[cfg(test)]
impl<B: Unpin> ResponseFuture<B> {
    /// The body that is being read, for a test to go on with.
    pub(super) fn exchange_body(&mut self) -> &mut B {
        &mut self.body
    }
}

impl<B: http_body::Body> Future for ResponseFuture<B> {
    type Output = Response<Body>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let this = self.project();
        let read = ready!(this.exchange.poll_body(this.body, cx));
        Poll::Ready(this.exchange.finish(read))
    }
}

impl Exchange {
    /// Judges a body by its announced size, before any of it is read: one that is hopelessly large, or
    /// that the client would only send if asked to, is not read.
    fn judge_announced(&mut self, announced: usize, headers: &HeaderMap) {
        let max = self.max_body();
        if announced <= max {
            return;
        }
        if announced > max.saturating_add(MAX_DISCARDED) || headers.contains_key(EXPECT) {
            self.fail(Fault::TooLarge);
            self.unread = true;
        } else {
            self.cut_short();
        }
    }

    /// Reads the body until the reply can go out: to its end, or to what ends the reading before.
    fn poll_body<B: http_body::Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        while !self.unread {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
                return self.poll_patience(cx).map(Ok);
            };
            match frame {
                None => break,
                Some(Err(_)) => return Poll::Ready(Err(Fault::BodyCutOff)),
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    let data = data.copy_to_bytes(data.remaining());
                    self.take(data);
                    if body.is_end_stream() {
                        break;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a piece of the body in.
    fn take(&mut self, data: Bytes) {
        self.read = self.read.saturating_add(data.len().max(1));
        let max = self.max_body();
        if self.read > max.saturating_add(MAX_DISCARDED) {
            self.fail(Fault::TooLarge);
            self.unread = true;
            return;
        }
        if self.read > max {
            self.cut_short();
        }
        if let Plan::Call(_, intake) = &mut self.plan
            && let Err(fault) = intake.push(data)
        {
            self.cut_short();
            self.fail(fault);
        }
    }

    /// Gives the rest of the body little time.
    fn cut_short(&mut self) {
        let now = self.engine.now().filter(|_| !self.is_cut_short);
        self.is_cut_short = true;
        if let Some(now) = now {
            let give_up = self.give_up.unwrap_or_else(|| self.patience(now));
            self.give_up = Some(give_up.min(now + MAX_DISCARD_TIME));
        }
    }

    fn max_body(&self) -> usize {
        match &self.plan {
            Plan::Call(_, intake) => intake.max_body(),
            Plan::Answer(_) | Plan::Done => self.engine.max_request_bytes,
        }
    }

    /// Turns a call into the reply that it failed. A reply that is known stays.
    fn fail(&mut self, fault: Fault) {
        if let Plan::Call(call, _) = &self.plan {
            self.plan = Plan::answer(call.fail_with(fault));
        }
    }

    /// How long the body may take to come, if it is waited for from `now` on.
    fn patience(&self, now: Instant) -> Instant {
        let Plan::Call(call, _) = &self.plan else {
            return now + self.engine.body_timeout;
        };
        // A server that has deadlines itself knows `grpc-timeout` alone.
        let margin = match call.protocol.family() {
            Family::Grpc => self.engine.deadline_margin,
            Family::Connect => Duration::ZERO,
        };
        match call.deadline {
            Deadline::Never => now + self.engine.body_timeout,
            Deadline::At(deadline) => deadline.checked_sub(margin).unwrap_or(now),
            // A body that is on its way is read all the same, or the connection would be lost with it.
            Deadline::Expired if margin.is_zero() => now + MAX_DISCARD_TIME,
            Deadline::Expired => now,
        }
    }

    /// Waits for the body no longer than the call's deadline, the time for a body, or the time for
    /// throwing the rest away.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = self.engine.timer.clone() else {
            return Poll::Pending;
        };
        let now = timer.now();
        let give_up = self.give_up.unwrap_or_else(|| self.patience(now));
        self.give_up = Some(give_up);
        // The clock decides: a runtime's timer may not have run yet.
        if now < give_up {
            let (until, sleep) =
                self.sleep.get_or_insert_with(|| (give_up, timer.sleep_until(give_up)));
            if *until != give_up {
                *until = give_up;
                sleep.as_mut().reset(give_up);
            }
            ready!(sleep.as_mut().poll(cx));
        }
        // A call that has not failed, and whose body is cut short all the same: there is too much of it.
        self.fail(if self.is_cut_short { Fault::TooLarge } else { Fault::DeadlineExceeded });
        self.unread = true;
        Poll::Ready(())
    }

    fn finish(&mut self, body: Result<(), Fault>) -> Response<Body> {
        let mut response = match &mut self.plan {
            Plan::Answer(response) => {
                std::mem::replace(&mut **response, Response::new(Body::empty()))
            }
            Plan::Call(call, intake) => {
                let message = body.and_then(|()| intake.finish(call.terms.request));
                call.answer(&self.engine, message)
            }
            // Polled after it was done: a fault of the caller's, answered as one.
            Plan::Done => super::service::empty(StatusCode::INTERNAL_SERVER_ERROR),
        };
        self.plan = Plan::Done;
        if self.is_http1 && self.unread {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(origin) = self.origin.take() {
            cors::expose(response.headers_mut(), *origin);
        }
        response
    }
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("read", &self.exchange.read).finish_non_exhaustive()
    }
}

/// Bytes past the limit that are read and thrown away, so that a client that is still writing meets an
/// answer and not a reset connection.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;

/// How long that may take.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(1);
