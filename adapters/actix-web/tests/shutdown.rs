//! The end of a server: what is told to whom, what may finish, and that it ends.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, web};
use health_actix_web::HttpServer;
use health_core::{Registry, ServingStatus::NotServing};
use health_tokio::drain;
use http::Request;
use peer::{
    CHECK, Call, NOT_SERVING, SERVING, Server, WATCH, fetch, grpc_check, grpc_status,
    grpc_web_watch, http2, json_check, read_grpc_web, read_response, read_to_end, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::{net::TcpStream, sync::Notify, sync::oneshot};

#[tokio::test]
async fn a_drain_tells_1000_watchers_and_ends_within_its_grace() {
    const GRACE: Duration = Duration::from_millis(500);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let registry = Registry::new();
    let (stop, stopped) = oneshot::channel();
    let signal = drain(&registry, GRACE, async { stopped.await.unwrap() });
    let server = HttpServer::new(&registry, App::new)
        .listen(listener)
        .server(|server| server.workers(2).shutdown_signal(signal));
    let running = tokio::spawn(server.run());

    let mut watches = Vec::new();
    for connection in 0..10 {
        let mut requests = http2(TcpStream::connect(address).await.unwrap()).await;
        for stream in 0..100 {
            // Half of them on names that nobody registered.
            let service = if stream % 2 == 0 { "" } else { "nobody" };
            let mut watch = Call::open(&mut requests, WATCH, service).await;
            watch.message().await.unwrap();
            watches.push((connection, service, watch));
        }
    }
    let mut http1 = TcpStream::connect(address).await.unwrap();
    http1.write_all(&grpc_web_watch()).await.unwrap();
    read_grpc_web(&mut http1, SERVING).await;
    assert_eq!(registry.watchers(), 1001);

    let start = Instant::now();
    stop.send(()).unwrap();
    for (connection, service, watch) in &mut watches {
        if service.is_empty() {
            assert_eq!(watch.message().await, Some(NOT_SERVING), "connection {connection}");
        }
    }
    read_grpc_web(&mut http1, NOT_SERVING).await;
    assert!(start.elapsed() < GRACE, "told after {:?}", start.elapsed());
    for (connection, service, watch) in &mut watches {
        assert_eq!(watch.status().await, 14, "connection {connection}, {service:?}");
    }
    let mut end = Vec::new();
    within(http1.read_to_end(&mut end)).await.unwrap();
    let end = String::from_utf8_lossy(&end);
    assert!(end.contains("grpc-status: 14\r\n"), "{end}");
    within(running).await.unwrap().unwrap();
    let took = start.elapsed();
    assert!((GRACE..GRACE + Duration::from_secs(1)).contains(&took), "{took:?}");
    assert_eq!(registry.watchers(), 0);
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn a_stop_without_a_drain_closes_the_registry() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    let start = Instant::now();
    server.stop();
    assert_eq!(watch.message().await, Some(NOT_SERVING));
    assert_eq!(watch.status().await, 14);
    assert!(server.registry.is_closed());
    server.ended().await;
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

/// HEADERS of a Watch without compression but of static names, then its empty message.
fn raw_watch() -> Vec<u8> {
    let path = b"/grpc.health.v1.Health/Watch";
    let block = [
        &[0x83, 0x86, 0x04, path.len() as u8][..],
        path,
        b"\x01\x01a\x0f\x10\x10application/grpc\0\x02te\x08trailers",
    ]
    .concat();
    let headers = [&[0, 0, block.len() as u8, 1, 4, 0, 0, 0, 1][..], &block].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    [&preface[..], &headers, b"\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0"].concat()
}

#[tokio::test]
async fn goaway_comes_before_the_end_of_the_streams() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(&raw_watch()).await.unwrap();
    server.watchers(1).await;
    server.stop();
    let mut seen = Vec::new();
    while seen.last() != Some(&"end of Watch") {
        let mut head = [0; 9];
        within(stream.read_exact(&mut head)).await.unwrap();
        let mut payload = vec![0; usize::from(head[2])];
        within(stream.read_exact(&mut payload)).await.unwrap();
        match (head[3], head[4]) {
            (0, _) if payload[6] == SERVING => seen.push("SERVING"),
            (0, _) => seen.push("NOT_SERVING"),
            (1, 5) => seen.push("end of Watch"),
            (7, _) => seen.push("GOAWAY"),
            _ => {}
        }
    }
    assert_eq!(seen, ["SERVING", "NOT_SERVING", "GOAWAY", "end of Watch"]);
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_stop_up() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    let mut idle = server.connect().await;
    idle.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut idle).await;
    let mut unborn = server.connect().await;
    unborn.write_all(b"PRI").await.unwrap();
    let mut begun = server.connect().await;
    begun.write_all(b"GET /").await.unwrap();
    // Answered once it is accepted: the connections before it are, too.
    let mut last = server.http2().await;
    assert_eq!(grpc_check(&mut last, "").await, SERVING);

    let start = Instant::now();
    server.stop();
    for mut connection in [idle, unborn, begun] {
        assert_eq!(read_to_end(&mut connection).await, "");
    }
    server.ended().await;
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

/// An App with a handler that says when it is entered, and ends when it is told to.
async fn with_a_slow_handler(timeout: u64) -> (Server, Arc<Notify>, Arc<Notify>) {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let data = web::Data::new((Arc::clone(&entered), Arc::clone(&leave)));
    let app = move || {
        let slow = |data: web::Data<(Arc<Notify>, Arc<Notify>)>| async move {
            data.0.notify_one();
            data.1.notified().await;
            "done"
        };
        App::new().app_data(data.clone()).route("/slow", web::get().to(slow))
    };
    let server =
        Server::with(app, |server| server.server(|server| server.shutdown_timeout(timeout)));
    (server.await, entered, leave)
}

#[tokio::test]
async fn requests_that_run_at_the_stop_are_finished() {
    let (server, entered, leave) = with_a_slow_handler(60).await;
    let mut http1 = server.connect().await;
    http1.write_all(b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    within(entered.notified()).await;
    let mut requests = server.http2().await;
    let slow = tokio::spawn({
        let mut requests = requests.clone();
        async move { fetch(&mut requests, Request::get("http://test/slow"), b"").await }
    });
    within(entered.notified()).await;

    server.stop();
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(refused).await;
    // New requests are not taken on the connections that are still there.
    assert!(within(std::future::poll_fn(|cx| requests.poll_ready(cx))).await.is_err());
    let start = Instant::now();
    leave.notify_one();
    leave.notify_one();
    leave.notify_waiters();
    let answer = read_to_end(&mut http1).await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
    let (head, body) = within(slow).await.unwrap();
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"done"[..]));
    server.ended().await;
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_does_not_finish_is_dropped() {
    let (server, entered, _leave) = with_a_slow_handler(1).await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/slow").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    within(entered.notified()).await;

    let start = Instant::now();
    server.stop();
    server.ended().await;
    let took = start.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "{took:?}");
    within(response).await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));
    server.abort();
    within(watch.body.data()).await.unwrap().unwrap_err();
    server.watchers(0).await;
}

