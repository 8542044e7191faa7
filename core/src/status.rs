//! `ServingStatus` and the one rule that decides which status a service shows.
//!
//! Pure data: knows no registry, no lock and no wire format.

use std::fmt;

/// Name of the server as a whole: the empty service name of grpc.health.v1.
pub const OVERALL: &str = "";

/// Serving status of one service, as grpc.health.v1 names it.
///
/// # Source
///
/// `grpc/health/v1/health.proto`, `HealthCheckResponse.ServingStatus`.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ServingStatus {
    /// Registered, and nothing is known of it yet.
    #[default]
    Unknown = 0,
    /// Takes calls.
    Serving = 1,
    /// Takes no calls.
    NotServing = 2,
    /// Not registered. Only a Watch reports it; it is never stored and never the answer to a Check.
    ServiceUnknown = 3,
}

impl ServingStatus {
    /// Name in the schema and in ProtoJSON, such as `"NOT_SERVING"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }

    /// Reads an enum number from the wire. The enum is open: a number without a name is [`Unknown`].
    ///
    /// [`Unknown`]: Self::Unknown
    #[must_use]
    pub const fn from_wire(value: i32) -> Self {
        match value {
            1 => Self::Serving,
            2 => Self::NotServing,
            3 => Self::ServiceUnknown,
            _ => Self::Unknown,
        }
    }

    /// Reads a name of the schema; `None` for any other text. Names are case-sensitive.
    ///
    /// ```
    /// use health_core::ServingStatus;
    ///
    /// assert_eq!(ServingStatus::from_name("SERVING"), Some(ServingStatus::Serving));
    /// assert_eq!(ServingStatus::from_name("serving"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unknown, Self::Serving, Self::NotServing, Self::ServiceUnknown]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a condition of a service last found. The worst one decides: they are in that order.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Finding {
    /// Passed.
    #[default]
    Passing,
    /// Not known yet.
    Pending,
    /// Failed, or too old to be believed.
    Failing,
}

impl Finding {
    /// Name in lower case, such as `"failing"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Pending => "pending",
            Self::Failing => "failing",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a condition's failure reaches.
///
/// What is shared fails for every instance at once, so a restart mends nothing and takes the fleet down:
/// liveness takes local conditions only.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// This process alone: its executor, its disk, its workers.
    Local,
    /// Something that others use too: a database, another service, the network.
    Shared,
}

impl Scope {
    /// Name in lower case, such as `"local"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything that decides what a service shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// What the application set; `None` for a name that is not registered.
    pub(crate) reported: Option<ServingStatus>,
    /// The worst finding of its conditions and dependencies; passing where there are none.
    pub(crate) worst: Finding,
    /// An operator holds the service out of rotation.
    pub(crate) held: bool,
    /// The registry is shut down.
    pub(crate) latched: bool,
}

impl Standing {
    /// The shown status: the first rule that applies, from top to bottom.
    pub(crate) fn shown(&self) -> ServingStatus {
        let Some(reported) = self.reported else {
            return ServingStatus::ServiceUnknown;
        };
        if self.latched || self.held {
            return ServingStatus::NotServing;
        }
        match self.worst {
            _ if reported == ServingStatus::NotServing => ServingStatus::NotServing,
            Finding::Failing => ServingStatus::NotServing,
            Finding::Pending => ServingStatus::Unknown,
            Finding::Passing => reported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding::*, ServingStatus::*, *};

    #[test]
    fn names_and_numbers_are_those_of_the_schema() {
        let table =
            [(Unknown, 0, "UNKNOWN"), (Serving, 1, "SERVING"), (NotServing, 2, "NOT_SERVING")];
        for (status, number, name) in
            table.into_iter().chain([(ServiceUnknown, 3, "SERVICE_UNKNOWN")])
        {
            assert_eq!(status as i32, number);
            assert_eq!(ServingStatus::from_wire(number), status);
            assert_eq!(status.to_string(), name);
            assert_eq!(ServingStatus::from_name(name), Some(status));
        }
        for number in [-1, 4, i32::MIN, i32::MAX] {
            assert_eq!(ServingStatus::from_wire(number), Unknown, "{number}");
        }
        assert_eq!(ServingStatus::from_name(""), None);
    }

    #[test]
    fn the_shown_status_is_decided_by_the_first_rule_that_applies() {
        // reported, conditions, held, latched -> shown
        type Row = (Option<ServingStatus>, &'static [Finding], bool, bool, ServingStatus);
        let table: &[Row] = &[
            // Unregistered names show nothing else, whatever lies over the registry.
            (None, &[], false, false, ServiceUnknown),
            (None, &[], false, true, ServiceUnknown),
            (None, &[], true, false, ServiceUnknown),
            (None, &[Failing], true, true, ServiceUnknown),
            // The latch and a hold cover every reported status and every finding.
            (Some(Serving), &[], false, true, NotServing),
            (Some(Serving), &[Passing], true, false, NotServing),
            (Some(Unknown), &[], true, false, NotServing),
            (Some(Unknown), &[Pending], false, true, NotServing),
            (Some(Serving), &[Pending], true, true, NotServing),
            // NOT_SERVING and a failing condition come before a pending one.
            (Some(NotServing), &[], false, false, NotServing),
            (Some(NotServing), &[Passing], false, false, NotServing),
            (Some(NotServing), &[Pending], false, false, NotServing),
            (Some(Serving), &[Failing], false, false, NotServing),
            (Some(Serving), &[Passing, Failing, Pending], false, false, NotServing),
            (Some(Unknown), &[Failing], false, false, NotServing),
            // A pending condition hides SERVING.
            (Some(Serving), &[Pending], false, false, Unknown),
            (Some(Serving), &[Passing, Pending], false, false, Unknown),
            (Some(Unknown), &[Pending], false, false, Unknown),
            // Otherwise what was reported.
            (Some(Serving), &[], false, false, Serving),
            (Some(Serving), &[Passing, Passing], false, false, Serving),
            (Some(Unknown), &[], false, false, Unknown),
            (Some(Unknown), &[Passing], false, false, Unknown),
        ];
        for &(reported, conditions, held, latched, shown) in table {
            let worst = conditions.iter().copied().max().unwrap_or_default();
            let standing = Standing { reported, worst, held, latched };
            assert_eq!(standing.shown(), shown, "{standing:?}");
        }
    }
}
