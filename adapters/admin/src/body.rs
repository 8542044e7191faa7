//! The body of a request: read within its limits of kind, size and time, or refused.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use health_core::rt::Timer;
use http::{
    HeaderMap,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{reply::Refusal, service::BoxError};

/// Whether a body of this kind is read.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    if !media_type.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Err(Refusal::media_type());
    }
    Ok(())
}

pub(crate) async fn read<B>(body: B, timer: &dyn Timer) -> Result<Bytes, Refusal>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(Refusal::too_large());
    }
    let whole = pin!(Limited::new(body, MAX_BYTES).collect());
    let late = timer.sleep_until(timer.now() + TIMEOUT);
    match select(whole, late).await {
        Either::Left((Ok(whole), _)) => Ok(whole.to_bytes()),
        Either::Left((Err(error), _)) if error.is::<LengthLimitError>() => {
            Err(Refusal::too_large())
        }
        Either::Left((Err(_), _)) => Err(Refusal::bad("the body is cut off: send it again")),
        Either::Right(_) => Err(Refusal::timeout()),
    }
}

/// A hold is three short texts.
const MAX_BYTES: usize = 4 * 1024;

/// Bounds what a peer that never ends its request holds.
const TIMEOUT: Duration = Duration::from_secs(10);
