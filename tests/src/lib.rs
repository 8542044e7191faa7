//! One body of tests for every adapter.
//!
//! - [`replay`] runs the vectors of the wire specification (`vectors/vectors.json`) against a real
//!   [`Subject`] process for each [`Adapter`], over raw HTTP/1.1 and HTTP/2 connections, and tells
//!   every difference in a [`Report`].
//! - [`record`] makes the same calls of each adapter, and returns the replies in a form that can be
//!   compared.
//! - [`storm`] sends malformed requests and opens watches by the thousand, and tells whether the
//!   subject is afterwards what it was before.
//!
//! The program `subject` (`src/bin/subject/`) is a server under test: it serves health through one
//! adapter and is steered by JSON lines on its standard input, so tests in any language can drive
//! it. Nothing here uses the wire engine to judge the wire engine: requests are bytes, and replies
//! are read by code of this crate's own.

mod adapter;
mod client;
mod envelope;
mod exchange;
mod expected;
mod judge;
mod matrix;
mod reply;
mod runner;
mod session;
pub mod storm;
mod subject;
mod vector;

pub use adapter::{Adapter, Runtime};
pub use matrix::Matrix;
pub use runner::{Report, replay};
pub use session::{Answer, record};
pub use subject::{Options, Subject};
pub use vector::{Protocol, Vectors};
