//! What a stall decides over: liveness, services, and the conditions that each executor has there.

use std::{
    sync::{Arc, Weak},
    thread,
};

use health_core::{ConfigError, Reason, Registry, Signal};

use crate::pulse::Progress;

/// Something whose status follows the executors.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) registry: Registry,
    /// `None`: the liveness of the process.
    pub(crate) service: Option<Arc<str>>,
}

/// The conditions of one executor; dropping it takes them away.
///
/// Not when a panic unwinds: what watched the executor is gone then, and the conditions fail for good.
#[derive(Debug)]
pub(crate) struct Signals {
    told: Option<Progress>,
    signals: Vec<Arc<Signal>>,
}

/// Takes the conditions of one executor away before those who tell them have heard that it is removed.
#[derive(Debug, Default)]
pub(crate) struct Retirement(Vec<Weak<Signal>>);

impl Signals {
    /// A condition named after the executor, at each of `posts` or at none.
    pub(crate) fn new(executor: &str, posts: &[Post]) -> Result<Self, ConfigError> {
        let name: Arc<str> = format!("executor {executor}").into();
        let mut attempt = Self { told: None, signals: Vec::with_capacity(posts.len()) };
        for Post { registry, service } in posts {
            let signal = match service {
                None => registry.liveness_signal(Arc::clone(&name)),
                Some(service) => registry.local_signal(service, Arc::clone(&name)),
            };
            attempt.signals.push(Arc::new(signal?));
        }
        Ok(attempt)
    }

    pub(crate) fn retirement(&self) -> Retirement {
        Retirement(self.signals.iter().map(Arc::downgrade).collect())
    }

    /// Says how the executor stands. While it is stuck this is news each time, for the age grows.
    pub(crate) fn tell(&mut self, progress: Progress) {
        if self.told.replace(progress) == Some(progress) {
            return;
        }
        for signal in &self.signals {
            match progress {
                Progress::Unknown => signal.pending(),
                Progress::Moving => signal.pass(),
                Progress::Stuck(lasted) => signal.fail(Reason::new(lasted.to_string())),
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.signals.iter().for_each(|signal| signal.retire());
        }
    }
}

impl Retirement {
    pub(crate) fn begin(self) {
        self.0.iter().filter_map(Weak::upgrade).for_each(|signal| signal.retire());
    }
}

/// The services that are not registered yet; dropping it removes them again.
#[derive(Default)]
pub(crate) struct Unregistered(Vec<(Registry, Arc<str>)>);

impl Unregistered {
    pub(crate) fn among(posts: &[Post]) -> Self {
        let services =
            posts.iter().filter_map(|post| Some((&post.registry, post.service.as_ref()?)));
        let new = services.filter(|(registry, service)| registry.check(service).is_none());
        Self(new.map(|(registry, service)| (registry.clone(), Arc::clone(service))).collect())
    }

    /// They are to stay registered.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        for (registry, service) in &self.0 {
            registry.remove(service);
        }
    }
}
