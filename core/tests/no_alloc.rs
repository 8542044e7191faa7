//! How often the calls that matter allocate. The allocator counts for each thread by itself.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use allocation_counter::measure;
use futures_core::Stream;
use health_core::{Code, OVERALL, Registry, ServingStatus, Update, rpc};

const SERVICE: &str = "greet.GreetService";

const UP_AND_DOWN: [ServingStatus; 2] = [ServingStatus::NotServing, ServingStatus::Serving];

/// What a transition allocates: with the feature `tracing` it is put by until it is logged.
const PER_TRANSITION: u64 = if cfg!(feature = "tracing") { 1 } else { 0 };

/// How many allocations `act` makes, growing included.
fn allocations(act: impl FnOnce()) -> u64 {
    measure(act).count_total
}

/// A registry that this thread has asked before: a thread's first Check gives it a place in the lock.
fn registry() -> Registry {
    let registry = Registry::new();
    registry.set(SERVICE, ServingStatus::Serving);
    assert_eq!(registry.check(SERVICE), Some(ServingStatus::Serving));
    registry
}

/// A task's waker that counts how often it was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_allocator_counts() {
    let boxed = allocations(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(boxed, 1);
    let grown = allocations(|| {
        let mut numbers = Vec::with_capacity(1);
        numbers.extend(std::hint::black_box([1, 2]));
        std::hint::black_box(&numbers);
    });
    assert_eq!(grown, 2);
}

#[test]
fn check_allocates_nothing() {
    let registry = registry();
    let count = allocations(|| {
        assert_eq!(registry.check(OVERALL), Some(ServingStatus::Serving));
        assert_eq!(registry.check(SERVICE), Some(ServingStatus::Serving));
        assert_eq!(registry.check("nope"), None);
        assert!(registry.has_served(SERVICE));
    });
    assert_eq!(count, 0);
}

#[test]
fn the_check_rpc_allocates_nothing_even_to_fail() {
    let registry = registry();
    let count = allocations(|| {
        assert_eq!(rpc::check(&registry, SERVICE), Ok(ServingStatus::Serving));
        let error = rpc::check(&registry, "nope").unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    });
    assert_eq!(count, 0);
}

#[test]
fn setting_a_known_name_allocates_nothing() {
    let registry = registry();
    let count = allocations(|| {
        for status in UP_AND_DOWN {
            assert_eq!(registry.set(SERVICE, status), Update::Changed);
            assert_eq!(registry.set(SERVICE, status), Update::Unchanged);
        }
    });
    assert_eq!(count, 2 * PER_TRANSITION);
}

#[test]
fn an_update_of_a_watch_allocates_nothing_after_warm_up() {
    let registry = registry();
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    let mut watches: Vec<_> = (0..100).map(|_| registry.watch(SERVICE).unwrap()).collect();
    let mut read = |expected| {
        for watch in &mut watches {
            let item = Pin::new(&mut *watch).poll_next(&mut cx);
            assert_eq!(item, Poll::Ready(Some(expected)));
            assert_eq!(Pin::new(watch).poll_next(&mut cx), Poll::Pending);
        }
    };
    read(ServingStatus::Serving);
    let count = allocations(|| {
        for status in UP_AND_DOWN {
            registry.set(SERVICE, status);
            read(status);
        }
    });
    assert_eq!(count, 2 * PER_TRANSITION);
    assert_eq!(task.0.load(Ordering::Relaxed), 200, "each was woken twice");
}

mod monitor {
    use std::{
        future::Future,
        sync::atomic::AtomicU64,
        time::{Duration, Instant},
    };

    use health_core::{
        Reason,
        condition::{Local, Monitor, every},
        rt::{Sleep, Timer},
    };

    use super::*;

    /// A clock that moves by whole seconds, and wakes nobody.
    #[derive(Debug)]
    struct Clock {
        start: Instant,
        seconds: AtomicU64,
    }

    struct NeverDone;

    impl Timer for Clock {
        fn now(&self) -> Instant {
            self.start + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
        }

        fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
            Box::pin(NeverDone)
        }
    }

    impl Future for NeverDone {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    impl Sleep for NeverDone {
        fn reset(self: Pin<&mut Self>, _: Instant) {}
    }

    #[test]
    fn an_evaluation_allocates_nothing_after_warm_up() {
        let (registry, evaluations) = (Registry::new(), Arc::new(AtomicUsize::new(0)));
        let clock = Arc::new(Clock { start: Instant::now(), seconds: AtomicU64::new(0) });
        let mut builder = Monitor::builder(&registry, Arc::<Clock>::clone(&clock)).seed(0);
        for at in 0..10 {
            let evaluations = Arc::clone(&evaluations);
            let condition = Local::new(at.to_string(), move || {
                evaluations.fetch_add(1, Ordering::Relaxed);
                async { Ok::<(), Reason>(()) }
            });
            builder = builder.condition(SERVICE, condition, every(Duration::from_secs(10)));
        }
        let mut future = builder.build().unwrap().run();
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut pass = |seconds: u64| {
            for _ in 0..seconds {
                clock.seconds.fetch_add(1, Ordering::Relaxed);
                let mut cx = Context::from_waker(&waker);
                assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
            }
        };
        pass(600);
        evaluations.store(0, Ordering::Relaxed);
        let count = allocations(|| pass(600));
        assert_eq!(evaluations.load(Ordering::Relaxed), 600, "each of them every 10 s");
        assert_eq!(count, 0);
        assert_eq!(registry.check(SERVICE), Some(ServingStatus::Serving));
    }
}

#[cfg(feature = "http")]
mod http {
    use std::future::Future;

    use bytes::Bytes;
    use health_core::http::{Body, HealthService};
    use http_body::Body as _;
    use http_body_util::Full;

    use super::*;

    const CHECK: &str = "/grpc.health.v1.Health/Check";
    const WATCH: &str = "/grpc.health.v1.Health/Watch";

    /// A gRPC request for [`SERVICE`], as a server hands it in.
    fn grpc(path: &'static str) -> ::http::Request<Full<Bytes>> {
        let message = Bytes::from_static(b"\0\0\0\0\x14\x0a\x12greet.GreetService");
        ::http::Request::post(path)
            .version(::http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(message))
            .expect("a request")
    }

    fn call(
        service: &HealthService,
        request: ::http::Request<Full<Bytes>>,
    ) -> ::http::Response<Body> {
        let future = std::pin::pin!(service.call(request));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => response,
            Poll::Pending => panic!("the body was there, the reply was not"),
        }
    }

    /// Reads one frame, which must be there.
    fn frame(body: &mut Body) -> ::http_body::Frame<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// Two for the map of the reply's headers, two for that of its trailers.
    #[test]
    fn a_grpc_check_allocates_four_times() {
        let service = HealthService::without_deadlines(&registry());
        let request = grpc(CHECK);
        let count = allocations(|| {
            let mut body = call(&service, request).into_body();
            let data = frame(&mut body).into_data().unwrap();
            assert_eq!(data, &b"\0\0\0\0\x02\x08\x01"[..]);
            let trailers = frame(&mut body).into_trailers().unwrap();
            assert_eq!(trailers.get("grpc-status").unwrap(), "0");
            assert!(body.is_end_stream());
        });
        assert_eq!(count, 4);
    }

    #[test]
    fn an_update_of_a_grpc_watch_allocates_nothing_after_warm_up() {
        let registry = registry();
        let service = HealthService::without_deadlines(&registry);
        let mut body = call(&service, grpc(WATCH)).into_body();
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut update = |status: ServingStatus| {
            registry.set(SERVICE, status);
            let data = frame(&mut body).into_data().unwrap();
            assert_eq!(data[..], [0, 0, 0, 0, 2, 8, status as u8]);
            let mut cx = Context::from_waker(&waker);
            assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
        };
        update(ServingStatus::NotServing);
        let count = allocations(|| {
            update(ServingStatus::Serving);
            update(ServingStatus::NotServing);
        });
        assert_eq!(count, 2 * PER_TRANSITION);
        assert_eq!(task.0.load(Ordering::Relaxed), 2, "woken by each");
    }
}

/// Peers choose the names: what each costs, times `max_watchers`, is the memory that they may take.
#[test]
fn a_watch_of_a_name_of_its_own_costs_less_than_700_bytes() {
    let registry = Registry::new();
    let names: Vec<_> = (0..1_000).map(|number| format!("name-{number}")).collect();
    let mut watches = Vec::with_capacity(names.len());
    let held = measure(|| watches.extend(names.iter().map(|name| registry.watch(name).unwrap())));
    let each = held.bytes_current / names.len() as i64;
    assert!((100..700).contains(&each), "{each} bytes");
}