#[tokio::test]
async fn a_check_that_runs_at_the_stop_is_finished() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let request = Request::post(format!("http://test{CHECK}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = requests.send_request(request, false).unwrap();
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    server.stop();
    while !server.registry.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    body.send_data(peer::grpc_frame(""), true).unwrap();
    let mut body = within(response).await.unwrap().into_body();
    let message = within(body.data()).await.unwrap().unwrap();
    assert_eq!(message[5..], [8, NOT_SERVING]);
    assert_eq!(grpc_status(&within(body.trailers()).await.unwrap().unwrap()), 0);
    server.ended().await;
}

#[test]
fn in_an_actix_system_too() {
    actix_rt::System::new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new();
        registry.set("a", NotServing);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = HttpServer::new(&registry, App::new)
            .listen(listener)
            .server(|server| server.workers(1).shutdown_signal(async { drop(stopped.await) }));
        let running = actix_rt::spawn(server.run());
        let mut requests = http2(TcpStream::connect(address).await.unwrap()).await;
        assert_eq!(grpc_check(&mut requests, "a").await, NOT_SERVING);
        stop.send(()).unwrap();
        within(running).await.unwrap().unwrap();
    });
}

#[tokio::test]
async fn a_second_listener_serves_the_same_registry() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let registry = Registry::new();
    let mut server = HttpServer::new(&registry, App::new).server(|server| server.workers(1));
    for listener in listeners {
        server = server.listen(listener);
    }
    let running = tokio::spawn(server.run());
    let mut watches = Vec::new();
    for address in addresses {
        let mut requests = http2(TcpStream::connect(address).await.unwrap()).await;
        watches.push(Call::open(&mut requests, WATCH, "").await);
    }
    registry.set("", NotServing);
    for watch in &mut watches {
        while watch.message().await.unwrap() != NOT_SERVING {}
    }
    running.abort();
}
