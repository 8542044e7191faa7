//! `Reason`: why something failed, for operators. Never sent to peers over RPC.

use std::{borrow::Cow, error::Error, fmt};

/// Why a condition failed: a message, and the error behind it if there is one.
///
/// Logged, and shown by probes only where details are switched on; no RPC carries it. It is not an
/// [`Error`] itself, so that any error becomes one with `?`.
///
/// ```
/// use health_core::Reason;
///
/// fn ping() -> Result<(), Reason> {
///     let port: u16 = "no port".parse()?;
///     Err(Reason::new(format!("nothing listens on {port}")))
/// }
///
/// assert_eq!(ping().unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Debug)]
pub struct Reason {
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Reason {
    /// A reason that stands for itself.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// A reason with the error behind it.
    pub fn with_source(
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    /// The message alone, without what is behind it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error behind it.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Reason {
    fn from(error: E) -> Self {
        Self { message: error.to_string().into(), source: error.source().map(chain) }
    }
}

/// The causes below an error, as one error, for the error itself cannot be taken apart.
fn chain(source: &(dyn Error + 'static)) -> Box<dyn Error + Send + Sync> {
    let mut text = source.to_string();
    let mut cause = source.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.into()
}

impl fmt::Display for Reason {
    /// The message and every cause behind it, separated by `: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Self>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as &(dyn Error + 'static))
        }
    }

    fn layers() -> Layer {
        let socket = Layer("connection refused", None);
        Layer("cannot ping", Some(Box::new(Layer("cannot connect", Some(Box::new(socket))))))
    }

    #[test]
    fn it_tells_every_cause() {
        let told = "cannot ping: cannot connect: connection refused";
        assert_eq!(Reason::from(layers()).to_string(), told);
        assert_eq!(
            Reason::with_source("postgres", layers()).to_string(),
            format!("postgres: {told}")
        );
        assert_eq!(Reason::new("stale").to_string(), "stale");
    }
}
