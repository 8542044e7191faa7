//! `HoldFile`, on real files and without any runtime: between two looks the test itself moves the clock.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    convert::Infallible,
    fs,
    path::PathBuf,
    pin::Pin,
    process::Command,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_lite::future::{block_on, or, poll_fn};
use health_conditions::HoldFile;
use health_core::{
    Hold, Registry,
    ServingStatus::{NotServing, Serving},
    rt::{Sleep, Timer},
};
use tempfile::TempDir;

const SERVICE: &str = "greet.GreetService";

#[test]
fn the_service_is_held_while_the_file_is_there() {
    let mut case = Case::new();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(Serving));

    fs::write(&case.path, "").unwrap();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(NotServing));
    let expected = Hold::new(format!("maintenance file {}", case.path.display()));
    assert_eq!(case.health.held(SERVICE), Some(expected.by(case.holder())));

    fs::remove_file(&case.path).unwrap();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(Serving));
    assert_eq!(case.health.held(SERVICE), None);
}

#[test]
fn the_first_line_is_the_reason() {
    let mut case = Case::new();
    let long = format!("{}\n", "ä".repeat(300));
    let (long, short): (&[u8], _) = (long.as_bytes(), "ä".repeat(200));
    for (text, reason) in [
        (&b"schema migration\nback at noon\n"[..], "schema migration"),
        (b"\n\n  disk swap \n", "disk swap"),
        (b"\x1b[31mred\x1b[0m\talert", "[31mred[0malert"),
        (b"a\xffb", "a\u{fffd}b"),
        (long, &short),
    ] {
        fs::write(&case.path, text).unwrap();
        case.look();
        assert_eq!(case.reason(), reason);
    }
}

#[test]
fn whatever_is_at_the_path_holds() {
    let mut case = Case::new();
    fs::create_dir(&case.path).unwrap();
    case.look();
    assert_eq!(case.reason(), format!("maintenance file {}", case.path.display()));
    fs::remove_dir(&case.path).unwrap();

    // To read it would be to wait for somebody who writes.
    assert!(Command::new("mkfifo").arg(&case.path).status().unwrap().success());
    case.look();
    assert_eq!(case.reason(), format!("maintenance file {}", case.path.display()));
}

#[test]
#[cfg(unix)]
fn a_link_holds_wherever_it_leads() {
    use std::os::unix::fs::symlink;

    let mut case = Case::new();
    let target = case.path.with_file_name("target");
    symlink(&target, &case.path).unwrap();
    case.look();
    assert_eq!(case.reason(), format!("maintenance file {}", case.path.display()), "to nothing");

    fs::write(&target, "schema migration").unwrap();
    case.look();
    assert_eq!(case.reason(), "schema migration");

    fs::remove_file(&case.path).unwrap();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(Serving), "the target holds nothing");

    symlink(&case.path, &case.path).unwrap();
    case.look();
    let told = format!("cannot read {}: ", case.path.display());
    assert!(case.reason().starts_with(&told), "to itself: {}", case.reason());
}

#[test]
fn not_knowing_is_not_serving_and_is_told_once() {
    let mut case = Case::new();
    let folder = case.path.parent().unwrap().to_owned();
    fs::remove_dir(&folder).unwrap();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(Serving), "no folder, no file");

    // Nothing can be looked for below a file; unlike a missing permission, that stops root too.
    fs::write(&folder, "").unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer);
    tracing::subscriber::with_default(subscriber.finish(), || {
        case.look();
        case.look();
    });
    assert_eq!(case.health.check(SERVICE), Some(NotServing));
    let reason = case.reason();
    let told = format!("cannot look for {}: ", case.path.display());
    assert!(reason.starts_with(&told), "{reason}");
    let log = fs::read_to_string(log.path()).unwrap();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains(&reason) && log.contains(SERVICE), "{log}");

    fs::remove_file(&folder).unwrap();
    case.look();
    assert_eq!(case.health.check(SERVICE), Some(Serving));
}

#[test]
fn holds_of_others_are_left_alone() {
    let mut case = Case::new();
    let theirs = Hold::new("disk swap").by("ada");
    case.health.hold(SERVICE, theirs.clone());
    case.look();
    assert_eq!(case.health.held(SERVICE), Some(theirs.clone()), "not released without the file");
    fs::write(&case.path, "migration").unwrap();
    case.look();
    assert_eq!(case.health.held(SERVICE), Some(theirs.clone()), "not replaced by the file's");

    case.health.release(SERVICE);
    case.look();
    assert_eq!(case.reason(), "migration", "the file is still there");

    case.health.hold(SERVICE, theirs.clone());
    fs::remove_file(&case.path).unwrap();
    case.look();
    assert_eq!(case.health.held(SERVICE), Some(theirs), "theirs came later");
}

#[test]
fn it_looks_every_second_or_as_often_as_told() {
    let millis = Duration::from_millis;
    for (mut case, period) in [
        (Case::new(), millis(1000)),
        (Case::with(|file| file.every(millis(250))), millis(250)),
        (Case::with(|file| file.every(Duration::ZERO)), millis(1)),
        (Case::with(|file| file.every(Duration::MAX)), Duration::from_secs(365 * 86_400)),
    ] {
        case.look();
        let looked = case.clock.now();
        case.look();
        assert_eq!(case.clock.now() - looked, period);
    }
}

/// A service that follows a file, driven look by look.
struct Case {
    health: Registry,
    path: PathBuf,
    clock: Clock,
    driver: Pin<Box<dyn Future<Output = Infallible> + Send>>,
    _folder: TempDir,
}

impl Case {
    fn new() -> Self {
        Self::with(|file| file)
    }

    fn with(configure: impl FnOnce(HoldFile) -> HoldFile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let path = folder.path().join("run/maintenance");
        let health = Registry::new();
        health.set(SERVICE, Serving);
        let clock = Clock::new();
        let file = configure(HoldFile::new(&path));
        let driver = Box::pin(file.drive(&health, SERVICE, Arc::new(clock.clone())));
        Self { health, path, clock, driver, _folder: folder }
    }

    /// Ends its sleep, and lets it look until it sleeps again.
    fn look(&mut self) {
        self.clock.end_the_sleep();
        let (clock, driver) = (&self.clock, &mut self.driver);
        let asleep = poll_fn(|_| if clock.is_slept_by() { Poll::Ready(()) } else { Poll::Pending });
        block_on(or(async { match driver.await {} }, asleep));
    }

    fn holder(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn reason(&self) -> String {
        let hold = self.health.held(SERVICE).unwrap();
        assert_eq!(hold.holder(), Some(&*self.holder()));
        hold.reason().to_owned()
    }
}

/// A clock for one sleeper, which stands still until the sleep is ended.
#[derive(Clone, Debug)]
struct Clock(Arc<Mutex<Times>>);

#[derive(Debug)]
struct Times {
    now: Instant,
    /// When the one who sleeps wants to wake up.
    until: Option<Instant>,
}

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Times { now: Instant::now(), until: None })))
    }

    fn end_the_sleep(&self) {
        let mut times = self.0.lock().unwrap();
        times.now = times.until.take().unwrap_or(times.now);
    }

    fn is_slept_by(&self) -> bool {
        self.0.lock().unwrap().until.is_some()
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(ClockSleep { clock: self.clone(), deadline })
    }
}

struct ClockSleep {
    clock: Clock,
    deadline: Instant,
}

impl Future for ClockSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut times = self.clock.0.lock().unwrap();
        if self.deadline <= times.now {
            return Poll::Ready(());
        }
        times.until = Some(self.deadline);
        Poll::Pending
    }
}

impl Sleep for ClockSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
    }
}
