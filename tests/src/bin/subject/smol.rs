//! Health on hyper and smol, where no tokio runtime is started.

use std::future::pending;
use std::io;
use std::net::TcpListener;

use smol::Async;

use crate::hyper;
use crate::server::{self, Site};

pub(crate) fn start(listener: TcpListener, site: Site) -> io::Result<()> {
    let listener = Async::new(listener)?;
    let serve = health_example_smol_server::serve(listener.into(), hyper::service(site), pending());
    server::keep(|| {
        smol::block_on(serve);
        Ok(())
    })
}
