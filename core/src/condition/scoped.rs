//! How far a condition reaches, as a type: a restart helps a [`Local`] one and no other.

use std::{fmt, sync::Arc};

use crate::{Scope, condition::Condition};

/// A named condition that depends on this process alone, such as a deadlock or an exhausted pool.
///
/// Only these make a process that fails its liveness probe: a restart can cure them.
///
/// # Examples
///
/// ```
/// use health_core::{Reason, condition::Local};
///
/// # fn worker_is_alive() -> bool { true }
/// let worker = Local::new("worker", || async {
///     if worker_is_alive() { Ok(()) } else { Err(Reason::new("the worker has stopped")) }
/// });
/// ```
pub struct Local<C>(Named<C>);

/// A named condition that depends on something that other processes depend on too, such as a database.
///
/// It decides over readiness only. A liveness probe that depended on it would restart every process of
/// the fleet at once when the database is down, and cure nothing.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use health_core::condition::Shared;
///
/// # async fn ping() -> io::Result<()> { Ok(()) }
/// let postgres = Shared::new("postgres", || ping());
/// ```
pub struct Shared<C>(Named<C>);

struct Named<C> {
    name: Arc<str>,
    condition: C,
}

impl<C: Condition> Local<C> {
    /// Names a condition that a restart of this process may cure.
    pub fn new(name: impl Into<Arc<str>>, condition: C) -> Self {
        Self(Named { name: name.into(), condition })
    }

    /// Gives it another name, where the one that it came with does not say enough.
    ///
    /// ```
    /// use health_core::{Reason, condition::{Local, Scoped}};
    ///
    /// let disk = Local::new("disk /var/lib", || async { Ok::<(), Reason>(()) }).named("uploads");
    /// assert_eq!(&*disk.into_parts().0, "uploads");
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self::new(name, self.0.condition)
    }
}

impl<C: Condition> Shared<C> {
    /// Names a condition that a restart of this process does not cure.
    pub fn new(name: impl Into<Arc<str>>, condition: C) -> Self {
        Self(Named { name: name.into(), condition })
    }

    /// Gives it another name, as [`Local::named`] does.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self::new(name, self.0.condition)
    }
}

/// A named condition that says how far it reaches: [`Local`] or [`Shared`], and nothing else.
pub trait Scoped: sealed::Sealed {
    /// What is evaluated.
    type Condition: Condition;

    /// The name, how far it reaches, and what is evaluated.
    fn into_parts(self) -> (Arc<str>, Scope, Self::Condition);
}

impl<C: Condition> Scoped for Local<C> {
    type Condition = C;

    fn into_parts(self) -> (Arc<str>, Scope, C) {
        (self.0.name, Scope::Local, self.0.condition)
    }
}

impl<C: Condition> Scoped for Shared<C> {
    type Condition = C;

    fn into_parts(self) -> (Arc<str>, Scope, C) {
        (self.0.name, Scope::Shared, self.0.condition)
    }
}

impl<C> fmt::Debug for Local<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Local").field(&self.0.name).finish()
    }
}

impl<C> fmt::Debug for Shared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.0.name).finish()
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl<C> Sealed for super::Local<C> {}
    impl<C> Sealed for super::Shared<C> {}
}
