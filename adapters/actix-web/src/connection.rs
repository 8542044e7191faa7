//! One connection, from its first byte to its last: HTTP/2 goes to hyper, HTTP/1 to actix-http, which
//! has WebSockets. Both call the same App.

use std::task::{Context, Poll};
use std::{cell::RefCell, future, io, net::SocketAddr, pin::Pin, rc::Rc, time::Duration};
use std::{io::Cursor, sync::Arc};

use actix_http::{Extensions, HttpMessage as _, HttpService, KeepAlive, Request, Response};
use actix_http::{body::BoxBody, error::DispatchError};
use actix_rt::time::{sleep, timeout};
use actix_service::boxed::{RcService, rc_service};
use actix_service::{Service, ServiceFactory as _, apply_fn, fn_factory, fn_service};
use bytes::BytesMut;
use futures_util::future::{FutureExt as _, LocalBoxFuture, pending};
use futures_util::stream::{self, StreamExt as _};
use health_core::http::HealthService;
#[cfg(feature = "tls")]
use health_tls::Tls;
use hyper::{server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf, copy, join, sink};
use tokio::io::{Chain, Join};
use tokio::net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use tokio::sync::watch;

#[cfg(feature = "tls")]
use crate::tls::OverTls;
use crate::{convert, grpc::Grpc, http2, http2::Local};

/// The application of one worker.
pub(crate) type App = RcService<Request, Response<BoxBody>, Response<BoxBody>>;

/// Adds to a request's extensions what was seen of its connection.
pub(crate) type Seen = Box<dyn Fn(&mut Extensions)>;

pub(crate) type Health = Arc<dyn Fn() -> HealthService + Send + Sync>;

/// What a listener is for.
#[derive(Clone)]
pub(crate) enum Port {
    App,
    #[cfg(feature = "tls")]
    AppOverTls(Tls),
    Health,
}

/// What every connection of a listener is served with.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) port: Port,
    pub(crate) health: Health,
    /// Native gRPC that is not health's.
    pub(crate) grpc: Option<Grpc>,
    pub(crate) http2: Builder<Local>,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) client_request_timeout: Duration,
    pub(crate) on_connect: Arc<dyn Fn(&TcpStream) -> Seen + Send + Sync>,
    /// True once the server stops. Each connection has a receiver.
    pub(crate) stop: Arc<watch::Sender<bool>>,
}

/// What a request learns of the peer of its connection.
pub(crate) struct Peer {
    address: Option<SocketAddr>,
    seen: Seen,
    /// The receiving side.
    read: RefCell<OwnedReadHalf>,
}

impl Peer {
    pub(crate) fn introduce(&self, request: &mut Request) {
        request.head_mut().peer_addr = self.address;
        (self.seen)(&mut request.extensions_mut());
    }

    /// Completes when the peer has left, a second after its FIN: one that closed only its sending side
    /// still waits for its answer. To be polled by the task of the connection, as a side has one waker.
    async fn has_left(self: Rc<Self>) {
        let read = &self.read;
        let peek =
            |cx: &mut Context<'_>| read.borrow_mut().poll_peek(cx, &mut ReadBuf::new(&mut [0]));
        // Bytes are the next request or none at all, and stay: to wait for others would spin.
        while future::poll_fn(peek).await.is_ok_and(|read| read > 0) && !self.is_over() {
            sleep(A_SECOND).await;
        }
        sleep(A_SECOND).await;
    }

