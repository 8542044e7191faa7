//! Bodies that are far too large: their senders still get their answers.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::time::Duration;

use peer::{CHECK, Server, json_check, read_response, read_to_end, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

const MIB: usize = 1024 * 1024;

/// `resource_exhausted` in Connect's terms.
fn assert_too_large(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("resource_exhausted"), "{answer}");
}

#[tokio::test]
async fn ten_bodies_of_1_mib_each_on_a_connection_of_its_own_get_ten_answers() {
    let server = Server::start().await;
    let request = json_check(&vec![b' '; MIB], "");
    for _ in 0..10 {
        let mut stream = server.connect().await;
        stream.write_all(&request).await.unwrap();
        assert_too_large(&read_response(&mut stream).await);
    }
}

#[tokio::test]
async fn ten_bodies_of_1_mib_on_one_connection_get_ten_answers() {
    let server = Server::start().await;
    let request = json_check(&vec![b' '; MIB], "");
    let mut stream = server.connect().await;
    for _ in 0..10 {
        stream.write_all(&request).await.unwrap();
        assert_too_large(&read_response(&mut stream).await);
    }
}

#[tokio::test]
async fn a_body_of_10_mib_is_answered() {
    let server = Server::start().await;
    let announced = json_check(&vec![b' '; 10 * MIB], "");
    let head = format!(
        "POST {CHECK} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\na00000\r\n"
    );
    let chunked = [head.as_bytes(), &vec![b' '; 10 * MIB], b"\r\n0\r\n\r\n"].concat();
    for request in [announced, chunked] {
        let mut stream = server.connect().await;
        // All of it is written before anything is read: a reset would fail either.
        within(stream.write_all(&request)).await.unwrap();
        assert_too_large(&read_response(&mut stream).await);
    }
}

#[tokio::test]
async fn a_body_of_10_mib_that_was_announced_is_answered_before_it_is_sent() {
    let server = Server::start().await;
    let request = json_check(&vec![b' '; 10 * MIB], "");
    let mut stream = server.connect().await;
    stream.write_all(&request[..1000]).await.unwrap();
    assert_too_large(&read_response(&mut stream).await);
}

#[tokio::test]
async fn who_asks_before_sending_too_much_is_not_asked_to_send_it() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let head = json_check(b"", "expect: 100-continue\r\n");
    let head = String::from_utf8(head).unwrap().replace("length: 0", "length: 1048576");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_too_large(&read_to_end(&mut stream).await);
}

#[tokio::test]
async fn one_that_never_stops_sending_is_cut_off() {
    let server = Server::start().await;
    let head = json_check(b"", "").into_iter().collect::<Vec<_>>();
    let head = String::from_utf8(head).unwrap().replace("length: 0", "length: 999999999999");
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let endless = async {
        let waste = vec![b' '; 64 * 1024];
        while stream.write_all(&waste).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(endless).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
