//! Handshakes with real clients: what is agreed on, who is let in, and what a bad peer costs.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod pki;

use std::io::ErrorKind;
use std::{net::SocketAddr, time::Duration};

use health_tls::{Tls, TlsBuilder};
use pki::{Authority, Client, Files, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::{ProtocolVersion, version};

/// Far beyond anything that is waited for here; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one CA, and a second CA that it does not know.
struct Stage {
    files: Files,
    authority: Authority,
    stranger: Authority,
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new("known");
        let files = Files::new(&authority.issue());
        Self { files, authority, stranger: Authority::new("stranger") }
    }

    fn tls(&self) -> TlsBuilder {
        Tls::builder(self.files.certificate(), self.files.key())
    }

    /// Says to each client whether it has presented a certificate, after its first byte.
    async fn serve(&self, tls: TlsBuilder) -> SocketAddr {
        let tls = tls.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let tls = tls.clone();
                tokio::spawn(async move {
                    let mut stream = tls.accept(stream).await?;
                    let presented = stream.get_ref().1.peer_certificates().is_some();
                    stream.read_u8().await?;
                    stream.write_u8(u8::from(presented)).await?;
                    stream.shutdown().await
                });
            }
        });
        address
    }
}

/// What [`Stage::serve`] says; nothing if the client is refused.
async fn ask(address: SocketAddr, client: &Client) -> Result<bool, String> {
    let asked = async {
        let mut stream = client.connect(address).await?;
        stream.write_u8(0).await?;
        stream.read_u8().await
    };
    let answer = timeout(PATIENCE, asked).await.unwrap();
    answer.map(|presented| presented == 1).map_err(|error| error.to_string())
}

#[tokio::test]
async fn http2_is_agreed_on_where_the_client_has_it_and_http1_elsewhere() {
    let stage = Stage::new();
    let (both, http2) =
        (stage.serve(stage.tls()).await, stage.serve(stage.tls().http2_only()).await);
    let rows: [(SocketAddr, &[&str], Option<&str>); 6] = [
        (both, &["h2"], Some("h2")),
        (both, &["http/1.1", "h2"], Some("h2")),
        (both, &["http/1.1"], Some("http/1.1")),
        (both, &["http/1.0", "http/1.1"], Some("http/1.1")),
        (both, &[], None),
        (http2, &["http/1.1", "h2"], Some("h2")),
    ];
    for (address, offered, agreed) in rows {
        let stream = stage.authority.client(offered).connect(address).await.unwrap();
        let found = stream.get_ref().1.alpn_protocol();
        assert_eq!(found, agreed.map(str::as_bytes), "{offered:?}");
    }
    for (address, offered) in [(both, "http/1.0"), (http2, "http/1.1")] {
        let refused = stage.authority.client(&[offered]).connect(address).await.unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{offered}: {refused}");
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    for (version, expected) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut client = stage.authority.client(&["h2"]);
        client.version = version;
        let stream = client.connect(address).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_server_is_only_its_own_loss() {
    let stage = Stage::new();
    let address = stage.serve(stage.tls()).await;
    let refused = ask(address, &stage.stranger.client(&[])).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    assert_eq!(ask(address, &stage.authority.client(&[])).await, Ok(false));
}

#[tokio::test]
async fn a_client_certificate_is_required_asked_for_or_ignored() {
    let stage = Stage::new();
    let ca = stage.files.write("clients.pem", &stage.authority.pem());
    let ignored = stage.serve(stage.tls()).await;
    let optional = stage.serve(stage.tls().optional_client_ca(&ca)).await;
    let required = stage.serve(stage.tls().client_ca(&ca)).await;
    let (known, strange) = (stage.authority.issue(), stage.stranger.issue());

    // Whether the server says that it has a certificate, or what the client is told.
    let (none, known, strange) = (None, Some(&known), Some(&strange));
    let rows: [(SocketAddr, Option<&Identity>, Result<bool, &str>); 9] = [
        (ignored, none, Ok(false)),
        (ignored, known, Ok(false)),
        (ignored, strange, Ok(false)),
        (optional, none, Ok(false)),
        (optional, known, Ok(true)),
        (optional, strange, Err("UnknownCA")),
        (required, none, Err("CertificateRequired")),
        (required, known, Ok(true)),
        (required, strange, Err("UnknownCA")),
    ];
    for (row, (address, identity, expected)) in rows.into_iter().enumerate() {
        for version in [&version::TLS12, &version::TLS13] {
            let mut client = stage.authority.client(&[]);
            client.version = version;
            let client = match identity {
                Some(identity) => client.presenting(identity),
                None => client,
            };
            match (ask(address, &client).await, expected) {
                (Ok(presented), Ok(expected)) => assert_eq!(presented, expected, "{row}"),
                (Err(told), Err(expected)) if told.contains(expected) => {}
                // Before TLS 1.3 there was no such alert.
                (Err(told), Err("CertificateRequired")) if told.contains("HandshakeFailure") => {}
                (found, expected) => panic!("{row}, {version:?}: {found:?}, not {expected:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_speaks_plaintext_is_closed_at_once() {
    let stage = Stage::new();
    let tls = stage.tls().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for beginning in
        ["GET /livez HTTP/1.1\r\nhost: test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(beginning.as_bytes()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let start = Instant::now();
        let closed = async {
            let mut alert = Vec::new();
            // By FIN, not by a reset.
            peer.read_to_end(&mut alert).await.unwrap();
            drop(peer);
            alert
        };
        let (accepted, alert) = tokio::join!(tls.accept(stream), timeout(PATIENCE, closed));
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::InvalidData);
        // A fatal alert (RFC 8446 §6), and nothing else.
        assert_eq!(alert.unwrap()[..1], [21]);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_cut_off_in_time() {
    let stage = Stage::new();
    let ten = Duration::from_secs(10);
    let rows: [(TlsBuilder, &[u8], Duration); 3] = [
        (stage.tls(), b"", ten),
        (stage.tls(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xfb", ten),
        (stage.tls().handshake_timeout(ten / 5), b"\x16", ten / 5),
    ];
    for (tls, beginning, limit) in rows {
        let (mut peer, io) = duplex(1024);
        peer.write_all(beginning).await.unwrap();
        let start = Instant::now();
        let accepted = tls.build().unwrap().accept(io).await;
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), limit, "{beginning:?}");
        assert_eq!(peer.read_to_end(&mut Vec::new()).await.unwrap(), 0, "{beginning:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dismissed_and_sends_on_is_cut_off_after_a_second() {
    let (mut peer, io) = duplex(1024);
    tokio::spawn(async move {
        while peer.write_all(b"plaintext").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    let start = Instant::now();
    Stage::new().tls().build().unwrap().accept(io).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 1);
}
