//! Certificates made for a test, the files of a server, and clients. The adapters' tests use it too.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::path::PathBuf;
use std::{fs, io, net::SocketAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

/// A certificate authority. Names tell authorities apart.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate of an authority and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// An identity for a server on the loopback interface, or for a client.
    pub(crate) fn issue(&self) -> Identity {
        self.issue_with(&KeyPair::generate().unwrap())
    }

    /// The same with a key on a curve of its own.
    pub(crate) fn issue_ed25519(&self) -> Identity {
        self.issue_with(&KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    fn issue_with(&self, key: &KeyPair) -> Identity {
        let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        let certificate = params.unwrap().signed_by(key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that trusts this authority and offers these protocols.
    pub(crate) fn client(&self, alpn: &[&str]) -> Client {
        Client {
            trusted: self.0.der().clone(),
            identity: None,
            alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
            version: &version::TLS13,
        }
    }
}

impl Identity {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

pub(crate) struct Client {
    trusted: CertificateDer<'static>,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    pub(crate) version: &'static SupportedProtocolVersion,
}

impl Client {
    /// Presents this certificate to a server that asks for one.
    pub(crate) fn presenting(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![identity.der()], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        TlsConnector::from(Arc::new(config))
    }

    /// Over TLS 1.3 the server may still refuse the client's certificate after this.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        self.connector().connect(ServerName::from(address.ip()), stream).await
    }
}

/// The certificate that the server presented.
pub(crate) fn presented<IO>(stream: &TlsStream<IO>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain.first().unwrap().clone()
}

/// The files of a server, in a folder that goes with the test.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new(identity: &Identity) -> Self {
        let files = Self { folder: TempDir::new().unwrap() };
        files.replace(identity);
        files
    }

    pub(crate) fn replace(&self, identity: &Identity) {
        self.write("tls.crt", &identity.certificate);
        self.write("tls.key", &identity.key);
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }
}
