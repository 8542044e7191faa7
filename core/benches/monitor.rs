//! What many conditions cost: 100 000 of them in one monitor, each evaluated every 10 s, on a real clock.
//!
//! ```text
//! cargo bench -p health-core --bench monitor -- [SECONDS]
//! ```
//!
//! A period passes first, in which each condition is evaluated for the first time; then this is measured
//! for SECONDS (20 by default). CPU time and memory are read from `/proc`, so it needs Linux.

#![expect(clippy::print_stdout, reason = "it prints what it has measured")]

use std::{
    fs, io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use health_core::{
    Reason, Registry, ServingStatus,
    condition::{Evaluation, Local, Monitor, Observer, every},
    rt::{Sleep, Timer},
};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let load = match arguments.next().as_deref() {
        // A smoke test: whether it works, not how fast.
        Some("--test") => {
            Load { conditions: 1_000, period: Duration::from_millis(500), seconds: 1 }
        }
        Some(seconds) => Load { seconds: seconds.parse().map_err(io::Error::other)?, ..LOAD },
        None => LOAD,
    };
    load.run()
}

/// What is run.
struct Load {
    conditions: u32,
    period: Duration,
    seconds: u64,
}

const LOAD: Load = Load { conditions: 100_000, period: Duration::from_secs(10), seconds: 20 };

/// How many conditions each service has.
const PER_SERVICE: u32 = 100;

impl Load {
    fn run(&self) -> io::Result<()> {
        let Self { conditions, period, seconds } = self;
        println!("{conditions} conditions, one evaluation of each every {period:?}, one thread");
        let empty = usage()?;
        let (registry, record) = (Registry::new(), Arc::new(Record::default()));
        let timer = Arc::new(LoopTimer::default());
        let started = Instant::now();
        let monitor = self.monitor(&registry, &timer, &record);
        let built = usage()?;
        println!(
            "built in {:?}: {:.1} MiB, {:.0} bytes for each condition",
            started.elapsed(),
            built.mebibytes(),
            (built.memory - empty.memory) as f64 / f64::from(*conditions)
        );

        let mut future = pin!(monitor.run());
        record.begin();
        timer.run(future.as_mut(), Instant::now() + *period);
        let warm = usage()?;
        record.report("first period", &warm.since(&built, *period));

        record.begin();
        let time = Duration::from_secs(*seconds);
        timer.run(future.as_mut(), Instant::now() + time);
        let end = usage()?;
        record.report("then", &end.since(&warm, time));
        println!("memory: {:.1} MiB before, {:.1} MiB after", warm.mebibytes(), end.mebibytes());

        let evaluations = record.evaluations.load(Ordering::Relaxed);
        assert!(evaluations > 0, "nothing was evaluated");
        assert_eq!(registry.check("service-0"), Some(ServingStatus::Serving));
        Ok(())
    }

    fn monitor(
        &self,
        registry: &Registry,
        timer: &Arc<LoopTimer>,
        record: &Arc<Record>,
    ) -> Monitor {
        let timer: Arc<dyn Timer> = Arc::<LoopTimer>::clone(timer);
        let mut builder = Monitor::builder(registry, timer).seed(0);
        builder = builder.observer(Arc::<Record>::clone(record));
        for at in 0..self.conditions {
            let condition =
                Local::new((at % PER_SERVICE).to_string(), async || Ok::<(), Reason>(()));
            let service = format!("service-{}", at / PER_SERVICE);
            builder = builder.condition(service, condition, every(self.period));
        }
        builder.build().expect("valid conditions")
    }
}

/// What the evaluations of one phase were like.
#[derive(Debug, Default)]
struct Record {
    began: Mutex<Option<Instant>>,
    evaluations: AtomicU64,
    /// In microseconds.
    most_late: AtomicU64,
    /// How many evaluations ended in each [`WINDOW`].
    windows: Mutex<Vec<u64>>,
}

const WINDOW: Duration = Duration::from_millis(100);

impl Record {
    fn begin(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.evaluations.store(0, Ordering::Relaxed);
        self.most_late.store(0, Ordering::Relaxed);
    }

    fn report(&self, phase: &str, usage: &Usage) {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        println!(
            "{phase}: {:.2} % of a core, {} evaluations, at most {} in {WINDOW:?}, at most {:?} late",
            usage.cpu_share * 100.0,
            self.evaluations.load(Ordering::Relaxed),
            windows.iter().max().unwrap_or(&0),
            Duration::from_micros(self.most_late.load(Ordering::Relaxed)),
        );
    }
}

impl Observer for Record {
    fn evaluated(&self, evaluation: &Evaluation<'_>) {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let lateness = evaluation.lateness.as_micros() as u64;
        self.most_late.fetch_max(lateness, Ordering::Relaxed);
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let window = began.map_or(0, |began| began.elapsed().as_millis() / WINDOW.as_millis());
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let length = windows.len().max(window as usize + 1);
        windows.resize(length, 0);
        if let Some(count) = windows.get_mut(window as usize) {
            *count += 1;
        }
    }
}

/// An executor and its timer, for one future on this thread: it is polled when it was woken or the time
/// of its sleep has come, and else the thread is parked.
#[derive(Debug, Default)]
struct LoopTimer {
    deadline: Arc<Mutex<Option<Instant>>>,
}

impl LoopTimer {
    fn run<F: Future>(&self, mut future: Pin<&mut F>, until: Instant) {
        struct Thread(thread::Thread, AtomicBool);
        impl Wake for Thread {
            fn wake(self: Arc<Self>) {
                self.1.store(true, Ordering::Release);
                self.0.unpark();
            }
        }
        let thread = Arc::new(Thread(thread::current(), AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&thread));
        let mut cx = Context::from_waker(&waker);
        loop {
            let now = Instant::now();
            if now >= until {
                return;
            }
            let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
            if thread.1.swap(false, Ordering::Acquire) || deadline.is_some_and(|at| at <= now) {
                let _ = future.as_mut().poll(&mut cx);
            } else {
                thread::park_timeout(deadline.unwrap_or(until).min(until) - now);
            }
        }
    }
}

impl Timer for LoopTimer {
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LoopSleep { shared: Arc::clone(&self.deadline), deadline })
    }
}

struct LoopSleep {
    shared: Arc<Mutex<Option<Instant>>>,
    deadline: Instant,
}

impl Future for LoopSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let is_over = Instant::now() >= self.deadline;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        *shared = (!is_over).then_some(self.deadline);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for LoopSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
    }
}

/// What the process has used.
struct Usage {
    cpu_time: Duration,
    cpu_share: f64,
    /// In bytes.
    memory: u64,
}

impl Usage {
    /// What was used in the `time` since `before`.
    fn since(&self, before: &Self, time: Duration) -> Self {
        let cpu_time = self.cpu_time.saturating_sub(before.cpu_time);
        let cpu_share = cpu_time.as_secs_f64() / time.as_secs_f64();
        Self { cpu_time, cpu_share, memory: self.memory }
    }

    fn mebibytes(&self) -> f64 {
        self.memory as f64 / f64::from(1 << 20)
    }
}

fn usage() -> io::Result<Usage> {
    // proc_pid_stat(5): utime and stime are the fields 14 and 15, in ticks of 10 ms; the fields before
    // them begin with a name in parentheses.
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // proc_pid_status(5).
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage {
        cpu_time: Duration::from_millis(10 * ticks),
        cpu_share: 0.0,
        memory: 1024
            * kilobytes.ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))?,
    })
}
