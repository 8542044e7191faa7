//! `dns`: whether a name resolves.

use std::net::ToSocketAddrs;

use health_core::{
    Reason,
    condition::{Condition, Shared},
};

use crate::{
    InvalidCondition,
    background::Background,
    host::{is_host, shown},
};

/// Passes while `name` resolves to an address, as the system resolves names: by its hosts file, caches
/// and name servers.
///
/// # Errors
///
/// If `name` is no name of a host: empty, with an empty part between dots or a space in it, longer than
/// 253 bytes, or with a port.
///
/// # Examples
///
/// ```
/// use health_conditions::dns;
///
/// let name = dns("inventory.internal")?;
/// assert!(dns("inventory.internal:443").is_err());
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn dns(name: &str) -> Result<Shared<impl Condition + use<>>, InvalidCondition> {
    if !is_host(name) {
        let message = format!("{} is no name to resolve: write a host name alone", shown(name));
        return Err(InvalidCondition::new(message));
    }
    let host = name.to_owned();
    Ok(Shared::new(format!("dns {name}"), Background::new(move || resolve(&host))))
}

fn resolve(name: &str) -> Result<(), Reason> {
    let addresses = (name, 0).to_socket_addrs();
    let mut addresses =
        addresses.map_err(|error| Reason::with_source(format!("cannot resolve {name}"), error))?;
    match addresses.next() {
        Some(_) => Ok(()),
        None => Err(Reason::new(format!("{name} has no address"))),
    }
}
