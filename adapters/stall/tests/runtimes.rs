//! Real runtimes that are really blocked: what the registry shows, and what `/livez` answers meanwhile.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

mod ask;

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix_web::{App, HttpServer, web};
use ask::{ask, until, within};
use futures_lite::StreamExt as _;
use health_core::{
    Finding, Group, Registry,
    ServingStatus::{NotServing, Serving},
    http::HealthService,
};
use health_stall::{Executor, Ping, StallDetector, executor};
use health_tokio::TokioTimer;

type Job = Box<dyn FnOnce() + Send>;

const GREET: &str = "greet.GreetService";
/// Long enough for a machine that is busy with something else not to look stalled.
const THRESHOLD: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(20);

/// What blocks the threads of an executor. Dropping it lets them go on.
struct Block {
    entered: mpsc::Receiver<()>,
    threads: usize,
    _held: Vec<mpsc::Sender<()>>,
}

impl Block {
    /// Jobs that block one thread each.
    fn new(threads: usize) -> (Self, Vec<Job>) {
        let (enter, entered) = mpsc::channel();
        let (held, jobs) = (0..threads)
            .map(|_| {
                let (hold, released) = mpsc::channel::<()>();
                let enter = enter.clone();
                let job: Job = Box::new(move || {
                    enter.send(()).unwrap();
                    let _ = released.recv();
                });
                (hold, job)
            })
            .unzip();
        (Self { entered, threads, _held: held }, jobs)
    }

    fn wait_until_blocked(&self) {
        (0..self.threads).for_each(|_| self.entered.recv_timeout(ask::LIMIT).unwrap());
    }
}

fn detector(health: &Registry, executor: impl Executor) -> StallDetector {
    health.group("liveness", Group::alive([] as [&str; 0])).unwrap();
    StallDetector::builder()
        .executor(executor)
        .threshold(THRESHOLD)
        .interval(INTERVAL)
        .liveness(health)
        .service(health, GREET)
        .listen(([127, 0, 0, 1], 0).into())
        .start()
        .unwrap()
}

/// The milliseconds of `executor main stalled 120 ms`, or of what comes after the name.
fn age(text: &str) -> u64 {
    let age = text.rsplit_once("stalled ").unwrap().1;
    let (number, unit) = age.split_once(' ').unwrap();
    let number: u64 = number.parse().unwrap();
    if unit == "ms" { number } else { number * 1000 }
}

/// Blocks `threads` threads of an executor and lets them go: it is seen, and that it is over, too.
fn blocked_and_released(
    executor: impl Executor,
    threads: usize,
    mut run: impl FnMut(Job),
    meanwhile: impl FnOnce(),
) {
    let health = Registry::new();
    let detector = detector(&health, executor);
    let livez = detector.local_addr().unwrap();
    let mut greet = health.watch(GREET).unwrap();
    let mut liveness = health.watch("liveness").unwrap();
    until(&mut greet, Serving);
    until(&mut liveness, Serving);
    assert_eq!(ask(livez, "GET"), (200, "ok".to_owned()));

    let (block, jobs) = Block::new(threads);
    jobs.into_iter().for_each(&mut run);
    block.wait_until_blocked();
    assert_eq!(within(liveness.next()), Some(NotServing));
    assert_eq!(within(greet.next()), Some(NotServing));
    let found = health.conditions("liveness");
    assert_eq!((&*found[0].name, found[0].finding), ("executor main", Finding::Failing));
    let first = age(found[0].reason.as_deref().unwrap());
    assert!(u128::from(first) >= THRESHOLD.as_millis(), "{first} ms");
    let (status, told) = ask(livez, "GET");
    assert!(status == 503 && told.starts_with("executor main stalled "), "{status} {told}");
    assert!(age(&told) >= first, "{told}, and {first} ms before");
    let stalls = detector.stalls();
    assert_eq!((stalls.len(), stalls[0].executor()), (1, "main"));
    assert!(!stalls[0].is_gone() && stalls[0].age() >= THRESHOLD);
    // The age grows, where it was told too.
    while age(health.conditions(GREET)[0].reason.as_deref().unwrap()) <= first {
        thread::yield_now();
    }
    meanwhile();

    drop(block);
    assert_eq!(within(liveness.next()), Some(Serving));
    assert_eq!(within(greet.next()), Some(Serving));
    assert_eq!(ask(livez, "GET"), (200, "ok".to_owned()));
    assert_eq!(detector.stalls(), []);
}

/// A tokio runtime that runs in a thread of its own until it is dropped.
struct Tokio {
    handle: tokio::runtime::Handle,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Tokio {
    fn start(builder: &mut tokio::runtime::Builder) -> Self {
        let runtime = builder.enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        Self { handle, stop: Some(stop), thread: Some(thread) }
    }

    fn executor(&self) -> impl Executor + use<> {
        let handle = self.handle.clone();
        executor("main", move |ping| drop(handle.spawn(ping)))
    }

    fn run(&self, job: Job) {
        self.handle.spawn(async { job() });
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        drop(self.stop.take());
        let joined = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || joined.is_none_or(|joined| joined.is_ok()));
    }
}

#[test]
fn tokio_on_one_thread() {
    let tokio = Tokio::start(&mut tokio::runtime::Builder::new_current_thread());
    blocked_and_released(tokio.executor(), 1, |job| tokio.run(job), || {});
}

#[test]
fn tokio_on_two_threads_that_are_both_blocked() {
    let tokio = Tokio::start(tokio::runtime::Builder::new_multi_thread().worker_threads(2));
    blocked_and_released(tokio.executor(), 2, |job| tokio.run(job), || {});
}

