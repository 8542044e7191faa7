//! The part of the command line that is about TLS.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use health_conformance::Adapter;
use health_tls::Tls;

use crate::server::{Ports, listen};

#[derive(Debug, Args)]
pub(crate) struct TlsArguments {
    /// Serve over TLS with this certificate chain, in PEM; read again once a second
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve only clients that present a certificate of this CA, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Listen here too, in plaintext; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", requires = "tls_cert")]
    plain_listen: Option<SocketAddr>,
}

impl TlsArguments {
    /// What `adapter` is to listen on beside, or instead of, the plaintext of `listener`.
    pub(crate) fn ports(self, adapter: Adapter, listener: TcpListener) -> io::Result<Ports> {
        let tls = self.tls(adapter)?;
        let plain = self.plain_listen.map(listen).transpose()?;
        Ok(Ports { listener, tls, plain })
    }

    fn tls(&self, adapter: Adapter) -> io::Result<Option<Tls>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        if !matches!(adapter, Adapter::Hyper | Adapter::Tonic | Adapter::ActixWeb) {
            let refusal =
                format!("--tls-cert: served through hyper, tonic and actix-web, not {adapter}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, refusal));
        }
        let tls = Tls::builder(certificate, key).reload_interval(Duration::from_secs(1));
        let tls = match &self.tls_client_ca {
            Some(file) => tls.client_ca(file),
            None => tls,
        };
        Ok(Some(tls.build()?))
    }
}
