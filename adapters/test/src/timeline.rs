//! `Timeline`: what has happened, and when.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use health_core::{
    Transition,
    condition::{Evaluation, Observer},
};

/// What has happened on a [`TestBed`](crate::TestBed), in virtual time from its start: every transition, and
/// every evaluation that its [observer](crate::TestBed::observer) was told of. Written down, it has one
/// event a line.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    events: Vec<(Duration, Event)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Transition(Transition),
    /// Of a service, and what is to be told of it.
    Evaluation(String, String),
}

impl Timeline {
    /// Every transition with its time, oldest first.
    pub fn transitions(&self) -> impl Iterator<Item = (Duration, &Transition)> {
        self.events.iter().filter_map(|(at, event)| match event {
            Event::Transition(transition) => Some((*at, transition)),
            Event::Evaluation(..) => None,
        })
    }

    /// How many events there are.
    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }

    /// The transitions of `service` after the first `seen` events.
    pub(crate) fn changes<'a>(
        &'a self,
        service: &'a str,
        seen: usize,
    ) -> impl Iterator<Item = &'a Transition> {
        let events = self.events.get(seen..).unwrap_or_default();
        events.iter().filter_map(move |(_, event)| match event {
            Event::Transition(change) if *change.service == *service => Some(change),
            Event::Transition(_) | Event::Evaluation(..) => None,
        })
    }

    /// What has come after the first `seen` events, as far as anybody reads on.
    pub(crate) fn told_since(&self, seen: usize) -> String {
        let events = self.events.get(seen..).unwrap_or_default();
        let (earlier, last) = events.split_at(events.len().saturating_sub(MAX_TOLD));
        let told = Self { events: last.to_vec() };
        match earlier.len() {
            _ if events.is_empty() => "     nothing has happened".to_owned(),
            0 => told.to_string(),
            count => format!("     {count} events before these\n{told}"),
        }
    }

    pub(crate) fn push(&mut self, at: Duration, event: Event) {
        self.events.push((at, event));
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in &self.events {
            writeln!(f, "{:>9.3} s  {event}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evaluation(service, told) => write!(f, "{service:?}  {told}"),
            Self::Transition(Transition { service, from, to, cause, reason, .. }) => {
                write!(f, "{service:?}  {from} -> {to} ({cause}")?;
                reason.iter().try_for_each(|reason| write!(f, "; {reason}"))?;
                f.write_str(")")
            }
        }
    }
}

/// Takes down evaluations, until the bed puts them on its timeline.
#[derive(Debug, Default)]
pub(crate) struct Evaluations(Mutex<Vec<Event>>);

impl Evaluations {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Evaluations {
    fn evaluated(&self, evaluation: &Evaluation<'_>) {
        let told = match evaluation.result {
            Ok(()) => format!("{} passed", evaluation.condition),
            Err(reason) => format!("{} failed: {reason}", evaluation.condition),
        };
        let event = Event::Evaluation(evaluation.service.to_owned(), told);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// Lines of a timeline that a message has room for.
const MAX_TOLD: usize = 50;
