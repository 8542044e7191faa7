//! TLS for the servers of the health adapters: [`Tls`], made of PEM files that may be replaced while the
//! server runs.
//!
//! [rustls](https://docs.rs/rustls) does the protocol, with the cryptography of ring, which builds with a C
//! compiler alone. No process-wide default provider is needed or touched.

mod error;
mod files;
mod tls;

pub use error::TlsError;
pub use tls::{Tls, TlsBuilder};
/// The stream of a connection after its handshake; from tokio-rustls.
pub use tokio_rustls::server::TlsStream;
