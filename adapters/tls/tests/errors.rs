//! What is wrong with files is said at the start, in one line that names the file and the reason.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod pki;

use std::io::{self, ErrorKind};

use health_tls::{Tls, TlsError};
use pki::{Authority, Files};

/// A key as `openssl genpkey -aes256` writes it, cut short.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3\n\
                         -----END ENCRYPTED PRIVATE KEY-----\n";

/// The same as PEM knew it before PKCS #8.
const ENCRYPTED_BEFORE: &str = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                                DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";

/// A block that is PEM, and no certificate or key inside.
fn nonsense(block: &str) -> String {
    format!("-----BEGIN {block}-----\nbm9uc2Vuc2U=\n-----END {block}-----\n")
}

/// What [`Tls`] says of files with these contents; of a missing one if there are none.
fn fault(certificate: Option<&str>, key: Option<&str>, client_ca: Option<&str>) -> TlsError {
    let files = Files::new(&Authority::new("test").issue());
    let file = |name: &str, contents: Option<&str>| match contents {
        Some(contents) => files.write(name, contents),
        None => files.certificate().with_file_name("missing.pem"),
    };
    let tls = Tls::builder(file("server.pem", certificate), file("server.key", key));
    let tls = match client_ca {
        Some("") => tls.client_ca(files.certificate().with_file_name("missing.pem")),
        Some(contents) => tls.client_ca(files.write("clients.pem", contents)),
        None => tls,
    };
    tls.build().expect_err("usable")
}

#[test]
fn what_is_wrong_is_said_with_the_file_and_the_reason() {
    let authority = Authority::new("test");
    let (good, other) = (authority.issue(), authority.issue());
    let (certificate, key) = (good.certificate.as_str(), good.key.as_str());
    let no_end = certificate.replace("-----END CERTIFICATE-----\n", "");
    let no_base64 = certificate.replace("MII", "!!!");
    let [bad_certificate, bad_key] = ["CERTIFICATE", "PRIVATE KEY"].map(nonsense);
    let half_a_chain = format!("{certificate}{}", no_end);
    let half_an_authority = format!("{}{bad_certificate}", authority.pem());
    let (ca, both) = (authority.pem(), format!("{certificate}{key}"));

    let rows = [
        (None, Some(key), None, "certificate file", "missing.pem: cannot be read: No such file"),
        (Some(certificate), None, None, "key file", "missing.pem: cannot be read: No such file"),
        (Some(""), Some(key), None, "certificate file", "server.pem: has no certificate in it"),
        (Some(key), Some(key), None, "certificate file", "server.pem: has no certificate in it"),
        (Some(&no_end), Some(key), None, "certificate file", "is not PEM: a block has no END line"),
        (Some(&half_a_chain), Some(key), None, "certificate file", "a block has no END line"),
        (
            Some(&no_base64),
            Some(key),
            None,
            "certificate file",
            "is not PEM: a block is not base64",
        ),
        (
            Some(&bad_certificate),
            Some(key),
            None,
            "certificate file",
            "has a certificate that cannot be used",
        ),
        (Some(certificate), Some(""), None, "key file", "server.key: has no private key in it"),
        (Some(certificate), Some(certificate), None, "key file", "has no private key in it"),
        (Some(certificate), Some(ENCRYPTED), None, "key file", "has an encrypted private key"),
        (
            Some(certificate),
            Some(ENCRYPTED_BEFORE),
            None,
            "key file",
            "has an encrypted private key",
        ),
        (
            Some(certificate),
            Some(&bad_key),
            None,
            "key file",
            "is not RSA, ECDSA on P-256 or P-384",
        ),
        (
            Some(certificate),
            Some(&other.key),
            None,
            "key file",
            "server.key: does not belong to the certificate in ",
        ),
        (Some(certificate), Some(key), Some(""), "client CA file", "missing.pem: cannot be read"),
        (Some(certificate), Some(key), Some(key), "client CA file", "has no certificate in it"),
        (
            Some(certificate),
            Some(key),
            Some(&half_an_authority),
            "client CA file",
            "clients.pem: has a certificate that cannot be used: ",
        ),
    ];
    for (certificate, key, client_ca, role, reason) in rows {
        let error = fault(certificate, key, client_ca);
        let said = error.to_string();
        let file = error.file().display().to_string();
        assert!(said.starts_with(&format!("TLS {role} {file}: ")), "{said}");
        assert!(said.contains(reason), "{said} does not say {reason:?}");
        assert!(!said.contains('\n'), "{said}");
    }

    // What the rows vary is good by itself, also with a key and a chain in one file.
    let files = Files::new(&good);
    let clients = files.write("clients.pem", &ca);
    Tls::builder(files.certificate(), files.key()).client_ca(clients).build().unwrap();
    let one = files.write("both.pem", &both);
    Tls::from_pem_files(one.clone(), one).unwrap();
}

#[test]
fn a_directory_is_named_too() {
    let files = Files::new(&Authority::new("test").issue());
    let folder = files.certificate().parent().unwrap().to_owned();
    let error = Tls::from_pem_files(&folder, files.key()).unwrap_err();
    assert_eq!(error.file(), folder);
    assert!(error.to_string().contains("cannot be read: "), "{error}");
}

#[test]
fn it_is_an_io_error_of_the_right_kind() {
    let missing = io::Error::from(fault(None, Some(""), None));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("missing.pem"), "{missing}");
    let empty = io::Error::from(fault(Some(""), Some(""), None));
    assert_eq!(empty.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_chain_and_each_kind_of_key_are_taken() {
    let authority = Authority::new("test");
    let mut identity = authority.issue_ed25519();
    identity.certificate.push_str(&authority.pem());
    let files = Files::new(&identity);
    Tls::from_pem_files(files.certificate(), files.key()).unwrap();
}
