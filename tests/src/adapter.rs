//! The adapters that the tests run against.

use std::fmt;

use clap::ValueEnum;

/// An adapter that the `subject` program can serve through.
///
/// A new one is a variant here and one file in `src/bin/subject/`; every test that goes over
/// [`Adapter::value_variants`] then runs against it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
#[non_exhaustive]
pub enum Adapter {
    /// hyper on tokio, through `health_hyper`.
    Hyper,
    /// tonic's router and transport, through `health_tonic`.
    Tonic,
    /// actix-web on the server of `health_actix_web`.
    ActixWeb,
    /// axum, through `health_tower`.
    Tower,
    /// hyper on smol, without tokio's runtime.
    Smol,
}

impl Adapter {
    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Tonic => "tonic",
            Self::ActixWeb => "actix-web",
            Self::Tower => "tower",
            Self::Smol => "smol",
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for adapter in Adapter::value_variants() {
            assert_eq!(Adapter::from_str(adapter.as_str(), false).as_ref(), Ok(adapter));
        }
    }
}
