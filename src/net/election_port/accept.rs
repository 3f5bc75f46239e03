//! Listening for other servers, and hearing who they are before anything else is made of them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::owner::Event;
use super::{ElectionPortFailure, Shared};
use crate::base::limits;
use crate::config::ListenAddress;
use crate::election::{INITIAL_MESSAGE_BYTES_MAX, InitialMessage, InitialMessageError};
use crate::net::sockets;

/// Someone who has dialled in and has said who he is.
pub(super) struct Caller {
    pub(super) stream: TcpStream,
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
    let mut waiting_room = WaitingRoom::default();
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

/// Accepted connections that have not yet said who they are. At the bound the one that has been
/// here longest is shown out: it has had the most time, and those who flood cannot lock others out.
#[derive(Default)]
struct WaitingRoom {
    tasks: JoinSet<()>,
    /// In the order of arrival; some may have left.
    seats: VecDeque<AbortHandle>,
}

impl WaitingRoom {
    /// Accepts the next one, and meanwhile lets go of those that are done.
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            tokio::select! {
                accepted = listener.accept() => return accepted,
                Some(_) = self.tasks.join_next() => {
                    self.seats.retain(|seat| !seat.is_finished());
                }
            }
        }
    }

    fn admit(&mut self, heard: impl Future<Output = ()> + Send + 'static) {
        if self.seats.len() >= limits::ELECTION_CALLERS
            && let Some(oldest) = self.seats.pop_front()
        {
            oldest.abort();
        }
        self.seats.push_back(self.tasks.spawn(heard));
    }
}

/// Reads the initial message and hands the connection over.
async fn hear(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    from: SocketAddr,
    events: mpsc::Sender<Event>,
) {
    if let Err(error) = sockets::set_options(&stream, shared.options.keep_alive) {
        tracing::debug!(%from, %error, "cannot set socket options");
    }
    let limit = Duration::from_millis(shared.options.handshake_timeout_ms);
    let heard = timeout(limit, initial_message(&mut stream)).await;
    let (message, rest) = match heard.unwrap_or(Err(NotHeard::Silent)) {
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
}

async fn initial_message(stream: &mut TcpStream) -> Result<(InitialMessage, BytesMut), NotHeard> {
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
