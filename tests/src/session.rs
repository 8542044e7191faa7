//! A session: calls made one after the other, and what was answered, in a form that can be compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::adapter::Adapter;
use crate::exchange::exchange;
use crate::reply::{Fields, Reply};
use crate::subject::Subject;
use crate::vector::Vectors;

/// What a call of a session is named, and what it was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The vector's id and the version of HTTP.
    pub call: String,
    /// The whole reply: status, header fields, body, trailers, how it ended.
    pub reply: String,
}

/// Makes the calls of `session` in order, each over a connection of its own, and returns every answer.
///
/// Nothing is judged. Each vector's state, commands and request are its script; of what it expects,
/// only how many frames come before the next command, and whether the stream stays open.
///
/// # Errors
///
/// If a subject does not start or stop as its contract says, or a call gets no head of a reply.
pub async fn record(
    program: &Path,
    adapter: Adapter,
    session: &Vectors,
) -> io::Result<Vec<Answer>> {
    let mut subjects = BTreeMap::new();
    let mut answers = Vec::new();
    for vector in &session.0 {
        if !subjects.contains_key(&vector.config) {
            let options = vector.config.options();
            let subject = Subject::start(program, adapter, &options).await?;
            subjects.insert(vector.config.clone(), subject);
        }
        let Some(subject) = subjects.get_mut(&vector.config) else {
            continue;
        };
        for version in vector.http_versions() {
            let call = format!("{} over {version}", vector.id);
            let reply = exchange(vector, version, subject).await;
            let reply = reply
                .map_err(|error| io::Error::other(format!("{call} on {adapter}: {error}")))?
                .comparable();
            answers.push(Answer { call, reply });
        }
    }
    for (_, subject) in subjects {
        subject.stop().await?;
    }
    Ok(answers)
}

impl Reply {
    /// All that the health service decides of a reply; when and in what pieces it came is left out.
    fn comparable(&self) -> String {
        let mut text = format!("{}, {}\n", self.head.status, self.end);
        if self.head.ends_stream {
            text.push_str("ended with its head\n");
        }
        text.push_str(&fields(&self.head.headers));
        let _ = writeln!(text, "body: {}", self.body.escape_ascii());
        match &self.trailers {
            Some(trailers) => text.push_str(&format!("trailers:\n{}", fields(trailers))),
            None => text.push_str("no trailers\n"),
        }
        text
    }
}

/// The fields but [`ASIDE`], sorted: their order means nothing.
fn fields(fields: &Fields) -> String {
    let text = fields.to_string();
    let mut lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !ASIDE.contains(&name)
        })
        .collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// What the server says for itself, not the health service: RFC 9110 §6.6.1, §7.6.1, §10.2.4.
const ASIDE: [&str; 5] = ["connection", "date", "keep-alive", "server", "transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{End, Head};
    use crate::vector::HttpVersion;

    fn reply(headers: &[(&str, &str)]) -> Reply {
        let mut fields = Fields::default();
        for (name, value) in headers {
            fields.push(name, value.as_bytes());
        }
        Reply {
            version: HttpVersion::Http2,
            head: Head { status: 200, headers: fields, ends_stream: false },
            body: b"ok".to_vec(),
            arrivals: Vec::new(),
            trailers: None,
            end: End::Clean,
        }
    }

    #[test]
    fn what_the_server_says_for_itself_is_left_aside() {
        let plain = reply(&[("a", "1"), ("b", "2")]).comparable();
        let dated = [("Date", "now"), ("b", "2"), ("server", "x"), ("a", "1")];
        assert_eq!(reply(&dated).comparable(), plain);
        assert_eq!(reply(&[("Connection", "close"), ("a", "1"), ("b", "2")]).comparable(), plain);
    }

    #[test]
    fn every_part_of_a_reply_is_compared() {
        let plain = reply(&[("a", "1")]);
        let mut others = vec![reply(&[("a", "2")]), reply(&[]), reply(&[("a", "1"), ("a", "1")])];
        let mut change = |change: &dyn Fn(&mut Reply)| {
            let mut other = plain.clone();
            change(&mut other);
            others.push(other);
        };
        change(&|reply| reply.head.status = 201);
        change(&|reply| reply.head.ends_stream = true);
        change(&|reply| reply.body.push(0));
        change(&|reply| reply.trailers = Some(Fields::default()));
        change(&|reply| reply.end = End::Open);
        for other in others {
            assert_ne!(other.comparable(), plain.comparable());
        }
    }
}
