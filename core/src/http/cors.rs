//! CORS: which web pages may call (wire.md section 9). Off unless configured.

use http::{
    HeaderMap, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        HeaderName, HeaderValue, ORIGIN, VARY,
    },
    request::Parts,
};

use super::{
    body::Body,
    route::{Route, Rpc},
};

/// The web origins whose pages may call the service, and the request headers they may send.
///
/// ```
/// use health_core::http::Cors;
///
/// let cors = Cors::new(["https://app.example"]).allow_headers(["x-trace"]);
/// let any_page = Cors::new(["*"]);
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<String>,
    allow_headers: String,
}

impl Cors {
    /// Allows pages of `origins`, such as `https://app.example`; `*` allows every page.
    #[must_use]
    pub fn new<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        Self {
            origins: origins.into_iter().map(Into::into).collect(),
            allow_headers: ALLOW_HEADERS.to_owned(),
        }
    }

    /// Allows further request headers, beside those of the protocols. What is no header name is left
    /// out.
    #[must_use]
    pub fn allow_headers<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        for name in names {
            if let Ok(name) = HeaderName::from_bytes(name.as_ref().as_bytes()) {
                self.allow_headers.push_str(", ");
                self.allow_headers.push_str(name.as_str());
            }
        }
        self
    }

    /// The request's origin, if its page may call.
    pub(super) fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let allowed = |known: &String| known == "*" || known.as_bytes() == origin.as_bytes();
        self.origins.iter().any(allowed).then(|| origin.clone())
    }

    /// Answers a preflight; `None` if the request is none.
    pub(super) fn preflight(&self, head: &Parts, route: Route<'_>) -> Option<Response<Body>> {
        let is_preflight = head.method == Method::OPTIONS
            && head.headers.contains_key(ORIGIN)
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        let Some(origin) = self.allowed_origin(&head.headers) else {
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Some(response);
        };
        *response.status_mut() = StatusCode::NO_CONTENT;
        let methods = match route {
            Route::Rpc(rpc) => rpc.allow(),
            Route::Probe(..) | Route::UnknownMethod | Route::Other => Rpc::Check.allow(),
        };
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if let Ok(names) = HeaderValue::from_str(&self.allow_headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(VARY, HeaderValue::from_static(vary));
        Some(response)
    }
}

/// Lets the page at `origin` read a reply.
pub(super) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // The answer to a preflight, which says all of it already.
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE_HEADERS));
    let vary = match headers.get(VARY).map(HeaderValue::as_bytes) {
        None => HeaderValue::from_static("Origin"),
        Some(vary) => {
            let vary = [vary, b", Origin"].concat();
            HeaderValue::from_bytes(&vary).unwrap_or_else(|_| HeaderValue::from_static("Origin"))
        }
    };
    headers.insert(VARY, vary);
}

/// What the protocols send.
const ALLOW_HEADERS: &str = "Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, \
    Connect-Content-Encoding, Connect-Accept-Encoding, Content-Encoding, Accept-Encoding, \
    Grpc-Timeout, Grpc-Encoding, Grpc-Accept-Encoding, X-Grpc-Web, X-User-Agent, \
    Triple-Protocol-Version, Triple-Timeout-Ms, Tri-Service-Group, Tri-Service-Version";

/// What their clients read.
const EXPOSE_HEADERS: &str = "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Content-Encoding, Connect-Content-Encoding";

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(value))])
    }

    #[test]
    fn origins_are_compared_whole() {
        let cors = Cors::new(["https://app.example", "http://localhost:8080"]);
        let table = [
            ("https://app.example", true),
            ("http://localhost:8080", true),
            ("https://app.example.evil", false),
            ("https://evil.example", false),
            ("http://app.example", false),
            ("null", false),
        ];
        for (value, expected) in table {
            assert_eq!(cors.allowed_origin(&origin(value)).is_some(), expected, "{value}");
            let any = Cors::new(["*"]).allowed_origin(&origin(value));
            assert_eq!(any.unwrap(), value, "any origin is answered with itself");
        }
        assert_eq!(Cors::new(["*"]).allowed_origin(&HeaderMap::new()), None);
    }

    #[test]
    fn vary_is_kept() {
        let mut headers = HeaderMap::from_iter([(VARY, HeaderValue::from_static("Accept"))]);
        expose(&mut headers, HeaderValue::from_static("https://app.example"));
        assert_eq!(headers[VARY], "Accept, Origin");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    }

    #[test]
    fn configured_headers_join_those_of_the_protocols() {
        let cors = Cors::new(["*"]).allow_headers(["X-Trace", "no good", ""]);
        assert!(
            cors.allow_headers.ends_with("Tri-Service-Version, x-trace"),
            "{}",
            cors.allow_headers
        );
    }
}
