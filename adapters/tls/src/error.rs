//! Why files are not usable for TLS, in words for whoever put them there.

use std::path::{Path, PathBuf};
use std::{error::Error, fmt, io};

use tokio_rustls::rustls::{self, pki_types::pem, server::VerifierBuilderError};

/// A file that cannot be used for TLS. The text names the file and the reason in one line.
///
/// It turns into an [`io::Error`], as servers have it.
///
/// # Examples
///
/// ```
/// use health_tls::Tls;
///
/// let error = Tls::from_pem_files("/nowhere/tls.crt", "/nowhere/tls.key").unwrap_err();
/// let said = error.to_string();
/// assert!(said.starts_with("TLS certificate file /nowhere/tls.crt: cannot be read: "), "{said}");
/// ```
pub struct TlsError {
    role: Role,
    file: PathBuf,
    fault: Fault,
}

/// What a file is for.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Certificate,
    ClientCa,
    Key,
}

pub(crate) enum Fault {
    Unreadable(io::Error),
    NotPem(pem::Error),
    NoCertificate,
    NoKey,
    EncryptedKey,
    BadKey,
    /// The key, and the file of the certificate that it does not belong to.
    OtherKey(PathBuf),
    BadCertificate(rustls::Error),
    BadClientCa(VerifierBuilderError),
}

impl TlsError {
    pub(crate) fn new(role: Role, file: &Path, fault: Fault) -> Self {
        Self { role, file: file.to_owned(), fault }
    }

    /// The file at fault.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// As readable as its `Display`: it is what a `main` prints that returns it.
impl fmt::Debug for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsError").field(&format_args!("{self}")).finish()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS {} {}: {}", self.role, self.file.display(), self.fault)
    }
}

impl Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match &error.fault {
            Fault::Unreadable(error) => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate file",
            Self::ClientCa => "client CA file",
            Self::Key => "key file",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::NotPem(error) => write!(f, "is not PEM: {}", broken(error)),
            Self::NoCertificate => f.write_str(
                "has no certificate in it: PEM with a block BEGIN CERTIFICATE is expected",
            ),
            Self::NoKey => f.write_str(
                "has no private key in it: PEM with a block BEGIN PRIVATE KEY is expected",
            ),
            Self::EncryptedKey => f.write_str(
                "has an encrypted private key: store it decrypted, as openssl pkey writes it",
            ),
            Self::BadKey => f.write_str(
                "has a private key that is not RSA, ECDSA on P-256 or P-384, or Ed25519",
            ),
            Self::OtherKey(certificate) => {
                write!(f, "does not belong to the certificate in {}", certificate.display())
            }
            // Its own text speaks of a peer's certificate.
            Self::BadCertificate(rustls::Error::InvalidCertificate(error)) => {
                write!(f, "has a certificate that cannot be used: {error}")
            }
            Self::BadCertificate(error) => write!(f, "cannot be used: {error}"),
            Self::BadClientCa(error) => write!(f, "cannot verify clients: {error}"),
        }
    }
}

/// Without the bytes at fault, which may be those of a key.
const fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "it cannot be parsed",
    }
}
