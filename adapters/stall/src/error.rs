//! `StallError`: why a detector does not start, or does not take an executor.

use std::{error::Error, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use health_core::ConfigError;

/// A detector that cannot start, or an executor that it cannot take.
///
/// ```
/// use health_stall::StallDetector;
///
/// let error = StallDetector::builder().start().unwrap_err();
/// assert!(error.is_no_executor());
/// ```
#[derive(Debug)]
pub struct StallError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Condition(ConfigError),
    Duplicate(Arc<str>),
    Listen { addr: SocketAddr, source: io::Error },
    NoExecutor,
    Stopped,
    Thread(io::Error),
    Value { field: &'static str, value: Duration, must: &'static str },
}

impl StallError {
    pub(crate) const fn duplicate(name: Arc<str>) -> Self {
        Self { kind: Kind::Duplicate(name) }
    }

    pub(crate) const fn listen(addr: SocketAddr, source: io::Error) -> Self {
        Self { kind: Kind::Listen { addr, source } }
    }

    pub(crate) const fn no_executor() -> Self {
        Self { kind: Kind::NoExecutor }
    }

    pub(crate) const fn stopped() -> Self {
        Self { kind: Kind::Stopped }
    }

    pub(crate) const fn thread(source: io::Error) -> Self {
        Self { kind: Kind::Thread(source) }
    }

    pub(crate) const fn value(field: &'static str, value: Duration, must: &'static str) -> Self {
        Self { kind: Kind::Value { field, value, must } }
    }

    /// Whether the name of an executor is in use: in the detector, or by a condition of the registry.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        match &self.kind {
            Kind::Condition(error) => error.is_duplicate(),
            Kind::Duplicate(_) => true,
            _ => false,
        }
    }

    /// Whether the address of [`listen`](crate::StallDetectorBuilder::listen) cannot be had.
    #[must_use]
    pub const fn is_listen(&self) -> bool {
        matches!(self.kind, Kind::Listen { .. })
    }

    /// Whether there is nothing to watch.
    #[must_use]
    pub const fn is_no_executor(&self) -> bool {
        matches!(self.kind, Kind::NoExecutor)
    }

    /// Whether the detector is gone.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.kind, Kind::Stopped)
    }

    /// Whether a field has a value that it cannot have.
    #[must_use]
    pub const fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Value { .. })
    }
}

impl fmt::Display for StallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Condition(_) => f.write_str("an executor cannot become a condition"),
            Kind::Duplicate(name) => {
                write!(f, "two executors are named {name:?}; each needs a name of its own")
            }
            Kind::Listen { addr, .. } => write!(f, "cannot listen on {addr}"),
            Kind::NoExecutor => {
                f.write_str("there is no executor to watch; name one with `executor`")
            }
            Kind::Stopped => f.write_str("the stall detector was dropped"),
            Kind::Thread(_) => f.write_str("cannot start a thread of the stall detector"),
            Kind::Value { field, value, must } => {
                write!(f, "{field} is {value:?}; it must be {must}")
            }
        }
    }
}

impl Error for StallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Condition(error) => Some(error),
            Kind::Listen { source, .. } | Kind::Thread(source) => Some(source),
            Kind::Duplicate(_) | Kind::NoExecutor | Kind::Stopped | Kind::Value { .. } => None,
        }
    }
}

impl From<ConfigError> for StallError {
    fn from(error: ConfigError) -> Self {
        Self { kind: Kind::Condition(error) }
    }
}
