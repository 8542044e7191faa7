//! The gate: calls to a service that is not SERVING are refused before they reach it.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use http::{
    Request, Response, StatusCode,
    header::{EXPECT, HeaderValue, RETRY_AFTER},
};
use pin_project_lite::pin_project;

use super::{body::Body, refusal::Form, service::HealthService};
use crate::{Code, OVERALL, Registry, RpcError, ServingStatus};

/// The status gate: tells which calls are for a service that is not SERVING, and refuses them. A cheap
/// handle.
///
/// # Which calls
///
/// The path decides, by the longest match of
///
/// - `/SERVICE/METHOD`, as gRPC and its relatives call: the service's status counts, if the registry
///   has it; a service that is not registered is passed on;
/// - a prefix of [`prefix`](Self::prefix): the status of the service it is mapped to counts. One that is
///   not registered is not SERVING: a misspelt name shows at once.
///
/// UNKNOWN is not SERVING. The health service itself always passes, and so does every other path. Calls
/// that were let in are not cut off when the status changes.
///
/// While the registry is shut down everything passes: a server that drains says NOT_SERVING so that
/// clients go elsewhere, and still answers those that have not heard it yet. A gate that refused them
/// would make errors of every restart. [`refuse_while_shut_down`](Self::refuse_while_shut_down) changes
/// that.
///
/// # Wire
///
/// The refusal is UNAVAILABLE in the form that the request's content type asks for; the reason stays
/// with the operator.
///
/// | request | refusal |
/// |---|---|
/// | gRPC | 200, Trailers-Only, `grpc-status: 14`; the content type is echoed |
/// | gRPC-Web, binary and text | 200, a frame of trailers with `grpc-status: 14` |
/// | Connect stream | 200, an EndStream message with `unavailable` |
/// | `application/json`, `application/proto` | 503, `retry-after`, the error JSON of Connect and Triple |
/// | any other | 503, `retry-after`, no body |
///
/// # The request's body
///
/// It is read first and thrown away, up to 4 MiB: clients take an answer that comes while they are still
/// writing for a broken connection. In three cases it is not read, and the refusal goes out at once: a
/// gRPC call or Connect stream does not announce its length, as it may wait for the reply before it
/// ends; more than 4 MiB are announced; the client sent `expect: 100-continue`. Over HTTP/2 the server
/// then resets the stream with NO_ERROR behind the complete reply, which gRPC clients take as it is
/// meant, and curl 7.88 for an error. Over HTTP/1.1 it closes the connection.
///
/// How long a peer may take over its body is for the server to limit, as it is for any handler that
/// reads bodies.
///
/// # Examples
///
/// ```
/// use health_core::{OVERALL, Registry, ServingStatus, http::Gate};
///
/// let health = Registry::new();
/// health.set("shop.OrderService", ServingStatus::NotServing);
/// let gate = Gate::new(&health).prefix("/orders", "shop.OrderService").prefix("/", OVERALL);
///
/// assert!(gate.refuses("/shop.OrderService/Place"));
/// assert!(gate.refuses("/orders/7"));
/// assert!(!gate.refuses("/help"));
/// assert!(!gate.refuses("/readyz"));
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    rules: Arc<Rules>,
}

