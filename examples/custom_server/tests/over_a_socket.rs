//! Starts the server and asks it as peers do, over a socket.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

const CHECK: &str = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: test\r\n\
    content-type: application/json\r\ncontent-length: 32\r\n\r\n{\"service\":\"greet.GreetService\"}";

/// The Connect protocol's stream, which needs no HTTP/2: one message behind its five-byte prefix.
const WATCH: &str = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: test\r\n\
    content-type: application/connect+json\r\ncontent-length: 37\r\n\r\n\
    \0\0\0\0\x20{\"service\":\"greet.GreetService\"}";

#[test]
fn check_and_probe_are_answered_on_one_connection() {
    let server = Server::start(&[]);
    let mut peer = server.connect();

    let check = peer.ask(CHECK);
    assert_eq!(check.status, 200);
    assert_eq!(check.header("content-type"), Some("application/json"));
    assert_eq!(check.body, r#"{"status":"SERVING"}"#);

    let probe = peer.ask("GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((probe.status, probe.body.as_str()), (200, "ok"));

    let head = peer.ask("HEAD /readyz HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));

    let last = peer.ask("GET /nowhere HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    assert_eq!(last.status, 404);
    assert_eq!(last.header("connection"), Some("close"));
    assert!(peer.is_at_end());
}

#[test]
fn a_body_in_chunks_is_read_and_the_connection_goes_on() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    let chunked = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: test\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
        10\r\n{\"service\":\"gree\r\n10;of=2\r\nt.GreetService\"}\r\n0\r\nsum: 7\r\n\r\n";
    // Cut at every byte, so that no border is where the server would like it.
    for byte in chunked.as_bytes() {
        peer.stream.get_mut().write_all(&[*byte]).unwrap();
    }
    assert_eq!(peer.read_answer(true).body, r#"{"status":"SERVING"}"#);
    assert_eq!(peer.ask(CHECK).status, 200);
}

#[test]
fn a_peer_that_waits_for_100_continue_gets_it() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    let (head, body) = CHECK.split_once("\r\n\r\n").unwrap();
    peer.send(&format!("{head}\r\nexpect: 100-continue\r\n\r\n"));
    assert_eq!(peer.read_head().status, 100);
    peer.send(body);
    assert_eq!(peer.read_answer(true).status, 200);
}

#[test]
fn a_status_from_standard_input_is_what_peers_see() {
    let mut server = Server::start(&[]);
    let mut peer = server.connect();
    assert_eq!(server.tell("greet.GreetService NOT_SERVING"), "Changed");
    assert_eq!(peer.ask(CHECK).body, r#"{"status":"NOT_SERVING"}"#);
    assert_eq!(server.tell("NOT_SERVING"), "Changed");
    assert_eq!(peer.ask("GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").status, 503);
    assert!(server.tell("greet.GreetService GREEN").contains("no status"));
}

#[test]
fn a_line_that_is_not_utf8_is_refused_and_the_next_is_obeyed() {
    let mut server = Server::start(&[]);
    let answer = server.tell(b"greet.GreetService\xff NOT_SERVING");
    assert!(answer.contains("not UTF-8"), "{answer}");
    assert_eq!(server.tell("greet.GreetService NOT_SERVING"), "Changed");
    assert_eq!(server.connect().ask(CHECK).body, r#"{"status":"NOT_SERVING"}"#);
}

#[test]
fn lines_are_obeyed_when_nobody_reads_the_answers() {
    let mut server = Server::start(&[]);
    let mut watcher = server.connect();
    watcher.send(WATCH);
    watcher.read_head();
    assert_eq!(watcher.read_chunk(), "\0\0\0\0\x14{\"status\":\"SERVING\"}");
    drop(server.output.take());
    server.input.write_all(b"NOT_SERVING\ngreet.GreetService NOT_SERVING\n").unwrap();
    assert_eq!(watcher.read_chunk(), "\0\0\0\0\x18{\"status\":\"NOT_SERVING\"}");
}

#[test]
fn a_watch_brings_every_change_as_its_own_chunk() {
    let mut server = Server::start(&[]);
    let mut watcher = server.connect();
    watcher.send(WATCH);
    assert_eq!(watcher.read_head().header("transfer-encoding"), Some("chunked"));
    assert_eq!(watcher.read_chunk(), "\0\0\0\0\x14{\"status\":\"SERVING\"}");
    for status in ["NOT_SERVING", "SERVING"] {
        server.tell(format!("greet.GreetService {status}"));
        let message = format!("{{\"status\":\"{status}\"}}");
        let prefix = format!("\0\0\0\0{}", char::from(u8::try_from(message.len()).unwrap()));
        assert_eq!(watcher.read_chunk(), prefix + &message);
    }
}

#[test]
fn a_watcher_that_leaves_gives_its_thread_back() {
    let server = Server::start(&["--connections", "1"]);
    let mut watcher = server.connect();
    watcher.send(WATCH);
    assert_eq!(watcher.read_head().status, 200);
    drop(watcher);
    assert_eq!(server.connect().ask(CHECK).status, 200);

    // One that asks for something else in mid-stream hides its end behind the question.
    let mut watcher = server.connect();
    watcher.send(WATCH);
    assert_eq!(watcher.read_head().status, 200);
    watcher.send(CHECK);
    assert_eq!(server.connect().ask(CHECK).status, 200);
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    let server = Server::start(&[]);
    let rows = [
        (server.address.as_str(), "choose another one", "IP:PORT"),
        ("127.0.0.1", "write IP:PORT", "another one"),
        ("127.0.0.1:99999", "write IP:PORT", "another one"),
        ("192.0.2.1:0", "", "another one"),
    ];
    for (address, told, not_told) in rows {
        let output = Command::new(PROGRAM).args(["--listen", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{address}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{error}");
        assert!(error.contains(told) && !error.contains(not_told), "{error}");
    }
}

#[test]
fn bodies_far_over_the_limit_get_their_answers() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    let body = "x".repeat(1024 * 1024);
    let head = CHECK.split_once("content-length").unwrap().0;
    for _ in 0..10 {
        let length = body.len();
        let answer = peer.ask(&format!("{head}content-length: {length}\r\n\r\n{body}"));
        assert_eq!(answer.status, 429, "{}", answer.body);
        if answer.header("connection") == Some("close") {
            peer = server.connect();
        }
    }
}

#[test]
fn what_is_not_http_is_refused_and_the_server_goes_on() {
    let server = Server::start(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "x".repeat(20_000));
    let rows = [
        ("\x16\x03\x01\x02\x00 a TLS hello\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /readyz HTTP/1.1\r\n\r\n", 400),
        ("GET /readyz HTTP/1.1\r\nhost: test\r\n space: 1\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (long.as_str(), 431),
    ];
    for (request, status) in rows {
        let mut peer = server.connect();
        let answer = peer.ask(request);
        assert_eq!(answer.status, status, "{request:?}");
        assert!(peer.is_at_end(), "{request:?}");
    }
    assert_eq!(server.connect().ask(CHECK).status, 200);
}

#[test]
fn peers_beyond_the_bound_wait_their_turn() {
    let server = Server::start(&["--connections", "1"]);
    let mut first = server.connect();
    assert_eq!(first.ask(CHECK).status, 200);

    let mut second = server.connect();
    second.send(CHECK);
    second.stream.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.stream.fill_buf().is_err(), "answered while the only thread was taken");

    drop(first);
    second.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(second.read_answer(true).status, 200);
}

#[test]
fn no_async_runtime_is_in_the_tree() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", env!("CARGO_PKG_NAME")])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"health-core"), "{tree}");
    for runtime in
        ["tokio", "smol", "async-std", "async-io", "mio", "hyper", "h2", "futures-executor"]
    {
        assert!(!names.contains(&runtime), "{runtime} in\n{tree}");
    }
}

/// The server's process; it ends with this value.
struct Server {
    process: Child,
    input: ChildStdin,
    output: Option<BufReader<ChildStdout>>,
    address: String,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, input, output: Some(output), address }
    }

    fn connect(&self) -> Peer {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream: BufReader::new(stream) }
    }

    fn tell(&mut self, line: impl AsRef<[u8]>) -> String {
        self.input.write_all(&[line.as_ref(), b"\n"].concat()).unwrap();
        let mut answer = String::new();
        self.output.as_mut().unwrap().read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

struct Peer {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Peer {
    fn send(&mut self, bytes: &str) {
        self.stream.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.read_answer(!request.starts_with("HEAD"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn read_answer(&mut self, has_body: bool) -> Answer {
        let mut answer = self.read_head();
        if has_body {
            let length = answer.header("content-length").unwrap().parse().unwrap();
            answer.body = self.read_text(length);
        }
        answer
    }

    fn read_head(&mut self) -> Answer {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return Answer { status, headers, body: String::new() };
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn read_chunk(&mut self) -> String {
        let length = usize::from_str_radix(&self.line(), 16).unwrap();
        let chunk = self.read_text(length);
        assert_eq!(self.line(), "");
        chunk
    }

    fn read_text(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn is_at_end(&mut self) -> bool {
        self.stream.fill_buf().unwrap().is_empty()
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }
}

/// A server that hangs fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(10);

const PROGRAM: &str = env!("CARGO_BIN_EXE_health-example-custom-server");
