//! What is asserted of the end of a server.

use std::{ops::RangeInclusive, time::Duration};

use health_core::ServingStatus::NotServing;

use crate::{TestBed, assertions::Yielded};

impl TestBed {
    /// Lets the time pass while the program drains, and asserts the order that clients of gRPC need: a watch
    /// of `service` yields NOT_SERVING, stays open for the `grace`, and ends only then.
    ///
    /// A client that is cut off before it was told, or that is told and cut off at once, comes back at full
    /// speed: any message resets its back-off (gRFC A17).
    ///
    /// Spawn the drain before, or begin it; the watch is opened first. Returns how long the watch stayed open
    /// after NOT_SERVING.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use health_test::TestBed;
    ///
    /// let mut bed = TestBed::new();
    /// let (health, timer) = (bed.registry().clone(), bed.timer());
    /// let grace = Duration::from_secs(10);
    /// // What the program does when it is told to stop.
    /// bed.spawn(async move {
    ///     health.shutdown();
    ///     timer.sleep_until(timer.now() + grace).await;
    ///     health.close();
    /// });
    /// bed.assert_drain_order("", grace..=grace);
    /// ```
    ///
    /// # Panics
    ///
    /// If the order is another one, or the watch ends after less time than the `grace` begins with, or stays
    /// open for longer than it ends with.
    #[track_caller]
    pub fn assert_drain_order(
        &mut self,
        service: &str,
        grace: RangeInclusive<Duration>,
    ) -> Duration {
        let (shortest, longest) = grace.into_inner();
        let seen = self.timeline().len();
        let mut watch = self.open(service);
        let mut yielded = Yielded::default();
        // The present status, before anything runs.
        yielded.follow(&mut watch);
        let told = self.advance_until(longest, |_| {
            yielded.follow(&mut watch);
            yielded.has_ended || yielded.statuses.contains(&NotServing)
        });
        if told.is_none() {
            let state = self.state(service);
            let text = format!("no drain of {service:?} began within {longest:?}; it is {state}");
            self.fail(seen, &text);
        }
        if yielded.statuses.last() != Some(&NotServing) {
            let text = format!("the watch of {service:?} ended before it was told NOT_SERVING");
            self.fail(seen, &text);
        }
        let told = yielded.statuses.len();
        let open = self.advance_until(longest, |_| {
            yielded.follow(&mut watch);
            yielded.has_ended || yielded.statuses.len() > told
        });
        match (open, yielded.statuses.get(told)) {
            (_, Some(status)) => {
                let text = format!("the watch of {service:?} was told {status} within the drain");
                self.fail(seen, &text)
            }
            (None, _) => {
                let text =
                    format!("the watch of {service:?} is open {longest:?} after NOT_SERVING still");
                self.fail(seen, &text)
            }
            (Some(open), None) if open < shortest => {
                let text = format!(
                    "the watch of {service:?} ended {open:?} after NOT_SERVING, before {shortest:?}"
                );
                self.fail(seen, &text)
            }
            (Some(open), None) => open,
        }
    }
}
