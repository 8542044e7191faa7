//! gRPC status codes: number, Connect name, and the HTTP statuses of Connect and Triple, in one table.

use std::fmt;

/// A gRPC status code.
///
/// # Source
///
/// `grpc/doc/statuscodes.md`; Connect protocol, section "Error codes"; for Triple, dubbo-go's
/// `triple_protocol`, which froze an older Connect draft.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Code {
    /// Not an error.
    Ok = 0,
    /// The caller cancelled the call.
    Cancelled = 1,
    /// An error without a better code.
    Unknown = 2,
    /// The request is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed before the answer.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be created exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota or a size limit was reached.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// The call was given up because of a conflict.
    Aborted = 10,
    /// The call went past a valid range.
    OutOfRange = 11,
    /// The method or feature does not exist here.
    Unimplemented = 12,
    /// An invariant is broken, or the bytes of the call make no sense.
    Internal = 13,
    /// The service takes no calls now; try again later.
    Unavailable = 14,
    /// Data is lost or corrupt.
    DataLoss = 15,
    /// The caller did not say who it is.
    Unauthenticated = 16,
}

/// One line of the table: code, Connect and Triple name, Connect's HTTP status, Triple's HTTP status.
type Row = (Code, &'static str, u16, u16);

/// Every code in the order of its number.
const TABLE: [Row; 17] = [
    (Code::Ok, "ok", 200, 200),
    (Code::Cancelled, "canceled", 499, 408),
    (Code::Unknown, "unknown", 500, 500),
    (Code::InvalidArgument, "invalid_argument", 400, 400),
    (Code::DeadlineExceeded, "deadline_exceeded", 504, 408),
    (Code::NotFound, "not_found", 404, 404),
    (Code::AlreadyExists, "already_exists", 409, 409),
    (Code::PermissionDenied, "permission_denied", 403, 403),
    (Code::ResourceExhausted, "resource_exhausted", 429, 429),
    (Code::FailedPrecondition, "failed_precondition", 400, 412),
    (Code::Aborted, "aborted", 409, 409),
    (Code::OutOfRange, "out_of_range", 400, 400),
    (Code::Unimplemented, "unimplemented", 501, 404),
    (Code::Internal, "internal", 500, 500),
    (Code::Unavailable, "unavailable", 503, 503),
    (Code::DataLoss, "data_loss", 500, 500),
    (Code::Unauthenticated, "unauthenticated", 401, 401),
];

impl Code {
    /// The number that `grpc-status` carries.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in the error JSON of Connect and Triple, such as `"not_found"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status of a Connect unary reply that fails with this code.
    #[must_use]
    pub fn connect_http_status(self) -> u16 {
        self.row().2
    }

    /// The HTTP status of a Triple unary reply that fails with this code.
    #[must_use]
    pub fn triple_http_status(self) -> u16 {
        self.row().3
    }

    #[expect(clippy::indexing_slicing, reason = "the table has a row for each discriminant")]
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(row.0.number()), index, "{}", row.1);
            assert_eq!(row.0.name(), row.1);
        }
    }

    #[test]
    fn names_are_a_bijection() {
        let names: HashSet<_> = TABLE.iter().map(|row| row.1).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn triple_differs_from_connect_in_four_rows_only() {
        let differing: Vec<_> =
            TABLE.iter().filter(|row| row.2 != row.3).map(|row| (row.0, row.2, row.3)).collect();
        let expected = [
            (Code::Cancelled, 499, 408),
            (Code::DeadlineExceeded, 504, 408),
            (Code::FailedPrecondition, 400, 412),
            (Code::Unimplemented, 501, 404),
        ];
        assert_eq!(differing, expected);
    }
}
