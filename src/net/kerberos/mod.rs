//! Steps of exchanges by GSSAPI, away from the threads that serve: they read keytabs, write down what was
//! shown already, and where this server dials they wait for a KDC.
//!
//! In: one side of an exchange and a token. Out: that side, and what came of it. The work is done by the
//! system's Kerberos library (`system`), which cannot be stopped: whoever waits goes on at its own limit, and
//! what it waited for keeps its place until it ends. Places are few, for those who dial in and for this server's
//! own logins apart, so that a KDC that is silent keeps nobody out; beyond them one waits for a place. A build
//! without the library refuses what would need it where the configuration is read.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::auth::sasl::{GssapiClient, GssapiServer, SaslError, ServerStep, ServiceKey};
use crate::config::KerberosLogin;

#[cfg(not(feature = "gssapi"))]
mod absent;
#[cfg(feature = "gssapi")]
mod system;

#[cfg(not(feature = "gssapi"))]
use absent as library;
#[cfg(feature = "gssapi")]
use system as library;

pub use library::{check, default_realm};

/// What comes of a token at the side that is dialled. The exchange is lost if its step has panicked.
pub(super) type ServerOutcome = (Option<GssapiServer>, Result<ServerStep, SaslError>);

/// What the DNS calls a host, as `InetAddress.getCanonicalHostName`; what it is called already if the DNS has no
/// name for it, or one that is of another. Waits for the DNS; an error if it does not know the host.
pub fn canonical_host(host: &str) -> io::Result<String> {
    let addresses_of = |name: &str| (name, 0).to_socket_addrs();
    let address = addresses_of(host)?.next().map(|address| address.ip());
    let address = address.ok_or(io::ErrorKind::NotFound)?;
    let name = dns_lookup::lookup_addr(&address).ok();
    let name = name.filter(|name| {
        let known = addresses_of(name).into_iter().flatten();
        let is_its_own = known.map(|known| known.ip()).any(|known| known == address);
        is_its_own && name.parse::<IpAddr>().is_err()
    });
    Ok(name.unwrap_or_else(|| host.to_owned()))
}

/// An exchange with somebody who logs in to this service.
pub(super) fn server(key: &ServiceKey) -> GssapiServer {
    GssapiServer::new(library::accepting(&key.principal))
}

/// An exchange with the server on `host`, to which this one logs in.
pub(super) fn client(login: &KerberosLogin, host: &str) -> GssapiClient {
    GssapiClient::new(library::initiating(login, host))
}

/// Takes a token of somebody who logs in. The caller sets the time limit.
pub(super) async fn server_step(mut exchange: GssapiServer, token: Vec<u8>) -> ServerOutcome {
    let step = move || {
        let step = exchange.evaluate(&token);
        (exchange, step)
    };
    match apart(&ACCEPTING, step).await {
        Ok((exchange, step)) => (Some(exchange), step),
        Err(error) => (None, Err(error)),
    }
}

/// Takes a token of a server that this one logs in to. The caller sets the time limit.
pub(super) async fn client_step(
    mut exchange: GssapiClient,
    token: Vec<u8>,
) -> Result<(GssapiClient, Vec<u8>), SaslError> {
    let step = move || {
        let answer = exchange.evaluate(&token);
        answer.map(|answer| (exchange, answer))
    };
    apart(&INITIATING, step).await?
}

/// Waits for a place, and then for what is done there.
async fn apart<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SaslError> {
    let place: SemaphorePermit<'static> = places.acquire().await.map_err(|_| SaslError::Over)?;
    let done = spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(|_| SaslError::Over)
}

/// The library is one per process, and so are these.
static ACCEPTING: Semaphore = Semaphore::const_new(PLACES);
static INITIATING: Semaphore = Semaphore::const_new(PLACES);

/// Enough for a burst of clients, and for a dial to each member; each may take a thread.
const PLACES: usize = 8;
