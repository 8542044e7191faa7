//! A drain, step by step, on a clock that moves when it is told to.

#[path = "../../adapters/test/src/timer.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is what the users of health-test get")]
mod timer;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_lite::{StreamExt, future::block_on, future::poll_once};
use health_core::ServingStatus::{NotServing, Serving};
use health_core::drain::{Drain, Receipt, Stop};
use health_core::rt::Timer;
use health_core::{Registry, RunningCall};
use timer::ManualTimer;

const SECOND: Duration = Duration::from_secs(1);

/// One drain on a clock of its own, of a server that notes what it is told.
struct Bench {
    health: Registry,
    timer: Arc<ManualTimer>,
    told: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> Self {
        Self {
            health: Registry::new(),
            timer: ManualTimer::shared(),
            told: Arc::default(),
            asked: Arc::default(),
        }
    }

    fn drain(&self) -> Drain {
        let timer: Arc<dyn Timer> = self.timer.clone();
        Drain::new(&self.health, timer)
    }

    /// Starts `drain` of a server that runs for `takes` after it was told to stop.
    fn start(&self, drain: Drain, takes: Duration) -> Pin<Box<dyn Future<Output = Drained>>> {
        let (timer, told, asked) = (self.timer.clone(), self.told.clone(), self.asked.clone());
        let signal = async move {
            while !asked.load(Ordering::Relaxed) {
                futures_lite::future::yield_now().await;
            }
        };
        Box::pin(drain.run(signal, move |stop: Stop| async move {
            stop.await;
            told.store(true, Ordering::Relaxed);
            timer.sleep_until(timer.now() + takes).await;
        }))
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Moves the clock in steps of 10 ms, and the drain with it.
    fn pass(
        &self,
        drain: &mut (impl Future<Output = Drained> + Unpin),
        time: Duration,
    ) -> Option<Drained> {
        let step = Duration::from_millis(10);
        for _ in 0..time.as_millis() / step.as_millis() {
            self.timer.advance(step);
            if let Some(drained) = block_on(poll_once(&mut *drain)) {
                return Some(drained);
            }
        }
        None
    }
}

type Drained = (Option<()>, Receipt);

#[test]
fn each_step_comes_in_its_order() {
    let bench = Bench::new();
    let mut watch = bench.health.watch("").unwrap();
    assert_eq!(block_on(watch.next()), Some(Serving));
    let mut drain = bench.start(bench.drain(), SECOND);

    assert!(bench.pass(&mut drain, 100 * SECOND).is_none(), "it serves until it is asked");
    assert_eq!(bench.health.check(""), Some(Serving));

    bench.ask();
    assert!(bench.pass(&mut drain, SECOND).is_none());
    assert_eq!(block_on(watch.next()), Some(NotServing));
    assert!(bench.pass(&mut drain, Duration::from_millis(8_980)).is_none());
    assert!(!bench.is_told(), "the lame duck is not over");
    assert_eq!(block_on(poll_once(watch.next())), None, "the stream is held open");

    assert!(bench.pass(&mut drain, Duration::from_millis(30)).is_none());
    assert!(bench.is_told(), "GOAWAY comes first");
    assert!(!bench.health.is_closed(), "and the end of the streams after it");
    assert!(bench.pass(&mut drain, Duration::from_millis(30)).is_none());
    assert!(bench.health.is_closed());
    assert_eq!(block_on(watch.next()), None);

    let (ended, receipt) = bench.pass(&mut drain, 2 * SECOND).unwrap();
    assert_eq!(ended, Some(()));
    assert_eq!((receipt.watchers_told(), receipt.late_calls()), (1, None));
    assert!(receipt.lame_duck() >= 10 * SECOND && receipt.lame_duck() < 11 * SECOND);
    assert!(receipt.stop() >= SECOND && receipt.stop() < 2 * SECOND, "{receipt:?}");
    assert_eq!(
        receipt.to_string(),
        "drained: NOT_SERVING for 10 s, watchers told 1, late calls not counted, stopped in 1.0 s"
    );
}

#[test]
fn a_server_that_has_fallen_quiet_stops_early_where_calls_are_counted() {
    // Counted or not, a call that runs all the time, how long the lame duck lasts in seconds.
    for (counted, busy, seconds) in [(true, false, 2), (false, false, 10), (true, true, 10)] {
        let bench = Bench::new();
        let mut running: Option<RunningCall> = None;
        if counted {
            bench.health.traffic().count();
        }
        if busy {
            running = Some(bench.health.traffic().enter());
        }
        bench.ask();
        let mut drain = bench.start(bench.drain(), Duration::ZERO);
        let (_, receipt) = bench.pass(&mut drain, 20 * SECOND).unwrap();
        let lasted = receipt.lame_duck();
        let expected = SECOND * seconds..SECOND * seconds + SECOND;
        assert!(expected.contains(&lasted), "{counted} {busy}: {lasted:?}");
        drop(running);
    }
}

#[test]
fn calls_that_still_come_are_told_and_keep_it_from_ending_early() {
    let bench = Bench::new();
    drop(bench.health.traffic().enter());
    bench.ask();
    let mut drain = bench.start(bench.drain(), Duration::ZERO);
    for _ in 0..3 {
        assert!(bench.pass(&mut drain, SECOND).is_none());
        drop(bench.health.traffic().enter());
    }
    let (_, receipt) = bench.pass(&mut drain, 20 * SECOND).unwrap();
    assert_eq!(receipt.late_calls(), Some(3));
    let last = receipt.last_late_call().unwrap();
    assert!(last >= 3 * SECOND && last <= 3 * SECOND + Duration::from_millis(110), "{last:?}");
    assert!(!receipt.is_lame_duck_too_short());
    assert!(receipt.lame_duck() < 6 * SECOND);
    assert!(receipt.to_string().contains("late calls 3 (the last after 3."), "{receipt}");
}

#[test]
fn a_lame_duck_in_which_calls_came_until_its_end_is_too_short() {
    let bench = Bench::new();
    bench.ask();
    let mut drain = bench.start(bench.drain().lame_duck(SECOND), Duration::ZERO);
    let receipt = loop {
        drop(bench.health.traffic().enter());
        if let Some((_, receipt)) = bench.pass(&mut drain, Duration::from_millis(50)) {
            break receipt;
        }
    };
    assert!(receipt.is_lame_duck_too_short(), "{receipt:?}");
    assert!(receipt.to_string().ends_with("the lame duck is too short: calls came until its end"));
}

#[test]
fn a_lame_duck_that_ended_because_it_was_quiet_is_long_enough_unless_calls_come_after_it() {
    let quiet = Duration::from_millis(100);
    for calls_come_after in [false, true] {
        let bench = Bench::new();
        bench.ask();
        let mut drain = bench.start(bench.drain().quiet(Some(quiet)), SECOND);
        assert!(bench.pass(&mut drain, Duration::from_millis(20)).is_none());
        drop(bench.health.traffic().enter());
        assert!(bench.pass(&mut drain, 4 * quiet).is_none());
        assert!(bench.is_told(), "it has fallen quiet");
        if calls_come_after {
            drop(bench.health.traffic().enter());
        }
        let (_, receipt) = bench.pass(&mut drain, 2 * SECOND).unwrap();
        assert!(receipt.lame_duck() <= 3 * quiet, "{receipt}");
        assert_eq!(receipt.is_lame_duck_too_short(), calls_come_after, "{receipt}");
    }
}

#[test]
fn a_call_that_comes_while_the_server_stops_is_told_with_its_time() {
    let bench = Bench::new();
    bench.ask();
    let drain = bench.drain().lame_duck(SECOND).quiet(None);
    let mut drain = bench.start(drain, 4 * SECOND);
    assert!(bench.pass(&mut drain, Duration::from_millis(1_200)).is_none());
    assert!(bench.is_told());
    drop(bench.health.traffic().enter());
    let (_, receipt) = bench.pass(&mut drain, 5 * SECOND).unwrap();
    assert!(receipt.stop() >= 4 * SECOND, "{receipt}");
    let last = receipt.last_late_call().unwrap();
    assert!(
        last >= Duration::from_millis(1_190) && last <= Duration::from_millis(1_300),
        "{last:?}"
    );
    assert!(receipt.is_lame_duck_too_short());
}

#[test]
fn a_stop_without_an_end_waits_for_the_server() {
    let bench = Bench::new();
    bench.ask();
    let drain = bench.drain().lame_duck(SECOND).stop_timeout(Duration::MAX);
    let mut drain = bench.start(drain, 100 * SECOND);
    let (ended, receipt) = bench.pass(&mut drain, 102 * SECOND).unwrap();
    assert_eq!(ended, Some(()));
    assert!(receipt.stop() >= 100 * SECOND, "{receipt}");
}

#[test]
fn watchers_are_told_if_what_they_watch_changes() {
    let bench = Bench::new();
    bench.health.set("serving", Serving);
    bench.health.set("away", NotServing);
    bench.health.alias("also serving", "serving").unwrap();
    let names = ["serving", "serving", "also serving", "away", "unheard of"];
    let _watches = names.map(|name| bench.health.watch(name).unwrap());
    bench.ask();
    let mut drain = bench.start(bench.drain().lame_duck(Duration::ZERO), Duration::ZERO);
    let (_, receipt) = bench.pass(&mut drain, SECOND).unwrap();
    assert_eq!(receipt.watchers_told(), 3);
}

#[test]
fn a_watch_that_is_left_open_in_the_process_of_a_server_that_ended_is_not_cut() {
    let bench = Bench::new();
    let _watch = bench.health.watch("").unwrap();
    bench.ask();
    let mut drain = bench.start(bench.drain().lame_duck(Duration::ZERO), Duration::ZERO);
    let (ended, receipt) = bench.pass(&mut drain, SECOND).unwrap();
    assert_eq!(ended, Some(()));
    assert_eq!((receipt.watchers_told(), receipt.streams_cut()), (1, 0), "{receipt}");
}

#[test]
fn a_server_that_does_not_end_is_cut_off_and_that_is_told() {
    let bench = Bench::new();
    let call = bench.health.traffic().enter();
    let watch = bench.health.watch("").unwrap();
    bench.ask();
    let drain = bench.drain().lame_duck(Duration::ZERO).stop_timeout(3 * SECOND);
    let mut drain = bench.start(drain, 100 * SECOND);
    assert!(bench.pass(&mut drain, 3 * SECOND).is_none());
    let (ended, receipt) = bench.pass(&mut drain, SECOND).unwrap();
    assert_eq!(ended, None);
    assert_eq!((receipt.calls_cut(), receipt.streams_cut()), (1, 1));
    assert!(receipt.to_string().contains(", cut off: calls 1, streams 1"), "{receipt}");
    drop((call, watch));
}

#[test]
fn a_server_that_ends_by_itself_is_not_drained() {
    let health = Registry::new();
    let timer: Arc<dyn Timer> = ManualTimer::shared();
    let drain = Drain::new(&health, timer);
    let mut run = pin!(drain.run(pending(), |_stop| async { "cannot listen" }));
    let (ended, receipt) = block_on(poll_once(&mut run)).unwrap();
    assert_eq!((ended, receipt), (Some("cannot listen"), Receipt::default()));
    assert!(!health.is_shut_down());
}
