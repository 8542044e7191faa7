//! The threads: one for each core, and how they begin and end together.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_channel::{Sender, bounded};
use compio::driver::{DriverType, ProactorBuilder};
use compio::net::TcpListener as LocalListener;
use compio::runtime::{Runtime, RuntimeBuilder};
use core_affinity::{CoreId, get_core_ids};
use health_core::Registry;
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use socket2::{Domain, Protocol, Socket, Type};

use crate::serve::{BoxError, serve};

/// How many threads there are, and what they wait with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads {
    number: Option<NonZeroUsize>,
    polls: bool,
}

impl Threads {
    /// One for each core that this process may use, on io_uring where the system has it and allows it, by polling
    /// elsewhere.
    #[must_use]
    pub fn one_a_core() -> Self {
        Self::default()
    }

    /// So many.
    #[must_use]
    pub const fn number(self, number: NonZeroUsize) -> Self {
        Self { number: Some(number), ..self }
    }

    /// By polling everywhere.
    #[must_use]
    pub const fn polling(self) -> Self {
        Self { polls: true, ..self }
    }

    /// The cores of the threads; none where the system does not name them, or lets nobody choose.
    fn cores(self) -> Vec<Option<CoreId>> {
        let mut cores: Vec<_> = get_core_ids().unwrap_or_default().into_iter().map(Some).collect();
        if cores.is_empty() {
            cores = vec![None; thread::available_parallelism().map_or(1, NonZeroUsize::get)];
        }
        let number = self.number.map_or(cores.len(), NonZeroUsize::get);
        cores.into_iter().cycle().take(number).collect()
    }

    /// The runtime of this thread from now on, bound to `core`, and its listener.
    fn begin(
        self,
        core: Option<CoreId>,
        listener: TcpListener,
    ) -> io::Result<(Runtime, LocalListener)> {
        let (mut runtime, mut driver) = (RuntimeBuilder::new(), ProactorBuilder::new());
        if self.polls {
            driver.driver_type(DriverType::Poll);
        }
        if let Some(CoreId { id }) = core {
            runtime.thread_affinity([id].into());
        }
        let runtime = runtime.with_proactor(driver).build()?;
        let listener = runtime.enter(|| LocalListener::from_std(listener))?;
        Ok((runtime, listener))
    }
}

/// A running server, with a thread for each core.
///
/// Every thread has a runtime, and a listener of its own on the one address: the system spreads the connections
/// over them (`SO_REUSEPORT`), and each stays with its thread to its end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    driver: DriverType,
    threads: Vec<JoinHandle<()>>,
    /// Nothing is ever sent: its closing tells every thread to stop.
    running: Sender<Infallible>,
}

impl Server {
    /// Serves a clone of `service` on every thread. Port 0 of `address` takes a free one.
    ///
    /// # Errors
    ///
    /// If the address cannot be had, or a thread or its runtime cannot be started.
    pub fn start<S, B>(address: SocketAddr, threads: Threads, service: &S) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
        S: Clone + Send + 'static,
        B: Body<Error: Into<BoxError>> + 'static,
    {
        // With SO_REUSEPORT a second server on the address would take half of the connections, and say nothing.
        let address = TcpListener::bind(address)?.local_addr()?;
        let (running, stopping) = bounded(1);
        let (starting, started) = mpsc::channel();
        let mut running_threads = Vec::new();
        for (number, core) in threads.cores().into_iter().enumerate() {
            let listener = listener(address)?;
            let (service, stopping) = (service.clone(), stopping.clone());
            let starting = starting.clone();
            let run = move || {
                let (runtime, listener) = match threads.begin(core, listener) {
                    Ok(begun) => begun,
                    Err(error) => return drop(starting.send(Err(error))),
                };
                // Nobody waits for it any more if another thread could not start.
                let _ = starting.send(Ok(runtime.driver_type()));
                drop(starting);
                runtime.block_on(serve(listener, service, stopping));
            };
            let thread = thread::Builder::new().name(format!("core-{number}"));
            running_threads.push(thread.spawn(run)?);
        }
        drop(starting);
        let drivers = started.iter().collect::<io::Result<Vec<_>>>()?;
        let driver = drivers.first().copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { address, driver, threads: running_threads, running })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many threads serve.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// What the threads wait with: io_uring, or polling where that is not there or not allowed.
    #[must_use]
    pub const fn driver(&self) -> DriverType {
        self.driver
    }

    /// Takes no more connections, lets what is under way finish within five seconds, and waits for the threads.
    /// A Watch is under way for as long as its registry is open.
    ///
    /// # Panics
    ///
    /// If a thread has panicked.
    pub fn stop(self) {
        drop(self.running);
        for thread in self.threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    }

    /// Says NOT_SERVING for `grace`, ends every Watch, and then stops.
    ///
    /// # Panics
    ///
    /// If a thread has panicked.
    pub fn drain(self, registry: &Registry, grace: Duration) {
        registry.shutdown();
        thread::sleep(grace);
        registry.close();
        self.stop();
    }
}

/// One of the listeners on `address`.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    const BACKLOG: i32 = 1024;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // What is left of an earlier server's connections does not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