#[test]
fn one_blocked_worker_of_two_is_no_stall() {
    let tokio = Tokio::start(tokio::runtime::Builder::new_multi_thread().worker_threads(2));
    let (sent, pings) = mpsc::channel();
    let handle = tokio.handle.clone();
    let counted = executor("main", move |ping| {
        sent.send(()).unwrap();
        handle.spawn(ping);
    });
    let health = Registry::new();
    let detector = detector(&health, counted);
    let mut greet = health.watch(GREET).unwrap();
    until(&mut greet, Serving);
    let (block, jobs) = Block::new(1);
    jobs.into_iter().for_each(|job| tokio.run(job));
    block.wait_until_blocked();
    // A ping is sent only when the one before it has run: this many take twice the threshold.
    let enough = 2 * THRESHOLD.as_millis() / INTERVAL.as_millis();
    pings.try_iter().for_each(drop);
    (0..enough).for_each(|_| pings.recv_timeout(ask::LIMIT).unwrap());
    assert_eq!(detector.stalls(), []);
    assert_eq!(health.check(GREET), Some(Serving));
}

#[test]
fn a_server_that_is_stuck_is_answered_for() {
    let tokio = Tokio::start(&mut tokio::runtime::Builder::new_current_thread());
    let server = {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let addr = socket.local_addr().unwrap();
        tokio.handle.spawn(async {
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            let service = HealthService::new(&Registry::new(), TokioTimer::shared());
            health_hyper::serve(socket, service).await
        });
        addr
    };
    let times_out = |addr: SocketAddr| {
        let mut stream = TcpStream::connect(addr).unwrap();
        ask::send(&mut stream, b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n");
        stream.set_read_timeout(Some(THRESHOLD)).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        assert!(matches!(error.kind(), WouldBlock | TimedOut), "{error}");
    };
    assert_eq!(ask(server, "GET"), (200, "ok".to_owned()));
    blocked_and_released(tokio.executor(), 1, |job| tokio.run(job), || times_out(server));
    assert_eq!(ask(server, "GET"), (200, "ok".to_owned()));
}

#[test]
fn smol_on_one_thread_and_on_two() {
    for threads in [1, 2] {
        let smol = Arc::new(smol::Executor::new());
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let (smol, stopped) = (Arc::clone(&smol), stopped.clone());
                thread::spawn(move || smol::block_on(smol.run(stopped.recv())))
            })
            .collect();
        let own = Arc::clone(&smol);
        let pinged = executor("main", move |ping| own.spawn(ping).detach());
        let run = |job: Job| smol.spawn(async { job() }).detach();
        blocked_and_released(pinged, threads, run, || {});
        stop.close();
        running.into_iter().for_each(|thread| assert!(thread.join().unwrap().is_err()));
    }
}

#[test]
fn an_actix_arbiter() {
    let (ready, started) = mpsc::channel();
    let thread = thread::spawn(move || {
        let system = actix_rt::System::new();
        let arbiter = actix_rt::Arbiter::new();
        ready.send((arbiter.handle(), actix_rt::System::current())).unwrap();
        system.run().unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
    let (arbiter, system) = started.recv().unwrap();
    let pinged = arbiter.clone();
    let pinged = executor("main", move |ping| {
        pinged.spawn(ping);
    });
    let run = |job: Job| assert!(arbiter.spawn_fn(job));
    blocked_and_released(pinged, 1, run, || {});
    system.stop();
    thread.join().unwrap();
}

#[test]
fn each_worker_of_an_actix_server() {
    let health = Registry::new();
    let detector = detector(&health, executor("main", Ping::answer));
    let (block, mut jobs) = Block::new(1);
    let job = Arc::new(Mutex::new(jobs.pop()));
    let (ready, started) = mpsc::channel();
    let executors = detector.executors();
    let thread = thread::spawn(move || {
        let workers = Arc::new(AtomicUsize::new(0));
        let app = move || {
            let name = format!("worker {}", workers.fetch_add(1, Ordering::Relaxed));
            let handle = tokio::runtime::Handle::current();
            executors.add(executor(name, move |ping| drop(handle.spawn(ping)))).unwrap();
            let job = Arc::clone(&job);
            let block = move || {
                let job = job.lock().unwrap().take();
                job.into_iter().for_each(|job| job());
                async { "released" }
            };
            App::new().route("/livez", web::get().to(block))
        };
        let server = HttpServer::new(app).workers(2).disable_signals();
        let server = server.bind("127.0.0.1:0").unwrap();
        let addr = server.addrs()[0];
        actix_rt::System::new().block_on(async {
            let server = server.run();
            ready.send((addr, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (addr, server) = started.recv().unwrap();
    let mut greet = health.watch(GREET).unwrap();
    while health.conditions(GREET).len() < 3 {
        thread::yield_now();
    }
    until(&mut greet, Serving);

    let blocked = thread::spawn(move || ask(addr, "GET"));
    block.wait_until_blocked();
    until(&mut greet, NotServing);
    let told = ask(detector.local_addr().unwrap(), "GET");
    assert!(told.0 == 503 && told.1.starts_with("executor worker "), "{told:?}");
    assert_eq!(detector.stalls().len(), 1, "the other worker goes on");
    drop(block);
    until(&mut greet, Serving);
    assert_eq!(blocked.join().unwrap(), (200, "released".to_owned()));
    within(server.stop(false));
    thread.join().unwrap();
}
