//! Errors, each with the party to blame: the peer ([`RpcError`]), a limit that the operator set
//! ([`TooManyWatchers`]), or the program that was set up wrong ([`ConfigError`]).

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use crate::Code;

/// The failure of one call, as the peer gets to see it.
///
/// The message is a fixed text for each cause and never repeats what the peer sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcError {
    code: Code,
    message: Cow<'static, str>,
}

impl RpcError {
    pub(crate) const fn new(code: Code, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    #[cfg(feature = "http")]
    pub(crate) const fn with_message(code: Code, message: String) -> Self {
        Self { code, message: Cow::Owned(message) }
    }

    /// The gRPC status code; never [`Code::Ok`].
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The text that goes to the peer.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for RpcError {}

/// As many Watch streams are open as [`RegistryBuilder::max_watchers`] allows.
///
/// [`RegistryBuilder::max_watchers`]: crate::RegistryBuilder::max_watchers
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooManyWatchers {
    limit: usize,
}

impl TooManyWatchers {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl fmt::Display for TooManyWatchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} watch streams are in use", self.limit)
    }
}

impl Error for TooManyWatchers {}

impl From<TooManyWatchers> for RpcError {
    fn from(_: TooManyWatchers) -> Self {
        Self::new(Code::ResourceExhausted, "too many open watch streams")
    }
}

/// A setting that cannot work. Raised when it is made, never while a request is served; the text names
/// the field and the value.
///
/// ```
/// use health_core::Registry;
///
/// let health = Registry::new();
/// let error = health.depends_on("greet.GreetService", "inventory").unwrap_err();
/// assert!(error.is_unknown_service());
/// assert_eq!(error.to_string(), "depends_on names a service that is not registered: \"inventory\"");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    kind: Kind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Cycle(Vec<Arc<str>>),
    Duplicate { service: Arc<str>, name: Arc<str> },
    Taken { name: Arc<str>, by: &'static str },
    UnknownService { field: &'static str, name: Arc<str> },
    Value { field: &'static str, value: String, must: &'static str },
}

impl ConfigError {
    /// A dependency that leads back to where it began; `path` begins and ends with that service.
    pub(crate) const fn cycle(path: Vec<Arc<str>>) -> Self {
        Self { kind: Kind::Cycle(path) }
    }

    /// `service` has a condition of this name.
    pub(crate) fn duplicate(service: &str, name: &str) -> Self {
        Self { kind: Kind::Duplicate { service: service.into(), name: name.into() } }
    }

    /// `name` is in use, for something else.
    pub(crate) fn taken(name: &str, by: &'static str) -> Self {
        Self { kind: Kind::Taken { name: name.into(), by } }
    }

    pub(crate) fn unknown_service(field: &'static str, name: &str) -> Self {
        Self { kind: Kind::UnknownService { field, name: name.into() } }
    }

    /// A field whose value is refused; `must` says what it must be.
    pub(crate) fn value(field: &'static str, value: &impl ToString, must: &'static str) -> Self {
        Self { kind: Kind::Value { field, value: value.to_string(), must } }
    }

    /// Whether a dependency would lead back to where it began.
    #[must_use]
    pub const fn is_cycle(&self) -> bool {
        matches!(self.kind, Kind::Cycle(_))
    }

    /// Whether something of this name is there already.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        matches!(self.kind, Kind::Duplicate { .. } | Kind::Taken { .. })
    }

    /// Whether it names a service that is not registered.
    #[must_use]
    pub const fn is_unknown_service(&self) -> bool {
        matches!(self.kind, Kind::UnknownService { .. })
    }

    /// Whether a field has a value that it cannot have.
    #[must_use]
    pub const fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Value { .. })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Cycle(path) => write!(f, "dependencies form a cycle: {}", path.join(" -> ")),
            Kind::Duplicate { service, name } => {
                write!(f, "service {service:?} has a condition named {name:?} already")
            }
            Kind::Taken { name, by } => write!(f, "the name {name:?} is that of {by}"),
            Kind::UnknownService { field, name } => {
                write!(f, "{field} names a service that is not registered: {name:?}")
            }
            Kind::Value { field, value, must } => {
                write!(f, "{field} is {value}; it must be {must}")
            }
        }
    }
}

impl Error for ConfigError {}
