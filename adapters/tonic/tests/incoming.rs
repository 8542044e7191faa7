//! Connections of `incoming`: what tonic's server does not see by itself.

mod watcher;

use health_tonic::{HealthRoutes, Registry, incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::{io::AsyncWriteExt as _, time::Duration, time::sleep};
use tonic::transport::Server;
use watcher::{SERVING, WATCH, read_until, watchers};

#[tokio::test]
async fn a_watcher_that_leaves_is_let_go_whatever_it_left_unread() {
    let health = Registry::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .accept_http1(true)
        .add_routes(HealthRoutes::new(&health).into_routes())
        .serve_with_incoming(incoming(listener));
    tokio::spawn(server);

    for behind in [&b""[..], b"x", WATCH] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[WATCH, behind].concat()).await.unwrap();
        read_until(&mut stream, SERVING).await;
        assert_eq!(health.watchers(), 1);
        // It stays as long as it listens, whatever it has sent.
        sleep(Duration::from_millis(1200)).await;
        assert_eq!(health.watchers(), 1, "{behind:?}");
        drop(stream);
        watchers(&health, 0).await;
    }
}
