//! One connection: what a peer may send, and how long it may take.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    board::Board,
    livez::{self, MAX_HEAD, Read as Request},
};

/// Answers one request and closes the connection. A peer that is slow or gone gets no answer.
pub(crate) fn serve(stream: &TcpStream, board: &Board) {
    let deadline = Instant::now() + TIME;
    // What can fail is the peer's connection: nobody is left to be told.
    let _ = answer(stream, board, deadline);
    let _ = stream.shutdown(Shutdown::Both);
}

fn answer(mut stream: &TcpStream, board: &Board, deadline: Instant) -> io::Result<()> {
    let answer = match read_request(stream, deadline)? {
        Request::More => return Ok(()),
        Request::Livez(form) => {
            let stalls = board.stalls(Instant::now());
            let lines: Vec<_> = stalls.iter().map(ToString::to_string).collect();
            livez::answer(form, &lines.join("\n"))
        }
        Request::Refused(refusal) => livez::refuse(refusal),
    };
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(&answer)?;
    stream.shutdown(Shutdown::Write)?;
    read_out(stream, deadline)
}

/// [`Request::More`] if the peer ended before its request did.
fn read_request(mut stream: &TcpStream, deadline: Instant) -> io::Result<Request> {
    let mut buffer = [0; MAX_HEAD];
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let count = stream.read(room)?;
        filled += count;
        let request = livez::read(buffer.get(..filled).unwrap_or_default());
        if count == 0 || request != Request::More {
            return Ok(request);
        }
    }
    Ok(Request::More)
}

/// Reads what the peer still sends until it has closed its side: a socket that is closed with unread bytes
/// resets the connection, and the peer may lose the answer over it.
fn read_out(mut stream: &TcpStream, deadline: Instant) -> io::Result<()> {
    let mut buffer = [0; MAX_HEAD];
    for _ in 0..MAX_SURPLUS / MAX_HEAD {
        stream.set_read_timeout(Some(left(deadline)?))?;
        if stream.read(&mut buffer)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Above zero, as a time-out of zero would be none.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// For one connection in all. A kubelet gives up after 1 s unless it is told otherwise.
const TIME: Duration = Duration::from_secs(2);

/// How much is read of what follows a request; nobody sends a body with a probe.
const MAX_SURPLUS: usize = 16 * MAX_HEAD;
