//! An App with routes and middleware of its own, reached over HTTP/1.1 and HTTP/2.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, dev::Service as _, error, middleware, web};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::Request;
use peer::{SERVING, Server, fetch, grpc_check, within};
use tokio::sync::oneshot;

/// What a request over HTTP/1.1 comes back with.
async fn get(server: &Server, method: &str, path: &str) -> String {
    let close = "host: test\r\ncookie: a=1\r\ncookie: b=2\r\nconnection: close";
    server.raw(format!("{method} {path} HTTP/1.1\r\n{close}\r\n\r\n")).await
}

#[tokio::test]
async fn one_app_with_its_middleware_serves_both_versions_and_never_the_health_paths() {
    let (calls, apps) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, built) = (Arc::clone(&calls), Arc::clone(&apps));
    let app = move || {
        built.fetch_add(1, SeqCst);
        let counted = Arc::clone(&counted);
        App::new()
            .app_data(web::Data::new(AtomicUsize::new(0)))
            .wrap(middleware::DefaultHeaders::new().add(("x-app", "yes")))
            .wrap_fn(move |request, service| {
                counted.fetch_add(1, SeqCst);
                service.call(request)
            })
            .route(
                "/count/{by}",
                web::post().to(|total: web::Data<AtomicUsize>, by: web::Path<usize>| async move {
                    (total.fetch_add(*by, SeqCst) + *by).to_string()
                }),
            )
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;

    let first = get(&server, "POST", "/count/1").await;
    assert!(first.contains("x-app: yes\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\n1"), "{first}");
    let again = Request::post("http://test/count/2");
    let (head, body) = fetch(&mut requests, again, b"").await;
    // The same state: it is the very same App.
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"3"[..]));
    assert_eq!(head.headers["x-app"], "yes");
    assert_eq!(head.headers["content-length"], "1");
    assert!(head.headers.contains_key("date"));
    assert_eq!((calls.load(SeqCst), apps.load(SeqCst)), (2, 1));

    let nowhere = fetch(&mut requests, Request::get("http://test/nowhere"), b"").await;
    assert_eq!(nowhere.0.status, 404);
    assert_eq!(calls.load(SeqCst), 3);
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
    assert!(get(&server, "GET", "/livez").await.ends_with("ok"));
    assert_eq!(calls.load(SeqCst), 3);
}

#[tokio::test]
async fn a_request_over_http2_is_what_its_handler_expects() {
    async fn describe(request: HttpRequest, body: web::Bytes) -> String {
        let connection = request.connection_info();
        let cookies = request.headers().get_all("cookie");
        let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
        format!(
            "{} {} {:?} {}://{} {} {}",
            request.method(),
            request.uri(),
            request.version(),
            connection.scheme(),
            connection.host(),
            cookies.join(","),
            String::from_utf8_lossy(&body),
        )
    }
    let app = || App::new().default_service(web::to(describe));
    let server = Server::with(app, |server| server).await;
    let request = Request::put("http://example.test:81/a%20b/c?d=e")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let (_, body) = fetch(&mut server.http2().await, request, b"content").await;
    assert_eq!(
        String::from_utf8_lossy(&body),
        "PUT http://example.test:81/a%20b/c?d=e HTTP/2.0 http://example.test:81 a=1,b=2 content"
    );
}

