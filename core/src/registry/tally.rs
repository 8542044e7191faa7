//! How many services stand for what, so that the worst of all is known without looking at all.

use crate::{Finding, ServingStatus};

#[derive(Debug, Default)]
pub(super) struct Tally {
    unknown: usize,
    not_serving: usize,
}

impl Tally {
    /// One service stands for `after` instead of `before`; SERVICE_UNKNOWN is one that is not there.
    pub(super) fn recount(&mut self, before: ServingStatus, after: ServingStatus) {
        if let Some(count) = self.count(before) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.count(after) {
            *count += 1;
        }
    }

    /// What the worst service of all is to one that depends on all of them.
    pub(super) const fn worst(&self) -> Finding {
        match (self.not_serving, self.unknown) {
            (0, 0) => Finding::Passing,
            (0, _) => Finding::Pending,
            _ => Finding::Failing,
        }
    }

    const fn count(&mut self, status: ServingStatus) -> Option<&mut usize> {
        match status {
            ServingStatus::Unknown => Some(&mut self.unknown),
            ServingStatus::NotServing => Some(&mut self.not_serving),
            ServingStatus::Serving | ServingStatus::ServiceUnknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServingStatus::*;

    #[test]
    fn the_worst_service_decides() {
        let mut tally = Tally::default();
        let steps = [
            (ServiceUnknown, Serving, Finding::Passing),
            (ServiceUnknown, Unknown, Finding::Pending),
            (Serving, NotServing, Finding::Failing),
            (Unknown, NotServing, Finding::Failing),
            (NotServing, ServiceUnknown, Finding::Failing),
            (NotServing, Unknown, Finding::Pending),
            (Unknown, ServiceUnknown, Finding::Passing),
        ];
        for (before, after, worst) in steps {
            tally.recount(before, after);
            assert_eq!(tally.worst(), worst, "{before} -> {after}");
        }
    }
}
