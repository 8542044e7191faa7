// A tonic service as generated code has it, for the tests and the examples in the documentation. It
// answers every call with what it was greeted with.

/// `greet.GreetService`.
#[derive(Clone, Debug)]
pub(crate) struct GreetServiceServer(&'static str);

impl GreetServiceServer {
    pub(crate) fn new(greet: &'static str) -> Self {
        Self(greet)
    }
}

impl tonic::server::NamedService for GreetServiceServer {
    const NAME: &'static str = "greet.GreetService";
}

impl tower_service::Service<http::Request<tonic::body::Body>> for GreetServiceServer {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<tonic::body::Body>) -> Self::Future {
        std::future::ready(Ok(tonic::Status::aborted(self.0).into_http()))
    }
}
