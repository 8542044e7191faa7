//! `Hold`: why, by whom and until when an operator keeps a service out of rotation.

use std::{fmt, time::Instant};

/// An operator's reason to keep a service out of rotation. Shown to operators, never sent over RPC.
///
/// ```
/// use std::time::{Duration, Instant};
/// use health_core::{Hold, Registry, ServingStatus};
///
/// let health = Registry::new();
/// health.set("greet.GreetService", ServingStatus::Serving);
///
/// let end = Instant::now() + Duration::from_secs(600);
/// health.hold("greet.GreetService", Hold::new("schema migration").by("ada").until(end));
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
///
/// let hold = health.held("greet.GreetService").unwrap();
/// assert_eq!((hold.reason(), hold.holder(), hold.end()), ("schema migration", Some("ada"), Some(end)));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    reason: Box<str>,
    by: Option<Box<str>>,
    until: Option<Instant>,
}

impl Hold {
    /// A hold without an end.
    pub fn new(reason: impl Into<Box<str>>) -> Self {
        Self { reason: reason.into(), by: None, until: None }
    }

    /// Names who holds.
    #[must_use]
    pub fn by(mut self, holder: impl Into<Box<str>>) -> Self {
        self.by = Some(holder.into());
        self
    }

    /// Ends the hold by itself at `end`, by the registry's clock.
    #[must_use]
    pub const fn until(mut self, end: Instant) -> Self {
        self.until = Some(end);
        self
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> &str {
        &self.reason
    }

    /// By whom, if that was said.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// When it ends by itself, if it does.
    #[must_use]
    pub const fn end(&self) -> Option<Instant> {
        self.until
    }
}

impl fmt::Display for Hold {
    /// Why, and by whom; not until when, as an `Instant` cannot be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(holder) => write!(f, "held by {holder}: {}", self.reason),
            None => write!(f, "held: {}", self.reason),
        }
    }
}

impl<S: Into<Box<str>>> From<S> for Hold {
    fn from(reason: S) -> Self {
        Self::new(reason)
    }
}
