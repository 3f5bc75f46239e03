//! Listening for learners, while this server leads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::Shared;
use super::link::Link;
use super::registry::{Opening, Refusal};
use super::serve::{Farewell, Side, serve};
use crate::base::limits;
use crate::net::sockets;
use crate::peer::Input;

/// Listens until the task is aborted. `previous` is the one that listened before: it still has the
/// port until it has ended.
pub(super) async fn run(shared: Arc<Shared>, opening: Opening, previous: Option<JoinHandle<()>>) {
    if let Some(previous) = previous {
        // It was aborted.
        let _ = previous.await;
    }
    let mut accepting = JoinSet::new();
    let mut reason = String::from("there is no address to listen on");
    for address in &shared.options.listen {
        match sockets::bind(address).await {
            Ok(listener) => {
                tracing::info!("listening for learners on {address:?}");
                accepting.spawn(accept(shared.clone(), opening, listener));
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
    let failed = Input::QuorumPortFailed { reason };
    shared.parts.server.submissions.notify(failed);
}

async fn accept(shared: Arc<Shared>, opening: Opening, listener: TcpListener) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(&shared, opening, stream, peer, &mut links),
                // Out of descriptors, most likely: what closes meanwhile makes room.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a learner");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = links.join_next() => {}
        }
    }
}

fn admit(
    shared: &Arc<Shared>,
    opening: Opening,
    stream: TcpStream,
    peer: SocketAddr,
    links: &mut JoinSet<()>,
) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if let Err(error) = sockets::set_options(&stream, shared.options.keep_alive) {
        tracing::debug!(%peer, %error, "cannot set socket options");
    }
    let mut registry = shared.registry.lock();
    match registry.add_learner(opening, |id| Link::new(id, peer, stream)) {
        Ok(link) => {
            let connected = Input::LearnerConnected { link: link.id };
            shared.parts.server.submissions.notify(connected);
            drop(registry);
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
