//! Files that change while the server runs.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod pki;

use std::{fs, io, net::SocketAddr, time::Duration};

use health_tls::{Tls, TlsBuilder};
use pki::{Authority, Client, Files, presented};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::TcpListener;
use tokio::time;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

/// Says each byte back.
async fn echo(tls: &Tls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut stream = tls.accept(stream).await?;
                while let Ok(byte) = stream.read_u8().await {
                    stream.write_u8(byte).await?;
                    stream.flush().await?;
                }
                stream.shutdown().await
            });
        }
    });
    address
}

/// What a new connection is presented, without a socket: under a clock that stands still, waiting for one
/// would let time pass.
async fn certificate(tls: &Tls, client: &Client) -> CertificateDer<'static> {
    let (near, far) = duplex(64 * 1024);
    let client = client.connector();
    let name = ServerName::try_from("localhost").unwrap();
    let (accepted, connected) = tokio::join!(tls.accept(far), client.connect(name, near));
    accepted.unwrap();
    presented(&connected.unwrap())
}

fn tls(files: &Files) -> TlsBuilder {
    Tls::builder(files.certificate(), files.key())
}

#[tokio::test]
async fn a_new_connection_sees_the_new_certificate_and_an_open_one_goes_on() {
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(), authority.issue());
    let files = Files::new(&old);
    let address = echo(&tls(&files).reload_interval(Duration::ZERO).build().unwrap()).await;
    // One client, which would resume its session if it could.
    let client = authority.client(&["h2"]).connector();
    let connect = async || {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        client.connect(address.ip().into(), stream).await.unwrap()
    };
    let mut open = connect().await;
    assert_eq!(presented(&open), old.der());
    open.write_u8(1).await.unwrap();
    assert_eq!(open.read_u8().await.unwrap(), 1);

    files.replace(&new);
    assert_eq!(presented(&connect().await), new.der());
    open.write_u8(2).await.unwrap();
    assert_eq!(open.read_u8().await.unwrap(), 2);
    files.replace(&old);
    assert_eq!(presented(&connect().await), old.der());
}

#[tokio::test(start_paused = true)]
async fn the_files_are_read_again_when_the_interval_is_over_and_not_before() {
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(), authority.issue());
    let client = authority.client(&[]);
    let rows = [
        (None, Duration::from_secs(10)),
        (Some(Duration::from_secs(3600)), Duration::from_secs(3600)),
    ];
    for (interval, expected) in rows {
        let files = Files::new(&old);
        let tls = match interval {
            Some(interval) => tls(&files).reload_interval(interval),
            None => tls(&files),
        };
        let tls = tls.build().unwrap();
        files.replace(&new);
        time::advance(expected - Duration::from_millis(1)).await;
        assert_eq!(certificate(&tls, &client).await, old.der());
        time::advance(Duration::from_millis(1)).await;
        assert_eq!(certificate(&tls, &client).await, new.der());
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_they_are_read_when_that_is_asked_for() {
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(), authority.issue());
    let files = Files::new(&old);
    let tls = tls(&files).reload_interval(Duration::MAX).build().unwrap();
    let client = authority.client(&[]);

    assert!(!tls.reload().unwrap(), "nothing is new");
    files.replace(&new);
    time::advance(Duration::from_secs(365 * 24 * 3600)).await;
    assert_eq!(certificate(&tls, &client).await, old.der());
    assert!(tls.reload().unwrap());
    assert!(!tls.reload().unwrap(), "it has been read");
    assert_eq!(certificate(&tls, &client).await, new.der());

    fs::remove_file(files.key()).unwrap();
    let error = tls.reload().unwrap_err();
    assert_eq!(error.file(), files.key());
    assert_eq!(certificate(&tls, &client).await, new.der());
}

#[tokio::test]
async fn a_client_of_the_old_authority_cannot_resume_its_way_past_the_new_one() {
    let (authority, next) = (Authority::new("old"), Authority::new("next"));
    let files = Files::new(&authority.issue());
    let clients = files.write("clients.pem", &authority.pem());
    let tls = tls(&files).client_ca(clients).reload_interval(Duration::ZERO).build().unwrap();
    let address = echo(&tls).await;
    let client = authority.client(&[]).presenting(&authority.issue()).connector();
    let ask = async || {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut stream = client.connect(address.ip().into(), stream).await?;
        stream.write_u8(7).await?;
        assert_eq!(stream.read_u8().await?, 7);
        Ok::<_, io::Error>(stream.get_ref().1.handshake_kind())
    };
    assert_eq!(ask().await.unwrap(), Some(HandshakeKind::Full));
    assert_eq!(ask().await.unwrap(), Some(HandshakeKind::Resumed));
    files.write("clients.pem", &next.pem());
    let refused = ask().await.unwrap_err().to_string();
    assert!(refused.contains("UnknownCA"), "{refused}");
}
