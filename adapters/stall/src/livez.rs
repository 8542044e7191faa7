//! What is answered to which bytes. Pure: it knows no socket and no detector.

use std::{fmt::Write, time::SystemTime};

use httparse::{EMPTY_HEADER, Error, Request, Status};

/// What to make of the bytes that a peer has sent so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// They may yet become a request.
    More,
    /// It asks whether the process is alive.
    Livez(Form),
    Refused(Refusal),
}

/// How the answer is to look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Whole,
    /// Without the body, as HEAD asks for.
    Head,
}

/// A request that is none of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    BadRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
}

/// Reads a request as far as it has come.
pub(crate) fn read(input: &[u8]) -> Read {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(input) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if input.len() >= MAX_HEAD => return Read::Refused(Refusal::TooLarge),
        Ok(Status::Partial) => return Read::More,
        Err(Error::TooManyHeaders) => return Read::Refused(Refusal::TooLarge),
        Err(_) => return Read::Refused(Refusal::BadRequest),
    }
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    match (path, request.method.unwrap_or_default()) {
        ("/livez", "GET") => Read::Livez(Form::Whole),
        ("/livez", "HEAD") => Read::Livez(Form::Head),
        ("/livez", _) => Read::Refused(Refusal::MethodNotAllowed),
        _ => Read::Refused(Refusal::NotFound),
    }
}

/// The answer to [`Read::Livez`]: alive if there is nothing to tell.
pub(crate) fn answer(form: Form, stalls: &str) -> Vec<u8> {
    let (status, body) =
        if stalls.is_empty() { ("200 OK", "ok") } else { ("503 Service Unavailable", stalls) };
    response(status, "", form, body)
}

/// The answer to [`Read::Refused`].
pub(crate) fn refuse(refusal: Refusal) -> Vec<u8> {
    match refusal {
        Refusal::BadRequest => response("400 Bad Request", "", Form::Whole, ""),
        Refusal::MethodNotAllowed => {
            response("405 Method Not Allowed", "allow: GET, HEAD\r\n", Form::Whole, "")
        }
        Refusal::NotFound => response("404 Not Found", "", Form::Whole, ""),
        Refusal::TooLarge => response("431 Request Header Fields Too Large", "", Form::Whole, ""),
    }
}

fn response(status: &str, header: &str, form: Form, body: &str) -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let length = body.len();
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "HTTP/1.1 {status}\r\ndate: {date}\r\n{header}content-type: text/plain; charset=utf-8\r\n\
         x-content-type-options: nosniff\r\ncache-control: no-store\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    if form == Form::Whole {
        text.push_str(body);
    }
    text.into_bytes()
}

/// For the request line and the headers. A kubelet sends 150 bytes and what its probe is told to add.
pub(crate) const MAX_HEAD: usize = 4096;
const MAX_HEADERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let get = Read::Livez(Form::Whole);
        let table: &[(&str, Read)] = &[
            ("", Read::More),
            ("GET /livez HT", Read::More),
            ("GET /livez HTTP/1.1\r\nhost: a\r\n", Read::More),
            ("GET /livez HTTP/1.1\r\nhost: a\r\nuser-agent: kube-probe/1.34\r\n\r\n", get),
            ("GET /livez HTTP/1.0\r\n\r\n", get),
            ("GET /livez?verbose HTTP/1.1\r\n\r\n", get),
            ("HEAD /livez HTTP/1.1\r\n\r\n", Read::Livez(Form::Head)),
            ("POST /livez HTTP/1.1\r\n\r\nbody", Read::Refused(Refusal::MethodNotAllowed)),
            ("get /livez HTTP/1.1\r\n\r\n", Read::Refused(Refusal::MethodNotAllowed)),
            ("GET / HTTP/1.1\r\n\r\n", Read::Refused(Refusal::NotFound)),
            ("GET /livez/ HTTP/1.1\r\n\r\n", Read::Refused(Refusal::NotFound)),
            ("POST /readyz HTTP/1.1\r\n\r\n", Read::Refused(Refusal::NotFound)),
            ("GET /livez HTTP/2.0\r\n\r\n", Read::Refused(Refusal::BadRequest)),
            ("\x16\x03\x01 a TLS hello", Read::Refused(Refusal::BadRequest)),
            ("GET /livez HTTP/1.1\r\nno colon\r\n\r\n", Read::Refused(Refusal::BadRequest)),
        ];
        for (input, expected) in table {
            assert_eq!(read(input.as_bytes()), *expected, "{input:?}");
        }
    }

    #[test]
    fn a_head_is_limited_in_size_and_number() {
        let long = format!("GET /livez HTTP/1.1\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(read(&long.as_bytes()[..MAX_HEAD - 1]), Read::More);
        assert_eq!(read(&long.as_bytes()[..MAX_HEAD]), Read::Refused(Refusal::TooLarge));
        let many = |count| format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(read(many(MAX_HEADERS).as_bytes()), Read::Livez(Form::Whole));
        let refused = Read::Refused(Refusal::TooLarge);
        assert_eq!(read(many(MAX_HEADERS + 1).as_bytes()), refused);
    }

    #[test]
    fn answers_are_whole_http() {
        let text = |answer: Vec<u8>| {
            let text = String::from_utf8(answer).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let has = |line: &str| head.lines().any(|other| other == line);
            assert!(has("connection: close") && has("cache-control: no-store"), "{head}");
            assert!(head.lines().any(|line| line.starts_with("date: ")), "{head}");
            (head.to_owned(), body.to_owned())
        };
        let stall = "executor main stalled 12 s";
        let (head, body) = text(answer(Form::Whole, stall));
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\ncontent-length: 26\r"));
        assert_eq!(body, stall);
        let (head, body) = text(answer(Form::Head, stall));
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\ncontent-length: 26\r"));
        assert_eq!(body, "");
        let (head, body) = text(answer(Form::Whole, ""));
        assert!(head.starts_with("HTTP/1.1 200 OK\r") && body == "ok");
        let (head, _) = text(refuse(Refusal::MethodNotAllowed));
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\nallow: GET, HEAD\r"));
        for (refusal, status) in
            [(Refusal::BadRequest, 400), (Refusal::NotFound, 404), (Refusal::TooLarge, 431)]
        {
            assert!(text(refuse(refusal)).0.starts_with(&format!("HTTP/1.1 {status} ")));
        }
    }
}
