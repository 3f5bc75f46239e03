//! Dialling the leader, with patience: a server that was just elected may not know it yet. Or a
//! follower that serves observers, with less.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::link::Link;
use super::serve::{Ending, Farewell, Side, serve};
use crate::base::{QuorumLink, ServerId, limits};
use crate::net::tls::PeerStream;
use crate::net::{peer_sasl, sockets};
use crate::peer::{Door, Input};
use crate::quorum::Address;

/// Dials until there is a link, and serves that until it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    id: QuorumLink,
    (leader, door): (ServerId, Door),
    addresses: Vec<Address>,
) {
    let mut farewell = Farewell::new(shared.clone(), id, Side::Learner, None);
    let reached = reach(&shared, door, &addresses).await;
    match log_in(&shared, reached, &addresses).await {
        Ok((peer, stream)) => {
            let queue_bytes_max = limits::QUORUM_LINK_BYTES;
            let link = Link::new(id, peer, stream.into(), BytesMut::new(), queue_bytes_max);
            let link = Arc::new(link);
            farewell.link = Some(link.clone());
            if take_up(&shared, &link) {
                tracing::info!(%id, %leader, %peer, "connected to the leader");
                serve(farewell, link).await;
            }
        }
        Err(ending) => farewell.ending = ending,
    }
}

async fn log_in(
    shared: &Shared,
    reached: io::Result<PeerStream>,
    addresses: &[Address],
) -> Result<(SocketAddr, PeerStream), Ending> {
    let reached = reached.and_then(|stream| Ok((stream.tcp().peer_addr()?, stream)));
    let (peer, mut stream) = reached.map_err(Ending::NotReached)?;
    let options = &shared.options;
    if let Some(login) = options.sasl.as_ref().and_then(|it| it.login.as_ref()) {
        let limit = Duration::from_millis(options.login_limit_ms);
        let host = peer_sasl::host_of(addresses);
        peer_sasl::log_in(&mut stream, login, &host, limit).await?;
    }
    Ok((peer, stream))
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
async fn reach(shared: &Shared, door: Door, addresses: &[Address]) -> io::Result<PeerStream> {
    let options = &shared.options;
    let mut failure = io::Error::from(io::ErrorKind::TimedOut);
    let patience_ms = match door {
        Door::Leader => options.dial_budget_ms,
        Door::Follower => FOLLOWER_PATIENCE_MS.min(options.dial_budget_ms),
    };
    let attempts = async {
        let mut pause_ms = PAUSE_MIN_MS;
        let mut waited_ms = 0;
        while waited_ms < patience_ms {
            let (resolver, security) = (&shared.parts.resolver, &shared.parts.security);
            let addresses = addresses.to_vec();
            let (keep_alive, limit) = (options.keep_alive, ATTEMPT_TIMEOUT);
            let attempt = sockets::connect(resolver, addresses, keep_alive, security, limit);
            match attempt.await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        waited_ms += ATTEMPT_TIMEOUT_MS;
                    }
                    failure = error;
                }
            }
            tracing::debug!(error = %failure, "the leader does not answer yet");
            let pause = pause_ms.min(options.dial_pause_max_ms);
            sleep(Duration::from_millis(pause)).await;
            // Attempts take time too.
            waited_ms += pause.max(1);
            pause_ms = pause_ms.saturating_mul(2);
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    };
    let budget = Duration::from_millis(options.dial_budget_ms);
    let reached = timeout(budget, attempts).await;
    reached.ok().and_then(Result::ok).ok_or(failure)
}

const PAUSE_MIN_MS: u64 = 5;

/// A host that swallows the first packets may answer when it is asked anew, at another address.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(ATTEMPT_TIMEOUT_MS);
const ATTEMPT_TIMEOUT_MS: u64 = 5000;

/// How long a follower is dialled that does not listen for observers: about as long as Apache's
/// observers take for their five attempts.
const FOLLOWER_PATIENCE_MS: u64 = 500;
