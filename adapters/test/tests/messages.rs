//! Every assertion fails where it must, and says what was seen.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
    time::Duration,
};

use health_core::{
    Registry,
    ServingStatus::{NotServing, Serving},
    condition::{ConditionConfig, Monitor, Shared, every},
};
use health_test::{ScriptedCondition, TestBed};

const GREET: &str = "greet.GreetService";
const S: Duration = Duration::from_secs(1);

/// A bed whose service is in rotation, and the condition that decides over it.
fn started(config: ConditionConfig) -> (TestBed, ScriptedCondition) {
    let (mut bed, postgres) = (TestBed::new(), ScriptedCondition::passing());
    let condition = Shared::new("postgres", postgres.clone());
    let monitor = Monitor::builder(bed.registry(), bed.timer())
        .condition(GREET, condition, config)
        .observer(bed.observer())
        .build();
    bed.spawn(monitor.unwrap().run());
    bed.assert_returns_within(GREET, Duration::ZERO);
    (bed, postgres)
}

const fn five_seconds() -> ConditionConfig {
    every(Duration::from_secs(5)).failure_threshold(3).jitter(0.0)
}

/// The message of an assertion that fails, and fails in the line that called it.
fn message<T>(assertion: impl FnOnce() -> T) -> String {
    thread_local! {
        /// Where the panic came from, of a thread that is in here.
        static FILE: RefCell<Option<String>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let here = FILE.replace(panic.location().map(|location| location.file().to_owned()));
            if here.is_none() {
                others(panic);
            }
        }));
    });
    FILE.set(Some("nowhere".to_owned()));
    let caught = catch_unwind(AssertUnwindSafe(assertion)).err();
    let file = FILE.take().unwrap();
    assert_eq!(file, file!(), "where it fails");
    match caught.expect("it has failed").downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_service_that_stays_in_rotation() {
    let (mut bed, postgres) = started(five_seconds());
    bed.advance(7 * S);
    postgres.fail("connection refused");
    let message = message(|| bed.assert_leaves_rotation_within(GREET, 9 * S));
    assert_eq!(
        message,
        r#""greet.GreetService" has not left rotation within 9s; it is SERVING
   10.000 s  "greet.GreetService"  postgres failed: connection refused
   15.000 s  "greet.GreetService"  postgres failed: connection refused"#
    );
    // It takes 13 s.
    bed.assert_leaves_rotation_within(GREET, 4 * S);
}

#[test]
fn a_service_that_was_away_before_and_is_back() {
    let (mut bed, _postgres) = started(five_seconds());
    bed.registry().hold(GREET, "maintenance");
    bed.registry().release(GREET);
    let stays = message(|| bed.assert_leaves_rotation_within(GREET, S));
    assert!(
        stays.starts_with("\"greet.GreetService\" has not left rotation within 1s; it is SERVING")
    );
}

#[test]
fn a_service_that_returns_and_leaves_within_an_instant() {
    let (mut bed, _postgres) = started(five_seconds());
    let (health, timer) = (bed.registry().clone(), bed.timer());
    health.hold(GREET, "maintenance");
    bed.spawn(async move {
        timer.sleep_until(timer.now() + S).await;
        health.release(GREET);
        health.hold(GREET, "maintenance");
    });
    let returns = message(|| bed.assert_returns_within(GREET, 2 * S));
    assert!(
        returns.starts_with(
            "\"greet.GreetService\" has not returned within 2s; it is NOT_SERVING (held: maintenance)\n"
        ),
        "{returns}"
    );
    assert!(returns.contains("    1.000 s  \"greet.GreetService\"  NOT_SERVING -> SERVING"));
}

