//! `HealthService`: reads the head of a request and decides what is to be done with it, in the order of
//! wire.md section 1.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    header::{ALLOW, CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue},
    request::Parts,
};

use super::{
    body::Body,
    call::{Call, Deadline, ErrorForm, Terms},
    compression::Encoding,
    connect,
    cors::Cors,
    exchange::{Plan, ResponseFuture},
    fault::Fault,
    grpc, grpc_web,
    intake::Intake,
    probe,
    protocol::{self, MediaType, Protocol},
    route::{Route, Rpc, route},
    triple,
};
use crate::{Code, Registry, RpcError, probe::ProbeConfig, rt::Timer};

/// The health service over HTTP: takes a request, gives the reply. A cheap handle; clones are the same
/// service.
///
/// One service answers gRPC, gRPC-Web, Connect, Triple and the probes, over HTTP/1.1 and HTTP/2. It
/// never fails and never panics: every request has a defined reply.
///
/// # Examples
///
/// ```
/// use futures_lite::future::block_on;
/// use health_core::{Registry, http::HealthService};
/// use http_body_util::{BodyExt, Full};
///
/// let health = Registry::new();
/// let service = HealthService::without_deadlines(&health);
///
/// let request = http::Request::post("/grpc.health.v1.Health/Check")
///     .header("content-type", "application/json")
///     .body(Full::new(&b"{}"[..]))?;
/// let response = block_on(service.call(request));
///
/// assert_eq!(response.status(), 200);
/// let body = block_on(response.into_body().collect())?.to_bytes();
/// assert_eq!(body, r#"{"status":"SERVING"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HealthService {
    engine: Arc<Engine>,
}

/// What the service is made of; shared by its clones and its calls.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) registry: Registry,
    /// Without one there are no deadlines.
    pub(super) timer: Option<Arc<dyn Timer>>,
    pub(super) max_request_bytes: usize,
    pub(super) body_timeout: Duration,
    /// How long before its deadline a call is no longer waited for; zero unless the server has deadlines too.
    pub(super) deadline_margin: Duration,
    /// How long a Watch may last; without end unless the server cannot see a watcher leave.
    pub(super) max_watch_age: Option<Duration>,
    pub(super) cors: Option<Cors>,
    min_compress_bytes: usize,
    require_connect_version: bool,
    service_key: triple::ServiceKey,
    probes: ProbeConfig,
    /// Whether probes tell reasons, holds and the past.
    details: bool,
}

impl HealthService {
    /// The service over `registry`, with deadlines on `timer` and every limit as it is by default.
    #[must_use]
    pub fn new(registry: &Registry, timer: Arc<dyn Timer>) -> Self {
        Self::builder(registry).timer(timer).build()
    }

    /// The service for a server without any timer: it holds no deadline that a client sends, and waits
    /// for a request's body as long as the server does.
    #[must_use]
    pub fn without_deadlines(registry: &Registry) -> Self {
        Self::builder(registry).build()
    }

    /// Starts with every setting as it is by default.
    pub fn builder(registry: &Registry) -> HealthServiceBuilder {
        HealthServiceBuilder {
            engine: Engine {
                registry: registry.clone(),
                timer: None,
                max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
                body_timeout: DEFAULT_BODY_TIMEOUT,
                deadline_margin: Duration::ZERO,
                max_watch_age: None,
                cors: None,
                min_compress_bytes: DEFAULT_MIN_COMPRESS_BYTES,
                require_connect_version: false,
                service_key: triple::ServiceKey::default(),
                probes: ProbeConfig::new(),
                details: false,
            },
        }
    }

    /// The same service for a server that holds calls to `grpc-timeout` by itself and ends them in terms of its
    /// own, as tonic's does. To be first with DEADLINE_EXCEEDED, the service waits for a request's body until
    /// `margin` before the deadline of a gRPC or gRPC-Web call, and not at all where that has passed, which costs an
    /// HTTP/1.1 connection. `health_tonic` does this for what is given to it.
    #[must_use]
    pub fn with_deadline_margin(self, margin: Duration) -> Self {
        let engine = Arc::unwrap_or_clone(self.engine);
        Self { engine: Arc::new(Engine { deadline_margin: margin, ..engine }) }
    }

