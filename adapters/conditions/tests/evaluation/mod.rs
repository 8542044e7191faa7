//! One evaluation of a condition, as a monitor makes it.

use health_core::condition::{Condition, Scoped};

/// Takes the condition out of its scope.
pub(crate) fn condition_of<S: Scoped>(scoped: S) -> S::Condition {
    scoped.into_parts().2
}

/// What is found: nothing if it passes, otherwise the whole reason.
pub(crate) async fn evaluate(condition: &mut impl Condition) -> String {
    condition.evaluate().await.map_or_else(|reason| reason.to_string(), |()| String::new())
}
