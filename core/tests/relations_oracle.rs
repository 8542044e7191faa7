//! Services that follow others: any sequence of operations on them against plain maps.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use futures_lite::{StreamExt, future::block_on};
use health_core::ServingStatus::{NotServing, Serving, Unknown};
use health_core::{OVERALL, Overall, Reason, Registry, ServingStatus, Signal};
use proptest::prelude::*;
use proptest::sample::select;

const NAMES: [&str; 5] = [OVERALL, "a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Operation {
    Alias(&'static str, &'static str),
    Depend(&'static str, &'static str),
    Hold(&'static str),
    Independent(&'static str, &'static str),
    Overall(Overall),
    Release(&'static str),
    Remove(&'static str),
    Replace(BTreeMap<&'static str, ServingStatus>),
    Resume,
    Set(&'static str, ServingStatus),
    Shutdown,
    /// Makes a signal, or tells the one that is there; `None` retires it.
    Signal(&'static str, Option<ServingStatus>),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let name = || select(&NAMES[..]);
    let status = || select(vec![Unknown, Serving, NotServing]);
    prop_oneof![
        4 => (name(), status()).prop_map(|(name, status)| Set(name, status)),
        4 => (name(), name()).prop_map(|(name, other)| Depend(name, other)),
        4 => (name(), proptest::option::of(status())).prop_map(|(name, told)| Signal(name, told)),
        2 => (name(), name()).prop_map(|(name, other)| Independent(name, other)),
        2 => (name(), name()).prop_map(|(name, other)| Alias(name, other)),
        2 => name().prop_map(Remove),
        1 => proptest::collection::btree_map(name(), status(), 0..5).prop_map(Replace),
        2 => name().prop_map(Hold),
        2 => name().prop_map(Release),
        1 => select(vec![self::Overall::All, self::Overall::Independent]).prop_map(Overall),
        1 => proptest::collection::vec(name(), 0..3).prop_map(|names| Overall(self::Overall::of(names))),
        1 => Just(Shutdown),
        1 => Just(Resume),
    ]
}

/// What was said, in plain maps; what follows from it is worked out anew for each question.
#[derive(Debug)]
struct Oracle {
    reported: BTreeMap<&'static str, ServingStatus>,
    aliases: BTreeMap<&'static str, &'static str>,
    depends: BTreeSet<(&'static str, &'static str)>,
    held: BTreeSet<&'static str>,
    signals: BTreeMap<&'static str, ServingStatus>,
    overall: Overall,
    shut_down: bool,
    /// The services that were SERVING since they were registered.
    served: BTreeSet<&'static str>,
}

impl Oracle {
    fn own(&self, name: &str) -> Option<ServingStatus> {
        let name = self.aliases.get(name).copied().unwrap_or(name);
        let reported = *self.reported.get(name)?;
        let overall: Vec<&str> = match &self.overall {
            _ if name != OVERALL => Vec::new(),
            Overall::Of(services) => services.iter().map(|service| &**service).collect(),
            Overall::All => self.reported.keys().copied().filter(|name| *name != OVERALL).collect(),
            _ => Vec::new(),
        };
        let depends = self.depends.iter().filter(|(follower, _)| *follower == name);
        let others = depends.map(|(_, other)| *other).chain(overall);
        let read = others.map(|other| self.own(other).unwrap_or(NotServing));
        let found: Vec<_> = read.chain(self.signals.get(name).copied()).chain([reported]).collect();
        let worst = [NotServing, Unknown].into_iter().find(|status| found.contains(status));
        Some(if self.held.contains(name) { NotServing } else { worst.unwrap_or(Serving) })
    }

    fn shown(&self, name: &str) -> Option<ServingStatus> {
        self.own(name).map(|own| if self.shut_down { NotServing } else { own })
    }

    /// To be told after each operation: what none of them ends with was never so.
    fn note_served(&mut self) {
        for name in NAMES {
            match self.shown(name) {
                _ if self.aliases.contains_key(name) => _ = self.served.remove(name),
                None => _ = self.served.remove(name),
                Some(Serving) => _ = self.served.insert(name),
                Some(_) => {}
            }
        }
    }

    fn has_served(&self, name: &'static str) -> bool {
        self.served.contains(self.resolve(name))
    }

    fn is_held(&self, name: &'static str) -> bool {
        self.held.contains(self.resolve(name))
    }

    /// Whether `from` is or follows `to`. All services are all names but the aliases: each counts once it
    /// is registered.
    fn follows(&self, from: &str, to: &str) -> bool {
        let overall: Vec<&str> = match &self.overall {
            _ if from != OVERALL => Vec::new(),
            Overall::Of(services) => services.iter().map(|service| &**service).collect(),
            Overall::All => self.services().collect(),
            _ => Vec::new(),
        };
        let depends = self.depends.iter().filter(|(follower, _)| *follower == from);
        from == to
            || depends.map(|(_, other)| *other).chain(overall).any(|other| self.follows(other, to))
    }

    fn services(&self) -> impl Iterator<Item = &'static str> {
        let aliases = self.aliases.keys().copied().collect::<BTreeSet<_>>();
        NAMES.into_iter().filter(move |name| *name != OVERALL && !aliases.contains(name))
    }

    fn resolve(&self, name: &'static str) -> &'static str {
        self.aliases.get(name).copied().unwrap_or(name)
    }

    fn is_known(&self, name: &str) -> bool {
        self.own(name).is_some()
    }

    fn forget(&mut self, name: &'static str) {
        if self.aliases.remove(name).is_none() && self.reported.remove(name).is_some() {
            self.aliases.retain(|_, service| *service != name);
        }
    }
}

/// Does `operation` to both, and compares what they say of it.
fn apply(
    operation: Operation,
    health: &Registry,
    oracle: &mut Oracle,
    signals: &mut BTreeMap<&'static str, Signal>,
) {
    match operation {
        Operation::Set(name, status) => {
            health.set(name, status);
            oracle.reported.insert(oracle.resolve(name), status);
        }
        Operation::Remove(name) => {
            health.remove(name);
            oracle.forget(name);
        }
        Operation::Replace(services) => {
            health.replace(services.clone());
            oracle.aliases.clear();
            oracle.served.clear();
            oracle.reported = services;
        }
        Operation::Hold(name) => {
            health.hold(name, "held");
            oracle.held.insert(oracle.resolve(name));
        }
        Operation::Release(name) => {
            health.release(name);
            oracle.held.remove(oracle.resolve(name));
        }
        Operation::Shutdown => {
            health.shutdown();
            oracle.shut_down = true;
        }
        Operation::Resume => {
            health.resume();
            oracle.shut_down = false;
        }
        Operation::Depend(name, other) => {
            let (service, behind) = (oracle.resolve(name), oracle.resolve(other));
            let known = oracle.depends.contains(&(service, behind));
            let allowed = oracle.is_known(other) && (known || !oracle.follows(behind, service));
            let result = health.depends_on(name, other);
            assert_eq!(result.is_ok(), allowed, "{name} on {other}: {result:?}");
            if allowed && !known {
                oracle.depends.insert((service, behind));
                oracle.reported.entry(service).or_insert(Serving);
            }
        }
        Operation::Independent(name, other) => {
            health.independent_of(name, other);
            // By whichever name: that of one that is gone may be an alias by now.
            let (service, behind) = (oracle.resolve(name), oracle.resolve(other));
            let mut depends = std::mem::take(&mut oracle.depends);
            depends.retain(|(from, to)| *from != service || oracle.resolve(to) != behind);
            oracle.depends = depends;
        }
        Operation::Alias(alias, service) => {
            let target = oracle.resolve(service);
            let same = oracle.aliases.get(alias) == Some(&target);
            let is_free = !oracle.aliases.contains_key(alias)
                && !oracle.reported.contains_key(alias)
                && !oracle.signals.contains_key(alias)
                && !oracle.depends.iter().any(|(follower, _)| *follower == alias)
                && alias != OVERALL;
            let mut allowed = oracle.is_known(service) && (same || (is_free && alias != target));
            if allowed && !same {
                // Something may depend on a service of this name that is gone.
                oracle.aliases.insert(alias, target);
                allowed = !oracle.follows(target, alias);
                if !allowed {
                    oracle.aliases.remove(alias);
                }
            }
            if allowed && oracle.held.remove(alias) {
                oracle.held.insert(target);
            }
            let result = health.alias(alias, service);
            assert_eq!(result.is_ok(), allowed, "{alias} of {service}: {result:?}");
        }
        Operation::Overall(overall) => {
            let named: Vec<&'static str> = match &overall {
                Overall::Of(of) => {
                    let named =
                        |it: &std::sync::Arc<str>| NAMES.iter().find(|name| ***name == **it);
                    of.iter().filter_map(named).copied().collect()
                }
                _ => Vec::new(),
            };
            let mut led: Vec<_> = named.iter().map(|name| oracle.resolve(name)).collect();
            if overall == Overall::All {
                led.extend(oracle.services());
            }
            let allowed = named.iter().all(|name| oracle.is_known(name))
                && !led.iter().any(|name| oracle.follows(name, OVERALL));
            let result = health.overall(&overall);
            assert_eq!(result.is_ok(), allowed, "{overall:?}: {result:?}");
            if allowed {
                oracle.overall = match overall {
                    Overall::Of(_) => Overall::of(named.iter().map(|name| oracle.resolve(name))),
                    other => other,
                };
            }
        }
        Operation::Signal(name, None) => {
            // Signals are known by the service that they were made for.
            if let Some(signal) = signals.remove(oracle.resolve(name)) {
                signal.retire();
            }
            oracle.signals.remove(oracle.resolve(name));
        }
        Operation::Signal(name, Some(told)) => {
            let service = oracle.resolve(name);
            let signal = signals.entry(service).or_insert_with(|| {
                oracle.reported.entry(service).or_insert(Serving);
                health.signal(name, "signal").unwrap()
            });
            match told {
                Serving => signal.pass(),
                Unknown => signal.pending(),
                _ => signal.fail(Reason::new("down")),
            }
            oracle.signals.insert(service, told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_follows_from_what_was_said(
        operations in proptest::collection::vec(operation(), 1..24)
    ) {
        let health = Registry::new();
        let mut feed = health.transitions(NonZeroUsize::new(4_096).unwrap());
        let mut oracle = Oracle {
            reported: BTreeMap::from([(OVERALL, Serving)]),
            aliases: BTreeMap::new(),
            depends: BTreeSet::new(),
            held: BTreeSet::new(),
            signals: BTreeMap::new(),
            overall: Overall::Independent,
            shut_down: false,
            served: BTreeSet::from([OVERALL]),
        };
        let mut signals = BTreeMap::new();
        let mut told: BTreeMap<String, ServingStatus> = BTreeMap::from([(String::new(), Serving)]);
        for operation in operations {
            apply(operation.clone(), &health, &mut oracle, &mut signals);
            oracle.note_served();
            for name in NAMES {
                prop_assert_eq!(health.check(name), oracle.shown(name), "{:?} {:?}", name, operation);
                let served = (health.has_served(name), oracle.has_served(name));
                prop_assert_eq!(served.0, served.1, "served, {:?} {:?}", name, operation);
                let held = (health.held(name).is_some(), oracle.is_held(name));
                prop_assert_eq!(held.0, held.1, "held, {:?} {:?}", name, operation);
            }
            // The feed tells the same, each change once.
            while let Some(transition) = block_on(futures_lite::future::poll_once(feed.next())).flatten() {
                let before = told.get(&*transition.service).copied();
                prop_assert_eq!(transition.from, before.unwrap_or(ServingStatus::ServiceUnknown));
                prop_assert_ne!(transition.from, transition.to);
                match transition.to {
                    ServingStatus::ServiceUnknown => told.remove(&*transition.service),
                    to => told.insert((*transition.service).to_owned(), to),
                };
            }
            for name in NAMES {
                prop_assert_eq!(told.get(name).copied(), oracle.shown(name), "feed, {:?}", name);
            }
        }
    }
}