    /// The same service for a server that does not see a watcher leave: it ends a Watch after `age` with UNAVAILABLE,
    /// and whoever is still there watches again. `health_actix_web::scope` does this for what is given to it. No
    /// Watch ends by itself unless this is set; it needs a [timer](HealthServiceBuilder::timer).
    #[must_use]
    pub fn with_max_watch_age(self, age: Duration) -> Self {
        let engine = Arc::unwrap_or_clone(self.engine);
        Self { engine: Arc::new(Engine { max_watch_age: Some(age), ..engine }) }
    }

    /// Whether `path` is the health service's: one below `/grpc.health.v1.Health/`, or a probe's. For
    /// servers that answer other paths themselves.
    ///
    /// ```
    /// use health_core::http::HealthService;
    ///
    /// assert!(HealthService::handles("/grpc.health.v1.Health/Check"));
    /// assert!(HealthService::handles("/readyz"));
    /// assert!(!HealthService::handles("/greet.GreetService/Greet"));
    /// ```
    #[must_use]
    pub fn handles(path: &str) -> bool {
        route(path) != Route::Other
    }

    /// The registry that the service answers from.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.engine.registry
    }

    /// Answers one request. The body is read first, within the limits, whatever the answer.
    pub fn call<B>(&self, request: Request<B>) -> ResponseFuture<B>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let plan = self.engine.plan(&head);
        let origin = self.engine.cors.as_ref().and_then(|cors| cors.allowed_origin(&head.headers));
        ResponseFuture::new(Arc::clone(&self.engine), plan, &head, body, origin)
    }
}

impl Engine {
    fn plan(&self, head: &Parts) -> Plan {
        let route = route(head.uri.path());
        if let Route::Probe(path, check) = route {
            let (probes, registry) = (&self.probes, &self.registry);
            return Plan::answer(probe::answer(probes, self.details, registry, head, path, check));
        }
        if let Some(preflight) = self.cors.as_ref().and_then(|cors| cors.preflight(head, route)) {
            return Plan::answer(preflight);
        }
        let media_type = MediaType::of(&head.headers);
        let Route::Rpc(rpc) = route else {
            return Plan::answer(unknown_path(head, media_type));
        };
        match head.method {
            Method::POST => self.post(head, rpc, media_type),
            Method::GET if rpc != Rpc::Watch && !protocol::has_triple_marker(&head.headers) => {
                let query = head.uri.query().unwrap_or_default();
                let answer = connect::get(self, rpc, query, &head.headers);
                Plan::answer(answer.unwrap_or_else(|| unsupported_type(rpc)))
            }
            _ => Plan::answer(with_header(
                StatusCode::METHOD_NOT_ALLOWED,
                ALLOW,
                HeaderValue::from_static(rpc.allow()),
            )),
        }
    }

    fn post(&self, head: &Parts, rpc: Rpc, media_type: Option<&'static MediaType>) -> Plan {
        let Some(media_type) = media_type.filter(|media_type| media_type.fits(rpc)) else {
            return Plan::answer(unsupported_type(rpc));
        };
        if media_type.protocol == Protocol::Grpc && head.version < Version::HTTP_2 {
            return Plan::answer(no_http2());
        }
        let headers = &head.headers;
        let (call, terms) = self.read_head(headers, rpc, media_type);
        let terms = match terms {
            Ok(terms) => terms,
            Err(fault) => return Plan::answer(call.fail_with(fault)),
        };
        if call.protocol == Protocol::Triple
            && let Err(error) = self.service_key.check(headers)
        {
            return Plan::answer(connect::error_response(call.errors, &error));
        }
        let call = Call { terms, deadline: self.deadline(terms.timeout), ..call };
        Plan::Call(call, Intake::new(media_type, rpc, self.max_request_bytes))
    }

