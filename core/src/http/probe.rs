//! HTTP probes: `/livez`, `/readyz`, `/startupz`, `/healthz` (wire.md section 8). The text form is that
//! of the Kubernetes apiserver, the JSON form that of the health+json draft.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
    time::Instant,
};

use http::{
    HeaderMap, Method, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
    request::Parts,
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

use super::{accept::prefers_json, body::Body, query::Query, route::ProbePath, service};
use crate::{
    Registry, ServingStatus, Transition,
    elapsed::Elapsed,
    probe::{Component, Probe, ProbeConfig},
};

/// Answers a probe, or one named check of it; reasons, holds and the past are told with `details` only.
pub(super) fn answer(
    config: &ProbeConfig,
    details: bool,
    registry: &Registry,
    head: &Parts,
    path: ProbePath,
    check: Option<&str>,
) -> Response<Body> {
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut response = service::empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let report = config.report(path.probe(), registry);
    let query = Query::new(head.uri.query().unwrap_or_default());
    let as_json = prefers_json(&head.headers);
    let told = details.then_some(registry);
    let answer = match check {
        None => Answer::new(path, report.components().to_vec(), told, query),
        Some(name) => {
            let name = percent_decode_str(name).decode_utf8_lossy();
            let named = report.components().iter().filter(|component| component.name() == name);
            let named: Vec<_> = named.cloned().collect();
            if named.is_empty() {
                return service::empty(StatusCode::NOT_FOUND);
            }
            Answer::new(path, named, told, query)
        }
    };
    let whole = check.is_none() && path.probe() == Probe::Readiness;
    let body = if as_json { answer.json(whole.then_some(registry)) } else { answer.text() };
    respond(head, answer.passed, as_json, body)
}

impl ProbePath {
    const fn probe(self) -> Probe {
        match self {
            Self::Healthz | Self::Readyz => Probe::Readiness,
            Self::Livez => Probe::Liveness,
            Self::Startupz => Probe::Startup,
        }
    }
}

/// The outcome of a probe before it is written down.
struct Answer<'a> {
    path: ProbePath,
    components: Vec<Component>,
    /// Where details are taken from, if they are told.
    told: Option<&'a Registry>,
    excluded: Vec<String>,
    verbose: bool,
    passed: bool,
}

impl<'a> Answer<'a> {
    fn new(
        path: ProbePath,
        components: Vec<Component>,
        told: Option<&'a Registry>,
        query: Query<'_>,
    ) -> Self {
        let mut excluded: Vec<_> = query
            .pairs()
            .filter(|(name, _)| **name == *b"exclude")
            .map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
            .collect();
        excluded.sort_unstable();
        excluded.dedup();
        let verbose = query.first("verbose").is_some();
        let mut answer = Self { path, components, told, excluded, verbose, passed: true };
        let passes = |component: &Component| {
            component.is_healthy() || component.is_optional() || answer.excludes(component)
        };
        answer.passed = answer.components.iter().all(passes);
        answer
    }

    fn excludes(&self, component: &Component) -> bool {
        self.excluded.iter().any(|name| *name == component.name())
    }

    fn text(&self) -> String {
        if self.passed && !self.verbose {
            return "ok".to_owned();
        }
        let mut lines: Vec<_> = self.components.iter().map(|it| self.line(it)).collect();
        lines.extend(self.told.map(details).unwrap_or_default());
        let strangers = self.strangers();
        if !strangers.is_empty() {
            lines.push(format!(
                "warn: some health checks cannot be excluded: no matches for {strangers}"
            ));
        }
        let outcome = if self.passed { "passed" } else { "failed" };
        lines.push(format!("{} check {outcome}", self.path.as_str()));
        let mut text = String::new();
        lines.iter().for_each(|line| push_line(&mut text, line));
        text
    }

    fn line(&self, component: &Component) -> String {
        let name = component.name();
        if self.excludes(component) {
            format!("[+]{name} excluded: ok")
        } else if component.is_healthy() {
            format!("[+]{name} ok")
        } else if component.is_optional() {
            format!("[-]{name} failed, optional: {}", self.reason(component))
        } else {
            format!("[-]{name} failed: {}", self.reason(component))
        }
    }