impl Gate {
    /// A gate that looks services up in `registry`.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let rules = Rules {
            registry: registry.clone(),
            prefixes: Vec::new(),
            retry_after: HeaderValue::from(DEFAULT_RETRY_AFTER_SECONDS),
            refuse_while_shut_down: false,
        };
        Self { rules: Arc::new(rules) }
    }

    /// Makes `prefix`, and all paths below it, depend on the status of `service`. `"/"` is every path but
    /// the health service's, and [`OVERALL`] the server as a whole.
    ///
    /// Whole segments count: `/orders` is not a prefix of `/orders-archive`. A slash at the start may be
    /// left out, one at the end means nothing. Of two equal prefixes the later one counts.
    #[must_use]
    pub fn prefix(mut self, prefix: &str, service: impl Into<String>) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            segments => format!("/{segments}"),
        };
        let rules = Arc::make_mut(&mut self.rules);
        rules.prefixes.push((prefix, service.into()));
        self
    }

    /// The seconds that `retry-after` tells clients to wait, rounded up; 5 by default.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        let part = u64::from(delay.subsec_nanos() > 0);
        let seconds = delay.as_secs().saturating_add(part);
        Arc::make_mut(&mut self.rules).retry_after = HeaderValue::from(seconds);
        self
    }

    /// Refuses calls also while the registry is shut down, when every service reads NOT_SERVING.
    #[must_use]
    pub fn refuse_while_shut_down(mut self) -> Self {
        Arc::make_mut(&mut self.rules).refuse_while_shut_down = true;
        self
    }

    /// Whether calls of `path` are to be refused now.
    #[must_use]
    pub fn refuses(&self, path: &str) -> bool {
        if HealthService::handles(path) {
            return false;
        }
        // The latch is read after the status: it is set before any service shows it.
        self.rules.status(path) != ServingStatus::Serving
            && (self.rules.refuse_while_shut_down || !self.rules.registry.is_shut_down())
    }

    /// Refuses `request`, once its body is read, whatever the status of the service that it calls.
    pub fn refuse<B: http_body::Body>(&self, request: Request<B>) -> Refusal<B> {
        let (head, body) = request.into_parts();
        let form = Form::of(&head.headers);
        let left = match body.size_hint().upper() {
            _ if head.headers.contains_key(EXPECT) => 0,
            Some(announced) if announced > MAX_DISCARDED => 0,
            None if form.may_stream() => 0,
            _ => MAX_DISCARDED,
        };
        Refusal { body, left, form, retry_after: self.rules.retry_after.clone() }
    }
}

#[derive(Clone, Debug)]
struct Rules {
    registry: Registry,
    /// Prefixes, without a slash at the end, and the services that they depend on.
    prefixes: Vec<(String, String)>,
    retry_after: HeaderValue,
    refuse_while_shut_down: bool,
}

impl Rules {
    /// The status that calls of `path` depend on; SERVING if they depend on none.
    fn status(&self, path: &str) -> ServingStatus {
        let called = rpc_service(path)
            .and_then(|service| Some((service.len() + 1, self.registry.check(service)?)));
        let longest = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| is_below(path, prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        match (called, longest) {
            (Some((length, status)), Some((prefix, _))) if length > prefix.len() => status,
            (_, Some((_, service))) => {
                let status = self.registry.check(service);
                status.unwrap_or(ServingStatus::ServiceUnknown)
            }
            (Some((_, status)), None) => status,
            (None, None) => ServingStatus::Serving,
        }
    }
}

/// The service that `/SERVICE/METHOD` calls.
fn rpc_service(path: &str) -> Option<&str> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let named = service != OVERALL && !method.is_empty() && !method.contains('/');
    named.then_some(service)
}

/// Whether `path` is `prefix`, or has segments after it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pin_project! {
    /// The refusal of one call, once its body is read.
    #[must_use = "futures do nothing unless polled"]
    pub struct Refusal<B> {
        #[pin]
        body: B,
        // Bytes of the body that are read and thrown away at most; 0: no more are.
        left: u64,
        form: Form,
        retry_after: HeaderValue,
    }
}

impl<B: http_body::Body> Future for Refusal<B> {
    type Output = Response<Body>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        while *this.left > 0 {
            let frame = ready!(this.body.as_mut().poll_frame(cx));
            *this.left = match frame {
                // A frame without data counts too, or a body of nothing else would never be enough.
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Buf::remaining) as u64;
                    this.left.saturating_sub(length.max(1))
                }
                // A body that is cut off has ended too.
                Some(Err(_)) | None => 0,
            };
        }
        let mut response = this.form.error_response(&NOT_SERVING);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let retry_after = this.retry_after.clone();
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        Poll::Ready(response)
    }
}

impl<B> fmt::Debug for Refusal<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").finish_non_exhaustive()
    }
}

/// The same for every cause: the reason is the operator's.
const NOT_SERVING: RpcError = RpcError::new(Code::Unavailable, "the service is not serving");

/// As much of a request as `health-core` throws away before it answers.
const MAX_DISCARDED: u64 = 4 * 1024 * 1024;

