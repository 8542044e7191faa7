//! A monitor that is not run, and refreshed now and then.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_lite::future::block_on;
use health_core::{
    ServingStatus::{NotServing, Serving, Unknown},
    condition::{Monitor, every},
};

use crate::world::{
    Behaviour::{Fail, Hang, Wait},
    MS, S, SVC, Script, Task, World, strict,
};

fn monitor<const N: usize>(world: &World, scripts: [&Script; N]) -> Monitor {
    let add = |builder: health_core::condition::MonitorBuilder, script: &Script| {
        builder.condition(SVC, script.local(), strict())
    };
    scripts.into_iter().fold(world.builder(), add).build().expect("valid conditions")
}

fn poll<F: Future>(future: Pin<&mut F>, task: &Arc<Task>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(task))))
}

#[test]
fn it_evaluates_what_is_due_and_nothing_else() {
    let world = World::new();
    let [one, two] = ["one", "two"].map(|name| world.script(name));
    let monitor = monitor(&world, [&one, &two]);
    assert_eq!(world.status(), Some(Unknown));
    block_on(monitor.refresh());
    assert_eq!(world.status(), Some(Serving), "both, without being spread");

    world.timer.advance(10 * S - MS);
    block_on(monitor.refresh());
    assert_eq!((one.starts().len(), two.starts().len()), (1, 1), "not due");

    two.does(Fail("down"));
    world.timer.advance(MS);
    block_on(monitor.refresh());
    assert_eq!((one.starts().len(), two.starts().len()), (2, 2));
    assert_eq!(world.status(), Some(NotServing));
}

#[test]
fn it_waits_for_what_runs_and_ends_it_at_its_timeout() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = monitor(&world, [script.does(Hang)]);
    let task = Arc::new(Task::default());
    let mut refresh = pin!(monitor.refresh());
    assert!(poll(refresh.as_mut(), &task).is_pending());
    world.timer.advance(S);
    assert!(task.was_woken());
    assert!(poll(refresh.as_mut(), &task).is_ready());
    assert_eq!(world.reason("postgres").as_deref(), Some("timed out after 1s"));
}

#[test]
fn of_several_callers_one_evaluates_and_the_others_find_nothing_due() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = monitor(&world, [script.does(Wait)]);
    let tasks = [(); 3].map(|()| Arc::new(Task::default()));
    let mut callers = [(); 3].map(|()| Box::pin(monitor.refresh()));
    for (caller, task) in callers.iter_mut().zip(&tasks) {
        assert!(poll(caller.as_mut(), task).is_pending());
    }
    assert_eq!(script.starts().len(), 1);
    script.release();
    for (caller, task) in callers.iter_mut().zip(&tasks) {
        while poll(caller.as_mut(), task).is_pending() {
            assert!(task.was_woken(), "it waits for nothing");
        }
    }
    assert_eq!((script.starts().len(), script.most_running()), (1, 1));
    assert_eq!(world.status(), Some(Serving));
}

#[test]
fn a_caller_that_goes_away_loses_nothing() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = monitor(&world, [script.does(Wait)]);
    let [gone, stays] = [(); 2].map(|()| Arc::new(Task::default()));
    let mut waiting = Box::pin(monitor.refresh());
    {
        let mut evaluating = Box::pin(monitor.refresh());
        assert!(poll(evaluating.as_mut(), &gone).is_pending());
        assert!(poll(waiting.as_mut(), &stays).is_pending());
    }
    assert!(stays.was_woken(), "it is its turn");
    assert_eq!(script.running(), 1, "the evaluation goes on");
    assert!(poll(waiting.as_mut(), &stays).is_pending());
    script.release();
    assert!(stays.was_woken());
    while poll(waiting.as_mut(), &stays).is_pending() {
        assert!(stays.was_woken(), "it waits for nothing");
    }
    assert_eq!((script.starts().len(), world.status()), (1, Some(Serving)));
}

#[test]
fn what_comes_due_meanwhile_waits_for_the_next_call() {
    let world = World::new();
    let (slow, quick) = (world.script("slow"), world.script("quick"));
    let monitor = world
        .builder()
        .condition(SVC, slow.does(Wait).local(), every(60 * S).timeout(60 * S))
        .condition(SVC, quick.local(), every(MS).jitter(0.0))
        .build()
        .unwrap();
    let task = Arc::new(Task::default());
    let mut refresh = Box::pin(monitor.refresh());
    assert!(poll(refresh.as_mut(), &task).is_pending());
    world.timer.advance(S);
    assert!(poll(refresh.as_mut(), &task).is_pending());
    assert_eq!(quick.starts().len(), 1);
    slow.release();
    while poll(refresh.as_mut(), &task).is_pending() {
        assert!(task.was_woken(), "it waits for nothing");
    }
    block_on(monitor.refresh());
    assert_eq!(quick.starts().len(), 2);
}

#[test]
fn many_conditions_are_refreshed_by_one_call() {
    let world = World::new();
    let scripts: Vec<_> = (0..1_000).map(|at| world.script(&at.to_string())).collect();
    let add = |builder: health_core::condition::MonitorBuilder, script: &Script| {
        builder.condition(SVC, script.local(), strict())
    };
    let monitor = scripts.iter().fold(world.builder(), add).build().unwrap();
    block_on(monitor.refresh());
    assert_eq!(world.status(), Some(Serving));
    assert!(scripts.iter().all(|script| script.starts().len() == 1));
}

#[test]
fn a_monitor_can_be_run_after_it_was_refreshed() {
    let world = World::new();
    let script = world.script("postgres");
    let monitor = monitor(&world, [&script]);
    block_on(monitor.refresh());
    let mut runner = world.start(monitor);
    assert_eq!(script.starts().len(), 1);
    runner.pass(10 * S);
    assert_eq!(script.starts().len(), 2);
}
