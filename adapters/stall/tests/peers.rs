//! Peers that are slow, greedy or lost: what the detector's port gives them.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod ask;

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use ask::{ask, connect, reply, send};
use health_stall::{StallDetector, executor};

/// As the detector has it.
const MAX_CONNECTIONS: usize = 16;
const TIME: Duration = Duration::from_secs(2);

/// A detector of an executor that runs everything at once.
fn detector() -> (StallDetector, SocketAddr) {
    let detector = StallDetector::builder()
        .executor(executor("main", |ping| ping.answer()))
        .listen(([127, 0, 0, 1], 0).into())
        .start()
        .unwrap();
    let addr = detector.local_addr().unwrap();
    (detector, addr)
}

/// Whether the server has ended the connection, without an answer.
fn is_cut_off(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn head_is_get_without_the_body_and_nothing_else_is_allowed() {
    let (_detector, addr) = detector();
    assert_eq!(ask(addr, "GET"), (200, "ok".to_owned()));
    assert_eq!(ask(addr, "HEAD"), (200, String::new()));
    assert_eq!(ask(addr, "DELETE").0, 405);
    let mut stream = connect(addr);
    send(&mut stream, b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(reply(&mut stream).0, 404);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (_detector, addr) = detector();
    let mut stream = connect(addr);
    stream.set_nodelay(true).unwrap();
    b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n"
        .iter()
        .for_each(|byte| send(&mut stream, &[*byte]));
    assert_eq!(reply(&mut stream), (200, "ok".to_owned()));
}

#[test]
fn a_request_that_is_too_long_or_none_is_refused_readably() {
    let (_detector, addr) = detector();
    // More than is read: the answer must not be lost in a reset.
    let long = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let body =
        format!("POST /livez HTTP/1.1\r\ncontent-length: 20000\r\n\r\n{}", "z".repeat(20_000));
    for (request, status) in [(&*long, 431), (&*body, 405), ("nonsense\r\n\r\n", 400)] {
        let mut stream = connect(addr);
        send(&mut stream, request.as_bytes());
        assert_eq!(reply(&mut stream).0, status);
    }
}

#[test]
fn a_peer_may_go_on_sending_when_it_is_answered_already() {
    let (_detector, addr) = detector();
    let mut stream = connect(addr);
    send(&mut stream, b"POST /livez HTTP/1.1\r\nhost: test\r\ncontent-length: 20000\r\n\r\n");
    assert_eq!(reply(&mut stream).0, 405);
    // A socket that was closed with this still to come would reset the connection at the first piece: off
    // loopback, that may overtake the answer.
    (0..20).for_each(|_| send(&mut stream, &[b'z'; 1000]));
}

#[test]
fn a_peer_that_sends_without_end_is_cut_off() {
    let (_detector, addr) = detector();
    let mut stream = connect(addr);
    let piece = [b'x'; 4096];
    let mut sent = 0_usize;
    while stream.write_all(&piece).is_ok() {
        sent += piece.len();
        assert!(sent < 64 << 20, "still fed");
    }
    assert_eq!(ask(addr, "GET").0, 200);
}

#[test]
fn a_peer_that_dawdles_is_cut_off_in_time_however_it_trickles() {
    let (_detector, addr) = detector();
    let silent = thread::spawn(move || {
        let (mut stream, start) = (connect(addr), Instant::now());
        assert!(is_cut_off(&mut stream));
        start.elapsed()
    });
    let start = Instant::now();
    let mut trickling = connect(addr);
    send(&mut trickling, b"GET /livez HTTP/1.1\r\nx: ");
    while trickling.write_all(b"y").is_ok() {
        assert!(start.elapsed() < 5 * TIME, "still fed");
        thread::sleep(TIME / 20);
    }
    for took in [start.elapsed(), silent.join().unwrap()] {
        assert!(took >= TIME / 2, "cut off after {took:?}");
    }
}

#[test]
fn peers_that_hold_every_connection_keep_nobody_out() {
    let (_detector, addr) = detector();
    let start = Instant::now();
    let mut held: Vec<_> = (0..2 * MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = connect(addr);
            send(&mut stream, b"GET /livez");
            stream
        })
        .collect();
    assert_eq!(ask(addr, "GET"), (200, "ok".to_owned()));
    assert!(start.elapsed() < TIME, "it waited for those: {:?}", start.elapsed());
    // The oldest made room, one for each that was too many, and long before their time was up.
    held.iter_mut().take(MAX_CONNECTIONS + 1).for_each(|stream| assert!(is_cut_off(stream)));
    assert!(start.elapsed() < TIME, "they were not cut off for the others: {:?}", start.elapsed());
    let mut newest = held.pop().unwrap();
    send(&mut newest, b" HTTP/1.1\r\n\r\n");
    assert_eq!(reply(&mut newest), (200, "ok".to_owned()));
}

#[test]
fn the_port_is_closed_and_held_connections_end_with_the_detector() {
    let (detector, addr) = detector();
    let mut held = connect(addr);
    // Behind the held one: it has been accepted when this is answered.
    assert_eq!(ask(addr, "GET").0, 200);
    let start = Instant::now();
    drop(detector);
    assert!(start.elapsed() < TIME, "it waited for a peer: {:?}", start.elapsed());
    assert!(is_cut_off(&mut held));
    assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
