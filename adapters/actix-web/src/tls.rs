//! Connections that begin with the handshake of TLS.

use std::rc::Rc;

use actix_http::error::DispatchError;
use health_tls::{Tls, TlsStream};
use tokio::io::{Join, ReadHalf, WriteHalf, split};
use tokio::{net::tcp::OwnedWriteHalf, sync::watch};

use crate::connection::{App, Http1, Inbound, Peer, Port, Settings, Worker, http1};

type Stream = TlsStream<Join<Inbound, OwnedWriteHalf>>;

/// What a worker has beside for a listener over TLS.
pub(crate) struct OverTls {
    tls: Tls,
    http1: Http1<ReadHalf<Stream>, WriteHalf<Stream>>,
}

impl OverTls {
    pub(crate) async fn start(app: &App, settings: &Settings) -> Result<Option<Self>, ()> {
        let Port::AppOverTls(tls) = &settings.port else {
            return Ok(None);
        };
        let http1 = http1(Rc::clone(app), settings).await?;
        Ok(Some(Self { tls: tls.clone(), http1 }))
    }

    pub(crate) async fn serve(
        &self,
        worker: &Worker,
        peer: Rc<Peer>,
        io: Join<Inbound, OwnedWriteHalf>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), DispatchError> {
        let accepted = tokio::select! {
            accepted = self.tls.accept(io) => accepted,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let Ok(stream) = accepted else {
            return Ok(());
        };
        let is_http2 = stream.get_ref().1.alpn_protocol().map(|name| name == b"h2");
        worker.run(&self.http1, peer, split(stream), stop, is_http2).await
    }
}
