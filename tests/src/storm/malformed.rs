//! Requests that are wrong: vectors cut off at a byte, or with bytes changed, as HTTP/1.1 and as
//! HTTP/2 frames.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::random::Random;
use super::{Done, Storm, frames};
use crate::client::serialize_http1;
use crate::vector::{HttpVersion, Request, Vector};

/// Connections that send side by side.
const SENDERS: usize = 16;

/// How long a sender waits for more of an answer. Most wrong requests get one at once; the others
/// are waiting for bytes that do not come.
const PATIENCE: Duration = Duration::from_millis(10);

const VERSIONS: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];

/// Spawns the tasks that send the malformed requests of `storm`.
pub(super) fn spawn(
    tasks: &mut JoinSet<io::Result<()>>,
    address: SocketAddr,
    vectors: &[Vector],
    storm: Storm,
    done: &Done,
) {
    let cases = Arc::new(Cases::new(vectors, storm, address));
    let next = Done::default();
    for _ in 0..SENDERS {
        let (cases, next, done) = (Arc::clone(&cases), Arc::clone(&next), Arc::clone(done));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= storm.requests {
                    return Ok(());
                }
                let (bytes, ending) = cases.case(number);
                send(address, &bytes, ending).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// How the sender leaves.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Says that nothing more comes, and reads on.
    HalfClose,
    /// Reads what comes, and closes.
    Close,
    /// Vanishes without reading.
    Abort,
}

/// Sends `bytes` over a connection of its own; only a server that accepts none is an error.
async fn send(address: SocketAddr, bytes: &[u8], ending: Ending) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // The server may close while the bytes are still going out; that is an answer too.
    let _ = stream.write_all(bytes).await;
    match ending {
        Ending::Abort => return stream.set_zero_linger(),
        Ending::HalfClose => {
            let _ = stream.shutdown().await;
        }
        Ending::Close => {}
    }
    let mut answer = [0; 4096];
    // Sixteen reads hold any answer; a watch that never ends must not hold the sender.
    for _ in 0..16 {
        match timeout(PATIENCE, stream.read(&mut answer)).await {
            Ok(Ok(1..)) => {}
            _ => break,
        }
    }
    Ok(())
}

/// The malformed requests, by number.
struct Cases {
    requests: Vec<Request>,
    host: String,
    /// Where requests are cut off: one request of each protocol, in each version, at every byte.
    cuts: Vec<(Request, HttpVersion, usize)>,
    storm: Storm,
}

impl Cases {
    fn new(vectors: &[Vector], storm: Storm, address: SocketAddr) -> Self {
        let host = address.to_string();
        let mut seen = BTreeSet::new();
        let firsts = vectors.iter().filter(|vector| seen.insert(vector.protocol));
        let mut cuts = Vec::new();
        for request in firsts.map(|vector| &vector.request) {
            for version in VERSIONS {
                let length = serialize(request, version, &host).len();
                cuts.extend((1..length).map(|at| (request.clone(), version, at)));
            }
        }
        let requests = vectors.iter().map(|vector| vector.request.clone()).collect();
        Self { requests, host, cuts, storm }
    }

    /// Every other request is cut off, the cuts spread evenly; the rest have bytes changed.
    fn case(&self, number: u32) -> (Vec<u8>, Ending) {
        let mut random = Random::new(self.storm.seed ^ u64::from(number));
        let bytes =
            if number.is_multiple_of(2) { self.cut_off(number) } else { self.changed(&mut random) };
        let ending = match random.below(3) {
            0 => Ending::HalfClose,
            1 => Ending::Close,
            _ => Ending::Abort,
        };
        (bytes, ending)
    }

    fn cut_off(&self, number: u32) -> Vec<u8> {
        let at = self.cuts.len() as u64 * u64::from(number) / u64::from(self.storm.requests.max(1));
        let Some((request, version, at)) = self.cuts.get(at as usize) else {
            return Vec::new();
        };
        let mut bytes = serialize(request, *version, &self.host);
        bytes.truncate(*at);
        bytes
    }

    fn changed(&self, random: &mut Random) -> Vec<u8> {
        let Some(mut request) = random.pick(&self.requests).cloned() else {
            return Vec::new();
        };
        let version = if random.below(2) == 0 { HttpVersion::Http1 } else { HttpVersion::Http2 };
        // Half of them are wrong within well-formed HTTP, so that they reach the engine.
        if random.below(2) == 0 {
            self.change_message(&mut request, random);
            return serialize(&request, version, &self.host);
        }
        let mut bytes = serialize(&request, version, &self.host);
        change(&mut bytes, random);
        bytes
    }

    fn change_message(&self, request: &mut Request, random: &mut Random) {
        match random.below(4) {
            0 => change_text(&mut request.path, random),
            1 => {
                let at = random.below(request.headers.len());
                if let Some(value) = request.headers.values_mut().nth(at) {
                    change_text(value, random);
                }
            }
            2 => {
                if let Some(other) = random.pick(&self.requests) {
                    request.body.clone_from(&other.body);
                }
            }
            _ => change(&mut request.body, random),
        }
    }
}

fn serialize(request: &Request, version: HttpVersion, host: &str) -> Vec<u8> {
    match version {
        HttpVersion::Http1 => serialize_http1(request, host),
        HttpVersion::Http2 => frames::serialize(request, host),
    }
}

/// Changes one to four places.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.insert(at, random.byte()),
            1 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// Changes one letter into another that may stand in a header or a path.
fn change_text(text: &mut String, random: &mut Random) {
    let mut letters: Vec<char> = text.chars().collect();
    let letter = char::from(b'!' + random.byte() % (b'~' - b'!'));
    match letters.get_mut(random.below(text.len())) {
        Some(place) => *place = letter,
        None => letters.push(letter),
    }
    *text = letters.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Vectors;

    fn cases(requests: u32) -> Cases {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        Cases::new(&Vectors::load().unwrap().0, Storm::new(requests, 0), address)
    }

    #[test]
    fn a_full_storm_cuts_every_protocol_at_every_byte() {
        let cases = cases(10_000);
        assert!(cases.cuts.len() <= 5_000, "{} cuts need a longer storm", cases.cuts.len());
        let sent: BTreeSet<_> = (0..10_000).step_by(2).map(|n| cases.cut_off(n)).collect();
        for (request, version, at) in &cases.cuts {
            let mut bytes = serialize(request, *version, &cases.host);
            bytes.truncate(*at);
            assert!(sent.contains(&bytes), "{version} {} cut at {at}", request.path);
        }
    }

    #[test]
    fn a_storm_follows_from_its_seed_and_changes_what_it_sends() {
        let (one, two) = (cases(100), cases(100));
        let valid: BTreeSet<_> = one
            .requests
            .iter()
            .flat_map(|request| VERSIONS.map(|version| serialize(request, version, &one.host)))
            .collect();
        let mut changed = 0;
        for number in 0..100 {
            let bytes = one.case(number).0;
            assert_eq!(bytes, two.case(number).0);
            changed += u32::from(!valid.contains(&bytes));
        }
        assert!(changed > 80, "only {changed} of 100 differ from every valid request");
    }
}
