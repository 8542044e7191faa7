//! Maintenance over HTTP, for operators and their scripts: [`AdminService`] holds a service out of
//! rotation, lets it go, and tells why each service shows what it shows.
//!
//! It tells what no peer is told, and does what no peer may do, so it is nothing that a health service
//! has by itself: a program makes one, serves it on a port apart from the public one, and gives it a
//! token that every request must carry.
//!
//! # Routes
//!
//! JSON in, JSON out. A name in a path is percent-encoded; a `/` in it may stay as it is, as in the keys
//! of Dubbo.
//!
//! | request | answer |
//! |---|---|
//! | `GET /services` | every service: `service`, `status`, `age_seconds`, `why`, `hold`, `conditions` |
//! | `GET /holds` | every hold: `service`, `reason`, `by`, `remaining_seconds` |
//! | `GET /transitions` | the last changes, oldest first: `sequence`, `service`, `from`, `to`, `cause`, `reason`, `lasted_seconds` |
//! | `PUT /holds/{service}` | holds: 201, or 200 where it takes the place of an earlier hold |
//! | `POST /holds` | the same, with the `service` in the body |
//! | `DELETE /holds/{service}` | releases: 200, or 404 if it is not held |
//! | `DELETE /holds?service=` | the same, with the name in the query |
//!
//! What is not known is left out: `why` of a service that shows what was set, `remaining_seconds` of a
//! hold without an end.
//!
//! A hold is `{"reason": "schema migration", "by": "ada", "for": "10m"}`. The `reason` must be there;
//! `by` is `admin` unless given, and a release takes it as `?by=`; `for` is a number of seconds, or a
//! duration such as `"90s"` or `"1h30m"`, after which the hold ends by itself: with the next question
//! at the latest, and on time where a [`Monitor`](health_core::condition::Monitor) runs. The answer says what it
//! did: `update` is `changed`, `unchanged` or `hidden` (see [`Update`](health_core::Update)), and
//! `status` is what the service shows now.
//!
//! - A name that is not registered can be held, so that a service can be kept out before it comes up: the
//!   answer's `status` is then `SERVICE_UNKNOWN`, which is also how a misspelt name is seen.
//! - The server as a whole has the empty name. `/holds/` does not name it, or a script whose variable is
//!   empty would take everything out of rotation: it is held with `{"service": "", ...}`, and released
//!   with `DELETE /holds?service=`.
//!
//! # Errors
//!
//! `{"error": "..."}` says what to do.
//!
//! | status | if |
//! |---|---|
//! | 400 | the path, the query or the body is not as above |
//! | 401 | the request has no token, or another one; nothing else is looked at before |
//! | 404 | there is no such path, or the service is not held |
//! | 405 | the path has no such method; `allow` has those that it has |
//! | 408 | the body did not come within 10 s |
//! | 413 | the body is larger than 4 KiB |
//! | 415 | the body is not `application/json` |
//!
//! # Examples
//!
//! Health on the public port, administration on the machine itself, both with hyper:
//!
//! ```no_run
//! use std::{convert::Infallible, error::Error, fs};
//!
//! use health_admin::AdminService;
//! use health_core::{Registry, ServingStatus, http::HealthService};
//! use health_hyper::{serve, serve_with};
//! use health_tokio::TokioTimer;
//! use hyper::{Request, body::Incoming, service::service_fn};
//! use tokio::net::TcpListener;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn Error>> {
//!     let health = Registry::new();
//!     health.set("greet.GreetService", ServingStatus::Serving);
//!
//!     // openssl rand -base64 32 > health-admin.token
//!     let token = fs::read_to_string("health-admin.token")?;
//!     let admin = AdminService::new(&health, TokioTimer::shared(), token.trim_end())?;
//!     let admin = service_fn(move |request: Request<Incoming>| {
//!         let answer = admin.call(request);
//!         async { Ok::<_, Infallible>(answer.await) }
//!     });
//!
//!     let public = TcpListener::bind("0.0.0.0:20000").await?;
//!     let local = TcpListener::bind("127.0.0.1:20001").await?;
//!     tokio::try_join!(
//!         serve(public, HealthService::new(&health, TokioTimer::shared())).into_future(),
//!         serve_with(local, admin).into_future(),
//!     )?;
//!     Ok(())
//! }
//! ```
//!
//! ```text
//! $ curl -X PUT 127.0.0.1:20001/holds/greet.GreetService \
//!     -H "authorization: bearer $(cat health-admin.token)" -H 'content-type: application/json' \
//!     -d '{"reason": "schema migration", "by": "ada", "for": "10m"}'
//! {"service":"greet.GreetService","update":"changed","status":"NOT_SERVING","hold":{"reason":"schema migration","by":"ada","remaining_seconds":600.0}}
//! ```

mod answer;
mod body;
mod hold;
mod reply;
mod route;
mod service;
mod token;

pub use service::AdminService;
pub use token::TokenError;
