//! The handle that servers accept connections with, and how it follows its files.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink};
use tokio::{task::spawn_blocking, time::Instant, time::timeout};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tracing::{debug, info, warn};

use crate::TlsError;
use crate::files::{ClientCa, Files};

/// TLS of a server, from PEM files that may be replaced while it runs. A cheap handle; clones are the same.
///
/// # Semantics
///
/// TLS 1.2 and 1.3; by ALPN HTTP/2 where the peer has it, else HTTP/1.1. A peer that does not finish its
/// handshake within 10 s, or that does not speak TLS, is closed.
///
/// The files are followed: when a connection comes, and they were last read more than 10 s ago, they are
/// read again, and if they hold something new, it is used from this connection on. Connections that are
/// open stay as they are; sessions of before are not resumed. Contents decide, not the time of a file, so
/// that a Kubernetes secret or certbot may replace the files in any way. As long as what they hold cannot be
/// used (a key that does not belong to the certificate, say, between two writes) the old certificate stays,
/// and one line of warning names the file and the reason.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use health_tls::Tls;
///
/// let tls = Tls::from_pem_files("/etc/tls/tls.crt", "/etc/tls/tls.key")?;
///
/// // Only clients with a certificate of this CA.
/// let mutual = Tls::builder("/etc/tls/tls.crt", "/etc/tls/tls.key")
///     .client_ca("/etc/tls/clients.pem")
///     .handshake_timeout(Duration::from_secs(3))
///     .build()?;
/// # Ok::<(), health_tls::TlsError>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

/// Settings of a [`Tls`], made by [`Tls::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsBuilder {
    files: Files,
    handshake_timeout: Duration,
    reload_interval: Duration,
}

struct Shared {
    settings: TlsBuilder,
    /// Tells contents apart without a second copy of the private key.
    hasher: RandomState,
    current: Mutex<Current>,
    /// Nothing while they are being read, so that a file system that hangs is asked no further.
    next_look: Mutex<Option<Instant>>,
    /// Held while the files are read; the last warning, which need not be given twice.
    reading: Mutex<Option<String>>,
}

/// What new connections are served with.
struct Current {
    config: Arc<ServerConfig>,
    /// Of the contents that the configuration was made of.
    hash: u64,
}

impl Tls {
    /// Serves with a certificate chain, the server's own certificate first, and its private key.
    ///
    /// # Errors
    ///
    /// As [`TlsBuilder::build`].
    pub fn from_pem_files(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        Self::builder(certificate, key).build()
    }

    /// The same with settings.
    pub fn builder(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsBuilder {
        let (certificate, key) = (certificate.into(), key.into());
        TlsBuilder {
            files: Files { certificate, key, client_ca: None, alpn: &[b"h2", b"http/1.1"] },
            handshake_timeout: Duration::from_secs(10),
            reload_interval: Duration::from_secs(10),
        }
    }

    /// Reads the files now, as a handler of SIGHUP may want it; says whether they held something new. It
    /// blocks on the file system.
    ///
    /// # Errors
    ///
    /// If what the files hold cannot be used. New connections are then served as before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn on_hangup(tls: &health_tls::Tls) {
    /// match tls.reload() {
    ///     Ok(true) => println!("new certificate"),
    ///     Ok(false) => println!("the certificate is the same"),
    ///     Err(error) => eprintln!("the old certificate stays: {error}"),
    /// }
    /// # }
    /// ```
    pub fn reload(&self) -> Result<bool, TlsError> {
        let _reading = lock(&self.shared.reading);
        self.load()
    }

    /// Takes a connection through its handshake. A peer that fails is told why, and closed.
    ///
    /// For adapters; the servers of this project call it.
    ///
    /// # Errors
    ///
    /// If the peer leaves, does not speak TLS, presents no certificate that it needs, or takes too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn accept<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async {
            self.follow_files().await;
            TlsAcceptor::from(self.config()).accept(io).into_fallible().await
        };
        let failure = match timeout(self.shared.settings.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err((error, io))) => {
                dismiss(io).await;
                error
            }
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "handshake not finished in time"),
        };
        debug!(error = %failure, "TLS handshake failed");
        Err(failure)
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.shared.current).config)
    }

    async fn follow_files(&self) {
        let is_due = |next: &mut Instant| *next <= Instant::now();
        if lock(&self.shared.next_look).take_if(is_due).is_some() {
            let tls = self.clone();
            let _ = spawn_blocking(move || tls.look()).await;
        }
    }

    fn look(&self) {
        let mut warned = lock(&self.shared.reading);
        let warning = self.load().err().map(|error| error.to_string());
        if let Some(error) = warning.as_ref().filter(|_| *warned != warning) {
            warn!(%error, "the old TLS certificate stays");
        }
        *warned = warning;
        // Beyond the end of time: never again.
        let next_look = Instant::now().checked_add(self.shared.settings.reload_interval);
        *lock(&self.shared.next_look) = next_look;
    }

    fn load(&self) -> Result<bool, TlsError> {
        let files = &self.shared.settings.files;
        let contents = files.read()?;
        let hash = self.shared.hasher.hash_one(&contents);
        if hash == lock(&self.shared.current).hash {
            return Ok(false);
        }
        let config = Arc::new(files.config(&contents)?);
        *lock(&self.shared.current) = Current { config, hash };
        info!(file = %files.certificate.display(), "new TLS certificate");
        Ok(true)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl TlsBuilder {
    /// Serves only clients that present a certificate of a CA in this PEM file.
    pub fn client_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.client_ca = Some(ClientCa { file: file.into(), is_required: true });
        self
    }

    /// Asks clients for a certificate of a CA in this PEM file, and serves those that have none too. One of
    /// another CA is refused.
    pub fn optional_client_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.client_ca = Some(ClientCa { file: file.into(), is_required: false });
        self
    }

    /// Offers HTTP/2 alone, for a server that does not answer HTTP/1.1: tonic's, unless `accept_http1` is
    /// set.
    pub fn http2_only(mut self) -> Self {
        self.files.alpn = &[b"h2"];
        self
    }

    /// How long a peer may take for its handshake. 10 s unless set.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How old what was last read of the files may be when a connection comes. 10 s unless set; zero reads
    /// them for each connection, [`Duration::MAX`] at [`Tls::reload`] alone.
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval;
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If a file is missing, holds nothing of its kind or nothing that can be used, or if the key does not
    /// belong to the certificate. The error names the file and the reason.
    pub fn build(self) -> Result<Tls, TlsError> {
        let contents = self.files.read()?;
        let hasher = RandomState::new();
        let hash = hasher.hash_one(&contents);
        let config = Arc::new(self.files.config(&contents)?);
        let next_look = Instant::now().checked_add(self.reload_interval);
        let shared = Shared {
            settings: self,
            hasher,
            current: Mutex::new(Current { config, hash }),
            next_look: Mutex::new(next_look),
            reading: Mutex::default(),
        };
        Ok(Tls { shared: Arc::new(shared) })
    }
}

/// Closes a connection whose handshake failed.
///
/// To close with bytes unread makes TCP send a reset, which takes the alert from a peer that has not read
/// it yet (RFC 9112 §9.6): reads what it still sends, until it closes in its turn.
async fn dismiss(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let closing = async {
        let _ = io.shutdown().await;
        let _ = copy(&mut io, &mut sink()).await;
    };
    let _ = timeout(Duration::from_secs(1), closing).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is replaced as a whole: whoever panicked with it left it valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