#[tokio::test]
async fn answers_have_the_length_that_they_have_over_http1() {
    let app = || {
        App::new()
            .route("/text", web::get().to(|| async { "text" }))
            .route("/text", web::head().to(|| async { "text" }))
            .route("/empty", web::get().to(HttpResponse::Ok))
            .route("/none", web::get().to(HttpResponse::NoContent))
            .route("/same", web::get().to(HttpResponse::NotModified))
            .route(
                "/wrong",
                web::get().to(|| async {
                    HttpResponse::Ok().insert_header(("content-length", "1000")).body("four")
                }),
            )
            .route(
                "/error",
                web::get()
                    .to(|| async { Err::<&str, _>(error::ErrorImATeapot("short and stout")) }),
            )
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let rows = [
        ("GET", "/text", 200, Some("4"), "text"),
        ("HEAD", "/text", 200, Some("4"), ""),
        ("GET", "/empty", 200, Some("0"), ""),
        ("GET", "/none", 204, None, ""),
        ("GET", "/same", 304, None, ""),
        ("GET", "/wrong", 200, Some("4"), "four"),
        ("GET", "/error", 418, Some("15"), "short and stout"),
    ];
    for (method, path, status, length, body) in rows {
        let request = Request::builder().method(method).uri(format!("http://test{path}"));
        let (head, read) = fetch(&mut requests, request, b"").await;
        assert_eq!(head.status, status, "{method} {path}");
        let header = head.headers.get("content-length").map(|length| length.to_str().unwrap());
        assert_eq!(header, length, "{method} {path}");
        assert_eq!(String::from_utf8_lossy(&read), body, "{method} {path}");

        let answer = get(&server, method, path).await;
        let header = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(header, length, "{method} {path}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn handlers_see_the_peer_and_what_was_found_when_it_connected() {
    #[derive(Clone)]
    struct Number(usize);

    let app = || {
        let describe = |request: HttpRequest, number: web::ReqData<Number>| async move {
            format!("{} {}", request.peer_addr().unwrap(), number.0)
        };
        App::new().route("/peer", web::get().to(describe))
    };
    let connections = AtomicUsize::new(0);
    let server = Server::with(app, |server| {
        server.on_connect(move |stream| {
            assert!(stream.peer_addr().unwrap().ip().is_loopback());
            Number(connections.fetch_add(1, SeqCst) + 1)
        })
    })
    .await;

    let stream = server.connect().await;
    let address = stream.local_addr().unwrap();
    let mut requests = peer::http2(stream).await;
    for _ in 0..2 {
        let (_, body) = fetch(&mut requests, Request::get("http://test/peer"), b"").await;
        assert_eq!(String::from_utf8_lossy(&body), format!("{address} 1"));
    }
    let mut stream = server.connect().await;
    let address = stream.local_addr().unwrap();
    for _ in 0..2 {
        let request = "GET /peer HTTP/1.1\r\nhost: test\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let answer = peer::read_response(&mut stream).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{address} 2")), "{answer}");
    }
}

#[tokio::test]
async fn a_cancelled_http2_request_cancels_its_handler() {
    struct Told(Option<oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }

    let (dropped, was_dropped) = oneshot::channel();
    let dropped = Arc::new(std::sync::Mutex::new(Some(dropped)));
    let entered = Arc::new(tokio::sync::Notify::new());
    let enter = Arc::clone(&entered);
    let app = move || {
        let (dropped, enter) = (Arc::clone(&dropped), Arc::clone(&enter));
        let wait = move || {
            let told = Told(dropped.lock().unwrap().take());
            enter.notify_one();
            async move {
                std::future::pending::<()>().await;
                drop(told);
                ""
            }
        };
        App::new().route("/wait", web::get().to(wait))
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/wait").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    within(entered.notified()).await;
    drop(response);
    within(was_dropped).await.unwrap();
}

#[tokio::test]
async fn a_body_that_fails_resets_its_stream_alone() {
    let app = || {
        let fail = || async {
            // The reset would overtake a piece that has not been sent.
            let error = tokio::time::sleep(Duration::from_millis(100))
                .map(|()| Err(error::ErrorBadGateway("gone")));
            let piece = stream::iter([Ok(web::Bytes::from("piece"))]);
            HttpResponse::Ok().streaming(piece.chain(error.into_stream()))
        };
        App::new().route("/fail", web::get().to(fail))
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/fail").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut body = within(response).await.unwrap().into_body();
    let error = loop {
        match within(body.data()).await {
            Some(Ok(data)) => assert_eq!(data, "piece"),
            Some(Err(error)) => break error,
            None => panic!("it ended well"),
        }
    };
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(grpc_check(&mut requests, "").await, SERVING);
}

#[tokio::test]
async fn a_handler_that_panics_takes_nothing_else_along() {
    let app = || {
        let panics =
            || async { if std::hint::black_box(true) { panic!("on purpose") } else { "" } };
        App::new().route("/panic", web::get().to(panics))
    };
    let server = Server::with(app, |server| server).await;
    let mut requests = server.http2().await;
    let request = Request::get("http://test/panic").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    within(response).await.unwrap_err();
    assert_eq!(grpc_check(&mut requests, "").await, SERVING, "on the same connection");
}
