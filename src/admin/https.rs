//! TLS in front of the AdminServer's HTTP: which connections have it, and their handshake.
//!
//! A connection is told by its first byte. In: sockets. Out: streams, or why there is none. The caller sets
//! the time limit.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::admin::idle::Idle;

/// HTTPS on the AdminServer's port.
#[derive(Debug, Clone)]
pub struct Https {
    /// Who this server is, and whether clients have to show a certificate.
    pub tls: Arc<ServerConfig>,
    /// HTTP is spoken as well.
    pub takes_plain: bool,
}

/// What a connection speaks.
pub(super) enum Opened {
    Plain(Idle),
    /// The handshake is over.
    Tls(Box<TlsStream<Idle>>),
}

impl Https {
    /// Has the first byte decide, as Apache's `UnifiedConnectionFactory` does, and shakes hands.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        watched: impl FnOnce(TcpStream) -> Idle,
    ) -> io::Result<Opened> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first == [HANDSHAKE] {
            let acceptor = TlsAcceptor::from(self.tls.clone());
            let stream = acceptor.accept(watched(stream)).await?;
            return Ok(Opened::Tls(Box::new(stream)));
        }
        match self.takes_plain {
            true => Ok(Opened::Plain(watched(stream))),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "it has no TLS")),
        }
    }
}

/// The type of a TLS record that begins a connection.
const HANDSHAKE: u8 = 0x16;
