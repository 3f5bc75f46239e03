//! Dialling the leader, with patience: a server that was just elected may not know it yet.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::link::Link;
use super::serve::{Ending, Farewell, Side, serve};
use crate::base::{QuorumLink, ServerId};
use crate::net::sockets;
use crate::peer::Input;
use crate::quorum::Address;

/// Dials until there is a link, and serves that until it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    id: QuorumLink,
    leader: ServerId,
    addresses: Vec<Address>,
) {
    let mut farewell = Farewell::new(shared.clone(), id, Side::Learner, None);
    let reached = reach(&shared, &addresses).await;
    match reached.and_then(|stream| Ok((stream.peer_addr()?, stream))) {
        Ok((peer, stream)) => {
            let link = Arc::new(Link::new(id, peer, stream));
            farewell.link = Some(link.clone());
            if take_up(&shared, &link) {
                tracing::info!(%id, %leader, %peer, "connected to the leader");
                serve(farewell, link).await;
            }
        }
        Err(error) => farewell.ending = Ending::NotReached(error),
    }
}

/// Whether the link is still wanted.
fn take_up(shared: &Shared, link: &Arc<Link>) -> bool {
    let mut registry = shared.registry.lock();
    let is_wanted = registry.add_leader(link.clone());
    if is_wanted {
        let connected = Input::LeaderConnected { link: link.id };
        shared.parts.server.submissions.notify(connected);
    }
    is_wanted
}

/// All addresses at once, again and again, with pauses that grow.
async fn reach(shared: &Shared, addresses: &[Address]) -> io::Result<TcpStream> {
    let options = &shared.options;
    let mut failure = io::Error::from(io::ErrorKind::TimedOut);
    let attempts = async {
        let mut pause_ms = PAUSE_MIN_MS;
        loop {
            let resolver = &shared.parts.resolver;
            let attempt = sockets::connect(resolver, addresses.to_vec(), options.keep_alive);
            match timeout(ATTEMPT_TIMEOUT, attempt).await {
                Ok(Ok(stream)) => return stream,
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
            tracing::debug!(error = %failure, "the leader does not answer yet");
            sleep(Duration::from_millis(
                pause_ms.min(options.dial_pause_max_ms),
            ))
            .await;
            pause_ms = pause_ms.saturating_mul(2);
        }
    };
    let budget = Duration::from_millis(options.dial_budget_ms);
    let reached = timeout(budget, attempts).await.ok();
    reached.ok_or(failure)
}

const PAUSE_MIN_MS: u64 = 5;

/// A host that swallows the first packets may answer when it is asked anew, at another address.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
