//! One call, from its head to its reply: what every protocol has in common.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Response};

use super::{
    body::Body,
    compression::Encoding,
    connect,
    fault::{Family, Fault},
    grpc, grpc_web, message,
    protocol::{Codec, Protocol},
    route::Rpc,
    service::Engine,
};
use crate::{RpcError, ServingStatus, Watch, rpc, rt::Sleep};

/// A call whose head made sense.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) rpc: Rpc,
    pub(super) protocol: Protocol,
    pub(super) codec: Codec,
    /// The reply's content type.
    pub(super) content_type: &'static HeaderValue,
    pub(super) terms: Terms,
    pub(super) errors: ErrorForm,
    pub(super) deadline: Deadline,
}

/// What the headers of a call agree on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Terms {
    pub(super) timeout: Option<Duration>,
    /// How the request's messages are compressed.
    pub(super) request: Encoding,
    /// How the reply's may be.
    pub(super) reply: Encoding,
}

impl Terms {
    /// No timeout, nothing compressed.
    pub(super) const PLAIN: Self =
        Self { timeout: None, request: Encoding::Identity, reply: Encoding::Identity };
}

/// How a unary error is written in Connect and Triple.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ErrorForm {
    Connect,
    /// Connect's JSON, Triple's HTTP statuses.
    Triple,
    /// What dubbo-js 3.0.0-alpha reads: the gRPC number as `status`.
    DubboJs,
}

/// When the client stops waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deadline {
    Never,
    At(Instant),
    /// It was over before the call began.
    Expired,
}

/// What a call that succeeds sends back.
pub(super) enum Reply {
    Status(ServingStatus),
    List(Bytes),
    Watch(Watch, Option<End>),
}

/// When a Watch ends by itself, and as what.
pub(super) type End = (Pin<Box<dyn Sleep>>, Fault);

impl Protocol {
    pub(super) const fn family(self) -> Family {
        match self {
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => Family::Grpc,
            Self::Connect | Self::Triple => Family::Connect,
        }
    }
}

impl Call {
    /// Answers the call, whose message came whole or with a fault.
    pub(super) fn answer(&self, engine: &Engine, message: Result<Bytes, Fault>) -> Response<Body> {
        let outcome = message.map_err(|fault| fault.error(self.protocol.family()));
        match outcome.and_then(|message| self.handle(engine, &message)) {
            Ok(reply) => self.succeed(engine, reply),
            Err(error) => self.fail(&error),
        }
    }

    pub(super) fn fail_with(&self, fault: Fault) -> Response<Body> {
        self.fail(&fault.error(self.protocol.family()))
    }

    fn handle(&self, engine: &Engine, message: &Bytes) -> Result<Reply, RpcError> {
        let fault = |fault: Fault| fault.error(self.protocol.family());
        // The Triple specification shows bodies as a one-element array.
        let in_array = self.protocol == Protocol::Triple;
        if self.rpc == Rpc::List {
            message::decode_list(message, self.codec, in_array).map_err(fault)?;
            self.check_deadline(engine).map_err(fault)?;
            let services = rpc::list(&engine.registry)?;
            return Ok(Reply::List(message::encode_list(&services, self.codec)));
        }
        let service = message::decode_service(message, self.codec, in_array).map_err(fault)?;
        self.check_deadline(engine).map_err(fault)?;
        if self.rpc == Rpc::Check {
            return Ok(Reply::Status(rpc::check(&engine.registry, &service)?));
        }
        let watch = rpc::watch(&engine.registry, &service)?;
        Ok(Reply::Watch(watch, self.end_of_watch(engine)))
    }

    fn end_of_watch(&self, engine: &Engine) -> Option<End> {
        let timer = engine.timer.as_ref()?;
        let deadline = match self.deadline {
            Deadline::At(deadline) => Some((deadline, Fault::DeadlineExceeded)),
            Deadline::Never | Deadline::Expired => None,
        };
        let oldest = engine.max_watch_age.and_then(|age| timer.now().checked_add(age));
        let oldest = oldest.map(|at| (at, Fault::WatchTooOld));
        let (at, fault) = deadline.into_iter().chain(oldest).min_by_key(|(at, _)| *at)?;
        Some((timer.sleep_until(at), fault))
    }

    fn check_deadline(&self, engine: &Engine) -> Result<(), Fault> {
        let passed = match self.deadline {
            Deadline::Never => false,
            Deadline::Expired => true,
            Deadline::At(deadline) => {
                engine.timer.as_ref().is_some_and(|timer| timer.now() >= deadline)
            }
        };
        if passed { Err(Fault::DeadlineExceeded) } else { Ok(()) }
    }

    fn succeed(&self, engine: &Engine, reply: Reply) -> Response<Body> {
        match (self.protocol, reply) {
            (_, Reply::Watch(watch, end)) => {
                let body = Body::watch(watch, end, self.protocol, self.codec);
                match self.protocol.family() {
                    Family::Grpc => grpc::response(self.content_type, body),
                    Family::Connect => connect::stream_response(self.content_type, body),
                }
            }
            (Protocol::Grpc, reply) => grpc::reply(self, engine, reply),
            (Protocol::GrpcWeb | Protocol::GrpcWebText, reply) => {
                grpc_web::reply(self, engine, reply)
            }
            (Protocol::Connect | Protocol::Triple, reply) => connect::reply(self, engine, reply),
        }
    }

    fn fail(&self, error: &RpcError) -> Response<Body> {
        match self.protocol {
            Protocol::Grpc => grpc::error_response(self.content_type, error),
            Protocol::GrpcWeb => grpc_web::error_response(self.content_type, error, false),
            Protocol::GrpcWebText => grpc_web::error_response(self.content_type, error, true),
            Protocol::Connect if self.rpc == Rpc::Watch => {
                connect::stream_response(self.content_type, Body::full(connect::end_stream(error)))
            }
            Protocol::Connect | Protocol::Triple => connect::error_response(self.errors, error),
        }
    }
}
