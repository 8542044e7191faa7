//! A running `subject` program: started, steered over its standard input, and stopped.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::adapter::Adapter;

/// What a subject is told on its command line.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Options {
    arguments: Vec<String>,
}

impl Options {
    /// The defaults of the program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `--max-request-bytes`.
    #[must_use]
    pub fn max_request_bytes(self, bytes: u64) -> Self {
        self.with("--max-request-bytes", &bytes.to_string())
    }

    /// Sets `--max-watchers`.
    #[must_use]
    pub fn max_watchers(self, watchers: usize) -> Self {
        self.with("--max-watchers", &watchers.to_string())
    }

    /// Adds a `--cors-allow-origin`.
    #[must_use]
    pub fn cors_allow_origin(self, origin: &str) -> Self {
        self.with("--cors-allow-origin", origin)
    }

    /// Sets `--greeter`.
    #[must_use]
    pub fn greeter(mut self) -> Self {
        self.arguments.push("--greeter".to_owned());
        self
    }

    /// Sets `--tls-cert` and `--tls-key`.
    #[must_use]
    pub fn tls(self, certificate: &Path, key: &Path) -> Self {
        self.with("--tls-cert", &certificate.to_string_lossy())
            .with("--tls-key", &key.to_string_lossy())
    }

    /// Sets `--tls-client-ca`.
    #[must_use]
    pub fn tls_client_ca(self, file: &Path) -> Self {
        self.with("--tls-client-ca", &file.to_string_lossy())
    }

    /// Sets `--plain-listen`, to a free port of the loopback interface.
    #[must_use]
    pub fn plain_listen(self) -> Self {
        self.with("--plain-listen", "127.0.0.1:0")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }
}

/// A `subject` process; killed when dropped.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Collects what it writes on standard error.
    errors: JoinHandle<io::Result<String>>,
    address: SocketAddr,
    plain: Option<SocketAddr>,
}

/// The first line of the program.
#[derive(Deserialize)]
struct Listening {
    listening: SocketAddr,
    adapter: String,
    plain: Option<SocketAddr>,
}

/// The answer to a command.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Ok { ok: bool },
    Error { error: String },
}

impl Subject {
    /// The program `subject` in the folder of the running one. Under `cargo run`, which builds one program
    /// only, it is built first.
    ///
    /// # Errors
    ///
    /// If it does not build.
    pub fn beside_this_program() -> io::Result<PathBuf> {
        if let Some(cargo) = std::env::var_os("CARGO") {
            let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
            let built = std::process::Command::new(cargo)
                .args(["build", "--package", env!("CARGO_PKG_NAME"), "--bin", "subject"])
                .args(["--profile", profile])
                .status()?;
            if !built.success() {
                return Err(io::Error::other("the subject does not build"));
            }
        }
        Ok(std::env::current_exe()?.with_file_name("subject"))
    }

    /// Starts `program` on a free port of the loopback interface, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or does not say what it listens on within 10 s.
    pub async fn start(program: &Path, adapter: Adapter, options: &Options) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["--adapter", adapter.as_str(), "--listen", "127.0.0.1:0"])
            .args(&options.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("the subject has no standard input and output"));
        };
        let mut output = BufReader::new(output).lines();
        let errors = tokio::spawn(forward(errors));
        let line = next_line(&mut output).await?;
        let first: Listening = serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("first line {line:?}: {error}")))?;
        if first.adapter != adapter.as_str() {
            return Err(io::Error::other(format!("asked for {adapter}, it says {line}")));
        }
        let (address, plain) = (first.listening, first.plain);
        Ok(Self { child, input, output, errors, address, plain })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens in plaintext beside, if it was told to.
    #[must_use]
    pub const fn plain(&self) -> Option<SocketAddr> {
        self.plain
    }

    /// Gives one command and waits until it took effect.
    ///
    /// # Errors
    ///
    /// If the subject refuses the command, with its reason, or does not answer within 10 s.
    pub async fn command(&mut self, command: &Value) -> io::Result<()> {
        let line = self.line(&command.to_string()).await?;
        match serde_json::from_str(&line) {
            Ok(Answer::Ok { ok: true }) => Ok(()),
            Ok(Answer::Error { error }) => Err(io::Error::other(format!("{command}: {error}"))),
            _ => Err(io::Error::other(format!("{command}: answered {line:?}"))),
        }
    }

    /// Writes one line, whatever it is, and returns the line that answers it.
    ///
    /// # Errors
    ///
    /// If the subject is gone or does not answer within 10 s.
    pub async fn line(&mut self, line: &str) -> io::Result<String> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        self.input.flush().await?;
        next_line(&mut self.output).await
    }

    /// Closes its standard input and waits for its end.
    ///
    /// # Errors
    ///
    /// If it does not end with success within 10 s, or wrote anything on standard error, such as a
    /// panic that its runtime caught.
    pub async fn stop(self) -> io::Result<()> {
        let Self { mut child, input, errors, .. } = self;
        drop(input);
        let status = within(child.wait()).await?;
        let errors = within(async { errors.await.map_err(io::Error::other)? }).await?;
        if !status.success() || !errors.is_empty() {
            return Err(io::Error::other(format!("the subject ended with {status}: {errors}")));
        }
        Ok(())
    }

    /// How much memory the process holds, in KiB, as Linux counts it.
    ///
    /// # Errors
    ///
    /// If the process is gone, or the system has no `/proc`.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let path = self.folder()?.join("status");
        let status = std::fs::read_to_string(&path)?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no VmRSS in {}", path.display())))
    }

    /// The names of its threads, as Linux has them: fifteen characters at most.
    ///
    /// # Errors
    ///
    /// If the process is gone, or the system has no `/proc`.
    pub fn threads(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(self.folder()?.join("task"))?
            .map(|thread| std::fs::read_to_string(thread?.path().join("comm")))
            .collect()
    }

    /// Where Linux tells of the process.
    fn folder(&self) -> io::Result<PathBuf> {
        let id = self.child.id();
        let id = id.ok_or_else(|| io::Error::other("the subject has ended"))?;
        Ok(PathBuf::from(format!("/proc/{id}")))
    }
}

/// Passes on what a subject writes on standard error, at once, and returns all of it.
async fn forward(errors: ChildStderr) -> io::Result<String> {
    let mut all = String::new();
    let mut lines = BufReader::new(errors).lines();
    while let Some(line) = lines.next_line().await? {
        writeln!(io::stderr(), "{line}")?;
        all.push_str(&line);
        all.push('\n');
    }
    Ok(all)
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> io::Result<String> {
    let line = within(lines.next_line()).await?;
    line.ok_or_else(|| io::Error::other("the subject ended; its standard error says why"))
}

/// A subject that takes longer than this hangs.
async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(Duration::from_secs(10), future)
        .await
        .map_err(|_| io::Error::other("the subject did not answer within 10 s"))?
}
