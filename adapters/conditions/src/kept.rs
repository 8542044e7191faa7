//! `Kept`: a question over a connection that is kept from one evaluation to the next.

use std::future::Future;

use health_core::{Reason, condition::Condition};

/// How to connect to something, and to ask it whether it is there.
pub(crate) trait Ping: Send + 'static {
    type Connection: Send;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Reason>> + Send;
    fn ping(connection: &mut Self::Connection) -> impl Future<Output = Result<(), Reason>> + Send;
}

/// Pings over a connection that is kept while it works.
///
/// A kept connection that fails says nothing yet: the server may have been restarted since. So a new one
/// is tried in the same evaluation, and its failure is the reason. An evaluation that is timed out takes
/// its connection with it.
#[derive(Debug)]
pub(crate) struct Kept<P: Ping> {
    server: P,
    connection: Option<P::Connection>,
}

impl<P: Ping> Kept<P> {
    pub(crate) const fn new(server: P) -> Self {
        Self { server, connection: None }
    }
}

impl<P: Ping> Condition for Kept<P> {
    async fn evaluate(&mut self) -> Result<(), Reason> {
        if let Some(mut kept) = self.connection.take()
            && P::ping(&mut kept).await.is_ok()
        {
            self.connection = Some(kept);
            return Ok(());
        }
        let mut connection = self.server.connect().await?;
        P::ping(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }
}