#[test]
fn a_service_that_was_not_in_rotation() {
    let (mut bed, postgres) = started(five_seconds().failure_threshold(1));
    postgres.fail("connection refused");
    bed.advance(5 * S);
    let leave = message(|| bed.assert_leaves_rotation_within(GREET, 9 * S));
    assert_eq!(
        leave,
        "\"greet.GreetService\" is not in rotation to begin with; it is NOT_SERVING (postgres: \
         connection refused)\n     nothing has happened"
    );
    let leave = message(|| bed.assert_leaves_rotation_within("unheard", 9 * S));
    assert!(
        leave.starts_with("\"unheard\" is not in rotation to begin with; it is not registered")
    );
}

#[test]
fn a_service_that_does_not_return() {
    let (mut bed, postgres) = started(five_seconds().failure_threshold(1));
    let already = message(|| bed.assert_returns_within(GREET, S));
    assert_eq!(already, "\"greet.GreetService\" is in rotation already\n     nothing has happened");
    postgres.hang();
    bed.assert_leaves_rotation_within(GREET, 6 * S);
    let returns = message(|| bed.assert_returns_within(GREET, 5 * S));
    assert_eq!(
        returns,
        r#""greet.GreetService" has not returned within 5s; it is NOT_SERVING (postgres: timed out after 1s)
   11.000 s  "greet.GreetService"  postgres failed: timed out after 1s"#
    );
}

#[test]
fn a_service_that_leaves_although_it_should_stay() {
    let (mut bed, postgres) = started(five_seconds().failure_threshold(2));
    postgres.fail("connection refused");
    let stays = message(|| bed.assert_stays_in_rotation_for(GREET, 60 * S));
    assert_eq!(
        stays,
        r#""greet.GreetService" is out of rotation after 10s; it is NOT_SERVING (postgres: connection refused)
    5.000 s  "greet.GreetService"  postgres failed: connection refused
   10.000 s  "greet.GreetService"  postgres failed: connection refused
   10.000 s  "greet.GreetService"  SERVING -> NOT_SERVING (condition; postgres: connection refused)"#
    );
    assert_eq!(bed.elapsed(), 10 * S, "it stops there");
}

#[test]
fn a_service_that_is_away_for_no_time_at_all_has_left_all_the_same() {
    let (mut bed, _postgres) = started(five_seconds());
    let health = bed.registry().clone();
    bed.spawn(async move {
        health.hold(GREET, "maintenance");
        health.release(GREET);
    });
    let stays = message(|| bed.assert_stays_in_rotation_for(GREET, 60 * S));
    assert!(stays.contains("is out of rotation after 0ns"), "{stays}");
}

#[test]
fn a_service_that_flaps() {
    let (mut bed, postgres) = started(five_seconds().failure_threshold(1));
    postgres.follow("..x");
    let flaps = message(|| bed.assert_no_flap(GREET, 3600 * S));
    assert_eq!(
        flaps,
        r#""greet.GreetService" flaps: it has left SERVING and come back to it
    5.000 s  "greet.GreetService"  postgres passed
   10.000 s  "greet.GreetService"  postgres passed
   15.000 s  "greet.GreetService"  postgres failed: as scripted
   15.000 s  "greet.GreetService"  SERVING -> NOT_SERVING (condition; postgres: as scripted)
   20.000 s  "greet.GreetService"  postgres passed
   20.000 s  "greet.GreetService"  NOT_SERVING -> SERVING (condition)"#
    );
}

#[test]
fn a_watch_that_yields_something_else_or_nothing_more() {
    let (mut bed, postgres) = started(five_seconds().failure_threshold(1));
    let other = message(|| bed.assert_watch_sequence(GREET, 60 * S, [NotServing]));
    assert_eq!(
        other,
        "a watch of \"greet.GreetService\" was to yield NOT_SERVING; it yielded SERVING\n     \
         nothing has happened"
    );
    let late = message(|| bed.assert_watch_sequence(GREET, 2 * S, [Serving, NotServing]));
    assert!(
        late.starts_with(
            "a watch of \"greet.GreetService\" was to yield SERVING, NOT_SERVING; it yielded \
             SERVING within 2s\n"
        ),
        "{late}"
    );
    postgres.fail("connection refused");
    let health = bed.registry().clone();
    health.close();
    let ended = message(|| bed.assert_watch_sequence(GREET, 60 * S, [Serving, NotServing]));
    assert!(ended.contains("; it yielded nothing and then ended\n"), "{ended}");
}

