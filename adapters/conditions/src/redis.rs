//! `redis`: whether Redis answers.

use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, RedisError, aio::MultiplexedConnection,
};
use health_core::{
    Reason,
    condition::{Condition, Shared},
};

use crate::{
    InvalidCondition,
    kept::{Kept, Ping},
};

/// Passes while the Redis server at `url` answers PING.
///
/// `url` is a `redis://user:password@host:port/database`, or a `rediss://` one in a program that turns on
/// a feature for TLS of the crate `redis`. The connection is kept; when it is lost, a new one is made in
/// the same evaluation. A server that still loads its data fails.
///
/// # Errors
///
/// If `url` is no such URL, has a port that nobody can have, or wants TLS where that is not built in.
///
/// # Examples
///
/// ```
/// use health_conditions::redis;
///
/// let cache = redis("redis://:secret@cache.internal:6379/0")?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn redis(url: &str) -> Result<Shared<impl Condition + use<>>, InvalidCondition> {
    let client = Client::open(url).map_err(|error| {
        let message = if lacks_tls(url) {
            "TLS is not built in: turn on a feature for it of the crate redis, such as \
             tokio-rustls-comp, or write redis://host:port"
        } else {
            "no URL of a Redis: write redis://host:port"
        };
        InvalidCondition::with_source(message, error)
    })?;
    let address = client.get_connection_info().addr();
    if let ConnectionAddr::Tcp(_, 0) | ConnectionAddr::TcpTls { port: 0, .. } = address {
        return Err(InvalidCondition::port());
    }
    let name = format!("redis {address}");
    Ok(Shared::new(name, Kept::new(client)))
}

/// Whether `url` wants TLS, and the crate `redis` was built without; its error has no kind for that.
fn lacks_tls(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    ["rediss", "valkeys"].iter().any(|tls| scheme.eq_ignore_ascii_case(tls))
        && Client::open("rediss://localhost").is_err()
}

impl Ping for Client {
    type Connection = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, Reason> {
        // How long anything may take is the monitor's to say.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        self.get_multiplexed_async_connection_with_config(&config).await.map_err(reason)
    }

    async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Reason> {
        let answer: String = ::redis::cmd("PING").query_async(connection).await.map_err(reason)?;
        if answer == "PONG" {
            return Ok(());
        }
        Err(Reason::new("PING was not answered with PONG"))
    }
}

/// Not by `?`: the error's text has that of its source in it already.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn reason(error: RedisError) -> Reason {
    Reason::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use health_core::condition::Scoped;

    use super::*;

    #[test]
    fn the_name_says_what_is_asked_and_nothing_that_is_secret() {
        let cache = redis("redis://greet:secret@cache.internal/3").unwrap();
        assert_eq!(&*cache.into_parts().0, "redis cache.internal:6379");
    }

    #[test]
    fn what_is_no_redis_is_refused_without_being_repeated() {
        for url in ["secret", "http://secret@host", "redis://secret@host:port"] {
            let told = Reason::from(redis(url).map(drop).unwrap_err()).to_string();
            assert!(told.contains("write redis://") && !told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn tls_that_is_not_built_in_is_told_so() {
        for url in ["rediss://:secret@host", "REDISS://:secret@host", "valkeys://:secret@host:1/0"]
        {
            let told = redis(url).map(drop).unwrap_err().to_string();
            assert!(told.contains("TLS") && told.contains("feature"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn a_port_that_nobody_has_is_refused() {
        let told = redis("redis://:secret@host:0").map(drop).unwrap_err().to_string();
        assert!(told.contains("the port must be from 1 to 65535"), "{told}");
    }
}
