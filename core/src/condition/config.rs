//! `ConditionConfig`: how often a condition is evaluated, and how much of it is believed.

use std::{num::NonZeroU32, time::Duration};

use crate::ConfigError;

/// How often a condition is evaluated, and how many results it takes to believe it.
///
/// The names and defaults are those of Kubernetes' probes; jitter and `max_age` are added. Nothing is
/// judged until the condition is given to a monitor, or by [`validate`](Self::validate).
///
/// | field | default | |
/// |---|---|---|
/// | `period` | 10 s | from one start to the next |
/// | `timeout` | 1 s, or the period if that is shorter | how long an evaluation may take |
/// | `initial_delay` | 0 s | from the addition to the first start |
/// | `failure_threshold` | 3 | failures in a row until it is failing |
/// | `success_threshold` | 1 | passes in a row until it is passing |
/// | `jitter` | 0.1 | by which part of a period the time between two starts varies |
/// | `max_age` | 3 periods | how long a result is believed |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use health_core::condition::{ConditionConfig, every};
///
/// let config = every(Duration::from_secs(5)).timeout(Duration::from_secs(2)).failure_threshold(1);
/// assert!(config.validate().is_ok());
///
/// let error = ConditionConfig::new().timeout(Duration::from_secs(11)).validate().unwrap_err();
/// assert!(error.to_string().contains("timeout"), "{error}");
/// ```
///
/// # Source
///
/// Kubernetes API reference, `Probe` v1 core.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a configuration does nothing by itself"]
pub struct ConditionConfig {
    period: Duration,
    /// `None`: the default one, which no short period must be refused for.
    timeout: Option<Duration>,
    initial_delay: Duration,
    failure_threshold: u32,
    success_threshold: u32,
    jitter: f64,
    /// `None`: [`DEFAULT_MAX_AGE`] periods.
    max_age: Option<Duration>,
}

/// The default configuration, with another period.
///
/// ```
/// use std::time::Duration;
///
/// use health_core::condition::{ConditionConfig, every};
///
/// let period = Duration::from_secs(5);
/// assert_eq!(every(period), ConditionConfig::new().period(period));
/// ```
pub const fn every(period: Duration) -> ConditionConfig {
    ConditionConfig::new().period(period)
}

impl ConditionConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            period: DEFAULT_PERIOD,
            timeout: None,
            initial_delay: Duration::ZERO,
            failure_threshold: DEFAULT_FAILURE_THRESHOLD,
            success_threshold: DEFAULT_SUCCESS_THRESHOLD,
            jitter: DEFAULT_JITTER,
            max_age: None,
        }
    }

    /// The time from one start to the next; 10 s by default, at least 1 ms.
    ///
    /// The rate is fixed: how long an evaluation takes does not move the next one. A period that is
    /// missed, because the evaluation before it took that long, is skipped.
    pub const fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How long an evaluation may take; above zero, and at most the period. By default 1 s, or the
    /// period if that is shorter.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The time from the addition to the first start; none by default. The service is UNKNOWN meanwhile.
    pub const fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// How many evaluations in a row must fail until the condition is failing; 3 by default, at least 1.
    pub const fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// How many evaluations in a row must pass until the condition is passing, at first and after it was
    /// failing; 1 by default, at least 1.
    pub const fn success_threshold(mut self, passes: u32) -> Self {
        self.success_threshold = passes;
        self
    }

    /// By how much the time between two starts varies, as a part of the period from 0 to 1; 0.1 by
    /// default.
    ///
    /// It keeps the processes of a fleet from asking a database all at once: they draw apart with the
    /// second evaluation. The first one is not put off, as a service is UNKNOWN until then; where a whole
    /// fleet starts at one moment, [`initial_delay`](Self::initial_delay) can differ by process.
    ///
    /// The average stays the period. The sequence follows from the [seed](super::MonitorBuilder::seed) of
    /// the monitor and the names of service and condition.
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// How long a result is believed; 3 periods by default. An older one reads as a failure, so that a
    /// monitor that no longer runs cannot keep a service SERVING.
    ///
    /// At least the longest time that may lie between two results: period, jitter and timeout.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Says what is wrong with the configuration, as a monitor does when it gets it.
    ///
    /// # Errors
    ///
    /// If a field has a value that its setter does not allow; the error names the field and the value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.plan().map(drop)
    }

    /// The configuration with nothing left open.
    pub(super) fn plan(&self) -> Result<Plan, ConfigError> {
        let period = self.period;
        if period < RESOLUTION {
            return Err(refused("period", period, "at least 1ms"));
        }
        let timeout = self.timeout.unwrap_or_else(|| DEFAULT_TIMEOUT.min(period));
        let timeout = above_zero("timeout", timeout)?;
        if timeout > period {
            return Err(refused("timeout", timeout, "at most the period"));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(ConfigError::value("jitter", &self.jitter, "from 0 to 1"));
        }
        let jitter = part(period, self.jitter);
        let gap = period.saturating_add(jitter).saturating_add(timeout);
        let max_age = self.max_age.unwrap_or_else(|| {
            // Of the shortest periods, how late a start may be is a part that counts.
            period.saturating_mul(DEFAULT_MAX_AGE).max(gap.saturating_add(RESOLUTION))
        });
        if max_age < gap {
            let must = "at least period + jitter + timeout, the longest time between two results";
            return Err(refused("max_age", max_age, must));
        }
        Ok(Plan {
            period,
            timeout,
            initial_delay: self.initial_delay,
            failure_threshold: at_least_one("failure_threshold", self.failure_threshold)?,
            success_threshold: at_least_one("success_threshold", self.success_threshold)?,
            jitter,
            max_age,
        })
    }
}