    /// The call as its content type has it, and what its other headers say.
    fn read_head(
        &self,
        headers: &HeaderMap,
        rpc: Rpc,
        media_type: &'static MediaType,
    ) -> (Call, Result<Terms, Fault>) {
        let mut call = Call {
            rpc,
            protocol: media_type.protocol,
            codec: media_type.codec,
            content_type: &media_type.value,
            terms: Terms::PLAIN,
            errors: ErrorForm::Connect,
            deadline: Deadline::Never,
        };
        let terms = match media_type.protocol {
            Protocol::Grpc => grpc::terms(headers, rpc),
            Protocol::GrpcWeb | Protocol::GrpcWebText => {
                if grpc_web::answers_in_text(media_type, headers) {
                    call.protocol = Protocol::GrpcWebText;
                    call.content_type = &grpc_web::TEXT_TYPE;
                }
                grpc::terms(headers, rpc)
            }
            Protocol::Connect | Protocol::Triple if rpc == Rpc::Watch => {
                connect::stream_terms(headers, self.require_connect_version)
            }
            Protocol::Connect | Protocol::Triple if protocol::is_triple(headers) => {
                call.protocol = Protocol::Triple;
                call.errors = triple::error_form(headers);
                triple::terms(headers)
            }
            Protocol::Connect | Protocol::Triple => {
                connect::unary_terms(headers, self.require_connect_version)
            }
        };
        (call, terms)
    }

    /// When a call with this timeout, which begins now, must be over. One that is too far off to be
    /// reckoned with is none.
    pub(super) fn deadline(&self, timeout: Option<Duration>) -> Deadline {
        match (timeout, &self.timer) {
            (Some(Duration::ZERO), _) => Deadline::Expired,
            (Some(timeout), Some(timer)) => {
                timer.now().checked_add(timeout).map_or(Deadline::Never, Deadline::At)
            }
            (None, _) | (_, None) => Deadline::Never,
        }
    }

    pub(super) fn now(&self) -> Option<Instant> {
        self.timer.as_ref().map(|timer| timer.now())
    }

    /// Whether a reply's message is to be compressed, where the client takes `encoding`.
    pub(super) fn compresses(&self, encoding: Encoding, message: &Bytes) -> bool {
        encoding == Encoding::Gzip && message.len() >= self.min_compress_bytes
    }
}

/// A gRPC client is told in its own terms that there is no such method; everyone else by HTTP.
fn unknown_path(head: &Parts, media_type: Option<&'static MediaType>) -> Response<Body> {
    let media_type = media_type
        .filter(|media_type| media_type.is_grpc_or_grpc_web() && head.method == Method::POST);
    let Some(media_type) = media_type else {
        return empty(StatusCode::NOT_FOUND);
    };
    match media_type.protocol {
        Protocol::Grpc if head.version < Version::HTTP_2 => no_http2(),
        Protocol::Grpc => grpc::error_response(&media_type.value, &UNKNOWN_METHOD),
        _ if grpc_web::answers_in_text(media_type, &head.headers) => {
            grpc_web::error_response(&grpc_web::TEXT_TYPE, &UNKNOWN_METHOD, true)
        }
        _ => grpc_web::error_response(&media_type.value, &UNKNOWN_METHOD, false),
    }
}

/// gRPC needs the trailers of HTTP/2: over HTTP/1 some proxy has downgraded the connection.
fn no_http2() -> Response<Body> {
    let close = HeaderValue::from_static("close");
    with_header(StatusCode::HTTP_VERSION_NOT_SUPPORTED, CONNECTION, close)
}

fn unsupported_type(rpc: Rpc) -> Response<Body> {
    let types = protocol::accept_post(rpc);
    with_header(StatusCode::UNSUPPORTED_MEDIA_TYPE, ACCEPT_POST, types)
}

