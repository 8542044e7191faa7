//! `Registry::check` beside the lookup it cannot do without, and `Registry::list` at its limit.
//!
//! After the benches one run measures both lookups in turns, and prints how many times a bare
//! `HashMap` lookup a check costs: the turns make the ratio independent of how busy the machine is.

use std::collections::HashMap;
use std::env;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use health_core::{Registry, ServingStatus};

/// As many services as List answers by default, `""` included.
const SERVICES: usize = 100;

const THREADS: [usize; 2] = [1, 2];

/// A check may cost as much as this many bare lookups.
const TARGET_RATIO: f64 = 3.0;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let subject = Subject::new();
    subject.bench(&mut criterion);
    if env::args().any(|argument| argument == "--bench")
        && !env::args().any(|argument| argument == "--test" || argument == "--list")
    {
        THREADS.into_iter().for_each(|threads| subject.print_ratio(threads));
    }
    criterion.final_summary();
}

/// The same names in a registry and in a bare map.
struct Subject {
    names: Vec<String>,
    registry: Registry,
    map: HashMap<Box<str>, ServingStatus>,
}

impl Subject {
    fn new() -> Self {
        let names: Vec<_> =
            (1..SERVICES).map(|number| format!("acme.team{number}.v1.Service{number}")).collect();
        let registry = Registry::new();
        for name in &names {
            registry.set(name, ServingStatus::Serving);
        }
        let map = names.iter().map(|name| (name.as_str().into(), ServingStatus::Serving)).collect();
        Self { names, registry, map }
    }

    fn check(&self, name: &str) -> Option<ServingStatus> {
        self.registry.check(name)
    }

    fn lookup(&self, name: &str) -> Option<ServingStatus> {
        self.map.get(name).copied()
    }

    fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("registry");
        for threads in THREADS {
            group.bench_function(format!("check/{threads} threads"), |bencher| {
                bencher.iter_custom(|times| self.time(threads, times, Self::check));
            });
            group.bench_function(format!("bare HashMap lookup/{threads} threads"), |bencher| {
                bencher.iter_custom(|times| self.time(threads, times, Self::lookup));
            });
        }
        group.bench_function(format!("list/{SERVICES} services"), |bencher| {
            bencher
                .iter(|| self.registry.list().map(|services| assert_eq!(services.len(), SERVICES)));
        });
        group.finish();
    }

    /// How long the slowest of `threads` takes to call `get` `times` times, each thread going through
    /// all the names.
    fn time(
        &self,
        threads: usize,
        times: u64,
        get: impl Fn(&Self, &str) -> Option<ServingStatus> + Sync,
    ) -> Duration {
        let start = Barrier::new(threads);
        let run = || {
            let mut names = self.names.iter().cycle();
            start.wait();
            let begin = Instant::now();
            for _ in 0..times {
                let name = names.next().map_or("", String::as_str);
                black_box(get(self, black_box(name)));
            }
            begin.elapsed()
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            let times = runs.into_iter().map(|run| run.join().expect("a lookup does not panic"));
            times.max().unwrap_or_default()
        })
    }

    #[expect(clippy::print_stdout, reason = "the ratio is what this bench reports")]
    fn print_ratio(&self, threads: usize) {
        const ROUNDS: usize = 41;
        const TIMES: u64 = 200_000;
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let check = self.time(threads, TIMES, Self::check).as_secs_f64();
                let lookup = self.time(threads, TIMES, Self::lookup).as_secs_f64();
                [check / lookup, check, lookup]
            })
            .collect();
        let [ratio, check, lookup] = [0, 1, 2]
            .map(|column| median(rounds.iter().filter_map(|round| round.get(column)).copied()));
        let nanoseconds = |seconds: f64| seconds / TIMES as f64 * 1e9;
        println!(
            "registry check / bare HashMap lookup, {threads} threads: {ratio:.2} \
             ({:.1} ns / {:.1} ns), {} the target of {TARGET_RATIO:.2}",
            nanoseconds(check),
            nanoseconds(lookup),
            if ratio <= TARGET_RATIO { "within" } else { "ABOVE" },
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
