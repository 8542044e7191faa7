//! A duration as an operator reads it: without the digits that say nothing.

use std::{fmt, time::Duration};

pub(crate) struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            10..120 => write!(f, "{seconds} s"),
            120..7200 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_digits_that_matter() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_500, "1.5 s"),
            (12_345, "12 s"),
            (119_999, "119 s"),
            (570_000, "9 min 30 s"),
            (7_199_000, "119 min 59 s"),
            (10_920_000, "3 h 2 min"),
        ];
        for (millis, text) in table {
            assert_eq!(Elapsed(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
