//! What the tests ask with: an HTTP request over a plain socket, and a watch with an end to patience.

#![allow(dead_code, reason = "each of those who share it needs a part of it")]

use std::{
    future::Future,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use futures_lite::{StreamExt as _, future::or};
use health_core::{ServingStatus, Watch};

/// Beyond which something does not come any more.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Asks for `/livez`; the status and the body.
pub(crate) fn ask(addr: SocketAddr, method: &str) -> (u16, String) {
    let mut stream = connect(addr);
    let request = format!("{method} /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    send(&mut stream, request.as_bytes());
    reply(&mut stream)
}

pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Reads to the end of the connection.
pub(crate) fn reply(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    let too_late = async {
        smol::Timer::after(LIMIT).await;
        panic!("nothing has come for {LIMIT:?}")
    };
    smol::block_on(or(future, too_late))
}

/// Follows a watch until it yields `status`.
pub(crate) fn until(watch: &mut Watch, status: ServingStatus) {
    while within(watch.next()) != Some(status) {}
}
