//! A request, the service that gets it and how its body comes, written down as text.
//!
//! ```text
//! :set SERVING svc
//! :pieces \x05\x81
//! POST /grpc.health.v1.Health/Check HTTP/2
//! content-type: application/grpc
//!
//! BODY
//! ```
//!
//! First settings, if any, each on a line that begins with a colon; then a head and a body as HTTP/1.1
//! has them. A line that makes no sense counts for nothing.

use bytes::Bytes;
use health_core::{
    OVERALL, Registry, ServingStatus,
    http::{Cors, HealthService, HealthServiceBuilder},
};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::request_body::{Ending, RequestBody};

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) settings: Settings,
    /// The request, without its body.
    pub(crate) head: Request<()>,
    body: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    services: Vec<(String, ServingStatus)>,
    is_shut_down: bool,
    is_closed: bool,
    max_watchers: usize,
    pub(crate) max_request_bytes: usize,
    min_compress_bytes: usize,
    requires_connect_version: bool,
    triple_service: (String, String),
    /// The origin that may call.
    pub(crate) cors: Option<String>,
    pub(crate) has_timer: bool,
    pub(crate) watch: WatchEnd,
    pieces: Bytes,
    pub(crate) ending: Ending,
    is_announced: bool,
}

/// What becomes of a Watch that is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WatchEnd {
    Close,
    Deadline,
    Drop,
}

impl Scenario {
    /// Reads a scenario; `None` if it has no request line.
    pub(crate) fn parse(mut input: &[u8]) -> Option<Self> {
        let mut settings = Settings::new();
        let mut line = next_line(&mut input)?;
        while let Some(setting) = line.strip_prefix(b":") {
            settings.read(setting);
            line = next_line(&mut input)?;
        }
        let mut head = request_line(line)?;
        while let Some(line) = next_line(&mut input)
            && !line.is_empty()
        {
            if let Some((name, value)) = header(line) {
                head.headers_mut().append(name, value);
            }
        }
        let body = Bytes::copy_from_slice(input);
        Some(Self { settings, head, body })
    }

    pub(crate) fn in_one_piece(&self) -> Self {
        let mut scenario = self.clone();
        scenario.settings.pieces = Bytes::new();
        scenario
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn request(&self) -> Request<RequestBody> {
        let settings = &self.settings;
        let body = RequestBody::new(
            self.body.clone(),
            settings.pieces.clone(),
            settings.ending,
            settings.is_announced,
        );
        self.head.clone().map(|()| body)
    }
}

impl Settings {
    fn new() -> Self {
        let services = [
            (OVERALL, ServingStatus::Serving),
            ("svc", ServingStatus::NotServing),
            ("up", ServingStatus::Serving),
            ("idle", ServingStatus::Unknown),
        ];
        Self {
            services: services.map(|(name, status)| (name.into(), status)).into(),
            is_shut_down: false,
            is_closed: false,
            max_watchers: 1,
            max_request_bytes: 1024,
            min_compress_bytes: 16,
            requires_connect_version: false,
            triple_service: Default::default(),
            cors: None,
            has_timer: true,
            watch: WatchEnd::Close,
            pieces: Bytes::new(),
            ending: Ending::Clean,
            is_announced: true,
        }
    }

    fn read(&mut self, line: &[u8]) {
        let (name, bytes) = split_once(line, b' ').unwrap_or((line, b""));
        let text = String::from_utf8_lossy(bytes);
        let number = text.parse().unwrap_or(0_usize).min(100_000);
        let (first, second) = text.split_once(' ').unwrap_or((&text, ""));
        match name {
            b"set" => {
                let status = ServingStatus::from_name(first).unwrap_or_default();
                self.services.push((second.to_owned(), status));
            }
            b"services" => {
                let name = |number| (format!("s{number:03}"), ServingStatus::Serving);
                self.services.extend((0..number.min(200)).map(name));
            }
            b"shutdown" => self.is_shut_down = true,
            b"close" => self.is_closed = true,
            b"max-watchers" => self.max_watchers = number,
            b"max-request-bytes" => self.max_request_bytes = number,
            b"min-compress-bytes" => self.min_compress_bytes = number,
            b"require-connect-version" => self.requires_connect_version = true,
            b"triple-service" => self.triple_service = (first.to_owned(), second.to_owned()),
            b"cors" => self.cors = Some(text.into_owned()),
            b"no-timer" => self.has_timer = false,
            b"watch" if bytes == b"deadline" => self.watch = WatchEnd::Deadline,
            b"watch" if bytes == b"drop" => self.watch = WatchEnd::Drop,
            b"pieces" => self.pieces = Bytes::copy_from_slice(bytes),
            b"end" if bytes == b"error" => self.ending = Ending::Error,
            b"end" if bytes == b"never" => self.ending = Ending::Never,
            b"end" if bytes == b"trailers" => self.ending = Ending::Trailers,
            b"unannounced" => self.is_announced = false,
            _ => {}
        }
    }

    pub(crate) fn registry(&self) -> Registry {
        let registry = Registry::builder().max_watchers(self.max_watchers).build();
        for (name, status) in &self.services {
            registry.set(name, *status);
        }
        if self.is_shut_down {
            registry.shutdown();
        }
        if self.is_closed {
            registry.close();
        }
        registry
    }

    pub(crate) fn service(&self, registry: &Registry) -> HealthServiceBuilder {
        let (group, version) = self.triple_service.clone();
        let builder = HealthService::builder(registry)
            .max_request_bytes(self.max_request_bytes)
            .min_compress_bytes(self.min_compress_bytes)
            .require_connect_version(self.requires_connect_version)
            .triple_service(group, version);
        match &self.cors {
            Some(origin) => builder.cors(Cors::new([origin]).allow_headers(["x-trace"])),
            None => builder,
        }
    }
}

fn request_line(line: &[u8]) -> Option<Request<()>> {
    let (method, rest) = split_once(line, b' ')?;
    let (target, version) = split_once(rest, b' ').unwrap_or((rest, b""));
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    *request.version_mut() = match version {
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/3" => Version::HTTP_3,
        _ => Version::HTTP_2,
    };
    Some(request)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = split_once(line, b':')?;
    let value = value.trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// Takes a line off, without its end; `None` at the end of the input.
fn next_line<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    if input.is_empty() {
        return None;
    }
    let (line, rest) = split_once(input, b'\n').unwrap_or((*input, b""));
    *input = rest;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

pub(crate) fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    let (before, rest) = bytes.split_at(place);
    Some((before, rest.get(1..)?))
}
