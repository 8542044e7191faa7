//! `postgres`: whether PostgreSQL answers.

use std::{fmt, pin::pin};

use futures_util::future::{Either, select};
use health_core::{
    Reason,
    condition::{Condition, Shared},
};
use tokio_postgres::{
    Client, Config, Connection, NoTls, Socket,
    config::{ChannelBinding, Host, SslMode},
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::{
    InvalidCondition,
    kept::{Kept, Ping},
};

/// Passes while the PostgreSQL server at `url` answers `SELECT 1`, in plaintext.
///
/// `url` is a `postgres://user:password@host:port/database` or a `host=... user=...` string. The
/// connection is kept, so that the server sees one session and not one in every period; when it is lost,
/// a new one is made in the same evaluation.
///
/// A program with a pool asks over that instead, which shows what its queries meet, an exhausted pool
/// too: see [`postgres_ping`](crate::postgres_ping).
///
/// # Errors
///
/// If `url` is none of these, names no host, has a port that nobody can have, or requires TLS
/// (`sslmode=require`): that takes [`postgres_over`].
///
/// # Examples
///
/// ```
/// use health_conditions::postgres;
///
/// let database = postgres("postgres://greet:secret@db.internal/greetings")?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn postgres(url: &str) -> Result<Shared<impl Condition + use<>>, InvalidCondition> {
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let message = "no URL of a PostgreSQL: write postgres://user@host:port/database";
        InvalidCondition::with_source(message, error)
    })?;
    if let Some(setting) = requires_tls(&config) {
        let message = format!(
            "{setting} cannot be had in plaintext: give postgres_over a connector with TLS"
        );
        return Err(InvalidCondition::new(message));
    }
    postgres_over(config, NoTls)
}

/// The setting that only TLS can fulfil, if there is one.
fn requires_tls(config: &Config) -> Option<&'static str> {
    if config.get_ssl_mode() == SslMode::Require {
        return Some("sslmode=require");
    }
    (config.get_channel_binding() == ChannelBinding::Require).then_some("channel_binding=require")
}

/// As [`postgres`], over TLS by a connector such as that of `tokio-postgres-rustls`.
///
/// # Errors
///
/// If `config` names no host, or has a port that nobody can have.
pub fn postgres_over<T>(
    config: Config,
    tls: T,
) -> Result<Shared<impl Condition + use<T>>, InvalidCondition>
where
    T: MakeTlsConnect<Socket, Stream: Send> + Clone + Send + Sync + 'static,
    T::TlsConnect: TlsConnect<Socket, Future: Send> + Send,
{
    let Some(target) = target(&config) else {
        let message = "the PostgreSQL has no host: write postgres://user@host:port/database";
        return Err(InvalidCondition::new(message));
    };
    if config.get_ports().contains(&0) {
        return Err(InvalidCondition::port());
    }
    let name = format!("postgres {target}");
    Ok(Shared::new(name, Kept::new(Server { config, tls })))
}

/// Asks `SELECT 1` over a connection that the program has anyway.
///
/// # Errors
///
/// What the query failed with.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use health_conditions::postgres_ping;
/// use health_core::{Reason, condition::Shared};
/// use tokio_postgres::Client;
///
/// # #[derive(Clone)]
/// # struct Pool;
/// # impl Pool {
/// #     async fn get(&self) -> Result<Arc<Client>, std::io::Error> { std::future::pending().await }
/// # }
/// // deadpool's, bb8's, ...: what a pool lends is a `Client` behind a pointer.
/// fn over(pool: Pool) -> Shared<impl health_core::condition::Condition> {
///     Shared::new("postgres", move || {
///         let pool = pool.clone();
///         async move { postgres_ping(&*pool.get().await?).await }
///     })
/// }
/// ```
pub async fn ping(client: &Client) -> Result<(), Reason> {
    client.simple_query("SELECT 1").await?;
    Ok(())
}

struct Server<T> {
    config: Config,
    tls: T,
}

/// Driven only while it is asked something: nothing is spawned that could outlive it.
struct Session<T: MakeTlsConnect<Socket>> {
    client: Client,
    connection: Connection<Socket, T::Stream>,
}

impl<T> Ping for Server<T>
where
    T: MakeTlsConnect<Socket, Stream: Send> + Clone + Send + Sync + 'static,
    T::TlsConnect: TlsConnect<Socket, Future: Send> + Send,
{
    type Connection = Session<T>;

    async fn connect(&self) -> Result<Session<T>, Reason> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        Ok(Session { client, connection })
    }

    async fn ping(session: &mut Session<T>) -> Result<(), Reason> {
        let Session { client, connection } = session;
        match select(pin!(ping(client)), connection).await {
            Either::Left((answered, _)) => answered,
            // What ended the session says more than the query's "connection closed".
            Either::Right((Err(error), _)) => Err(error.into()),
            Either::Right((Ok(()), _)) => Err(Reason::new("the server ended the session")),
        }
    }
}

impl<T> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// `host:port/database`, of the first host.
fn target(config: &Config) -> Option<String> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => config.get_hostaddrs().first()?.to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
    let database = config.get_dbname().map_or_else(String::new, |name| format!("/{name}"));
    Some(format!("{host}:{port}{database}"))
}

const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use health_core::condition::Scoped;

    use super::*;

    #[test]
    fn the_name_says_what_is_asked_and_nothing_that_is_secret() {
        let table = [
            ("postgres://greet:secret@db.internal/app", "postgres db.internal:5432/app"),
            ("postgresql://greet@127.0.0.1:6543", "postgres 127.0.0.1:6543"),
            ("host=/run/postgresql user=greet", "postgres /run/postgresql:5432"),
            ("hostaddr=10.0.0.7 port=1 user=greet", "postgres 10.0.0.7:1"),
        ];
        for (url, expected) in table {
            assert_eq!(&*postgres(url).unwrap().into_parts().0, expected);
        }
    }

    #[test]
    fn what_plaintext_cannot_pass_is_refused() {
        for setting in ["sslmode=require", "channel_binding=require"] {
            let url = format!("postgres://greet:secret@host/db?{setting}");
            let told = postgres(&url).map(drop).unwrap_err().to_string();
            assert!(told.contains(setting) && told.contains("postgres_over"), "{told}");
        }
        for setting in ["sslmode=prefer", "sslmode=disable", "channel_binding=prefer"] {
            assert!(postgres(&format!("postgres://greet@host/db?{setting}")).is_ok(), "{setting}");
        }
    }

    #[test]
    fn a_port_that_nobody_has_is_refused() {
        for url in ["postgres://greet@host:0/db", "host=a,b port=5432,0 user=greet"] {
            let told = postgres(url).map(drop).unwrap_err().to_string();
            assert!(told.contains("the port must be from 1 to 65535"), "{told}");
        }
    }

    #[test]
    fn what_is_no_postgres_is_refused_without_being_repeated() {
        for url in ["secret", "user=secret", "postgres://secret@host:port/db"] {
            let error = postgres(url).map(drop).unwrap_err();
            let told = Reason::from(error).to_string();
            assert!(told.contains("write postgres://") && !told.contains("secret"), "{told}");
        }
    }
}
