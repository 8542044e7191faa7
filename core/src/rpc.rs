//! Check, List and Watch: what the three RPCs answer, over a [`Registry`]. No bytes here.

use std::sync::Arc;

use crate::{Code, Registry, RpcError, ServingStatus, Watch};

/// Answers `Check`: the status of `service`, which is never [`ServingStatus::ServiceUnknown`].
///
/// # Errors
///
/// [`Code::NotFound`] if the service is not registered.
pub fn check(registry: &Registry, service: &str) -> Result<ServingStatus, RpcError> {
    registry.check(service).ok_or(UNKNOWN_SERVICE)
}

/// Answers `List`: every registered service with its status, sorted by name.
///
/// # Errors
///
/// [`Code::ResourceExhausted`] if more services are registered than
/// [`list_limit`](crate::RegistryBuilder::list_limit) allows.
pub fn list(registry: &Registry) -> Result<Vec<(Arc<str>, ServingStatus)>, RpcError> {
    registry.list()
}

/// Answers `Watch`. The end of the returned stream is to be reported as [`closed`].
///
/// # Errors
///
/// - [`Code::ResourceExhausted`] if too many watches are open;
/// - [`Code::Unavailable`] after [`Registry::close`]: a message sent first would reset the back-off of
///   the client, which would come back at full speed (gRFC A17).
pub fn watch(registry: &Registry, service: &str) -> Result<Watch, RpcError> {
    if registry.is_closed() {
        return Err(closed());
    }
    Ok(registry.watch(service)?)
}

/// How a Watch ends that the server ended.
#[must_use]
pub const fn closed() -> RpcError {
    RpcError::new(Code::Unavailable, "health service closed")
}

const UNKNOWN_SERVICE: RpcError = RpcError::new(Code::NotFound, "unknown service");
