//! HTTP/2 by prior knowledge, one connection a call, over the `h2` crate: END_STREAM, trailers and
//! resets are seen as they came.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Piece, broken};
use crate::reply::{Fields, Head};
use crate::vector::Request;

pub(crate) struct Call {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    /// A stream that is not ended is reset when its last handle goes.
    _sender: SendStream<Bytes>,
    connection: JoinHandle<()>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Call {
    pub(super) async fn start(address: SocketAddr, request: &Request) -> io::Result<Self> {
        let (requests, connection) = connect(address).await?;
        let mut requests = requests.ready().await.map_err(io::Error::other)?;
        let claimed = request.claimed_length().and_then(|length| length.parse().ok());
        // A body that is longer than what is sent would be malformed if it ended here.
        let ends = claimed.is_none_or(|length: u64| length <= request.body.len() as u64);
        let head = request_head(request, address)?;
        let (response, mut sender) = requests
            .send_request(head, ends && request.body.is_empty())
            .map_err(io::Error::other)?;
        if !request.body.is_empty() {
            let body = Bytes::copy_from_slice(&request.body);
            sender.send_data(body, ends).map_err(io::Error::other)?;
        }
        Ok(Self { response: Some(response), body: None, _sender: sender, connection })
    }

    pub(super) async fn head(&mut self) -> io::Result<Head> {
        let response = self.response.take().ok_or_else(|| broken("the head was taken before"))?;
        let (parts, body) = response.await.map_err(io::Error::other)?.into_parts();
        // Every DATA frame waits in the stream until it is taken, an empty one too, so only
        // END_STREAM on the header block itself shows here.
        let ends_stream = body.is_end_stream();
        self.body = Some(body);
        let headers = fields(&parts.headers);
        Ok(Head { status: parts.status.as_u16(), headers, ends_stream })
    }

    pub(super) async fn piece(&mut self) -> io::Result<Piece> {
        let body = self.body.as_mut().ok_or_else(|| broken("the head was not taken yet"))?;
        if let Some(data) = body.data().await {
            let data = data.map_err(io::Error::other)?;
            body.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
            return Ok(Piece::Body(data));
        }
        let trailers = poll_fn(|cx| body.poll_trailers(cx)).await.map_err(io::Error::other)?;
        Ok(trailers.map_or(Piece::End, |trailers| Piece::Trailers(fields(&trailers))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Opens a connection that is driven in the background until the handle is aborted.
pub(crate) async fn connect(
    address: SocketAddr,
) -> io::Result<(SendRequest<Bytes>, JoinHandle<()>)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(async move {
        // How a connection ended, each of its streams tells.
        let _ = connection.await;
    });
    Ok((requests, driver))
}

fn request_head(request: &Request, address: SocketAddr) -> io::Result<http::Request<()>> {
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("http://{address}{}", request.path));
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    head.body(()).map_err(io::Error::other)
}

fn fields(map: &HeaderMap) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in map {
        fields.push(name.as_str(), value.as_bytes());
    }
    fields
}
