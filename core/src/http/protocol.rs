//! Which protocol a POST speaks: content types and the headers that tell Connect from Triple
//! (wire.md section 1, step 6).

use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::route::Rpc;

/// A wire protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// Connect: bare messages for Check and List, a Connect stream for Watch.
    Connect,
    Grpc,
    GrpcWeb,
    /// gRPC-Web whose reply is in base64. Whether the request is, its content type says.
    GrpcWebText,
    Triple,
}

/// How a message is encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Codec {
    Json,
    Proto,
}

/// One content type of wire.md's table.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct MediaType {
    name: &'static str,
    /// As it stands in replies: canonical, without parameters.
    pub(super) value: HeaderValue,
    pub(super) protocol: Protocol,
    pub(super) codec: Codec,
    methods: Methods,
    parameters: Parameters,
}

#[derive(Debug, Eq, PartialEq)]
enum Methods {
    All,
    Unary,
    Stream,
}

#[derive(Debug, Eq, PartialEq)]
enum Parameters {
    CharsetUtf8,
    Ignored,
    None,
}

impl MediaType {
    const fn new(
        name: &'static str,
        protocol: Protocol,
        codec: Codec,
        methods: Methods,
        parameters: Parameters,
    ) -> Self {
        Self { name, value: HeaderValue::from_static(name), protocol, codec, methods, parameters }
    }

    /// The content type of a request, if it is one of the table's. A repeated header is none.
    pub(super) fn of(headers: &HeaderMap) -> Option<&'static Self> {
        // Only where some name is repeated may this one be.
        let repeats = headers.len() > headers.keys_len();
        if repeats && headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
            return None;
        }
        let value = headers.get(CONTENT_TYPE)?.as_bytes();
        // The type as nearly every client writes it, then the grammar.
        TABLE
            .iter()
            .find(|row| row.name.as_bytes() == value)
            .or_else(|| Self::parse(std::str::from_utf8(value).ok()?))
    }

    fn parse(value: &str) -> Option<&'static Self> {
        let (name, parameters) = value.split_once(';').unwrap_or((value, ""));
        let name = trim(name);
        let row = TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name))?;
        row.parameters.accept(parameters).then_some(row)
    }

    /// Whether calls of `rpc` may come in this type.
    pub(super) fn fits(&self, rpc: Rpc) -> bool {
        match self.methods {
            Methods::All => true,
            Methods::Unary => rpc != Rpc::Watch,
            Methods::Stream => rpc == Rpc::Watch,
        }
    }

    pub(super) fn is_grpc_or_grpc_web(&self) -> bool {
        self.methods == Methods::All
    }
}

impl Parameters {
    fn accept(&self, parameters: &str) -> bool {
        let mut parameters = parameters.split(';').map(trim).filter(|text| !text.is_empty());
        match self {
            Self::Ignored => true,
            Self::None => parameters.next().is_none(),
            Self::CharsetUtf8 => {
                parameters.next().is_none_or(is_charset_utf8) && parameters.next().is_none()
            }
        }
    }
}

fn is_charset_utf8(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    name.eq_ignore_ascii_case("charset") && unquoted.unwrap_or(value).eq_ignore_ascii_case("utf-8")
}

/// Takes the optional white space of RFC 9110 off.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Value of `Accept-Post` for calls of `rpc`.
pub(super) fn accept_post(rpc: Rpc) -> HeaderValue {
    HeaderValue::from_static(match rpc {
        Rpc::Check | Rpc::List => {
            "application/grpc, application/grpc+json, application/grpc+proto, \
             application/grpc-web, application/grpc-web+json, application/grpc-web+proto, \
             application/grpc-web-text, application/grpc-web-text+proto, \
             application/json, application/proto"
        }
        Rpc::Watch => {
            "application/connect+json, application/connect+proto, \
             application/grpc, application/grpc+json, application/grpc+proto, \
             application/grpc-web, application/grpc-web+json, application/grpc-web+proto, \
             application/grpc-web-text, application/grpc-web-text+proto"
        }
    })
}

/// Whether a unary call is Triple's: it carries a marker of Triple's, and none of Connect's.
pub(super) fn is_triple(headers: &HeaderMap) -> bool {
    !CONNECT_MARKERS.iter().any(|name| headers.contains_key(name)) && has_triple_marker(headers)
}

/// Whether any header is there that only Triple clients send.
pub(super) fn has_triple_marker(headers: &HeaderMap) -> bool {
    TRIPLE_MARKERS.iter().any(|name| headers.contains_key(name))
}

pub(super) const CONNECT_PROTOCOL_VERSION: HeaderName =
    HeaderName::from_static("connect-protocol-version");
pub(super) const CONNECT_TIMEOUT_MS: HeaderName = HeaderName::from_static("connect-timeout-ms");
pub(super) const TRIPLE_PROTOCOL_VERSION: HeaderName =
    HeaderName::from_static("triple-protocol-version");
pub(super) const TRIPLE_TIMEOUT_MS: HeaderName = HeaderName::from_static("triple-timeout-ms");
pub(super) const TRI_SERVICE_GROUP: HeaderName = HeaderName::from_static("tri-service-group");
pub(super) const TRI_SERVICE_VERSION: HeaderName = HeaderName::from_static("tri-service-version");
/// Sent by dubbo-js 3.0.0-alpha only; it also picks the form of errors.
pub(super) const TRI_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("tri-protocol-version");
/// Sent by dubbo-js 3.0.0-alpha only; a marker, its value is not read.
const TRI_SERVICE_TIMEOUT: HeaderName = HeaderName::from_static("tri-service-timeout");