    /// Whether the peer's FIN is here, also behind bytes that nobody has read.
    fn is_over(&self) -> bool {
        let ready = self.read.borrow().ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

/// What one worker serves the connections of a listener with.
pub(crate) struct Worker {
    app: App,
    http1: Http1<Inbound, OwnedWriteHalf>,
    #[cfg(feature = "tls")]
    tls: Option<OverTls>,
    settings: Settings,
}

impl Worker {
    pub(crate) async fn start(
        app: App,
        settings: Settings,
    ) -> Result<impl Service<TcpStream, Response = (), Error = DispatchError>, ()> {
        let http1 = http1(Rc::clone(&app), &settings).await?;
        let ready = Rc::clone(&http1);
        #[cfg(feature = "tls")]
        let tls = OverTls::start(&app, &settings).await?;
        let worker = Rc::new(Self {
            app,
            http1,
            #[cfg(feature = "tls")]
            tls,
            settings,
        });
        Ok(apply_fn(ready, move |stream, _| Rc::clone(&worker).serve(stream)))
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) -> Result<(), DispatchError> {
        // As long as there is a receiver, the server does not end.
        let stop = self.settings.stop.subscribe();
        // An answer is small and whole. Not worth refusing a connection for.
        let _ = stream.set_nodelay(true);
        let (address, seen) = (stream.peer_addr().ok(), (self.settings.on_connect)(&stream));
        let (read, write) = stream.into_split();
        let peer = Rc::new(Peer { address, seen, read: RefCell::new(read) });
        let read = Inbound(Rc::clone(&peer));
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            // It is large, and would make each connection in plaintext as large.
            return Box::pin(tls.serve(&self, peer, join(read, write), stop)).await;
        }
        self.run(&self.http1, peer, (read, write), stop, None).await
    }

    /// Without an agreement on HTTP/2, the first bytes decide.
    pub(crate) async fn run<R, W>(
        &self,
        http1: &Http1<R, W>,
        peer: Rc<Peer>,
        (mut read, write): (R, W),
        mut stop: watch::Receiver<bool>,
        is_http2: Option<bool>,
    ) -> Result<(), DispatchError>
    where
        R: AsyncRead + Unpin + 'static,
        W: AsyncWrite + Unpin + 'static,
    {
        let beginning = tokio::select! {
            read = timeout(self.settings.client_request_timeout, beginning(&mut read)) => read,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let Ok(Ok(beginning)) = beginning else {
            return Ok(());
        };
        let is_http2 = is_http2.unwrap_or_else(|| beginning.starts_with(PREFACE));
        let read = Received { peer: Rc::clone(&peer), read };
        let io = join(Cursor::new(beginning).chain(read), write);
        if !is_http2 {
            return http1.call((io, peer.address)).await;
        }
        let (settings, app) = (&self.settings, &self.app);
        let service = service_fn(|request| http2::answer(request, settings, app, &peer));
        let connection = settings.http2.serve_connection(TokioIo::new(io), service);
        let mut connection = Box::pin(connection);
        tokio::select! {
            biased;
            _ = &mut connection => {}
            _ = stop.wait_for(|stop| *stop) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
                return Ok(());
            }
        }
        // To close with bytes unread makes TCP send a reset, which takes the last frames from a peer that
        // has not read them yet: reads what it still sends, until it closes in its turn. No stop waits
        // for this.
        drop((connection, stop));
        let _ = timeout(5 * A_SECOND, copy(&mut Inbound(peer), &mut sink())).await;
        Ok(())
    }
}

pub(crate) type Http1<R, W> = RcService<(Io<R, W>, Option<SocketAddr>), (), DispatchError>;

/// HTTP/1 by actix-http: health by the engine, the rest by the App.
pub(crate) async fn http1<R, W>(app: App, settings: &Settings) -> Result<Http1<R, W>, ()>
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
{
    let stop = Arc::clone(&settings.stop);
    let (health, asked) = (Arc::clone(&settings.health), Arc::clone(&settings.health));
    let service = apply_fn(app, move |request, app| answer(request, app, &health));
    let service = Rc::new(service);
    let http1 = HttpService::build()
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.client_request_timeout)
        // How long it reads on after an answer that came before the end of the request.
        .client_disconnect_timeout(A_SECOND)
        .graceful_shutdown_signal(move || {
            let mut stop = stop.subscribe();
            async move { drop(stop.wait_for(|stop| *stop).await) }
        })
        .on_connect_ext(|io: &Io<R, W>, data| {
            data.insert(Rc::clone(&io.reader().get_ref().1.peer));
        })
        .expect(fn_service(move |request| future::ready(expect(request, &asked))))
        .h1(fn_factory(move || future::ready(Ok::<_, ()>(Rc::clone(&service)))))
        .new_service(());
    Ok(rc_service(http1.await?))
}

type Answer<T = Response<BoxBody>> = Result<T, Response<BoxBody>>;

fn answer(mut request: Request, app: &App, health: &Health) -> LocalBoxFuture<'static, Answer> {
    let Some(peer) = request.conn_data::<Rc<Peer>>().cloned() else {
        return Box::pin(app.call(request));
    };
    if HealthService::handles(request.path()) {
        let payload = request.take_payload();
        let answer = convert::to_engine(request.head(), payload);
        let answer = answer.map(|request| health().call(request));
        return convert::from_engine(answer, peer.has_left()).map(Ok).boxed_local();
    }
    peer.introduce(&mut request);
    app.call(request)
}

/// Judges a request whose peer asks before it sends the body: if its head alone refuses it, the peer
/// need not send.
fn expect(request: Request, health: &Health) -> Answer<Request> {
    if HealthService::handles(request.path()) {
        let unsent = stream::pending().boxed_local().into();
        let answer = convert::to_engine(request.head(), unsent);
        let answer = answer.map(|request| health().call(request));
        let answer = convert::from_engine(answer, pending()).now_or_never();
        return answer.map_or(Ok(request), Err);
    }
    Ok(request)
}

/// The two sides of a connection whose beginning has been read, and is read again.
pub(crate) type Io<R, W> = Join<Chain<Cursor<BytesMut>, Received<R>>, W>;

/// What a peer sends, and whose it is.
pub(crate) struct Received<R> {
    peer: Rc<Peer>,
    read: R,
}

impl<R: AsyncRead + Unpin> AsyncRead for Received<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

/// The receiving side of a connection.
pub(crate) struct Inbound(Rc<Peer>);

impl AsyncRead for Inbound {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.read.borrow_mut()).poll_read(cx, buf)
    }
}

/// Reads until it is known whether the peer speaks HTTP/2.
async fn beginning(read: &mut (impl AsyncRead + Unpin)) -> io::Result<BytesMut> {
    let mut seen = BytesMut::with_capacity(READ_AHEAD);
    while PREFACE.starts_with(&seen) && seen != PREFACE && read.read_buf(&mut seen).await? > 0 {}
    Ok(seen)
}

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes. Most first requests fit.
const READ_AHEAD: usize = 1024;

const A_SECOND: Duration = Duration::from_secs(1);
