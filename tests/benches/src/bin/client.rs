//! The load: Checks of one name, one after the other over one connection, and every reply compared
//! with the one right answer.

use std::net::SocketAddr;

use bytes::Bytes;
use clap::Parser;
use h2::client::SendRequest;
use health_benches::{CHECK_PATH, CONTENT_TYPE, CONTENT_TYPE_PROTO, REPLY, SERVICE, request_frame};
use http::{HeaderMap, HeaderValue, Request, Version, header};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error>;

/// Sends Checks over gRPC, one after the other over one connection, and compares every reply.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's address, as HOST:PORT
    server: SocketAddr,

    /// How many calls
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,

    /// The service to ask about; the server must report it as SERVING
    #[arg(long, value_name = "NAME", default_value = SERVICE)]
    service: String,

    /// Sends this grpc-timeout with every call, such as 1S
    #[arg(long, value_name = "TIMEOUT")]
    grpc_timeout: Option<HeaderValue>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let stream = TcpStream::connect(arguments.server)
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", arguments.server))?;
    stream.set_nodelay(true)?;
    let (mut client, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);

    let request = request(&arguments)?;
    let message = Bytes::from(request_frame(&arguments.service));
    for call in 1..=arguments.calls {
        client = client.ready().await?;
        check(&mut client, request.clone(), message.clone())
            .await
            .map_err(|error| format!("call {call} of {}: {error}", arguments.calls))?;
    }
    drop(client);
    connection.await??;
    Ok(())
}

fn request(arguments: &Arguments) -> Result<Request<()>, http::Error> {
    let mut request = Request::post(format!("http://{}{CHECK_PATH}", arguments.server))
        .version(Version::HTTP_2)
        .header(header::TE, "trailers")
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header(header::USER_AGENT, "health-benches/0.1");
    if let Some(timeout) = &arguments.grpc_timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(())
}

/// Makes one call. Head and message are queued before the connection runs, so they leave in one
/// write: how often the server wakes for a call does not depend on the client's pace.
async fn check(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    message: Bytes,
) -> Result<(), Failure> {
    let (response, mut send) = client.send_request(request, false)?;
    send.send_data(message, true)?;

    let (head, mut body) = response.await?.into_parts();
    expect("HTTP status", &head.status.as_u16(), &200)?;
    let content_type = header(&head.headers, "content-type");
    if ![CONTENT_TYPE, CONTENT_TYPE_PROTO].contains(&content_type) {
        return Err(format!("content-type is {content_type:?}, must be {CONTENT_TYPE:?}").into());
    }
    let mut received = Vec::with_capacity(REPLY.len());
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    expect("body", &received.as_slice(), &REPLY.as_slice())?;
    let trailers = body.trailers().await?.ok_or("the reply has no trailers")?;
    expect("grpc-status", &header(&trailers, "grpc-status"), &"0")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("(none)")
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), Failure> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what} is {got:?}, must be {wanted:?}").into())
}
