//! A client's connection from the first byte to the end of its TLS handshake.
//!
//! It ends when it is known that the client's certificate is not revoked, as far as that is asked for. It
//! counts as a connection from the start, so that the limits of those hold for handshakes too, and
//! what closes connections ends it. Those beyond `netty.server.outstandingHandshake.limit` are closed
//! at once, on a unified port also the ones without TLS, as `NettyServerCnxnFactory` does: until
//! something comes nobody knows.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;

use crate::net::connection::{self, Newcomer};
use crate::net::server::Server;
use crate::net::tls::{AcceptedClient, First, HandshakeError, Tls};

/// TLS of the client ports.
#[derive(Debug, Clone)]
pub struct ClientTls {
    pub tls: Arc<Tls>,
    /// The port for plain text takes it as well.
    pub is_unified: bool,
    /// `None` for as many as there may be connections.
    pub handshakes_max: Option<u32>,
    /// Not while clients are not served.
    pub drops_early: bool,
}

/// A client whose handshake is not over.
pub(super) struct Handshake {
    newcomer: Newcomer,
    tls: Arc<Tls>,
    is_secure: bool,
    _counted: Counted,
}

impl Handshake {
    /// `None` if there are too many, or nobody to serve the client: it is closed.
    pub(super) fn begin(newcomer: Newcomer, tls: &ClientTls, is_secure: bool) -> Option<Self> {
        let server = newcomer.server();
        let peer = newcomer.peer();
        if is_secure && tls.drops_early && server.mode().is_none() {
            tracing::info!(%peer, "closed before its TLS handshake: clients are not served now");
            return None;
        }
        let counted = Counted::new(server.clone());
        if tls.handshakes_max.is_some_and(|max| counted.number > max) {
            server.stats.events.handshakes_exceeded.add_one();
            tracing::warn!(%peer, "closed before its TLS handshake: too many are under way");
            return None;
        }
        Some(Self {
            newcomer,
            tls: tls.tls.clone(),
            is_secure,
            _counted: counted,
        })
    }

    /// Serves the client when it has passed.
    pub(super) async fn run(self, stream: TcpStream) {
        let opened = tokio::select! {
            opened = self.open(stream) => opened,
            () = self.newcomer.is_closed() => return,
        };
        let Self { newcomer, .. } = self;
        match opened {
            Ok(Opened::Plain(stream)) => connection::serve(newcomer, stream, None).await,
            Ok(Opened::Tls(client)) => {
                let AcceptedClient { stream, name } = *client;
                connection::serve(newcomer, stream, name).await;
            }
            Err(error) => {
                let events = &newcomer.server().stats.events;
                events.handshakes_failed.add_one();
                events.authentications_failed.add_one();
                tracing::warn!(peer = %newcomer.peer(), "Unsuccessful handshake: {error}");
            }
        }
    }

    async fn open(&self, stream: TcpStream) -> Result<Opened, HandshakeError> {
        let (stream, header) = if self.is_secure {
            (stream, None)
        } else {
            match self.tls.tell(stream).await? {
                First::Plain(stream) => return Ok(Opened::Plain(stream)),
                First::Tls(stream, header) => (stream, Some(header)),
            }
        };
        let peer = self.newcomer.peer().ip();
        let accepted = self.tls.accept_client(stream, header, peer).await?;
        Ok(Opened::Tls(Box::new(accepted)))
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<AcceptedClient>),
}

/// A handshake among those under way.
struct Counted {
    server: Arc<Server>,
    /// How many there are with it.
    number: u32,
}

impl Counted {
    fn new(server: Arc<Server>) -> Self {
        let number = server.handshakes.fetch_add(1, Relaxed) + 1;
        Self { server, number }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.server.handshakes.fetch_sub(1, Relaxed);
    }
}
