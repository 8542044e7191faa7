//! Reads the head of an HTTP/1.1 request (RFC 9112) and decides where its body ends.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING},
};

use crate::input::{Input, InputError};

const MAX_HEADERS: usize = 64;

/// The head of a request, and what it says about the connection.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: Request<()>,
    pub(crate) length: Length,
    /// The peer sends the body only after "100 Continue".
    pub(crate) expects_continue: bool,
    /// The peer may send another request afterwards.
    pub(crate) keep_alive: bool,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    Known(u64),
    Chunked,
}

impl Head {
    /// Reads the next head.
    ///
    /// # Errors
    ///
    /// Refused with 400 when it is not HTTP/1.1, with 431 when it is too long, with 501 when its body
    /// comes in an unknown form.
    pub(crate) fn read(input: &mut Input<'_>) -> Result<Self, InputError> {
        let request = input.take(parse)?;
        let headers = request.headers();
        let is_1_1 = request.version() == Version::HTTP_11;
        if is_1_1 && !headers.contains_key(HOST) {
            return Err(BAD_REQUEST);
        }
        Ok(Self {
            length: length(headers)?,
            expects_continue: is_1_1 && has_token(headers, EXPECT, "100-continue"),
            keep_alive: is_1_1 && !has_token(headers, CONNECTION, "close"),
            request,
        })
    }
}

fn parse(arrived: &[u8]) -> Result<Option<(usize, Request<()>)>, InputError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(arrived) {
        Ok(httparse::Status::Complete(length)) => {
            let request = convert(&parsed).ok_or(BAD_REQUEST)?;
            Ok(Some((length, request)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            Err(InputError::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
        }
        Err(_) => Err(BAD_REQUEST),
    }
}

/// The request in the vocabulary of the `http` crate, which is what the health service speaks.
fn convert(parsed: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    *request.version_mut() = if parsed.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

/// RFC 9112 §6.3. Two answers to the question are no answer: that is how requests are smuggled.
fn length(headers: &HeaderMap) -> Result<Length, InputError> {
    let encodings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
    match (encodings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(Length::Known(0)),
        ([], [length]) => digits(length).map(Length::Known).ok_or(BAD_REQUEST),
        ([encoding], []) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Length::Chunked)
        }
        (_, []) => Err(InputError::Refused(StatusCode::NOT_IMPLEMENTED)),
        _ => Err(BAD_REQUEST),
    }
}

fn digits(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    // `parse` alone would also take "+5".
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|it| it.trim().eq_ignore_ascii_case(token)))
}

const BAD_REQUEST: InputError = InputError::Refused(StatusCode::BAD_REQUEST);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_told_once_or_refused() {
        let rows = [
            ("", Ok(Length::Known(0))),
            ("content-length: 32", Ok(Length::Known(32))),
            ("content-length: +5", Err(400)),
            ("content-length: ", Err(400)),
            ("content-length: 99999999999999999999", Err(400)),
            ("content-length: 5\ncontent-length: 6", Err(400)),
            ("transfer-encoding: Chunked", Ok(Length::Chunked)),
            ("transfer-encoding: chunked\ncontent-length: 5", Err(400)),
            ("transfer-encoding: gzip, chunked", Err(501)),
        ];
        for (lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = length(&headers).map_err(|error| match error {
                InputError::Refused(status) => status.as_u16(),
                InputError::Lost(error) => panic!("{error}"),
            });
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
