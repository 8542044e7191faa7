//! What a setter pays for its watchers, and what a watcher pays to subscribe and to wait.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use criterion::Criterion;
use futures_core::Stream as _;
use health_core::{Registry, ServingStatus, Watch};

const SERVICE: &str = "greet.GreetService";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    set(&mut criterion);
    subscribe(&mut criterion);
    poll(&mut criterion);
    criterion.final_summary();
}

/// One `set` that wakes every watcher of its service.
fn set(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("watch/set");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for watchers in [0, 1, 100, 10_000] {
        let mut audience = Audience::new(watchers);
        group.bench_function(format!("{watchers} watchers"), |bencher| {
            bencher.iter_custom(|times| audience.time(times));
        });
    }
    group.finish();
}

/// Opening a stream and dropping it.
fn subscribe(criterion: &mut Criterion) {
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    let mut group = criterion.benchmark_group("watch/subscribe and drop");
    for (kind, service) in [("registered", SERVICE), ("unknown", "acme.user.v1.UserService")] {
        group.bench_function(kind, |bencher| {
            bencher.iter(|| drop(registry.watch(service).expect("no other stream is open")));
        });
    }
    group.finish();
}

/// A poll that finds no change and parks, and one that finds the next status.
fn poll(criterion: &mut Criterion) {
    let registry = Registry::new();
    let mut watch = registry.watch(SERVICE).expect("the first stream");
    let mut group = criterion.benchmark_group("watch/poll");

    let mut task = Context::from_waker(Waker::noop());
    assert!(next(&mut watch, &mut task).is_ready(), "the first item comes at once");
    group.bench_function("park", |bencher| {
        bencher.iter(|| assert!(next(&mut watch, &mut task).is_pending()));
    });

    let mut status = ServingStatus::NotServing;
    group.bench_function("set and next", |bencher| {
        bencher.iter(|| {
            status = other(status);
            registry.set(SERVICE, status);
            assert_eq!(next(&mut watch, &mut task), Poll::Ready(Some(status)));
        });
    });
    group.finish();
}

/// Services with parked watchers: several if each has few, so that one pass over them is long enough
/// to be timed by a clock.
struct Audience {
    registry: Registry,
    services: Vec<String>,
    watches: Vec<Watch>,
    woken: Arc<Woken>,
    /// What the next pass sets.
    status: ServingStatus,
}

impl Audience {
    fn new(watchers: usize) -> Self {
        let registry = Registry::new();
        let services = if watchers < 1000 { 64 } else { 1 };
        let services: Vec<_> =
            (0..services).map(|number| format!("acme.v1.Service{number}")).collect();
        for service in &services {
            registry.set(service, ServingStatus::Serving);
        }
        let watch = |service: &String| registry.watch(service).expect("within max_watchers");
        let watches = services
            .iter()
            .flat_map(|service| (0..watchers).map(move |_| watch(service)))
            .collect();
        let status = ServingStatus::NotServing;
        Self { registry, services, watches, woken: Arc::default(), status }
    }

    /// How long `times` sets take, from whole passes over the services.
    fn time(&mut self, times: u64) -> Duration {
        let services = self.services.len() as u64;
        let passes = times.div_ceil(services);
        let spent: Duration = (0..passes).map(|_| self.pass()).sum();
        spent.mul_f64(times as f64 / (passes * services) as f64)
    }

    /// Sets each service once. That the watchers read and park before it is not in its time.
    fn pass(&mut self) -> Duration {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut task = Context::from_waker(&waker);
        for watch in &mut self.watches {
            while next(watch, &mut task).is_ready() {}
        }
        let woken_before = self.woken.0.load(Ordering::Relaxed);
        let begin = Instant::now();
        for service in &self.services {
            self.registry.set(service, self.status);
        }
        let spent = begin.elapsed();
        let woken = self.woken.0.load(Ordering::Relaxed) - woken_before;
        assert_eq!(woken, self.watches.len(), "a set wakes every parked watcher once");
        self.status = other(self.status);
        spent
    }
}

/// Counts how often it wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn other(status: ServingStatus) -> ServingStatus {
    match status {
        ServingStatus::Serving => ServingStatus::NotServing,
        _ => ServingStatus::Serving,
    }
}

fn next(watch: &mut Watch, task: &mut Context<'_>) -> Poll<Option<ServingStatus>> {
    Pin::new(watch).poll_next(task)
}
