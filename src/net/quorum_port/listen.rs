//! Listening for learners while this server leads, or for observers while it follows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::Shared;
use super::link::Link;
use super::registry::{Opening, Refusal};
use super::serve::{Farewell, Side, serve};
use crate::base::{QuorumLink, limits};
use crate::net::tls::PeerStream;
use crate::net::waiting_room::WaitingRoom;
use crate::net::{peer_sasl, sockets};
use crate::peer::{Door, Input};

/// Listens until the task is aborted. `previous` is the one that listened before: it still has the
/// port until it has ended.
pub(super) async fn run(
    shared: Arc<Shared>,
    door: Door,
    opening: Opening,
    previous: Option<JoinHandle<()>>,
) {
    if let Some(previous) = previous {
        // It was aborted.
        let _ = previous.await;
    }
    loop {
        let reason = listen(&shared, door, opening).await;
        if door == Door::Leader {
            let failed = Input::QuorumPortFailed { reason };
            return shared.parts.server.submissions.notify(failed);
        }
        // It follows all the same.
        sleep(BIND_PAUSE).await;
    }
}

/// Listens until that cannot go on, for the reason given back.
async fn listen(shared: &Arc<Shared>, door: Door, opening: Opening) -> String {
    let mut accepting = JoinSet::new();
    let mut reason = String::from("there is no address to listen on");
    let options = &shared.options;
    let (addresses, queue_bytes_max) = match door {
        Door::Leader => (shared.listen.lock().clone(), limits::QUORUM_LINK_BYTES),
        Door::Follower => (
            options.listen_for_observers.clone(),
            options.observer_queue_bytes_max,
        ),
    };
    for address in &addresses {
        match sockets::bind(address).await {
            Ok(listener) => {
                tracing::info!("listening for learners on {address:?}");
                let accept = accept(shared.clone(), opening, queue_bytes_max, listener);
                accepting.spawn(accept);
            }
            Err(error) => {
                reason = format!("cannot listen for learners on {address:?}: {error}");
                tracing::warn!("{reason}");
            }
        }
    }
    if accepting.join_next().await.is_some() {
        reason = String::from("the task that accepts learners panicked");
    }
    reason
}

async fn accept(
    shared: Arc<Shared>,
    opening: Opening,
    queue_bytes_max: usize,
    listener: TcpListener,
) {
    let mut links = JoinSet::new();
    let mut waiting_room = WaitingRoom::new(limits::LEARNER_LOGINS);
    let (ready, mut logged_in) = mpsc::channel(1);
    let admit = |caller: Caller, links: &mut JoinSet<()>| {
        let Caller {
            stream,
            peer,
            received,
        } = caller;
        let build = |id, peer| Link::new(id, peer, stream.into(), received, queue_bytes_max);
        admit(&shared, opening, peer, build, links);
    };
    loop {
        tokio::select! {
            accepted = waiting_room.accept(&listener) => match accepted {
                Ok((stream, peer)) => {
                    if shared.options.sasl.is_some() || shared.parts.security.is_on() {
                        let entered = enter(shared.clone(), stream, peer, ready.clone());
                        waiting_room.admit(entered);
                    } else {
                        let stream = PeerStream::Plain(stream);
                        let received = BytesMut::new();
                        admit(Caller { stream, peer, received }, &mut links);
                    }
                }
                // Out of descriptors, most likely: what closes meanwhile makes room.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a learner");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(caller) = logged_in.recv() => admit(caller, &mut links),
            Some(_) = links.join_next() => {}
        }
    }
}

/// Someone who has dialled in.
struct Caller {
    stream: PeerStream,
    peer: SocketAddr,
    /// What came with its login.
    received: BytesMut,
}

/// Hands on whoever comes through the TLS handshake and logs in, as far as either is asked for.
async fn enter(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    ready: mpsc::Sender<Caller>,
) {
    let mut stream = match shared.parts.security.accept(stream, peer).await {
        Ok(stream) => stream,
        Err(reason) => {
            tracing::warn!(%peer, "closed the connection of a learner: {reason}");
            return;
        }
    };
    let mut received = BytesMut::new();
    let options = &shared.options;
    if let Some(sasl) = &options.sasl {
        let limit = Duration::from_millis(options.login_limit_ms);
        if let Err(reason) = peer_sasl::admit(&mut stream, &mut received, sasl, limit).await {
            tracing::warn!(%peer, "closed the connection of a learner: {reason}");
            return;
        }
    }
    let caller = Caller {
        stream,
        peer,
        received,
    };
    // Whoever would take it is gone only when the port is closed.
    let _ = ready.send(caller).await;
}

fn admit(
    shared: &Arc<Shared>,
    opening: Opening,
    peer: SocketAddr,
    build: impl FnOnce(QuorumLink, SocketAddr) -> Link,
    links: &mut JoinSet<()>,
) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let mut registry = shared.registry.lock();
    match registry.add_learner(opening, |id| build(id, peer)) {
        Ok(link) => {
            let connected = Input::LearnerConnected { link: link.id };
            shared.parts.server.submissions.notify(connected);
            drop(registry);
            if let Err(error) = sockets::set_options(link.stream.tcp(), shared.options.keep_alive) {
                tracing::debug!(%peer, %error, "cannot set socket options");
            }
            tracing::info!(id = %link.id, peer = %link.peer, "a learner has dialled in");
            let farewell = Farewell::new(shared.clone(), link.id, Side::Leader, Some(link.clone()));
            links.spawn(serve(farewell, link));
        }
        Err(Refusal::Full) => {
            let max = limits::LEARNER_LINKS;
            tracing::warn!(%peer, "too many learners, refusing one - max is {max}");
        }
        Err(Refusal::Closed) => {}
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Before a follower tries again to listen.
const BIND_PAUSE: Duration = Duration::from_secs(1);
