//! Timeouts as the protocols write them: `grpc-timeout` (wire.md section 3) and the milliseconds of
//! Connect and Triple (section 5).

use std::time::Duration;

use super::fault::Fault;

/// Reads `grpc-timeout`: one to eight digits and a unit. An empty value is none.
pub(super) fn grpc(value: &[u8]) -> Result<Option<Duration>, Fault> {
    let Some((unit, digits)) = value.split_last() else {
        return Ok(None);
    };
    let amount = number(digits, 8)?;
    // Eight digits of hours are 3.6e11 seconds: within a u64.
    let timeout = match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(Fault::BadTimeout),
    };
    Ok(Some(timeout))
}

/// Reads `connect-timeout-ms` or `triple-timeout-ms`: one to ten digits. An empty value is none.
pub(super) fn millis(value: &[u8]) -> Result<Option<Duration>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(Duration::from_millis(number(value, 10)?)))
}

fn number(digits: &[u8], max_len: usize) -> Result<u64, Fault> {
    if digits.is_empty() || digits.len() > max_len || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::BadTimeout);
    }
    Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts() {
        let ok = [
            ("", None),
            ("0n", Some(Duration::ZERO)),
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("5S", Some(Duration::from_secs(5))),
            ("150m", Some(Duration::from_millis(150))),
            ("2999989u", Some(Duration::from_micros(2_999_989))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("00000001S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
        ];
        for (value, expected) in ok {
            assert_eq!(grpc(value.as_bytes()), Ok(expected), "{value:?}");
        }
        for value in ["S", "1", "100x", "123456789S", "-1S", "+1S", "1 S", "1.5S", " 1S", "1s", "é"]
        {
            assert_eq!(grpc(value.as_bytes()), Err(Fault::BadTimeout), "{value:?}");
        }
    }

    #[test]
    fn millisecond_timeouts() {
        let ok = [
            ("", None),
            ("0", Some(Duration::ZERO)),
            ("5000", Some(Duration::from_secs(5))),
            ("9999999999", Some(Duration::from_millis(9_999_999_999))),
        ];
        for (value, expected) in ok {
            assert_eq!(millis(value.as_bytes()), Ok(expected), "{value:?}");
        }
        for value in ["abc", "-1", "+5", "5.0", "12345678901", " 5", "5 ", "5m", "0x5"] {
            assert_eq!(millis(value.as_bytes()), Err(Fault::BadTimeout), "{value:?}");
        }
    }
}
