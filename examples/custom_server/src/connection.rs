//! One connection: requests and answers in turn, until one side has enough.

use std::{
    io,
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use health_core::http::HealthService;

use crate::{
    block_on::block_on,
    body::RequestBody,
    input::{Input, InputError},
    request::Head,
    response::{self, Asked},
};

/// A request has to be there, head and body, so long after the one before it; an answer has to be
/// taken within as long. So no peer holds a thread by doing nothing, or next to nothing.
const PATIENCE: Duration = Duration::from_secs(15);

/// Serves the connection to its end.
pub(crate) fn serve(stream: &TcpStream, health: &HealthService) {
    // What breaks a connection ends it, and the peer is not there to be told.
    exchange(stream, health).ok();
}

fn exchange(stream: &TcpStream, health: &HealthService) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut input = Input::new(stream);
    while answer_next(stream, &mut input, health)? {}
    stream.shutdown(Shutdown::Write)?;
    // Closing over unread input resets the connection, and the reset can overtake the last answer.
    input.discard_until(Instant::now() + Duration::from_secs(1));
    Ok(())
}

/// Answers one request; says whether another may follow.
fn answer_next<'s>(
    stream: &'s TcpStream,
    input: &mut Input<'s>,
    health: &HealthService,
) -> io::Result<bool> {
    input.set_deadline(Instant::now() + PATIENCE);
    let head = match Head::read(input) {
        Ok(head) => head,
        Err(InputError::Refused(status)) => {
            response::refuse(stream, status)?;
            return Ok(false);
        }
        Err(InputError::Lost(error)) => return Err(error),
    };
    let mut asked = Asked::by(&head);
    let mut body = RequestBody::new(&head, input, stream);
    let response = block_on(health.call(head.request.map(|()| &mut body)));
    // Unread, the rest of the body would be taken for the next request.
    asked.keep_alive &= body.is_read();
    response::write(stream, asked, response)
}
