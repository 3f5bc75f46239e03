//! Listening for other servers, and hearing who they are before anything else is made of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::owner::Event;
use super::{ElectionPortFailure, Shared};
use crate::base::limits;
use crate::config::ListenAddress;
use crate::election::{INITIAL_MESSAGE_BYTES_MAX, InitialMessage, InitialMessageError};
use crate::net::peer_sasl::{self, NotLoggedIn};
use crate::net::sockets;
use crate::net::tls::PeerStream;
use crate::net::waiting_room::WaitingRoom;

/// Someone who has dialled in and has said who he is.
pub(super) struct Caller {
    pub(super) stream: PeerStream,
    pub(super) message: InitialMessage,
    /// What came behind the message.
    pub(super) rest: BytesMut,
}

/// Listens on one address, and gives up only if it cannot be bound.
pub(super) async fn listen(
    shared: Arc<Shared>,
    address: ListenAddress,
    events: mpsc::Sender<Event>,
) -> ElectionPortFailure {
    let listener = match bind(&shared, &address).await {
        Ok(listener) => listener,
        Err(failure) => return failure,
    };
    let mut waiting_room = WaitingRoom::new(limits::ELECTION_CALLERS);
    loop {
        match waiting_room.accept(&listener).await {
            Ok((stream, from)) => {
                let heard = hear(shared.clone(), stream, from, events.clone());
                waiting_room.admit(heard);
            }
            // Out of descriptors, most likely: what closes meanwhile makes room.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the election port");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn bind(
    shared: &Shared,
    address: &ListenAddress,
) -> Result<TcpListener, ElectionPortFailure> {
    let at = format!("{} of {:?}", address.port, address.host);
    let mut attempts = 0;
    loop {
        let error = match sockets::bind(address).await {
            Ok(listener) => {
                tracing::info!("election port {at} is open");
                return Ok(listener);
            }
            Err(error) => error,
        };
        attempts += 1;
        tracing::warn!(%error, "cannot listen on the election port {at}, attempt {attempts}");
        if shared
            .options
            .bind_attempts_max
            .is_some_and(|max| attempts >= max)
        {
            return Err(ElectionPortFailure::Bind { at, source: error });
        }
        sleep(BIND_PAUSE).await;
    }
}

/// Reads the initial message and hands the connection over.
async fn hear(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    events: mpsc::Sender<Event>,
) {
    if let Err(error) = sockets::set_options(&stream, shared.options.keep_alive) {
        tracing::debug!(%from, %error, "cannot set socket options");
    }
    let mut stream = match shared.security.accept(stream, from).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%from, "closed a connection on the election port: {error}");
            return;
        }
    };
    let limit = Duration::from_millis(shared.options.handshake_timeout_ms);
    let heard = timeout(limit, initial_message(&mut stream)).await;
    let mut heard = heard.unwrap_or(Err(NotHeard::Silent));
    if let (Ok((_, rest)), Some(sasl)) = (&mut heard, &shared.options.sasl) {
        let admitted = peer_sasl::admit(&mut stream, rest, sasl, limit).await;
        if let Err(reason) = admitted {
            heard = Err(reason.into());
        }
    }
    let (message, rest) = match heard {
        Ok(heard) => heard,
        Err(error) => {
            tracing::warn!(%from, "closed a connection on the election port: {error}");
            return;
        }
    };
    tracing::debug!(%from, sid = %message.sid, "a server has dialled in on the election port");
    let caller = Caller {
        stream,
        message,
        rest,
    };
    // The owner is gone only when the port is closed.
    let _ = events.send(Event::Accepted(caller)).await;
}

/// Why a connection is closed before it is known whose it is.
#[derive(Debug, thiserror::Error)]
enum NotHeard {
    #[error("it has not said in time who it is")]
    Silent,
    #[error("it ended before it said who it is")]
    Ended,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] InitialMessageError),
    #[error("{0}")]
    NotLoggedIn(#[from] NotLoggedIn),
}

async fn initial_message(stream: &mut PeerStream) -> Result<(InitialMessage, BytesMut), NotHeard> {
    let mut bytes = BytesMut::with_capacity(INITIAL_MESSAGE_BYTES_MAX);
    loop {
        if let Some((message, length)) = InitialMessage::decode(&bytes)? {
            bytes.advance(length);
            return Ok((message, bytes));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(NotHeard::Ended);
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const BIND_PAUSE: Duration = Duration::from_secs(1);
