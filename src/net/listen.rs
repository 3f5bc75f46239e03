//! The client ports: binding them, accepting connections within the limits, telling TLS from plain
//! text and its handshakes, closing idle connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::config::{ClientListen, ListenAddress};
use crate::net::connection::{self, Newcomer};
use crate::net::handshake::Handshake;
use crate::net::links::{Link, Refusal};
use crate::net::server::Server;
use crate::net::sockets::set_options;

/// A bound client port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// Only connections with TLS are taken.
    is_secure: bool,
}

/// Binds a client port; the first address that can be bound is taken. Runs inside the runtime.
/// `is_secure`: for clients with TLS alone.
pub fn bind(
    address: &ListenAddress,
    options: &ClientListen,
    is_secure: bool,
) -> io::Result<Listener> {
    let socket = bind_any(address, options)?;
    Ok(Listener { socket, is_secure })
}

fn bind_any(address: &ListenAddress, options: &ClientListen) -> io::Result<TcpListener> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.candidates()? {
        match bind_to(address, options.backlog.unwrap_or(BACKLOG_DEFAULT)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

pub(super) fn bind_to(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

impl Listener {
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts connections for as long as the future lives; those without TLS where the server says.
    pub async fn run(self, server: Arc<Server>) {
        if self.is_secure {
            accept_secure(self.socket, server).await;
        } else {
            accept(self.socket, server).await;
        }
    }
}

async fn accept_secure(listener: TcpListener, server: Arc<Server>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => open(&server, stream, peer, true),
            Err(error) => refused(&error).await,
        }
    }
}

/// Out of descriptors, most likely: what closes meanwhile makes room.
async fn refused(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn accept(mut listener: TcpListener, server: Arc<Server>) {
    let mut moves = server.client_port.subscribe();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => open(&server, stream, peer, false),
                Err(error) => refused(&error).await,
            },
            Ok(()) = moves.changed() => {
                let address = moves.borrow_and_update().clone();
                if let Some(address) = address {
                    listener = moved(listener, address, &server.options.listen).await;
                }
            }
        }
    }
}

/// The port at another address; the old one where that cannot be bound. Connections stay.
async fn moved(old: TcpListener, to: ListenAddress, options: &ClientListen) -> TcpListener {
    let place = old.local_addr();
    let mut old = Some(old);
    loop {
        match bind_any(&to, options) {
            Ok(new) => {
                tracing::info!(address = ?to, "clients are served at another address");
                return new;
            }
            // It may be the old one that is in the way: the same port of other addresses.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_at(&place, &to) => {
                drop(old.take());
                if let Ok(new) = bind_any(&to, options) {
                    return new;
                }
                tracing::error!(address = ?to, %error, "cannot move the client port");
                if let Ok(place) = &place
                    && let Ok(back) = bind_to(*place, options.backlog.unwrap_or(BACKLOG_DEFAULT))
                {
                    return back;
                }
                // Neither can be had: try again, there is nothing else to serve clients on.
                tokio::time::sleep(BIND_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(address = ?to, %error, "cannot move the client port");
                match old.take() {
                    Some(old) => return old,
                    None => tokio::time::sleep(BIND_PAUSE).await,
                }
            }
        }
    }
}

fn is_at(place: &io::Result<SocketAddr>, to: &ListenAddress) -> bool {
    matches!(place, Ok(place) if place.port() == to.port)
}

fn open(server: &Arc<Server>, stream: TcpStream, peer: SocketAddr, is_secure: bool) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let now = server.clock.now();
    let options = &server.options;
    let added = server.links.add(peer.ip(), |id| {
        let idle_limit_ms = u32::try_from(options.listen.sessionless_timeout_ms);
        let unread_bytes_max = usize::try_from(options.wire.unread_bytes_max);
        Link::new(
            id,
            (peer, is_secure),
            (now.monotonic, now.wall),
            idle_limit_ms.unwrap_or(u32::MAX),
            unread_bytes_max.unwrap_or(usize::MAX),
        )
    });
    match added {
        Ok(link) => {
            if let Err(error) = set_options(&stream, options.listen.keep_alive) {
                tracing::debug!(%peer, %error, "cannot set socket options");
            }
            let newcomer = Newcomer::new(server.clone(), link);
            match &server.options.tls {
                Some(tls) if is_secure || tls.is_unified => {
                    if let Some(handshake) = Handshake::begin(newcomer, tls, is_secure) {
                        tokio::spawn(handshake.run(stream));
                    }
                }
                _ => {
                    tokio::spawn(connection::serve(newcomer, stream, None));
                }
            }
        }
        Err(Refusal::Address(max)) => {
            server.stats.events.connections_rejected.add_one();
            tracing::warn!("Too many connections from {} - max is {max}", peer.ip());
        }
        Err(Refusal::Server(max)) => {
            server.stats.events.connections_rejected.add_one();
            tracing::warn!(
                "Too many connections, refusing {} - max is {max}",
                peer.ip()
            );
        }
    }
}

/// Closes idle connections for as long as the future lives, at whole multiples of the limit before a
/// session.
pub async fn sweep(server: Arc<Server>) {
    let interval_ms = server.options.listen.sessionless_timeout_ms.max(1);
    loop {
        let now = server.clock.now().monotonic;
        let wait_ms = interval_ms - now.0 % interval_ms;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        for _ in 0..server.links.close_idle(server.clock.now().monotonic) {
            server.stats.events.sessionless_expired.add_one();
        }
    }
}

/// Connections that wait to be accepted, when the configuration leaves it to us. Java's 50 loses
/// connections when a whole fleet comes back at once.
const BACKLOG_DEFAULT: u32 = 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const BIND_PAUSE: Duration = Duration::from_secs(1);
