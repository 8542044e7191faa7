//! The monitor, on a clock that moves when it is told to, polled when and only when it is woken.

mod adding;
mod building;
mod dropping;
mod evaluating;
mod expiring;
#[path = "../properties/monitor.rs"]
mod operations;
mod random;
mod refreshing;
mod scheduling;
#[path = "../../../adapters/test/src/timer.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is what the users of health-test get")]
mod timer;
mod world;

use health_core::condition::{Monitor, MonitorFuture, MonitorHandle};

#[test]
fn its_types_cross_threads() {
    fn sent<T: Send + 'static>(_: &T) {}
    fn send<T: Send + 'static>() {}
    fn sync<T: Send + Sync>() {}
    send::<MonitorFuture>();
    sync::<Monitor>();
    sync::<MonitorHandle>();
    let world = world::World::new();
    let monitor = world.builder().build().unwrap();
    sent(&async move { monitor.refresh().await });
}
