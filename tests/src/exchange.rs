//! One call of a vector against a running subject: commands before and during it, and the whole
//! reply, with a bound on every wait.

use std::io;
use std::slice;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use crate::client::{Call, Piece};
use crate::envelope::{self, TRAILERS};
use crate::reply::{End, Reply};
use crate::subject::Subject;
use crate::vector::{BodyEncoding, HttpVersion, Step, Vector};

/// A reply that is not whole by then is not coming. The vectors' own deadlines are 150 ms.
const LIMIT: Duration = Duration::from_secs(5);

/// A stream that stays open must be silent for so long after its last frame.
const SILENCE: Duration = Duration::from_millis(150);

/// Brings `subject` into the vector's state, makes the call and returns what came.
///
/// # Errors
///
/// If the subject fails a command, or there is no connection or no head of a reply.
pub(crate) async fn exchange(
    vector: &Vector,
    version: HttpVersion,
    subject: &mut Subject,
) -> io::Result<Reply> {
    subject.command(&json!({ "reset": vector.state })).await?;
    for command in &vector.before {
        subject.command(command).await?;
    }
    let started = Instant::now();
    let deadline = started + LIMIT;
    let late = |_| io::Error::other(format!("no reply within {} s", LIMIT.as_secs()));
    let start = Call::start(version, subject.address(), &vector.request);
    let mut call = timeout(LIMIT, start).await.map_err(late)??;
    let head = timeout_at(deadline, call.head()).await.map_err(late)??;
    let reply = Reply {
        version,
        head,
        body: Vec::new(),
        arrivals: Vec::new(),
        trailers: None,
        end: End::Clean,
    };
    let mut exchange = Exchange { vector, steps: vector.steps.iter(), started, reply };
    exchange.receive(&mut call, subject, deadline).await?;
    Ok(exchange.reply)
}

struct Exchange<'a> {
    vector: &'a Vector,
    steps: slice::Iter<'a, Step>,
    started: Instant,
    reply: Reply,
}

impl Exchange<'_> {
    async fn receive(
        &mut self,
        call: &mut Call,
        subject: &mut Subject,
        deadline: Instant,
    ) -> io::Result<()> {
        let mut silence = None;
        loop {
            let frames = self.frames();
            self.run_steps(frames, subject).await?;
            let is_whole = self.steps.as_slice().is_empty() && frames >= self.expected_frames();
            if self.vector.response.stays_open && is_whole {
                silence.get_or_insert_with(|| Instant::now() + SILENCE);
            }
            let piece = timeout_at(silence.unwrap_or(deadline), call.piece()).await;
            self.reply.end = match piece {
                Ok(Ok(Piece::Body(bytes))) => {
                    self.reply.arrivals.push((self.started.elapsed(), bytes.len()));
                    self.reply.body.extend_from_slice(&bytes);
                    continue;
                }
                Ok(Ok(Piece::Trailers(trailers))) => {
                    self.reply.trailers = Some(trailers);
                    End::Clean
                }
                Ok(Ok(Piece::End)) => End::Clean,
                Ok(Err(error)) => End::Broken(error.to_string()),
                Err(_) if silence.is_some() => End::Open,
                Err(_) => End::TimedOut,
            };
            return Ok(());
        }
    }

    /// Runs every step that is due after so many frames.
    async fn run_steps(&mut self, frames: usize, subject: &mut Subject) -> io::Result<()> {
        while let Some(step) = self.steps.as_slice().first()
            && step.after_frames <= frames
        {
            subject.command(&Value::Object(step.command.clone())).await?;
            self.steps.next();
        }
        Ok(())
    }

    fn expected_frames(&self) -> usize {
        self.vector.response.body_frames.as_ref().map_or(0, Vec::len)
    }

    /// How many whole frames have come, gRPC-Web's trailers not counted.
    fn frames(&self) -> usize {
        let decoded = match self.vector.response.body_encoding {
            BodyEncoding::Identity => Ok((self.reply.body.clone(), &[][..])),
            BodyEncoding::GrpcWebText => envelope::decode_text(&self.reply.body),
        };
        let Ok((bytes, _)) = decoded else {
            return 0;
        };
        let (frames, _) = envelope::split(&bytes);
        frames.iter().filter(|frame| frame.flags & TRAILERS == 0).count()
    }
}
