//! The ports for clients, bound before anything is served on them.

use std::net::SocketAddr;

use tokio::runtime::Runtime;

use crate::config::{Config, ListenAddress, ListenHost};
use crate::net;
use crate::runtime::Failure;

/// Without TLS, and with it.
pub(super) type ClientPorts = (Option<net::Listener>, Option<net::Listener>);

/// Binds the port for clients without TLS and the one for those with it, as far as there are any.
pub(super) fn listen(tokio: &Runtime, config: &Config) -> Result<ClientPorts, Failure> {
    let _inside = tokio.enter();
    let bind = |address: &Option<ListenAddress>, is_secure| {
        let Some(address) = address else {
            return Ok(None);
        };
        let bound = net::bind(address, &config.listen, is_secure);
        bound.map(Some).map_err(|source| Failure::Listen {
            at: name_of(address),
            source,
        })
    };
    Ok((
        bind(&config.listen.address, false)?,
        bind(&config.listen.secure_address, true)?,
    ))
}

/// Where it really listens: a port of 0 leaves that to the system.
pub(super) fn address_of(listener: &Option<net::Listener>) -> Result<Option<SocketAddr>, Failure> {
    let address = listener.as_ref().map(net::Listener::local_addr);
    address.transpose().map_err(|source| Failure::Listen {
        at: "the client port".to_owned(),
        source,
    })
}

/// The address as it is told when it cannot be had.
pub(super) fn name_of(address: &ListenAddress) -> String {
    let port = address.port;
    match &address.host {
        ListenHost::All => format!("port {port} of all addresses"),
        ListenHost::Ip(ip) => format!("port {port} of {ip}"),
        ListenHost::Name(name) => format!("port {port} of {name}"),
    }
}
