//! `redis`: whether Redis answers.

use ::redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
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
/// If `url` is no such URL.
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
        let message = "no URL of a Redis: write redis://host:port";
        InvalidCondition::with_source(message, error)
    })?;
    let name = format!("redis {}", client.get_connection_info().addr());
    Ok(Shared::new(name, Kept::new(client)))
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
}