/// Long enough for a restart of what failed, short enough for a person to wait.
const DEFAULT_RETRY_AFTER_SECONDS: u64 = 5;

#[cfg(test)]
mod tests {
    use ServingStatus::{NotServing, Serving, Unknown};

    use super::*;

    #[test]
    fn the_longest_match_decides() {
        let registry = Registry::new();
        registry.set("shop.Up", Serving);
        registry.set("shop.Down", NotServing);
        registry.set("shop.Starting", Unknown);
        let plain = Gate::new(&registry);
        let mapped = plain
            .clone()
            .prefix("/down", "shop.Down")
            .prefix("down/up/", "shop.Up")
            .prefix("/lost", "shop.Up")
            .prefix("/lost", "shop.Lost")
            .prefix("/shop.Up/Write", "shop.Down")
            .prefix("/shop.Down", "shop.Up");
        let all = plain.clone().prefix("/", "shop.Down");
        // The path, and whether each of the three gates refuses it.
        let table = [
            ("/shop.Up/Read", [false, false, false]),
            ("/shop.Up/Write", [false, true, false]),
            ("/shop.Up/Write/more", [false, true, true]),
            ("/shop.Down/Read", [true, false, true]),
            ("/shop.Starting/Read", [true, true, true]),
            ("/shop.Lost/Read", [false, false, true]),
            ("/shop.Down", [false, false, true]),
            ("/shop.Down/", [false, false, true]),
            ("/shop.Down/Read/more", [false, false, true]),
            ("/shop.down/Read", [false, false, true]),
            ("/shop.DownX/Read", [false, false, true]),
            ("//Read", [false, false, true]),
            ("/down", [false, true, true]),
            ("/down/", [false, true, true]),
            ("/down/7", [false, true, true]),
            ("/down/up", [false, false, true]),
            ("/down/up/7", [false, false, true]),
            ("/down/upper", [false, true, true]),
            ("/downtown", [false, false, true]),
            ("/lost", [false, true, true]),
            ("/", [false, false, true]),
            ("*", [false, false, false]),
            ("/grpc.health.v1.Health/Check", [false, false, false]),
            ("/grpc.health.v1.Health/Nope", [false, false, false]),
            ("/livez", [false, false, false]),
            ("/readyz/serving", [false, false, false]),
        ];
        for (path, expected) in table {
            let refused = [&plain, &mapped, &all].map(|gate| gate.refuses(path));
            assert_eq!(refused, expected, "{path}");
        }
    }

    #[test]
    fn the_gate_follows_the_registry() {
        let registry = Registry::new();
        let gate = Gate::new(&registry).prefix("/", OVERALL);
        let refuse = |path| gate.refuses(path);
        assert!(!refuse("/a/Read"));
        registry.set("a", NotServing);
        assert!(refuse("/a/Read"));
        registry.set("a", Serving);
        assert!(!refuse("/a/Read"));
        registry.hold("a", "disk is full");
        assert!(refuse("/a/Read"));
        registry.release("a");
        registry.set(OVERALL, NotServing);
        assert!(!refuse("/a/Read"), "it has a status of its own");
        assert!(refuse("/b/Read"));
        registry.remove(OVERALL);
        assert!(refuse("/b/Read"));
    }

    #[test]
    fn a_drain_passes_unless_it_is_to_be_refused() {
        let registry = Registry::new();
        registry.set("a", Serving);
        let gate = Gate::new(&registry);
        let strict = gate.clone().refuse_while_shut_down();
        registry.shutdown();
        assert!(!gate.refuses("/a/Read"));
        assert!(strict.refuses("/a/Read"));
        registry.resume();
        assert!(!strict.refuses("/a/Read"));
    }

    #[test]
    fn delays_are_whole_seconds() {
        let table = [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")];
        for (millis, expected) in table {
            let gate = Gate::new(&Registry::new()).retry_after(Duration::from_millis(millis));
            assert_eq!(gate.rules.retry_after, expected, "{millis} ms");
        }
        let gate = Gate::new(&Registry::new()).retry_after(Duration::MAX);
        assert_eq!(gate.rules.retry_after, u64::MAX.to_string());
    }
}