fn with_header(status: StatusCode, name: HeaderName, value: HeaderValue) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(name, value);
    response
}

/// A reply of HTTP alone.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

impl fmt::Debug for HealthService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthService")
            .field("registry", &self.engine.registry)
            .field("timer", &self.engine.timer)
            .field("max_request_bytes", &self.engine.max_request_bytes)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`HealthService`].
#[must_use = "a builder builds nothing by itself"]
pub struct HealthServiceBuilder {
    engine: Engine,
}

impl HealthServiceBuilder {
    /// The clock for deadlines. Without one, no deadline is held.
    pub fn timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.engine.timer = Some(timer);
        self
    }

    /// How large a request's message may be, in bytes, as it is sent and as it is decompressed; 16 KiB
    /// by default. A request is one service name.
    pub fn max_request_bytes(mut self, max: usize) -> Self {
        self.engine.max_request_bytes = max;
        self
    }

    /// How long a request's body may take to come, where the client set no deadline; 30 s by default.
    /// Then the call fails with DEADLINE_EXCEEDED.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.engine.body_timeout = timeout;
        self
    }

    /// From which size on a reply's message is compressed, where the client takes gzip; 1024 bytes by
    /// default. In practice that concerns List alone. Watch is never compressed.
    pub fn min_compress_bytes(mut self, min: usize) -> Self {
        self.engine.min_compress_bytes = min;
        self
    }

    /// Which web pages may call; none by default.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.engine.cors = Some(cors);
        self
    }

    /// Which services make up each probe.
    pub fn probes(mut self, probes: ProbeConfig) -> Self {
        self.engine.probes = probes;
        self
    }

    /// Whether probes tell operators why: the reasons of what fails, the holds and the last transitions, in
    /// the verbose text and in JSON. Off by default, as whoever reaches the port reads it; no RPC ever
    /// carries any of it.
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use health_core::{OVERALL, Registry, http::HealthService};
    /// use http_body_util::{BodyExt, Empty};
    ///
    /// let health = Registry::new();
    /// health.hold(OVERALL, "schema migration");
    /// let service = HealthService::builder(&health).details(true).build();
    ///
    /// let request = http::Request::get("/readyz").body(Empty::<&[u8]>::new())?;
    /// let body = block_on(block_on(service.call(request)).into_body().collect())?.to_bytes();
    /// assert!(body.starts_with(b"[-]serving failed: held: schema migration\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn details(mut self, details: bool) -> Self {
        self.engine.details = details;
        self
    }

    /// Whether a Connect POST must carry `connect-protocol-version`. By default it need not, so that
    /// curl does without.
    pub fn require_connect_version(mut self, require: bool) -> Self {
        self.engine.require_connect_version = require;
        self
    }

    /// The group and version under which Dubbo clients ask for the health service over Triple; both
    /// empty by default. A call that asks for another is UNIMPLEMENTED.
    pub fn triple_service(mut self, group: impl Into<String>, version: impl Into<String>) -> Self {
        self.engine.service_key =
            triple::ServiceKey { group: group.into(), version: version.into() };
        self
    }

    /// The service.
    #[must_use]
    pub fn build(self) -> HealthService {
        HealthService { engine: Arc::new(self.engine) }
    }
}

impl fmt::Debug for HealthServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthServiceBuilder")
            .field("max_request_bytes", &self.engine.max_request_bytes)
            .finish_non_exhaustive()
    }
}

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

const UNKNOWN_METHOD: RpcError = RpcError::new(Code::Unimplemented, "unknown method");

/// A request is one service name.
const DEFAULT_MAX_REQUEST_BYTES: usize = 16 * 1024;

/// Below it gzip gains nothing worth its cost; connect-node compresses from here on too.
const DEFAULT_MIN_COMPRESS_BYTES: usize = 1024;

/// Bounds what a peer that never ends its request holds.
const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(30);
