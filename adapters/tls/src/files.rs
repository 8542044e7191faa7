//! From PEM files to what a handshake needs.

use std::path::{Path, PathBuf};
use std::{fs, sync::Arc};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, version};

use crate::TlsError;
use crate::error::{Fault, Role};

/// Which files there are, and what is made of them.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<ClientCa>,
    /// In the order of preference.
    pub(crate) alpn: &'static [&'static [u8]],
}

#[derive(Clone, Debug)]
pub(crate) struct ClientCa {
    pub(crate) file: PathBuf,
    /// Whether a client without a certificate is refused.
    pub(crate) is_required: bool,
}

/// What the files held when they were read.
#[derive(Hash)]
pub(crate) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    pub(crate) fn read(&self) -> Result<Contents, TlsError> {
        let client_ca = self.client_ca.as_ref();
        Ok(Contents {
            certificate: read(Role::Certificate, &self.certificate)?,
            key: read(Role::Key, &self.key)?,
            client_ca: client_ca.map(|ca| read(Role::ClientCa, &ca.file)).transpose()?,
        })
    }

    pub(crate) fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        // Given by name: another crate may have enabled a second provider, and none may be the default.
        let provider = Arc::new(ring::default_provider());
        let certified = self.certified_key(&provider, contents)?;
        let versions = [&version::TLS13, &version::TLS12];
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config
            .with_protocol_versions(&versions)
            .map_err(|error| self.error(Role::Certificate, Fault::BadCertificate(error)))?;
        let config = match self.client_verifier(provider, contents)? {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    fn certified_key(
        &self,
        provider: &CryptoProvider,
        contents: &Contents,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&contents.certificate)
            .map_err(|fault| self.error(Role::Certificate, fault))?;
        let key = private_key(&contents.key).map_err(|fault| self.error(Role::Key, fault))?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| self.error(Role::Key, Fault::BadKey))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => {
                Err(self.error(Role::Key, Fault::OtherKey(self.certificate.clone())))
            }
            Err(error) => Err(self.error(Role::Certificate, Fault::BadCertificate(error))),
        }
    }

    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
        contents: &Contents,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(ca), Some(contents)) = (&self.client_ca, &contents.client_ca) else {
            return Ok(None);
        };
        let fault = |fault| TlsError::new(Role::ClientCa, &ca.file, fault);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(contents).map_err(fault)? {
            roots.add(certificate).map_err(|error| fault(Fault::BadCertificate(error)))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if ca.is_required { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map(Some).map_err(|error| fault(Fault::BadClientCa(error)))
    }

    /// `role` is [`Role::Certificate`] or [`Role::Key`].
    fn error(&self, role: Role, fault: Fault) -> TlsError {
        let file = if matches!(role, Role::Key) { &self.key } else { &self.certificate };
        TlsError::new(role, file, fault)
    }
}

fn read(role: Role, file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::new(role, file, Fault::Unreadable(error)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(Fault::NoCertificate),
        certificates => certificates.map_err(Fault::NotPem),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let is_encrypted = || {
        let mark: &[u8] = b"ENCRYPTED";
        pem.windows(mark.len()).any(|bytes| bytes == mark)
    };
    match PrivateKeyDer::from_pem_slice(pem) {
        // By the name of its block, or by a line inside the block, which reads as bad base64.
        Err(_) if is_encrypted() => Err(Fault::EncryptedKey),
        Err(pem::Error::NoItemsFound) => Err(Fault::NoKey),
        key => key.map_err(Fault::NotPem),
    }
}
