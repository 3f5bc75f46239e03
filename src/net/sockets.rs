//! Sockets between servers: looking names up, dialling several addresses at once, binding.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::config::ListenAddress;
use crate::net::listen::bind_to;
use crate::net::tls::{PeerSecurity, PeerStream};
use crate::quorum::{Address, Host};

/// Looks names up. Called at each dial, on a thread that may wait.
pub trait Resolver: Send + Sync {
    fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// This machine's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((name, port).to_socket_addrs()?.collect())
    }
}

/// Connects to any of `addresses`: all are tried at once, the first success is kept. The failure is that of
/// the last attempt that failed. With TLS an attempt ends with the handshake. All that may take as long as
/// `limit`, beside what it takes to find out whether the other's certificate is revoked.
pub(super) async fn connect(
    resolver: &Arc<dyn Resolver>,
    addresses: Vec<Address>,
    keep_alive: bool,
    security: &PeerSecurity,
    limit: Duration,
) -> io::Result<PeerStream> {
    let deadline = Instant::now() + limit;
    let mut attempts = JoinSet::new();
    for address in addresses.into_iter().take(ADDRESSES_MAX) {
        let (resolver, security) = (resolver.clone(), security.clone());
        attempts.spawn(connect_one(resolver, address, security, deadline));
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address is known");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::other).flatten() {
            Ok(stream) => {
                set_options(stream.tcp(), keep_alive)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The addresses of one name are tried one after the other, as the resolver orders them.
async fn connect_one(
    resolver: Arc<dyn Resolver>,
    address: Address,
    security: PeerSecurity,
    deadline: Instant,
) -> io::Result<PeerStream> {
    let port = address.port;
    let candidates = match &address.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        Host::Name(name) => {
            let name = name.clone();
            let look_up = move || resolver.resolve(&name, port);
            timeout_at(deadline, tokio::task::spawn_blocking(look_up)).await???
        }
    };
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in candidates {
        match timeout_at(deadline, TcpStream::connect(candidate)).await? {
            // A dial to a free port of this machine may get that very port for its own end.
            Ok(stream) if stream.local_addr()? == candidate => {
                failure = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(stream) => {
                let limit = deadline - Instant::now();
                match security.connect(stream, &address.host, limit).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failure = error.into(),
                }
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Binds the first of the machine's addresses that `address` stands for and that can be bound. A
/// name is looked up anew.
pub(super) async fn bind(address: &ListenAddress) -> io::Result<TcpListener> {
    let asked = address.clone();
    let candidates = tokio::task::spawn_blocking(move || asked.candidates()).await??;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in candidates {
        match bind_to(candidate, BACKLOG) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Small messages must leave at once.
pub(super) fn set_options(stream: &TcpStream, keep_alive: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keep_alive {
        rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    }
    Ok(())
}

/// Addresses of one server that are tried.
const ADDRESSES_MAX: usize = 64;

/// Other servers that wait to be accepted.
const BACKLOG: u32 = 256;
