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

    /// The async runtime that its server runs on.
    #[must_use]
    pub const fn runtime(self) -> Runtime {
        match self {
            Self::Hyper | Self::Tonic | Self::Tower => Runtime::Tokio,
            Self::ActixWeb => Runtime::ActixRt,
            Self::Smol => Runtime::Smol,
        }
    }
}

/// An async runtime, as the README names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Runtime {
    /// tokio's, with several threads.
    Tokio,
    /// actix-rt: one of tokio's for each thread.
    ActixRt,
    /// smol.
    Smol,
}

impl Runtime {
    /// The runtime of a process with threads of these names; `None` if they tell of none, or of several.
    #[must_use]
    pub fn of_threads(names: &[String]) -> Option<Self> {
        let marks =
            [("tokio-rt", Self::Tokio), ("actix-rt", Self::ActixRt), ("async-io", Self::Smol)];
        let has = |mark: &str| names.iter().any(|name| name.starts_with(mark));
        let mut found = marks.iter().filter(|(mark, _)| has(mark));
        found.next().filter(|_| found.next().is_none()).map(|(_, runtime)| *runtime)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tokio => "tokio",
            Self::ActixRt => "actix-rt",
            Self::Smol => "smol",
        })
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
    fn a_runtime_is_known_by_its_threads() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |threads: &[&str]| Runtime::of_threads(&names(threads));
        assert_eq!(of(&["subject", "tokio-rt-worker"]), Some(Runtime::Tokio));
        assert_eq!(of(&["actix-rt|system", "actix-server ac"]), Some(Runtime::ActixRt));
        assert_eq!(of(&["async-io"]), Some(Runtime::Smol));
        assert_eq!(of(&["subject"]), None);
        assert_eq!(of(&["async-io", "tokio-rt-worker"]), None, "one too many");
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for adapter in Adapter::value_variants() {
            assert_eq!(Adapter::from_str(adapter.as_str(), false).as_ref(), Ok(adapter));
        }
    }
}