impl Default for ConditionConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A valid [`ConditionConfig`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) initial_delay: Duration,
    pub(super) failure_threshold: NonZeroU32,
    pub(super) success_threshold: NonZeroU32,
    pub(super) jitter: Duration,
    pub(super) max_age: Duration,
}

/// A part of `whole`, from none to all of it.
fn part(whole: Duration, share: f64) -> Duration {
    // The longest durations are not exact as numbers with a fraction, and may come out too long.
    Duration::try_from_secs_f64(whole.as_secs_f64() * share).map_or(whole, |part| part.min(whole))
}

fn above_zero(field: &'static str, value: Duration) -> Result<Duration, ConfigError> {
    if value.is_zero() { Err(refused(field, value, "greater than zero")) } else { Ok(value) }
}

fn at_least_one(field: &'static str, value: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(value).ok_or_else(|| ConfigError::value(field, &value, "at least 1"))
}

fn refused(field: &'static str, value: Duration, must: &'static str) -> ConfigError {
    ConfigError::value(field, &format_args!("{value:?}"), must)
}

/// The driver sleeps no shorter than this, so that many conditions take few wake-ups. Most runtimes' timers
/// are no finer.
pub(super) const RESOLUTION: Duration = Duration::from_millis(1);

const DEFAULT_PERIOD: Duration = Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_FAILURE_THRESHOLD: u32 = 3;
const DEFAULT_SUCCESS_THRESHOLD: u32 = 1;
/// A tenth of a period spreads a fleet within some periods, and delays no result by much.
const DEFAULT_JITTER: f64 = 0.1;
/// In periods. With the jitter and the timeout at their largest, two results are 3 periods apart, and what
/// the [`RESOLUTION`] adds.
const DEFAULT_MAX_AGE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn defaults_are_those_of_kubernetes() {
        let plan = ConditionConfig::default().plan().unwrap();
        assert_eq!((plan.period, plan.timeout, plan.initial_delay), (10 * S, S, Duration::ZERO));
        assert_eq!((plan.failure_threshold.get(), plan.success_threshold.get()), (3, 1));
        assert_eq!((plan.jitter, plan.max_age), (S, 30 * S));
    }

    #[test]
    fn every_value_is_the_one_that_was_set() {
        let plan = every(7 * S)
            .timeout(2 * S)
            .initial_delay(3 * S)
            .failure_threshold(4)
            .success_threshold(5)
            .jitter(0.5)
            .max_age(60 * S)
            .plan()
            .unwrap();
        assert_eq!((plan.period, plan.timeout, plan.initial_delay), (7 * S, 2 * S, 3 * S));
        assert_eq!((plan.failure_threshold.get(), plan.success_threshold.get()), (4, 5));
        assert_eq!((plan.jitter, plan.max_age), (3_500 * MS, 60 * S));
    }

    #[test]
    fn the_default_timeout_is_no_longer_than_the_period() {
        for (period, timeout) in [(10 * S, S), (S, S), (300 * MS, 300 * MS)] {
            assert_eq!(every(period).plan().unwrap().timeout, timeout, "{period:?}");
        }
        let error = every(300 * MS).timeout(S).validate().unwrap_err();
        assert!(error.to_string().contains("timeout is 1s"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field_and_value() {
        let table = [
            (every(Duration::ZERO), "period is 0ns"),
            (every(Duration::from_micros(300)), "period is 300µs"),
            (every(MS - Duration::from_nanos(1)), "period is 999.999µs"),
            (every(S).timeout(Duration::ZERO), "timeout is 0ns"),
            (every(S).timeout(S + Duration::from_nanos(1)), "timeout is 1.000000001s"),
            (every(S).failure_threshold(0), "failure_threshold is 0"),
            (every(S).success_threshold(0), "success_threshold is 0"),
            (every(S).jitter(-0.1), "jitter is -0.1"),
            (every(S).jitter(1.5), "jitter is 1.5"),
            (every(S).jitter(f64::NAN), "jitter is NaN"),
            (every(S).jitter(f64::INFINITY), "jitter is inf"),
            (every(10 * S).max_age(12 * S - MS), "max_age is 11.999s"),
            (every(10 * S).max_age(Duration::ZERO), "max_age is 0ns"),
        ];
        for (config, message) in table {
            let error = config.validate().expect_err(message).to_string();
            assert!(error.contains(message), "{message}: {error}");
            assert!(error.contains("must be"), "says what to do: {error}");
        }
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        let table = [
            every(MS),
            every(MS).jitter(1.0),
            every(MS).timeout(Duration::from_nanos(1)),
            every(S).timeout(S),
            every(S).failure_threshold(1).success_threshold(u32::MAX),
            every(S).jitter(0.0),
            every(S).jitter(1.0).timeout(S),
            every(10 * S).max_age(12 * S),
            every(Duration::MAX).timeout(Duration::MAX).initial_delay(Duration::MAX).jitter(1.0),
        ];
        for config in table {
            assert_eq!(config.validate(), Ok(()), "{config:?}");
        }
    }
}
