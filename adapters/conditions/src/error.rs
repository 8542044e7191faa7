//! `InvalidCondition`: a question that cannot be asked.

use std::{error::Error, fmt};

/// A condition that was configured so that it could never pass, or never fail.
///
/// The operator's mistake, told before anything runs. The text says what to do, and repeats no URL: one
/// may contain a password.
#[derive(Debug)]
pub struct InvalidCondition {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl InvalidCondition {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    #[cfg(any(feature = "http", feature = "postgres", feature = "redis"))]
    pub(crate) fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    /// Of a URL whose port nothing can listen at.
    #[cfg(any(feature = "http", feature = "postgres", feature = "redis"))]
    pub(crate) fn port() -> Self {
        Self::new("nothing can listen there: the port must be from 1 to 65535")
    }
}

impl fmt::Display for InvalidCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for InvalidCondition {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
