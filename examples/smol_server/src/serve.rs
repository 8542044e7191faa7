//! The accept loop and its end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use health_core::http::{Body, HealthService};
use hyper::body::{self, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use smol::Timer;
use smol::channel::bounded;
use smol::future::or;
use smol::net::TcpListener;
use smol_hyper::rt::{FuturesIo, SmolTimer};

use crate::io::Attentive;

/// `health` as hyper wants its services.
#[must_use]
pub fn service(
    health: HealthService,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
{
    service_fn(move |request| {
        let answer = health.call(request);
        async { Ok(answer.await) }
    })
}

/// Serves `service` on `listener`, over HTTP/1.1 and cleartext HTTP/2, until `stop` completes, and then
/// waits five seconds at most for what is under way.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    B: body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let http = limits();
    // Nothing is ever sent: every connection has an end of both, and their closing tells.
    let (going_on, stopping) = bounded::<Infallible>(1);
    let (unfinished, finished) = bounded::<Infallible>(1);
    let accepting = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, as a rule: the way out is that a connection ends.
                Timer::after(Duration::from_millis(50)).await;
                continue;
            };
            // An answer is small and whole. Not worth refusing a connection for.
            let _ = stream.set_nodelay(true);
            let stream = Attentive::new(FuturesIo::new(stream));
            let connection = http.serve_connection(stream, service.clone());
            let connection = connection.into_owned();
            let (stopping, unfinished) = (stopping.clone(), unfinished.clone());
            let serving = async move {
                let mut connection = pin!(connection);
                let ended = async { Some(connection.as_mut().await) };
                let stopped = async { stopping.recv().await.ok().map(|never| match never {}) };
                // How a connection ends concerns its peer alone.
                if or(ended, stopped).await.is_none() {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
                drop(unfinished);
            };
            smol::spawn(serving).detach();
        }
    };
    or(accepting, stop).await;
    drop((listener, going_on, unfinished));
    let over = async { _ = finished.recv().await };
    let late = async { _ = Timer::after(Duration::from_secs(5)).await };
    or(over, late).await;
}

type BoxError = Box<dyn Error + Send + Sync>;

/// What a peer may ask of a connection.
fn limits() -> auto::Builder<Spawn> {
    let mut http = auto::Builder::new(Spawn);
    http.http1().timer(SmolTimer::new()).header_read_timeout(Duration::from_secs(75));
    http.http2()
        .timer(SmolTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        // Each Watch is a stream for as long as it lasts, and all of them may be cancelled at once.
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(STREAMS as usize)
        // Bytes that wait on one stream: who reads slowly gets the newest status later, not every status.
        .max_send_buf_size(16 * 1024);
    http
}

const STREAMS: u32 = 1000;

/// hyper's tasks on smol's executor.
#[derive(Clone, Copy)]
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        smol::spawn(future).detach();
    }
}
