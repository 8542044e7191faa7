//! The end of a server: what is told to whom, what may finish, and that it ends.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::time::{Duration, Instant};

use health_core::{Registry, ServingStatus::NotServing, http::HealthService};
use health_hyper::serve;
use health_tokio::{TokioTimer, drain};
use peer::{
    Call, NOT_SERVING, SERVING, Server, WATCH, grpc_check, http2, json_check, read_response,
    read_to_end, within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_tells_1000_watchers_and_ends_within_its_grace() {
    const GRACE: Duration = Duration::from_millis(500);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = Registry::new();
    let (stop, stopped) = oneshot::channel();
    let signal = drain(&registry, GRACE, async { stopped.await.unwrap() });
    let health = HealthService::new(&registry, TokioTimer::shared());
    let running =
        tokio::spawn(serve(listener, health).with_graceful_shutdown(signal).into_future());

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
    assert_eq!(registry.watchers(), 1000);

    let start = Instant::now();
    stop.send(()).unwrap();
    for (connection, service, watch) in &mut watches {
        if service.is_empty() {
            assert_eq!(watch.message().await, Some(NOT_SERVING), "connection {connection}");
        }
    }
    assert!(start.elapsed() < GRACE, "told after {:?}", start.elapsed());
    for (connection, service, watch) in &mut watches {
        assert_eq!(watch.status().await, 14, "connection {connection}, {service:?}");
    }
    within(running).await.unwrap().unwrap();
    let took = start.elapsed();
    assert!((GRACE..GRACE + Duration::from_secs(1)).contains(&took), "{took:?}");
    assert_eq!(registry.watchers(), 0);
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_stop_up() {
    let server = Server::with(|serve| serve.shutdown_timeout(Duration::from_secs(3600))).await;
    let mut requests = server.http2().await;
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    let mut idle = server.connect().await;
    idle.write_all(&json_check(b"{}", "")).await.unwrap();
    read_response(&mut idle).await;
    // It has its last answer, and keeps its side open.
    let mut answered = server.connect().await;
    answered.write_all(&json_check(b"{}", "connection: close\r\n")).await.unwrap();
    read_to_end(&mut answered).await;
    let mut unborn = server.connect().await;
    unborn.write_all(b"GET").await.unwrap();
    // Answered once it is accepted: the connections before it are, too.
    let mut last = server.http2().await;
    assert_eq!(grpc_check(&mut last, "").await, SERVING);

    let start = Instant::now();
    server.stop();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut unborn).await, "");
    server.ended().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_call_that_runs_at_the_stop_is_finished() {
    let server = Server::start().await;
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));
    let mut http1 = server.connect().await;
    let request = json_check(b"{}", "");
    let (most, last) = request.split_at(request.len() - 1);
    http1.write_all(most).await.unwrap();
    // The head has been read when it is asked for what follows it.
    let mut other = server.http2().await;
    assert_eq!(grpc_check(&mut other, "").await, SERVING);

    server.stop();
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(refused).await;
    server.registry.set("", NotServing);
    assert_eq!(watch.message().await, Some(NOT_SERVING));
    http1.write_all(last).await.unwrap();
    let answer = read_to_end(&mut http1).await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"NOT_SERVING"}"#), "{answer}");

    server.registry.close();
    assert_eq!(watch.status().await, 14);
    server.ended().await;
}

#[tokio::test]
async fn what_does_not_finish_is_dropped() {
    const BOUND: Duration = Duration::from_millis(300);
    let server = Server::with(|serve| serve.shutdown_timeout(BOUND)).await;
    let registry = server.registry.clone();
    let mut requests = server.http2().await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));
    let mut http1 = server.connect().await;
    let request = json_check(b"{}", "");
    http1.write_all(&request[..request.len() - 1]).await.unwrap();

    let start = Instant::now();
    server.stop();
    server.ended().await;
    let took = start.elapsed();
    assert!((BOUND..BOUND + Duration::from_secs(1)).contains(&took), "{took:?}");
    within(watch.body.data()).await.unwrap().unwrap_err();
    // By FIN or by reset.
    let _ = within(http1.read_to_end(&mut Vec::new())).await;
    let gone = async {
        while registry.watchers() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(gone).await;
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = Registry::new();
    let health = HealthService::new(&registry, TokioTimer::shared());
    let running = tokio::spawn(serve(listener, health).into_future());
    let mut requests = http2(TcpStream::connect(address).await.unwrap()).await;
    let mut watch = Call::open(&mut requests, WATCH, "").await;
    assert_eq!(watch.message().await, Some(SERVING));

    running.abort();
    within(watch.body.data()).await.unwrap().unwrap_err();
}
