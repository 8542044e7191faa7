//! What `curl` does: one HTTP/1.1 POST with a JSON body, and the answer.

use std::net::SocketAddr;

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The path of Check, for JSON as for gRPC.
pub const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The command line that sends what [`post`] sends.
#[must_use]
pub fn curl(address: SocketAddr, body: &str) -> String {
    format!("curl -d '{body}' -H 'content-type: application/json' {address}{CHECK}")
}

/// Sends the JSON `body` to Check at `address` and returns the JSON of the answer.
///
/// # Errors
///
/// When the server cannot be reached, or answers with another status than 200.
pub async fn post(address: SocketAddr, body: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let request = Request::post(CHECK)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = String::from_utf8(body.to_vec())?;
    ensure!(head.status == StatusCode::OK, "{} {body}", head.status);
    Ok(body)
}
