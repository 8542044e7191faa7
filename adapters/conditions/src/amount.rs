//! `Amount`: how much there must be of something that runs out.

use std::fmt;

use bytesize::ByteSize;
use health_core::Reason;

use crate::InvalidCondition;

/// How much there must be of something that runs out, such as disk space.
///
/// ```
/// use health_conditions::Amount;
///
/// assert_eq!(Amount::Bytes(5_000_000_000).to_string(), "5.0 GB");
/// assert_eq!(Amount::Percent(10).to_string(), "10 %");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an amount is absolute or it is relative")]
pub enum Amount {
    /// So many bytes; at least 1.
    Bytes(u64),
    /// This part of the whole; from 1 to 100.
    Percent(u8),
}

impl Amount {
    /// The amount, if it is one that something can fall short of and something can fulfil.
    pub(crate) fn validate(self, of: &str) -> Result<Self, InvalidCondition> {
        match self {
            Self::Bytes(0) | Self::Percent(0) => Err(InvalidCondition::new(format!(
                "at least {self} of {of} is no condition: it must be greater than zero"
            ))),
            Self::Percent(101..) => Err(InvalidCondition::new(format!(
                "at least {self} of {of} can never be there: it must be from 1 % to 100 %"
            ))),
            Self::Bytes(_) | Self::Percent(_) => Ok(self),
        }
    }

    /// Whether `left` of `whole` is as much.
    pub(crate) fn judge(self, what: &str, left: u64, whole: u64) -> Result<(), Reason> {
        let (is_enough, left) = match self {
            Self::Bytes(bytes) => (left >= bytes, bytes_text(left)),
            Self::Percent(percent) => {
                // Of a whole of nothing, nothing is left.
                let percents = u128::from(left) * 100 / u128::from(whole.max(1));
                let told = format!("{percents} % ({})", bytes_text(left));
                (percents >= u128::from(percent), told)
            }
        };
        if is_enough {
            return Ok(());
        }
        Err(Reason::new(format!("{left} {what}, at least {self} wanted")))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&bytes_text(*bytes)),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

/// A number of bytes as people read it: `1.2 GB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn what_is_left_is_judged_by_bytes_or_by_percents() {
        let table = [
            (Amount::Bytes(5 * GB), 1_200_000_000, 80 * GB, "1.2 GB free, at least 5.0 GB wanted"),
            (Amount::Bytes(5 * GB), 5 * GB, 80 * GB, ""),
            (Amount::Percent(10), 79 * GB, 800 * GB, "9 % (79.0 GB) free, at least 10 % wanted"),
            (Amount::Percent(10), 80 * GB, 800 * GB, ""),
            (Amount::Percent(100), u64::MAX, u64::MAX, ""),
            (Amount::Percent(1), 0, 0, "0 % (0 B) free, at least 1 % wanted"),
        ];
        for (amount, left, whole, expected) in table {
            let judged = amount.judge("free", left, whole);
            assert_eq!(judged.err().map_or_else(String::new, |it| it.to_string()), expected);
        }
    }

    #[test]
    fn an_amount_that_means_nothing_is_refused() {
        for amount in [Amount::Bytes(0), Amount::Percent(0), Amount::Percent(101)] {
            let error = amount.validate("/var").unwrap_err().to_string();
            assert!(error.contains("of /var") && error.contains("it must be"), "{error}");
        }
        for amount in [Amount::Bytes(1), Amount::Percent(1), Amount::Percent(100)] {
            assert_eq!(amount.validate("/var").unwrap(), amount);
        }
    }
}
