//! The messages as bytes: protobuf and ProtoJSON (wire.md section 10).

use std::{borrow::Cow, collections::BTreeMap, fmt, str, sync::Arc};

use bytes::Bytes;
use health_proto::{HealthCheckRequest, HealthListRequest};
use prost::{
    Message as _,
    encoding::{encode_varint, encoded_len_varint},
};
use serde::{
    Deserializer, Serialize,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{fault::Fault, protocol::Codec};
use crate::ServingStatus;

/// Reads the service's name from a request of Check or Watch.
///
/// `in_array`: in JSON, the message may also be the only element of an array.
pub(super) fn decode_service(
    message: &Bytes,
    codec: Codec,
    in_array: bool,
) -> Result<Cow<'_, str>, Fault> {
    match (codec, &**message) {
        // Nearly every request has this one field and nothing else: its name need not be copied.
        (Codec::Proto, [SERVICE, length @ ..0x80, name @ ..])
            if usize::from(*length) == name.len() =>
        {
            str::from_utf8(name).map(Cow::Borrowed).map_err(|_| Fault::BadMessage)
        }
        (Codec::Proto, _) => HealthCheckRequest::decode(message.clone())
            .map(|request| Cow::Owned(request.service))
            .map_err(|_| Fault::BadMessage),
        (Codec::Json, message) => decode_json(message, in_array).map(Cow::Owned),
    }
}

/// Tag of `HealthCheckRequest.service`: field 1, length-delimited.
const SERVICE: u8 = 0x0a;

/// Reads a request of List, of which nothing is needed but that it parses.
pub(super) fn decode_list(message: &Bytes, codec: Codec, in_array: bool) -> Result<(), Fault> {
    match codec {
        Codec::Proto => {
            HealthListRequest::decode(message.clone()).map(drop).map_err(|_| Fault::BadMessage)
        }
        // The message has no fields: `service` would be an unknown one, of any type.
        Codec::Json => {
            let text = str::from_utf8(message).map_err(|_| Fault::BadMessage)?;
            from_json(text, RequestVisitor { with_service: false, in_array }).map(drop)
        }
    }
}

/// The message of a Check or Watch reply.
pub(super) const fn encode_status(status: ServingStatus, codec: Codec) -> &'static [u8] {
    match (codec, status) {
        // A field with its default value is not written.
        (Codec::Proto, ServingStatus::Unknown) => b"",
        (Codec::Proto, ServingStatus::Serving) => b"\x08\x01",
        (Codec::Proto, ServingStatus::NotServing) => b"\x08\x02",
        (Codec::Proto, ServingStatus::ServiceUnknown) => b"\x08\x03",
        (Codec::Json, ServingStatus::Unknown) => b"{}",
        (Codec::Json, ServingStatus::Serving) => br#"{"status":"SERVING"}"#,
        (Codec::Json, ServingStatus::NotServing) => br#"{"status":"NOT_SERVING"}"#,
        (Codec::Json, ServingStatus::ServiceUnknown) => br#"{"status":"SERVICE_UNKNOWN"}"#,
    }
}

/// The message of a List reply; `services` is sorted by name.
pub(super) fn encode_list(services: &[(Arc<str>, ServingStatus)], codec: Codec) -> Bytes {
    match codec {
        Codec::Proto => {
            let mut message = Vec::new();
            for (name, status) in services {
                encode_entry(&mut message, name, encode_status(*status, Codec::Proto));
            }
            message.into()
        }
        Codec::Json => {
            let statuses = services.iter().map(|(name, status)| (&**name, StatusJson::of(*status)));
            let list = ListJson { statuses: statuses.collect() };
            // Maps with string keys always serialize.
            serde_json::to_vec(&list).unwrap_or_default().into()
        }
    }
}

/// One entry of the map `statuses`. Its key and value are written also where they are empty, as every
/// other implementation does, though prost leaves them out.
fn encode_entry(message: &mut Vec<u8>, name: &str, status: &[u8]) {
    const ENTRY: u8 = 0x0a;
    const KEY: u8 = 0x0a;
    const VALUE: u8 = 0x12;
    let mut push = |tag, length: usize| {
        message.push(tag);
        encode_varint(length as u64, message);
    };
    let key_length = 1 + encoded_len_varint(name.len() as u64) + name.len();
    // A status is two bytes at most: its length is one.
    push(ENTRY, key_length + 2 + status.len());
    push(KEY, name.len());
    message.extend_from_slice(name.as_bytes());
    message.push(VALUE);
    message.push(status.len() as u8);
    message.extend_from_slice(status);
}

#[derive(Serialize)]
struct ListJson<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    statuses: BTreeMap<&'a str, StatusJson>,
}

#[derive(Serialize)]
struct StatusJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

impl StatusJson {
    fn of(status: ServingStatus) -> Self {
        Self { status: (status != ServingStatus::Unknown).then(|| status.as_str()) }
    }
}

