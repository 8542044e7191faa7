//! The vectors of the wire specification as data: what is sent, and what must come back.
//!
//! Every field is named, so a vector that asks for a rule this crate does not know is an error when
//! the file is read, never a rule that is silently not applied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny};
use serde_json::{Map, Value};

use crate::expected::Expected;
use crate::subject::Options;

/// Calls and their answers, as the wire specification (§13) writes them down.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Vectors(pub(crate) Vec<Vector>);

impl Vectors {
    /// Reads the vectors that this crate carries: `vectors/vectors.json`.
    ///
    /// # Errors
    ///
    /// If they do not parse.
    pub fn load() -> Result<Self, serde_json::Error> {
        Self::parse(include_str!("../vectors/vectors.json"))
    }

    /// Reads the further vectors of this crate, by file: what the specification says beyond its own.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or does not parse.
    pub fn further() -> io::Result<BTreeMap<PathBuf, Self>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/more");
        let read = |file: PathBuf| {
            let vectors = Self::parse(&fs::read_to_string(&file)?)
                .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
            Ok((file, vectors))
        };
        fs::read_dir(folder)?.map(|entry| read(entry?.path())).collect()
    }

    /// Reads vectors from a JSON array.
    ///
    /// # Errors
    ///
    /// If `json` is not an array of vectors, or one of them has a rule that is not known here.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Whether there is nothing to replay.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The protocol families that vectors are counted by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, binary and text.
    GrpcWeb,
    /// Connect, unary by POST.
    ConnectUnary,
    /// Connect, unary by GET.
    ConnectGet,
    /// Connect, server streaming.
    ConnectStream,
    /// Triple, unary.
    Triple,
    /// `/livez`, `/readyz`, `/startupz`, `/healthz`.
    HttpProbe,
    /// Cross-origin resource sharing, whatever the protocol below.
    Cors,
}

impl Protocol {
    /// The name that the vectors use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::ConnectUnary => "connect-unary",
            Self::ConnectGet => "connect-get",
            Self::ConnectStream => "connect-stream",
            Self::Triple => "triple",
            Self::HttpProbe => "http-probe",
            Self::Cors => "cors",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One call and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) protocol: Protocol,
    pub(crate) why: String,
    /// The whole registry before the call.
    pub(crate) state: Map<String, Value>,
    #[serde(default)]
    pub(crate) config: Config,
    /// Commands of the subject, carried out before the call.
    #[serde(default)]
    pub(crate) before: Vec<Value>,
    /// Commands of the subject, carried out while the reply streams.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// Nothing may ever have been SERVING; `reset` promises that for every vector.
    #[serde(rename = "fresh", default)]
    _fresh: IgnoredAny,
    pub(crate) request: Request,
    pub(crate) response: Response,
    #[serde(default)]
    pub(crate) flags_exact: bool,
    #[serde(default)]
    pub(crate) ignore_body: bool,
    #[serde(default)]
    pub(crate) no_http_trailers: bool,
    #[serde(default)]
    pub(crate) only_http_version: Option<HttpVersion>,
    #[serde(rename = "strength")]
    _strength: IgnoredAny,
    #[serde(rename = "source")]
    _source: IgnoredAny,
    #[serde(rename = "verified_by", default)]
    _verified_by: IgnoredAny,
    #[serde(rename = "deviations", default)]
    _deviations: IgnoredAny,
}

impl Vector {
    pub(crate) fn is_grpc_web(&self) -> bool {
        self.request.content_type().starts_with("application/grpc-web")
    }

    /// The HTTP versions over which the vector must hold, each by itself.
    pub(crate) fn http_versions(&self) -> Vec<HttpVersion> {
        let asked = match self.request.http_version {
            HttpVersions::One(version) => vec![version],
            HttpVersions::Any => vec![HttpVersion::Http1, HttpVersion::Http2],
        };
        match self.only_http_version {
            Some(only) => asked.into_iter().filter(|version| *version == only).collect(),
            None => asked,
        }
    }
}

/// How the server of a vector is set up; vectors that agree on it may share one.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) max_message_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) cors_allow_origins: Vec<String>,
}

impl Config {
    /// The command line of a subject that is set up so.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new();
        if let Some(bytes) = self.max_message_bytes {
            options = options.max_request_bytes(bytes);
        }
        self.cors_allow_origins
            .iter()
            .fold(options, |options, origin| options.cors_allow_origin(origin))
    }
}