#[test]
fn a_watch_that_cannot_be_had() {
    let mut bed = TestBed::with_registry(Registry::builder().max_watchers(1).build());
    let _held = bed.registry().watch("").unwrap();
    let refused = message(|| bed.assert_watch_sequence("", S, [Serving]));
    assert!(refused.starts_with("all 1 watch streams are in use"), "{refused}");
}

/// A bed on which a program drains: after 1 s it is `told` to, and after as much as `grace` again it closes.
fn draining(told: bool, grace: Duration) -> TestBed {
    let mut bed = TestBed::new();
    let (health, timer) = (bed.registry().clone(), bed.timer());
    bed.spawn(async move {
        timer.sleep_until(timer.now() + S).await;
        if told {
            health.shutdown();
        }
        timer.sleep_until(timer.now() + grace).await;
        health.close();
    });
    bed
}

#[test]
fn a_drain_in_another_order() {
    let mut bed = draining(true, 3 * S);
    let hasty = message(|| bed.assert_drain_order("", 10 * S..=11 * S));
    assert_eq!(
        hasty,
        "the watch of \"\" ended 3s after NOT_SERVING, before 10s\n    1.000 s  \"\"  SERVING -> \
         NOT_SERVING (shutdown; shutting down)"
    );
    let mut bed = draining(true, 30 * S);
    let slow = message(|| bed.assert_drain_order("", 10 * S..=11 * S));
    assert!(slow.starts_with("the watch of \"\" is open 11s after NOT_SERVING still\n"), "{slow}");
    let mut bed = draining(false, 3 * S);
    let untold = message(|| bed.assert_drain_order("", 10 * S..=11 * S));
    assert!(untold.starts_with("the watch of \"\" ended before it was told NOT_SERVING\n"));
    let mut bed = TestBed::new();
    let none = message(|| bed.assert_drain_order("", S..=11 * S));
    assert!(none.starts_with("no drain of \"\" began within 11s; it is SERVING\n"), "{none}");
    let mut bed = draining(true, 30 * S);
    let (health, timer) = (bed.registry().clone(), bed.timer());
    bed.spawn(async move {
        timer.sleep_until(timer.now() + 2 * S).await;
        health.resume();
    });
    let resumed = message(|| bed.assert_drain_order("", 10 * S..=60 * S));
    assert!(resumed.starts_with("the watch of \"\" was told SERVING within the drain\n"));
}

#[test]
fn a_long_story_is_told_from_its_end() {
    let (mut bed, _postgres) = started(five_seconds());
    let message = message(|| bed.assert_leaves_rotation_within(GREET, 3600 * S));
    assert_eq!(message.lines().nth(1), Some("     670 events before these"));
    assert_eq!(message.lines().count(), 52);
    assert!(message.ends_with("3600.000 s  \"greet.GreetService\"  postgres passed"), "{message}");
}

#[test]
fn a_trace_with_a_character_that_means_nothing() {
    let postgres = ScriptedCondition::passing();
    let unknown = message(|| postgres.follow("..o"));
    assert_eq!(unknown, "'o' in the trace \"..o\": `.` passes, `x` fails, `-` hangs, `!` panics");
    let empty = message(|| postgres.follow(""));
    assert_eq!(empty, "a trace needs a character: `.` passes, `x` fails");
}

#[test]
fn a_task_that_never_rests() {
    let mut bed = TestBed::new();
    bed.spawn(std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    }));
    let text = message(|| bed.advance(S));
    assert_eq!(text, "a task wakes itself for ever, and no time passes");
}
