//! `AdminService`: takes a request, does what it asks for, gives the reply.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use health_core::{Hold, Registry, Update, rt::Timer};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tracing::info;

use crate::{
    TokenError,
    answer::{Done, Holds, Services, Transitions},
    body,
    hold::{self, Wanted},
    reply::{self, Refusal, Reply},
    route::{Action, route},
    token::Token,
};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The administration of a registry over HTTP. A cheap handle; clones are the same service.
///
/// It never fails and never panics: every request has a defined reply, and one without the token has
/// always the same. The routes are those of the [crate]. Each hold and each release is logged
/// with who did it, and named so in [`Transition::reason`](health_core::Transition::reason).
///
/// # Examples
///
/// ```
/// use health_admin::AdminService;
/// use health_core::{Registry, ServingStatus};
/// use health_tokio::TokioTimer;
/// use http_body_util::Full;
///
/// let health = Registry::new();
/// health.set("greet.GreetService", ServingStatus::Serving);
/// let admin = AdminService::new(&health, TokioTimer::shared(), "a-secret-for-this-example")?;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let request = http::Request::put("/holds/greet.GreetService")
///     .header("authorization", "Bearer a-secret-for-this-example")
///     .header("content-type", "application/json")
///     .body(Full::new(&br#"{"reason": "schema migration"}"#[..]))?;
/// let response = admin.call(request).await;
///
/// assert_eq!(response.status(), 201);
/// assert_eq!(health.check("greet.GreetService"), Some(ServingStatus::NotServing));
/// # Ok::<(), http::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AdminService {
    scope: Arc<Scope>,
}

struct Scope {
    registry: Registry,
    timer: Arc<dyn Timer>,
    token: Token,
}

impl AdminService {
    /// The administration of `registry`, for requests that carry `token`. The `timer` bounds how long a
    /// request's body may take.
    ///
    /// # Errors
    ///
    /// If the token has less than 16 bytes, or a character that is not visible ASCII.
    pub fn new(
        registry: &Registry,
        timer: Arc<dyn Timer>,
        token: &str,
    ) -> Result<Self, TokenError> {
        let scope = Scope { registry: registry.clone(), timer, token: Token::new(token)? };
        Ok(Self { scope: Arc::new(scope) })
    }

    /// Answers one request. Its body is read only where one is needed, and only with the token.
    ///
    /// # Cancel safety
    ///
    /// What is asked for is done in one step, once the body is there: a future that is dropped has done
    /// all of it or nothing.
    pub fn call<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + use<B>
    where
        B: http_body::Body,
        B::Error: Into<BoxError>,
    {
        let scope = Arc::clone(&self.scope);
        async move { scope.answer(request).await.unwrap_or_else(Refusal::into_reply) }
    }
}

impl Scope {
    async fn answer<B>(&self, request: Request<B>) -> Result<Reply, Refusal>
    where
        B: http_body::Body,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        if !self.token.admits(&head.headers) {
            return Err(Refusal::token());
        }
        match route(&head)? {
            Action::Hold(in_path) => {
                body::check_type(&head.headers)?;
                let body = body::read(body, &*self.timer).await?;
                let wanted = Wanted::read(&body, in_path, &self.registry)?;
                Ok(self.hold(&wanted))
            }
            Action::Holds => Ok(self.holds()),
            Action::Release { service, by } => self.release(&service, &hold::holder(by)?),
            Action::Services => Ok(self.services()),
            Action::Transitions => Ok(self.transitions()),
        }
    }

    fn hold(&self, Wanted { service, hold }: &Wanted) -> Reply {
        let was_held = self.registry.held(service).is_some();
        let update = self.registry.hold(service, hold.clone());
        info!(service, by = hold.holder(), reason = hold.reason(), %update, "held");
        // There was a hold, and this one has taken its place.
        let status = if was_held { StatusCode::OK } else { StatusCode::CREATED };
        self.done(status, service, update, Some(hold))
    }

    fn release(&self, service: &str, by: &str) -> Result<Reply, Refusal> {
        let update = self.registry.release_by(service, by);
        if update == Update::Unchanged {
            return Err(Refusal::not_held(service));
        }
        info!(service, by, %update, "released");
        Ok(self.done(StatusCode::OK, service, update, None))
    }

    fn done(&self, code: StatusCode, service: &str, update: Update, hold: Option<&Hold>) -> Reply {
        let hold = hold.map(|hold| (hold, self.registry.now()));
        reply::json(code, &Done::of(service, update, self.registry.check(service), hold))
    }

    fn holds(&self) -> Reply {
        let holds = self.registry.holds();
        reply::json(StatusCode::OK, &Holds::of(&holds, self.registry.now()))
    }

    fn services(&self) -> Reply {
        let services = self.registry.services();
        reply::json(StatusCode::OK, &Services::of(&services, self.registry.now()))
    }

    fn transitions(&self) -> Reply {
        reply::json(StatusCode::OK, &Transitions::of(&self.registry.history()))
    }
}

impl fmt::Debug for AdminService {
    /// Without the token, and without its digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService")
            .field("registry", &self.scope.registry)
            .field("timer", &self.scope.timer)
            .finish_non_exhaustive()
    }
}
