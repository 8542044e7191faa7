//! What Prometheus does: one HTTP/1.1 GET, and the text of the answer.

use std::net::SocketAddr;

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The path of the metrics.
pub const METRICS: &str = "/metrics";

/// Asks for the metrics at `address`.
///
/// # Errors
///
/// When the server cannot be reached, or answers with another status than 200.
pub async fn scrape(address: SocketAddr) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let request = Request::get(METRICS).header(HOST, address.to_string());
    let (head, body) =
        sender.send_request(request.body(Empty::<Bytes>::new())?).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = String::from_utf8(body.to_vec())?;
    ensure!(head.status == StatusCode::OK, "{} {body}", head.status);
    Ok(body)
}