    fn reason<'b>(&self, component: &'b Component) -> &'b str {
        match self.told {
            None => "reason withheld",
            Some(_) => component.reason().unwrap_or("no reason given"),
        }
    }

    /// Names to exclude that no check has, quoted and cut short: the peer chose them.
    fn strangers(&self) -> String {
        let known = |name: &str| self.components.iter().any(|component| component.name() == name);
        let quoted: Vec<_> = self
            .excluded
            .iter()
            .filter(|name| !known(name))
            .map(|name| format!("{:?}", name.chars().take(MAX_ECHO).collect::<String>()))
            .collect();
        quoted.join(",")
    }

    /// With a registry, every service of it is told as well; they do not decide.
    fn json(&self, registry: Option<&Registry>) -> String {
        let list = |registry: &Registry| registry.list_up_to(usize::MAX);
        let services = registry.and_then(list).unwrap_or_default();
        let checks = services
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, status)| (check_key(name), [CheckJson::of(*status)]))
            .collect();
        let failed = self.components.iter().filter(|component| !component.is_healthy());
        let told =
            failed.map(|component| format!("{}: {}", component.name(), self.reason(component)));
        let output = self.told.is_some().then(|| told.collect::<Vec<_>>().join("; "));
        let health = HealthJson {
            status: pass_or_fail(self.passed),
            checks,
            output: output.filter(|output| !output.is_empty()),
            notes: self.told.map(details).unwrap_or_default(),
        };
        // Maps with string keys always serialize.
        serde_json::to_string(&health).unwrap_or_default()
    }
}

