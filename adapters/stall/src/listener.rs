//! `Listener`: the threads that answer `/livez`. They touch no executor.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{board::Board, peer};

/// A listening socket and its threads. Dropping it closes all of them.
pub(crate) struct Listener {
    addr: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What runs in the thread that accepts.
struct Acceptor {
    socket: TcpListener,
    board: Arc<Board>,
    is_stopped: Arc<AtomicBool>,
    /// Oldest first; at most [`MAX_CONNECTIONS`].
    connections: VecDeque<Connection>,
}

struct Connection {
    /// Its thread owns it.
    stream: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Answers on `socket`, which is bound to `addr`.
    pub(crate) fn start(
        socket: TcpListener,
        addr: SocketAddr,
        board: Arc<Board>,
    ) -> io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let acceptor = Acceptor {
            socket,
            board,
            is_stopped: Arc::clone(&is_stopped),
            connections: VecDeque::new(),
        };
        let thread = spawn("health-stall-accept", || acceptor.run())?;
        Ok(Self { addr, is_stopped, thread: Some(thread) })
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        // std cannot end an `accept` but by something to accept.
        let woken = TcpStream::connect_timeout(&reachable(self.addr), WAKE_TIMEOUT);
        // Else, with a firewall in between say, the thread ends with the next connection.
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl Acceptor {
    fn run(mut self) {
        loop {
            let accepted = self.socket.accept();
            if self.is_stopped.load(Ordering::Acquire) {
                return;
            }
            match accepted {
                Ok((stream, _)) => self.admit(stream),
                // Out of file descriptors, as a rule: trying again at once would only burn the processor.
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    /// Serves a connection in a thread of its own. Where there are too many the oldest makes room: a kubelet
    /// is served in a millisecond, so it is a peer that dawdles.
    fn admit(&mut self, stream: TcpStream) {
        self.connections.retain(|connection| !connection.thread.is_finished());
        if self.connections.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.connections.pop_front()
        {
            oldest.end();
        }
        let (stream, board) = (Arc::new(stream), Arc::clone(&self.board));
        let weak = Arc::downgrade(&stream);
        // Without a thread the connection is closed: the peer sees that, and may come again.
        if let Ok(thread) = spawn("health-stall-peer", move || peer::serve(&stream, &board)) {
            self.connections.push_back(Connection { stream: weak, thread });
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.connections.drain(..).for_each(Connection::end);
    }
}

impl Connection {
    fn end(self) {
        if let Some(stream) = self.stream.upgrade() {
            // Whatever its thread waits for fails now, and so it ends.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = self.thread.join();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_SIZE).spawn(run)
}

/// Where a socket that listens on `addr` can be reached from this machine.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// At a time. One kubelet asks for one.
const MAX_CONNECTIONS: usize = 16;

/// A connection's thread has a buffer of 4 KiB and 64 headers on its stack.
const STACK_SIZE: usize = 128 * 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);
