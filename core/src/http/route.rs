//! Which question a path asks (wire.md section 1, steps 1 and 3). Paths are exact and case-sensitive.

/// A method of `grpc.health.v1.Health`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rpc {
    Check,
    List,
    Watch,
}

impl Rpc {
    /// The `Allow` header: unary calls may come as Connect GET.
    pub(super) const fn allow(self) -> &'static str {
        match self {
            Self::Check | Self::List => "GET, POST",
            Self::Watch => "POST",
        }
    }
}

/// The name of a probe's path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProbePath {
    Healthz,
    Livez,
    Readyz,
    Startupz,
}

impl ProbePath {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Startupz => "startupz",
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route<'a> {
    Rpc(Rpc),
    /// A probe, or one named check of it.
    Probe(ProbePath, Option<&'a str>),
    /// A path of the health service's that no method has.
    UnknownMethod,
    /// Somebody else's path.
    Other,
}

pub(super) fn route(path: &str) -> Route<'_> {
    if let Some(method) = path.strip_prefix(SERVICE) {
        return match method {
            "Check" => Route::Rpc(Rpc::Check),
            "List" => Route::Rpc(Rpc::List),
            "Watch" => Route::Rpc(Rpc::Watch),
            _ => Route::UnknownMethod,
        };
    }
    let path = path.strip_prefix('/').unwrap_or_default();
    let (name, check) = match path.split_once('/') {
        Some((_, "")) => return Route::Other,
        Some((name, check)) => (name, Some(check)),
        None => (path, None),
    };
    let probe = match name {
        "healthz" => ProbePath::Healthz,
        "livez" => ProbePath::Livez,
        "readyz" => ProbePath::Readyz,
        "startupz" => ProbePath::Startupz,
        _ => return Route::Other,
    };
    Route::Probe(probe, check)
}

const SERVICE: &str = "/grpc.health.v1.Health/";

#[cfg(test)]
mod tests {
    use super::{ProbePath::*, Route::*, Rpc::*, *};

    #[test]
    fn paths_are_exact() {
        let table = [
            ("/grpc.health.v1.Health/Check", Rpc(Check)),
            ("/grpc.health.v1.Health/List", Rpc(List)),
            ("/grpc.health.v1.Health/Watch", Rpc(Watch)),
            ("/grpc.health.v1.Health/Check/", UnknownMethod),
            ("/grpc.health.v1.Health/check", UnknownMethod),
            ("/grpc.health.v1.Health/Nope", UnknownMethod),
            ("/grpc.health.v1.Health/", UnknownMethod),
            ("/grpc.health.v1.Health", Other),
            ("//grpc.health.v1.Health/Check", Other),
            ("/grpc.health.v1.health/Check", Other),
            ("/livez", Probe(Livez, None)),
            ("/readyz", Probe(Readyz, None)),
            ("/startupz", Probe(Startupz, None)),
            ("/healthz", Probe(Healthz, None)),
            ("/readyz/serving", Probe(Readyz, Some("serving"))),
            ("/readyz/a/b", Probe(Readyz, Some("a/b"))),
            ("/livez/", Other),
            ("/Livez", Other),
            ("/livezz", Other),
            ("livez", Other),
            ("/", Other),
            ("", Other),
            ("*", Other),
        ];
        for (path, expected) in table {
            assert_eq!(route(path), expected, "{path:?}");
        }
    }
}