/// A command for the subject, due when so many frames of the reply have arrived.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) after_frames: usize,
    #[serde(flatten)]
    pub(crate) command: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) http_version: HttpVersions,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(rename = "body_base64", deserialize_with = "base64_bytes")]
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A POST of `body` to one of the three methods, for what is asked beside the vectors.
    pub(crate) fn post(method: &str, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            http_version: HttpVersions::Any,
            method: "POST".to_owned(),
            path: format!("/grpc.health.v1.Health/{method}"),
            headers: BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]),
            body,
        }
    }

    /// The length the request claims, where the vector sets one that may differ from the body's.
    pub(crate) fn claimed_length(&self) -> Option<&str> {
        self.header("content-length")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn content_type(&self) -> String {
        self.header("content-type").unwrap_or_default().to_ascii_lowercase()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    pub(crate) http_status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Expected>,
    #[serde(rename = "body_base64", default, deserialize_with = "optional_base64_bytes")]
    pub(crate) body: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) body_json: Option<Value>,
    #[serde(default)]
    pub(crate) body_match: BodyMatch,
    #[serde(default)]
    pub(crate) body_frames: Option<Vec<Frame>>,
    #[serde(default)]
    pub(crate) body_encoding: BodyEncoding,
    #[serde(default)]
    pub(crate) trailers: Option<BTreeMap<String, Expected>>,
    #[serde(default)]
    pub(crate) stays_open: bool,
}

/// A frame that must come: its payload is given either as bytes or as JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) flags: u8,
    #[serde(rename = "message_base64", default, deserialize_with = "optional_base64_bytes")]
    pub(crate) message: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) map_unordered: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BodyMatch {
    #[default]
    Exact,
    Subset,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BodyEncoding {
    #[default]
    Identity,
    GrpcWebText,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum HttpVersion {
    #[serde(rename = "1.1")]
    Http1,
    #[serde(rename = "2")]
    Http2,
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "HttpVersionsName")]
pub(crate) enum HttpVersions {
    One(HttpVersion),
    Any,
}

#[derive(Deserialize)]
enum HttpVersionsName {
    #[serde(rename = "1.1")]
    Http1,
    #[serde(rename = "2")]
    Http2,
    #[serde(rename = "any")]
    Any,
}

impl From<HttpVersionsName> for HttpVersions {
    fn from(name: HttpVersionsName) -> Self {
        match name {
            HttpVersionsName::Http1 => Self::One(HttpVersion::Http1),
            HttpVersionsName::Http2 => Self::One(HttpVersion::Http2),
            HttpVersionsName::Any => Self::Any,
        }
    }
}

fn base64_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn optional_base64_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<u8>>, D::Error> {
    base64_bytes(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_vector_is_read_and_has_an_id_of_its_own() {
        let Vectors(mut vectors) = Vectors::load().unwrap();
        assert!(vectors.len() >= 278, "only {} vectors", vectors.len());
        let further = Vectors::further().unwrap().into_values();
        vectors.extend(further.flat_map(|Vectors(vectors)| vectors));
        assert!(vectors.len() >= 2_500, "only {} vectors with the further ones", vectors.len());
        let mut ids = BTreeSet::new();
        for vector in &vectors {
            assert!(ids.insert(&vector.id), "{} stands there twice", vector.id);
            assert!(!vector.http_versions().is_empty(), "{} is never run", vector.id);
        }
    }

    #[test]
    fn a_rule_that_is_not_known_is_an_error() {
        let vector = r#"{"id": "x", "protocol": "grpc", "why": "", "source": "", "strength": "must",
            "state": {}, "request": {"http_version": "2", "method": "GET", "path": "/",
            "headers": {}, "body_base64": ""}, "response": {"http_status": 200}}"#;
        Vectors::parse(&format!("[{vector}]")).unwrap();
        for place in ["\"id\":", "\"http_status\":", "\"method\":"] {
            let unknown = vector.replace(place, &format!("\"sha256\": 1, {place}"));
            let error = Vectors::parse(&format!("[{unknown}]")).unwrap_err();
            assert!(error.to_string().contains("sha256"), "{error}");
        }
    }

    #[test]
    fn any_is_both_versions_and_only_narrows_it() {
        let Vectors(vectors) = Vectors::load().unwrap();
        let mut vector = vectors.into_iter().find(|vector| vector.id == "web-check").unwrap();
        assert_eq!(vector.http_versions(), [HttpVersion::Http1, HttpVersion::Http2]);
        vector.only_http_version = Some(HttpVersion::Http1);
        assert_eq!(vector.http_versions(), [HttpVersion::Http1]);
    }

    #[test]
    fn the_options_are_those_of_the_configuration() {
        let config: Config = serde_json::from_str(
            r#"{"max_message_bytes": 1024, "cors_allow_origins": ["https://app.example"]}"#,
        )
        .unwrap();
        let expected =
            Options::new().max_request_bytes(1024).cors_allow_origin("https://app.example");
        assert_eq!(config.options(), expected);
    }
}