/// Writes one line, whatever stands in it: reasons, names and holders come from anywhere, and must neither
/// pass for lines of their own nor reach the reader's terminal as commands.
fn push_line(text: &mut String, line: &str) {
    for character in line.chars() {
        if character.is_control() || breaks_or_turns_lines(character) {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text.push('\n');
}

/// Line and paragraph separators, and what changes the direction of text.
const fn breaks_or_turns_lines(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What operators get to see besides: the holds, and the last transitions, newest first.
fn details(registry: &Registry) -> Vec<String> {
    let now = registry.now();
    let mut lines = Vec::new();
    for (service, hold) in registry.holds() {
        let mut line = format!("{}: {hold}", Named(&service));
        if let Some(end) = hold.end() {
            let left = Elapsed(end.saturating_duration_since(now));
            // Writing to a String does not fail.
            let _ = write!(line, ", for another {left}");
        }
        lines.push(line);
    }
    let past = registry.history();
    lines.extend(past.iter().rev().map(|transition| tell(transition, now)));
    lines
}

/// A transition in one line.
fn tell(transition: &Transition, now: Instant) -> String {
    let ago = Elapsed(now.saturating_duration_since(transition.at));
    let Transition { service, from, to, cause, .. } = transition;
    let mut line = format!("{ago} ago {} {from} -> {to}", Named(service));
    // Writing to a String does not fail.
    let _ = match transition.lasted {
        Some(lasted) => write!(line, " after {} ({cause}", Elapsed(lasted)),
        None => write!(line, " ({cause}"),
    };
    let _ = match &transition.reason {
        Some(reason) => write!(line, ": {reason})"),
        None => write!(line, ")"),
    };
    line
}

/// A service's name as a line has it: `""` is quoted, for it would not be seen.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("\"\"") } else { f.write_str(self.0) }
    }
}

#[derive(Serialize)]
struct HealthJson {
    status: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<String, [CheckJson; 1]>,
    /// Why it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// Holds, and the last transitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckJson {
    component_type: &'static str,
    observed_value: &'static str,
    status: &'static str,
}

impl CheckJson {
    fn of(status: ServingStatus) -> Self {
        let passed = status == ServingStatus::Serving;
        Self {
            component_type: "component",
            observed_value: status.as_str(),
            status: pass_or_fail(passed),
        }
    }
}

/// `COMPONENT:MEASUREMENT`. A component's name may hold no colon, so it is percent-encoded there.
fn check_key(service: &Arc<str>) -> String {
    const COLON: &AsciiSet = &CONTROLS.add(b':').add(b'%');
    // Only ASCII is encoded: the key is JSON text, other characters stay as they are.
    let mut key = String::with_capacity(service.len() + 7);
    for character in service.chars() {
        let mut buffer = [0; 4];
        let character = &*character.encode_utf8(&mut buffer);
        if character.is_ascii() {
            key.extend(utf8_percent_encode(character, COLON));
        } else {
            key.push_str(character);
        }
    }
    key.push_str(":status");
    key
}

const fn pass_or_fail(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

fn respond(head: &Parts, passed: bool, as_json: bool, body: String) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    // HEAD is GET without the body: the length is that of GET.
    let body = if head.method == Method::HEAD { Body::empty() } else { Body::full(body) };
    let mut response = Response::new(body);
    if !passed {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers: &mut HeaderMap = response.headers_mut();
    let content_type =
        if as_json { "application/health+json" } else { "text/plain; charset=utf-8" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Characters of a peer's word that a reply repeats at most.
const MAX_ECHO: usize = 128;

#[cfg(test)]
mod tests {
    use super::{super::testing::ManualTimer, *};
    use crate::rt::Timer;
    use http::Request;
    use http_body::Body as _;
    use std::time::Duration;

    fn ask(path: &str, query: &str, registry: &Registry) -> (u16, String) {
        let uri = format!("/{path}{query}");
        let (head, ()) = Request::get(uri).body(()).unwrap().into_parts();
        let super::super::route::Route::Probe(probe, check) =
            super::super::route::route(head.uri.path())
        else {
            panic!("{path} is no probe")
        };
        let response = answer(&ProbeConfig::new(), false, registry, &head, probe, check);
        let status = response.status().as_u16();
        let length = response.headers()[CONTENT_LENGTH].to_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(response.body().size_hint().exact(), Some(length));
        let body = super::super::testing::read(response.into_body());
        (status, String::from_utf8(body).unwrap())
    }

    #[test]
    fn text() {
        let registry = Registry::new();
        let ready = |query| ask("readyz", query, &registry);
        let ok = |text: &str| (200, text.to_owned());
        assert_eq!(ready(""), ok("ok"));
        assert_eq!(ready("?exclude=serving"), ok("ok"));
        assert_eq!(ready("?verbose"), ok("[+]serving ok\n[+]shutdown ok\nreadyz check passed\n"));
        let excluded = "[+]serving excluded: ok\n[+]shutdown ok\nreadyz check passed\n";
        assert_eq!(ready("?verbose=0&exclude=serving"), ok(excluded));
        let warned = "[+]serving ok\n[+]shutdown ok\n\
            warn: some health checks cannot be excluded: no matches for \"a\",\"b\\n\"\n\
            readyz check passed\n";
        assert_eq!(ready("?verbose&exclude=b%0A&exclude=a&exclude=a"), ok(warned));
        let (_, long) = ready(&format!("?verbose&exclude={}", "x".repeat(5000)));
        assert!(long.len() < 400, "{long}");
        registry.shutdown();
        let failed = "[-]serving failed: reason withheld\n[-]shutdown failed: reason withheld\n\
            healthz check failed\n";
        assert_eq!(ask("healthz", "", &registry), (503, failed.to_owned()));
        assert_eq!(ask("livez", "", &registry), ok("ok"));
        let both = "?exclude=serving&exclude=shutdown";
        assert_eq!(ask("healthz", both, &registry), ok("ok"));
    }

    fn detailed(registry: &Registry, config: &ProbeConfig, accept: &str) -> (u16, String) {
        let request = Request::get("/readyz?verbose").header("accept", accept).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let response = answer(config, true, registry, &head, ProbePath::Readyz, None);
        let status = response.status().as_u16();
        (status, String::from_utf8(super::super::testing::read(response.into_body())).unwrap())
    }

    #[test]
    fn with_details_operators_read_reasons_holds_and_the_past() {
        let timer = ManualTimer::shared();
        let clock: Arc<dyn Timer> = timer.clone();
        let registry = Registry::builder().clock(clock).build();
        let config = ProbeConfig::new().readiness(["a", ""]).optional(["extra"]);
        let pool = registry.signal("a", "postgres").unwrap();
        pool.pass();
        registry.set("extra", ServingStatus::NotServing);
        let second = Duration::from_secs(1);
        timer.advance(90 * second);
        assert_eq!(detailed(&registry, &config, "*/*").0, 200, "an optional one does not decide");
        pool.fail(crate::Reason::new("connection refused"));
        let end = registry.now() + 600 * second;
        registry.hold("extra", crate::Hold::new("upgrade").by("ada").until(end));
        timer.advance(30 * second);

        let (status, text) = detailed(&registry, &config, "*/*");
        assert_eq!(status, 503);
        let expected = "\
            [-]a failed: postgres: connection refused\n\
            [+]serving ok\n\
            [-]extra failed, optional: held by ada: upgrade\n\
            [+]shutdown ok\n\
            extra: held by ada: upgrade, for another 9 min 30 s\n\
            30 s ago a SERVING -> NOT_SERVING after 90 s (condition: postgres: connection refused)\n\
            2 min 0 s ago extra SERVICE_UNKNOWN -> NOT_SERVING (set)\n\
            2 min 0 s ago a UNKNOWN -> SERVING after 0 ms (condition)\n\
            2 min 0 s ago a SERVICE_UNKNOWN -> UNKNOWN (condition: postgres: pending)\n\
            2 min 0 s ago \"\" SERVICE_UNKNOWN -> SERVING (set)\n\
            readyz check failed\n";
        assert_eq!(text, expected);

        let (status, json) = detailed(&registry, &config, "application/health+json");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((status, json["status"].as_str()), (503, Some("fail")));
        let output = "a: postgres: connection refused; extra: held by ada: upgrade";
        assert_eq!(json["output"], output);
        assert_eq!(json["notes"][0], "extra: held by ada: upgrade, for another 9 min 30 s");
        assert_eq!(json["notes"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn a_line_is_one_line_whatever_stands_in_it() {
        for (line, written) in [
            ("pool: 3 \"idle\", größer \\ 数据库", "pool: 3 \"idle\", größer \\ 数据库"),
            ("evil\n[+]x ok", "evil\\n[+]x ok"),
            ("evil\r\n[+]x ok", "evil\\r\\n[+]x ok"),
            ("a\tb\0", "a\\tb\\u{0}"),
            ("\x1b[31mred\x7f", "\\u{1b}[31mred\\u{7f}"),
            ("\u{85}next\u{9b}31m", "\\u{85}next\\u{9b}31m"),
            ("\u{2028}line\u{2029}paragraph", "\\u{2028}line\\u{2029}paragraph"),
            ("\u{202e}ko\u{2066}", "\\u{202e}ko\\u{2066}"),
        ] {
            let mut text = String::new();
            push_line(&mut text, line);
            assert_eq!(text, format!("{written}\n"), "{line:?}");
        }
    }

    #[test]
    fn no_name_reason_or_holder_forges_a_line() {
        const EVIL: &str = "evil\n[+]forged ok\r\n\x1b[31mred";
        let registry = Registry::new();
        let config = ProbeConfig::new().readiness([EVIL, "x", "y"]);
        registry.set(EVIL, ServingStatus::NotServing);
        registry.signal("x", EVIL).unwrap().fail(crate::Reason::new(EVIL));
        registry.hold("y", crate::Hold::new(EVIL).by(EVIL));
        let (_, text) = detailed(&registry, &config, "*/*");
        assert!(text.contains("[+]forged ok"), "it is told: {text}");
        assert!(!text.lines().any(|line| line.starts_with("[+]forged")), "{text}");
        assert!(!text.replace('\n', "").contains(char::is_control), "{text:?}");
    }

    #[test]
    fn one_named_check() {
        let registry = Registry::new();
        registry.set("", ServingStatus::NotServing);
        assert_eq!(ask("readyz/shutdown", "", &registry), (200, "ok".to_owned()));
        assert_eq!(ask("readyz/%73hutdown", "", &registry), (200, "ok".to_owned()));
        assert_eq!(ask("readyz/serving", "", &registry).0, 503);
        assert_eq!(ask("readyz/nope", "", &registry), (404, String::new()));
        assert_eq!(ask("livez/serving", "", &registry), (404, String::new()));
    }

    #[test]
    fn json_tells_every_service() {
        let registry = Registry::new();
        registry.set("a:b%é", ServingStatus::NotServing);
        registry.set("", ServingStatus::Serving);
        let (head, ()) = Request::get("/readyz")
            .header("accept", "application/health+json")
            .body(())
            .unwrap()
            .into_parts();
        let response =
            answer(&ProbeConfig::new(), false, &registry, &head, ProbePath::Readyz, None);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/health+json");
        let body = super::super::testing::read(response.into_body());
        let expected = "{\"status\":\"pass\",\"checks\":{\"a%3Ab%25é:status\":[{\
            \"componentType\":\"component\",\"observedValue\":\"NOT_SERVING\",\"status\":\"fail\"}]}}";
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