static CONNECT_MARKERS: [HeaderName; 2] = [CONNECT_PROTOCOL_VERSION, CONNECT_TIMEOUT_MS];
static TRIPLE_MARKERS: [HeaderName; 6] = [
    TRIPLE_PROTOCOL_VERSION,
    TRIPLE_TIMEOUT_MS,
    TRI_SERVICE_GROUP,
    TRI_SERVICE_VERSION,
    TRI_PROTOCOL_VERSION,
    TRI_SERVICE_TIMEOUT,
];

static TABLE: [MediaType; 12] = {
    use {Codec::*, Methods::*, Protocol::*};
    [
        MediaType::new("application/grpc", Grpc, Proto, All, Parameters::Ignored),
        MediaType::new("application/grpc+proto", Grpc, Proto, All, Parameters::Ignored),
        MediaType::new("application/grpc+json", Grpc, Json, All, Parameters::Ignored),
        MediaType::new("application/grpc-web", GrpcWeb, Proto, All, Parameters::Ignored),
        MediaType::new("application/grpc-web+proto", GrpcWeb, Proto, All, Parameters::Ignored),
        MediaType::new("application/grpc-web+json", GrpcWeb, Json, All, Parameters::Ignored),
        MediaType::new("application/grpc-web-text", GrpcWebText, Proto, All, Parameters::Ignored),
        MediaType::new(
            "application/grpc-web-text+proto",
            GrpcWebText,
            Proto,
            All,
            Parameters::Ignored,
        ),
        MediaType::new("application/json", Connect, Json, Unary, Parameters::CharsetUtf8),
        MediaType::new("application/proto", Connect, Proto, Unary, Parameters::None),
        MediaType::new("application/connect+json", Connect, Json, Stream, Parameters::CharsetUtf8),
        MediaType::new("application/connect+proto", Connect, Proto, Stream, Parameters::None),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    fn media_type(value: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        MediaType::of(&headers).map(|row| row.name)
    }

    #[test]
    fn content_types() {
        let table = [
            ("application/grpc", Some("application/grpc")),
            ("Application/GRPC", Some("application/grpc")),
            ("application/grpc; charset=utf-8", Some("application/grpc")),
            ("application/grpc;anything goes", Some("application/grpc")),
            ("application/grpc+proto", Some("application/grpc+proto")),
            ("application/grpc+json", Some("application/grpc+json")),
            ("application/grpc+thrift", None),
            ("application/grpcfoo", None),
            ("application/grpc-web", Some("application/grpc-web")),
            ("Application/Grpc-Web+Proto", Some("application/grpc-web+proto")),
            ("application/grpc-web-text", Some("application/grpc-web-text")),
            ("application/grpc-web-text+proto", Some("application/grpc-web-text+proto")),
            ("application/grpc-web-text+json", None),
            ("application/json", Some("application/json")),
            ("application/json;", Some("application/json")),
            ("application/json ; charset=utf-8", Some("application/json")),
            ("application/json;charset=UTF-8", Some("application/json")),
            ("application/json; Charset=\"Utf-8\"", Some("application/json")),
            ("application/json; charset=utf-16", None),
            ("application/json; charset=utf-8; charset=utf-8", None),
            ("application/json; charset=\"utf-8", None),
            ("application/json; charset", None),
            ("application/json; v=1", None),
            ("application/json, application/json", None),
            ("application/proto", Some("application/proto")),
            ("application/proto; charset=utf-8", None),
            ("application/connect+json; charset=utf-8", Some("application/connect+json")),
            ("application/connect+proto; a=b", None),
            ("application/x-protobuf", None),
            ("application/protobuf", None),
            ("application/hessian2", None),
            ("text/json", None),
            ("application", None),
            ("", None),
            (";", None),
            ("application/jsonⓇ", None),
        ];
        for (value, expected) in table {
            assert_eq!(media_type(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_missing_or_repeated_content_type_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(MediaType::of(&headers), None);
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(MediaType::of(&headers), None);
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"application/json\xff").unwrap());
        assert_eq!(MediaType::of(&headers), None);
    }

    #[test]
    fn accept_post_lists_the_types_that_fit_sorted() {
        for rpc in [Rpc::Check, Rpc::List, Rpc::Watch] {
            let mut fitting: Vec<_> =
                TABLE.iter().filter(|row| row.fits(rpc)).map(|row| row.name).collect();
            // `+` sorts after `-` in ASCII but the list of wire.md keeps a type beside its codecs.
            fitting.sort_by_key(|name| {
                let (base, codec) = name.split_once('+').unwrap_or((name, ""));
                (base, codec)
            });
            assert_eq!(accept_post(rpc).to_str().unwrap(), fitting.join(", "), "{rpc:?}");
        }
    }

    #[test]
    fn connect_markers_win_over_triple_markers() {
        let table: [(&[&str], bool); 9] = [
            (&[], false),
            (&["triple-protocol-version"], true),
            (&["triple-timeout-ms"], true),
            (&["tri-service-group"], true),
            (&["tri-service-version"], true),
            (&["tri-protocol-version"], true),
            (&["tri-service-timeout"], true),
            (&["triple-protocol-version", "connect-protocol-version"], false),
            (&["tri-service-group", "connect-timeout-ms"], false),
        ];
        for (names, expected) in table {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(""));
            }
            assert_eq!(is_triple(&headers), expected, "{names:?}");
        }
    }
}
