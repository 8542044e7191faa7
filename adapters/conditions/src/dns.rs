//! `dns`: whether a name resolves.

use std::net::ToSocketAddrs;

use health_core::{
    Reason,
    condition::{Condition, Shared},
};

use crate::{InvalidCondition, background::Background};

/// Passes while `name` resolves to an address, as the system resolves names: by its hosts file, caches
/// and name servers.
///
/// # Errors
///
/// If `name` is empty, longer than 253 bytes, or comes with a port.
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
    if name.is_empty() || name.len() > MAX_LENGTH || name.contains([':', '/']) {
        let shown: String = name.chars().take(SHOWN).collect();
        let message = format!("{shown:?} is no name to resolve: write a host name alone");
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

/// RFC 1035 §2.3.4, in the form with dots.
const MAX_LENGTH: usize = 253;

/// Of a name that is none, in characters.
const SHOWN: usize = 64;
