//! `tcp`: whether something accepts connections.

use std::net::SocketAddr;

use health_core::{
    Reason,
    condition::{Condition, Shared},
};
use tokio::net::TcpStream;

use crate::{
    InvalidCondition,
    host::{is_host, shown},
};

/// Passes while a TCP connection to `address`, a `host:port`, can be opened; it is closed at once.
///
/// The least that can be asked of a peer: whether anything behind the socket works is not asked. A name
/// is resolved in every evaluation, and all its addresses are tried.
///
/// # Errors
///
/// If `address` is anything else than a host and a port.
///
/// # Examples
///
/// ```
/// use health_conditions::tcp;
///
/// let inventory = tcp("inventory.internal:443")?;
/// assert_eq!(
///     tcp("inventory.internal").unwrap_err().to_string(),
///     "\"inventory.internal\" is no address to connect to: write host:port",
/// );
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn tcp(address: &str) -> Result<Shared<impl Condition + use<>>, InvalidCondition> {
    if !is_address(address) {
        let message = format!("{} is no address to connect to: write host:port", shown(address));
        return Err(InvalidCondition::new(message));
    }
    let name = format!("tcp {address}");
    let address = address.to_owned();
    Ok(Shared::new(name, move || connect(address.clone())))
}

async fn connect(address: String) -> Result<(), Reason> {
    match TcpStream::connect(&address).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Reason::with_source(format!("cannot connect to {address}"), error)),
    }
}

/// Whether it is what `ToSocketAddrs` takes, and names a port.
fn is_address(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    // With a colon in it, the host would be an IPv6 address without its brackets.
    is_host(host) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for address in ["127.0.0.1:80", "[::1]:80", "localhost:80", "a.b.internal.:65535", "a_b:80"]
        {
            assert!(is_address(address), "{address}");
        }
        for address in [
            "",
            ":80",
            "host",
            "host:",
            "host:http",
            "host:0",
            "host:65536",
            "::1:80",
            "[::1]:0",
            "http://host:80",
            " host:80",
            "host :80",
            "host:80 ",
            "user@host:80",
            "[host]:80",
            "a..b:80",
        ] {
            assert!(!is_address(address), "{address}");
        }
    }
}
