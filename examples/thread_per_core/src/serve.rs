//! What one core does: its accept loop, its connections and their end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use async_channel::{Receiver, bounded};
use compio::net::TcpListener;
use compio::time::sleep;
use cyper_core::{CompioTimer, HyperStream};
use futures_lite::future::or;
use health_core::http::{Body, HealthService};
use hyper::body::{self, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use socket2::SockRef;

use crate::io::Attentive;

/// `health` as hyper wants its services.
#[must_use]
pub fn service(
    health: HealthService,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
+ Clone
+ Send
+ 'static {
    service_fn(move |request| {
        let answer = health.call(request);
        async { Ok(answer.await) }
    })
}

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Serves `service` on `listener`, over HTTP/1.1 and cleartext HTTP/2, until `running` closes, and then waits
/// five seconds at most for what is under way. Nothing in here need be `Send`.
pub(crate) async fn serve<S, B>(listener: TcpListener, service: S, running: Receiver<Infallible>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + 'static,
    B: body::Body<Error: Into<BoxError>> + 'static,
{
    let http = limits();
    // Nothing is ever sent: every connection has this end, and their closing tells.
    let (unfinished, finished) = bounded::<Infallible>(1);
    let accepting = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, as a rule: the way out is that a connection ends.
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            // An answer is small and whole. Not worth refusing a connection for.
            let _ = SockRef::from(&stream).set_tcp_nodelay(true);
            let stream = Attentive::new(HyperStream::new_plain(stream));
            let connection = http.serve_connection(stream, service.clone()).into_owned();
            let (running, unfinished) = (running.clone(), unfinished.clone());
            let serving = async move {
                let mut connection = pin!(connection);
                let ended = async { Some(connection.as_mut().await) };
                let stopped = async { running.recv().await.ok().map(|never| match never {}) };
                // How a connection ends concerns its peer alone.
                if or(ended, stopped).await.is_none() {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
                drop(unfinished);
            };
            compio::runtime::spawn(serving).detach();
        }
    };
    let stopped = async { _ = running.recv().await };
    or(accepting, stopped).await;
    drop((listener, unfinished));
    let over = async { _ = finished.recv().await };
    or(over, sleep(Duration::from_secs(5))).await;
}

/// What a peer may ask of a connection.
fn limits() -> auto::Builder<Local> {
    let mut http = auto::Builder::new(Local);
    http.http1().timer(CompioTimer).header_read_timeout(Duration::from_secs(75));
    http.http2()
        .timer(CompioTimer)
        .keep_alive_interval(Duration::from_secs(20))
        // Each Watch is a stream for as long as it lasts, and all of them may be cancelled at once.
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(STREAMS as usize)
        // Bytes that wait on one stream: who reads slowly gets the newest status later, not every status.
        .max_send_buf_size(16 * 1024);
    http
}

const STREAMS: u32 = 1000;

/// hyper's tasks, on the core whose connection they belong to. `cyper_core::CompioExecutor` would want them
/// `Send`.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        compio::runtime::spawn(future).detach();
    }
}