fn decode_json(message: &[u8], in_array: bool) -> Result<String, Fault> {
    // Checked as a whole: serde_json does not look into strings that it skips.
    let text = str::from_utf8(message).map_err(|_| Fault::BadMessage)?;
    from_json(text, RequestVisitor { with_service: true, in_array })
}

fn from_json(text: &str, visitor: RequestVisitor) -> Result<String, Fault> {
    let mut json = serde_json::Deserializer::from_str(text);
    let service = visitor.deserialize(&mut json).map_err(|_| Fault::BadMessage)?;
    json.end().map_err(|_| Fault::BadMessage)?;
    if has_whole_surrogates(text) { Ok(service) } else { Err(Fault::BadMessage) }
}

/// Reads a request object by the rules of ProtoJSON: unknown fields are ignored, a field may come once,
/// `null` is its default.
#[derive(Clone, Copy)]
struct RequestVisitor {
    with_service: bool,
    in_array: bool,
}

impl<'de> DeserializeSeed<'de> for RequestVisitor {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<String, A::Error> {
        let mut service: Option<String> = None;
        while let Some(name) = object.next_key::<String>()? {
            if self.with_service && name == "service" {
                if service.is_some() {
                    return Err(de::Error::duplicate_field("service"));
                }
                service = Some(object.next_value::<Option<String>>()?.unwrap_or_default());
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(service.unwrap_or_default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<String, A::Error> {
        if !self.in_array {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        // Only the outermost array is one too many.
        let element = array.next_element_seed(Self { in_array: false, ..self })?;
        let service = element.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        match array.next_element::<IgnoredAny>()? {
            None => Ok(service),
            Some(_) => Err(de::Error::invalid_length(2, &self)),
        }
    }
}

/// Whether every surrogate that the JSON `text` escapes is half of a pair. serde_json, which sees to all else,
/// does not look into the strings of fields that it skips.
fn has_whole_surrogates(text: &str) -> bool {
    let mut escapes = text.split('\\').skip(1);
    let mut expects_low = false;
    while let Some(escape) = escapes.next() {
        if escape.is_empty() {
            // A backslash; what follows it is no escape.
            escapes.next();
        }
        let unit = escape.strip_prefix('u').and_then(|hex| hex.get(..4));
        let unit = unit.and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let is_low = matches!(unit, Some(0xdc00..=0xdfff));
        let is_high = matches!(unit, Some(0xd800..=0xdbff));
        // The other half is the next escape, with nothing between.
        if is_low != expects_low || (is_high && escape.len() > "ud800".len()) {
            return false;
        }
        expects_low = is_high;
    }
    !expects_low
}

#[cfg(test)]
mod tests {
    use super::*;
    use health_proto::{HealthCheckResponse, HealthListResponse};

    fn json(text: &[u8], in_array: bool) -> Option<String> {
        decode_service(&Bytes::copy_from_slice(text), Codec::Json, in_array)
            .ok()
            .map(Cow::into_owned)
    }

    #[test]
    fn json_requests() {
        let table: [(&[u8], Option<&str>); 45] = [
            (b"{}", Some("")),
            (b" \r\n\t{ } \n", Some("")),
            (br#"{"service":"svc"}"#, Some("svc")),
            (br#"{"service":""}"#, Some("")),
            (br#"{"service":null}"#, Some("")),
            (br#"{"\u0073ervice":"s\u0076c"}"#, Some("svc")),
            (br#"{"service":"\ud83d\ude00"}"#, Some("😀")),
            (br#"{"Service":"svc"}"#, Some("")),
            (br#"{"foo":{"a":[1,null,-2.5,true,"x"]},"service":"svc"}"#, Some("svc")),
            (br#"{"foo":1,"foo":2,"service":"svc"}"#, Some("svc")),
            (br#"{"foo":1e400,"service":"svc"}"#, Some("svc")),
            (br#"{"foo":-0.0e-999}"#, Some("")),
            (br#"{"foo":01}"#, None),
            (br#"{"service":"a","service":"b"}"#, None),
            (br#"{"service":null,"service":"b"}"#, None),
            (br#"{"service":5}"#, None),
            (br#"{"service":true}"#, None),
            (br#"{"service":["a"]}"#, None),
            (br#"{"service":{}}"#, None),
            (br#"{"service":"\ud800"}"#, None),
            (br#"{"foo":"\ud800"}"#, None),
            (br#"{"foo":["\udc00"]}"#, None),
            (br#"{"\ud800":1}"#, None),
            (br#"{"foo":"\udc00\ud800"}"#, None),
            (br#"{"foo":"\ud83d \ude00"}"#, None),
            (br#"{"foo":"\ud83d\\ude00"}"#, None),
            (br#"{"foo":"\ud83d\ude00\\ud800\uD83D\uDE00x"}"#, Some("")),
            (b"{\"service\":\"\xff\"}", None),
            (b"{\"foo\":\"\xff\"}", None),
            (b"{\"service\":\"a\nb\"}", None),
            (b"\xef\xbb\xbf{}", None),
            (b"", None),
            (b" ", None),
            (b"{", None),
            (b"}", None),
            (b"{} {}", None),
            (b"{}x", None),
            (b"{,}", None),
            (br#"{"a":1,}"#, None),
            (b"null", None),
            (b"[]", None),
            (b"[{}]", None),
            (b"\"svc\"", None),
            (b"1", None),
            (b"true", None),
        ];
        for (text, expected) in table {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(json(text, false).as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn a_one_element_array_is_taken_where_it_may_be() {
        let table: [(&[u8], Option<&str>); 7] = [
            (br#"[{"service":"svc"}]"#, Some("svc")),
            (br#"{"service":"svc"}"#, Some("svc")),
            (b"[{}]", Some("")),
            (b"[]", None),
            (b"[{},{}]", None),
            (b"[[{}]]", None),
            (b"[null]", None),
        ];
        for (text, expected) in table {
            assert_eq!(json(text, true).as_deref(), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_unknown_field_may_be_nested_as_deeply_as_it_is_sent() {
        let deep = format!("{{\"foo\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(json(deep.as_bytes(), false).as_deref(), Some(""));
        assert_eq!(json(&deep.as_bytes()[..deep.len() - 2], false), None);
    }

    #[test]
    fn protobuf_requests() {
        let table: [(&[u8], Option<&str>); 9] = [
            (b"", Some("")),
            (b"\x0a\x00", Some("")),
            (b"\x0a\x03svc", Some("svc")),
            (b"\x0a\x02up\x0a\x03svc", Some("svc")),
            (b"\x0a\x03svc\x50\x01\x5a\x01x", Some("svc")),
            (b"\x0a\x02\xff\xfe", None),
            (b"\x0a\x05svc", None),
            (b"\xff\xff", None),
            (b"\x0a", None),
        ];
        for (bytes, expected) in table {
            let message = Bytes::from_static(bytes);
            let decoded = decode_service(&message, Codec::Proto, false);
            assert_eq!(decoded.ok().as_deref(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn list_requests_need_only_parse() {
        let ok: [(&[u8], Codec); 5] = [
            (b"", Codec::Proto),
            (b"\x0a\x03svc", Codec::Proto),
            (b"{}", Codec::Json),
            (br#"{"service":5}"#, Codec::Json),
            (br#"{"service":"a","service":"b"}"#, Codec::Json),
        ];
        for (bytes, codec) in ok {
            assert_eq!(decode_list(&Bytes::from_static(bytes), codec, false), Ok(()), "{bytes:?}");
        }
        let bad: [(&[u8], Codec); 5] = [
            (b"\xff", Codec::Proto),
            (b"", Codec::Json),
            (b"[]", Codec::Json),
            (b"null", Codec::Json),
            (b"\xff", Codec::Json),
        ];
        for (bytes, codec) in bad {
            let decoded = decode_list(&Bytes::from_static(bytes), codec, false);
            assert_eq!(decoded, Err(Fault::BadMessage), "{bytes:?}");
        }
    }

    #[test]
    fn static_replies_are_what_the_codecs_write() {
        use ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
        for status in [Unknown, Serving, NotServing, ServiceUnknown] {
            let proto = HealthCheckResponse { status: status as i32 }.encode_to_vec();
            assert_eq!(encode_status(status, Codec::Proto), proto, "{status}");
            let json = serde_json::to_vec(&StatusJson::of(status)).unwrap();
            assert_eq!(encode_status(status, Codec::Json), json, "{status}");
        }
    }

    #[test]
    fn lists() {
        let services: [(Arc<str>, _); 3] = [
            ("".into(), ServingStatus::Serving),
            ("a\"b".into(), ServingStatus::NotServing),
            ("idle".into(), ServingStatus::Unknown),
        ];
        let json =
            r#"{"statuses":{"":{"status":"SERVING"},"a\"b":{"status":"NOT_SERVING"},"idle":{}}}"#;
        assert_eq!(encode_list(&services, Codec::Json), json);
        assert_eq!(encode_list(&[], Codec::Json), "{}");
        let proto = encode_list(&services, Codec::Proto);
        let decoded = HealthListResponse::decode(proto.clone()).unwrap();
        assert_eq!(decoded.statuses.len(), 3);
        assert_eq!(decoded.statuses["a\"b"].status, 2);
        assert_eq!(decoded.statuses[""].status, 1);
        assert!(proto.starts_with(b"\x0a\x06\x0a\x00\x12\x02\x08\x01"), "{proto:?}");
        // The entry of a service that is UNKNOWN has a value of length zero.
        assert!(proto.ends_with(b"\x0a\x08\x0a\x04idle\x12\x00"), "{proto:?}");
        assert_eq!(encode_list(&[], Codec::Proto), "");
    }
}
