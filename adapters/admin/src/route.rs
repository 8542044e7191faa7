//! What a request asks for, by its method, path and query alone.

use std::borrow::Cow;

use http::{Method, Uri, request::Parts};
use percent_encoding::percent_decode_str;

use crate::reply::Refusal;

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Hold what the path names, or else the body.
    Hold(Option<String>),
    Holds,
    Release {
        service: String,
        by: Option<String>,
    },
    Services,
    Transitions,
}

pub(crate) fn route(head: &Parts) -> Result<Action, Refusal> {
    let path = head.uri.path();
    match (path, &head.method) {
        ("/holds", &Method::GET) => Ok(Action::Holds),
        ("/holds", &Method::POST) => Ok(Action::Hold(None)),
        ("/holds", &Method::DELETE) => release(None, &head.uri),
        ("/holds", _) => Err(Refusal::method("DELETE, GET, POST")),
        ("/services", &Method::GET) => Ok(Action::Services),
        ("/transitions", &Method::GET) => Ok(Action::Transitions),
        ("/services" | "/transitions", _) => Err(Refusal::method("GET")),
        _ => {
            let name = path.strip_prefix("/holds/").ok_or_else(Refusal::path)?;
            match head.method {
                Method::PUT => Ok(Action::Hold(Some(decode(name)?))),
                Method::DELETE => release(Some(decode(name)?), &head.uri),
                _ => Err(Refusal::method("DELETE, PUT")),
            }
        }
    }
}

/// The name of a service in a path.
fn decode(name: &str) -> Result<String, Refusal> {
    if name.is_empty() {
        return Err(Refusal::bad(
            "the path names no service; the server as a whole, which has the empty name, is held by \
             POST /holds with {\"service\": \"\"} and released by DELETE /holds?service=",
        ));
    }
    let name = percent_decode_str(name).decode_utf8();
    let name = name.map_err(|_| Refusal::bad("the name in the path is not UTF-8"))?;
    Ok(name.into_owned())
}

/// A release of the service that the path names, or else the query.
fn release(in_path: Option<String>, uri: &Uri) -> Result<Action, Refusal> {
    let (mut service, mut by) = (in_path, None);
    let query = uri.query().unwrap_or_default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*key {
            "by" => &mut by,
            "service" => &mut service,
            _ => return Err(Refusal::bad("the query may have by and service, nothing else")),
        };
        if place.replace(Cow::into_owned(value)).is_some() {
            return Err(Refusal::bad("by or the service is given twice"));
        }
    }
    let Some(service) = service else {
        return Err(Refusal::bad(
            "no service is named: DELETE /holds/{service}, or /holds?service=NAME",
        ));
    };
    Ok(Action::Release { service, by })
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;

    fn of(request: &str) -> Result<Action, StatusCode> {
        let (method, uri) = request.split_once(' ').unwrap();
        let head = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        route(&head).map_err(|refusal| refusal.status())
    }

    fn release(service: &str, by: Option<&str>) -> Action {
        Action::Release { service: service.to_owned(), by: by.map(str::to_owned) }
    }

    #[test]
    fn routes() {
        let hold = |name: &str| Action::Hold(Some(name.to_owned()));
        for (request, action) in [
            ("GET /holds", Action::Holds),
            ("GET /holds?x=y", Action::Holds),
            ("GET /services", Action::Services),
            ("GET /transitions", Action::Transitions),
            ("POST /holds", Action::Hold(None)),
            ("PUT /holds/greet.GreetService", hold("greet.GreetService")),
            ("PUT /holds/lab/greet.GreetService:1.0.0", hold("lab/greet.GreetService:1.0.0")),
            ("PUT /holds/lab%2Fgreet.GreetService%3A1.0.0", hold("lab/greet.GreetService:1.0.0")),
            ("PUT /holds/caf%C3%A9", hold("café")),
            ("PUT /holds/a+b", hold("a+b")),
            ("PUT /holds/50%", hold("50%")),
            ("PUT /holds/../services", hold("../services")),
            ("DELETE /holds/svc", release("svc", None)),
            ("DELETE /holds/svc?by=ada", release("svc", Some("ada"))),
            ("DELETE /holds/svc?by=Ada%20L.", release("svc", Some("Ada L."))),
            ("DELETE /holds?service=", release("", None)),
            ("DELETE /holds?service=a%2Fb&by=ada", release("a/b", Some("ada"))),
        ] {
            assert_eq!(of(request), Ok(action), "{request}");
        }
    }

    #[test]
    fn refusals() {
        const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
        const NOT_ALLOWED: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        for (request, status) in [
            ("GET /", NOT_FOUND),
            ("GET /hold", NOT_FOUND),
            ("GET /holdsx", NOT_FOUND),
            ("GET /services/", NOT_FOUND),
            ("GET //holds", NOT_FOUND),
            ("POST /grpc.health.v1.Health/Check", NOT_FOUND),
            ("OPTIONS *", NOT_FOUND),
            ("PUT /holds", NOT_ALLOWED),
            ("HEAD /holds", NOT_ALLOWED),
            ("GET /holds/svc", NOT_ALLOWED),
            ("POST /holds/svc", NOT_ALLOWED),
            ("POST /services", NOT_ALLOWED),
            ("DELETE /transitions", NOT_ALLOWED),
            ("PUT /holds/", BAD),
            ("DELETE /holds/", BAD),
            ("PUT /holds/%FF", BAD),
            ("DELETE /holds", BAD),
            ("DELETE /holds?by=ada", BAD),
            ("DELETE /holds?service=a&service=b", BAD),
            ("DELETE /holds/a?service=a", BAD),
            ("DELETE /holds/a?by=x&by=y", BAD),
            ("DELETE /holds/a?reason=x", BAD),
        ] {
            assert_eq!(of(request), Err(status), "{request}");
        }
    }
}
