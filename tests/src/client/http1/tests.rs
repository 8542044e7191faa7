use std::collections::BTreeMap;

use tokio::net::TcpListener;

use super::*;
use crate::vector::{HttpVersion, HttpVersions};

fn request(method: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request {
        http_version: HttpVersions::One(HttpVersion::Http1),
        method: method.to_owned(),
        path: "/p?q".to_owned(),
        headers: headers.collect::<BTreeMap<_, _>>(),
        body: body.as_bytes().to_vec(),
    }
}

/// Answers one connection with `pieces`, each written by itself, and closes it.
async fn answered(
    method: &str,
    pieces: &'static [&'static str],
) -> io::Result<(Head, Vec<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await?;
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await?;
            tokio::task::yield_now().await;
        }
        stream.shutdown().await
    });
    let mut call = Call::start(address, &request(method, &[], "")).await?;
    let head = call.head().await?;
    let mut seen = Vec::new();
    loop {
        seen.push(match call.piece().await? {
            Piece::Body(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Piece::Trailers(trailers) => format!("trailers {:?}", trailers.value("grpc-status")),
            Piece::End => break,
        });
    }
    server.await??;
    Ok((head, seen))
}

#[tokio::test]
async fn a_body_of_a_given_length_is_read_whole() {
    let reply = &["HTTP/1.1 200 OK\r\nA: b\r\ncontent-", "length: 4\r\n\r\nab", "cd"];
    let (head, seen) = answered("GET", reply).await.unwrap();
    assert_eq!((head.status, head.ends_stream), (200, false));
    assert_eq!(head.headers.value("a").as_deref(), Some("b"));
    assert_eq!(seen.concat(), "abcd");
}

#[tokio::test]
async fn chunks_and_trailers_are_read() {
    let reply = &[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "3\r\nab",
        "c\r\n0\r\ngrpc-status: 0\r\n\r\n",
    ];
    let (head, seen) = answered("GET", reply).await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(seen.concat(), "abctrailers Some(\"0\")");
}

#[tokio::test]
async fn a_reply_to_head_has_no_body_whatever_it_says() {
    let reply = &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"];
    let (head, seen) = answered("HEAD", reply).await.unwrap();
    assert!(head.ends_stream);
    assert_eq!(seen, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_cut_off_or_malformed_is_an_error() {
    let replies: [&'static [&'static str]; 8] = [
        &[],
        &["HTTP/1.1 200 OK\r\n"],
        &["HTTP/1.0 200 OK\r\n\r\n"],
        &["HTTP/1.1 20 OK\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\nno field\r\n\r\n"],
    ];
    for reply in replies {
        let error = answered("GET", reply).await.expect_err(&format!("{reply:?}"));
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{reply:?}: {error}");
    }
}

#[test]
fn the_length_is_counted_unless_it_is_given() {
    let text = |request| String::from_utf8(serialize(&request, "h:1")).unwrap();
    let posted = "POST /p?q HTTP/1.1\r\nhost: h:1\r\na: b\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(text(request("POST", &[("a", "b")], "{}")), posted);
    let claimed = "POST /p?q HTTP/1.1\r\nhost: h:1\r\nContent-Length: 9\r\n\r\n{}";
    assert_eq!(text(request("POST", &[("Content-Length", "9")], "{}")), claimed);
    assert_eq!(text(request("GET", &[], "")), "GET /p?q HTTP/1.1\r\nhost: h:1\r\n\r\n");
    assert!(text(request("POST", &[], "")).contains("content-length: 0\r\n"));
}
