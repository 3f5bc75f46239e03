//! A link's task: it reads, writes what the socket did not take at once, and tells how it ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::link::{Link, Step};
use super::read::{self, Malformed};
use super::stream;
use crate::base::QuorumLink;
use crate::net::peer_sasl::NotLoggedIn;
use crate::peer::Input;

/// Which end of a link this server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The other end is a learner.
    Leader,
    /// The other end is the leader.
    Learner,
}

/// Why a link ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    #[error("the other side closed the link")]
    ClosedByPeer,
    #[error("the link was closed here")]
    Closed,
    #[error("the other side does not take what it is sent")]
    SlowReader,
    #[error("the leader cannot be reached: {0}")]
    NotReached(io::Error),
    #[error("{0}")]
    NotLoggedIn(#[from] NotLoggedIn),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("the snapshot of the leader cannot be read: {0}")]
    Snapshot(io::Error),
    #[error("what it needs cannot be sent: {0}")]
    Source(io::Error),
    #[error("its task has ended")]
    TaskGone,
}

/// Says that a link is gone, however its task ends.
pub(super) struct Farewell {
    pub(super) shared: Arc<Shared>,
    pub(super) id: QuorumLink,
    pub(super) side: Side,
    /// None while the leader is being dialled.
    pub(super) link: Option<Arc<Link>>,
    pub(super) ending: Ending,
}

impl Farewell {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: QuorumLink,
        side: Side,
        link: Option<Arc<Link>>,
    ) -> Self {
        Self {
            shared,
            id,
            side,
            link,
            ending: Ending::TaskGone,
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let id = self.id;
        if let Some(link) = &self.link {
            // A thread that reads a snapshot from it or waits to write ends with this.
            link.cut();
        }
        let mut registry = self.shared.registry.lock();
        if !registry.lose(id, self.side == Side::Learner) {
            return;
        }
        self.shared
            .parts
            .server
            .submissions
            .notify(match self.side {
                Side::Leader => Input::LearnerGone { link: id },
                Side::Learner => Input::LeaderGone {
                    link: id,
                    reason: self.ending.to_string(),
                },
            });
        drop(registry);
        match &self.ending {
            Ending::ClosedByPeer | Ending::Io(_) | Ending::NotReached(_) | Ending::Closed => {
                tracing::info!(%id, "a quorum link ends: {}", self.ending);
            }
            _ => tracing::warn!(%id, "closed a quorum link: {}", self.ending),
        }
    }
}

/// Serves a link until it ends.
pub(super) async fn serve(mut farewell: Farewell, link: Arc<Link>) {
    let (shared, side) = (farewell.shared.clone(), farewell.side);
    let ending = tokio::select! {
        ending = read::read(&shared, &link, side) => ending,
        ending = write(&shared, &link) => ending,
        ending = overdue(&link) => ending,
    };
    if matches!(ending, Ending::Closed) {
        part(&link).await;
    }
    farewell.ending = if link.has_overflowed() {
        Ending::SlowReader
    } else {
        ending
    };
}

async fn write(shared: &Arc<Shared>, link: &Arc<Link>) -> Ending {
    let mut place = None;
    loop {
        let done = match link.step() {
            Ok(Step::Write) => Ok(()),
            Ok(Step::AwaitWork) => {
                link.rung().await;
                Ok(())
            }
            Ok(Step::AwaitSocket) => link.stream.writable().await.map_err(Ending::Io),
            Ok(Step::Stream(item)) => {
                let streamed = stream::stream(shared, link, item, &mut place).await;
                streamed.map(|()| shared.on_streamed(link.id))
            }
            Ok(Step::Close) => Err(Ending::Closed),
            Err(error) => Err(error.into()),
        };
        if let Err(ending) = done {
            return ending;
        }
    }
}

/// One that is to be closed behind what is queued has limited time to take that.
async fn overdue(link: &Link) -> Ending {
    link.closing().await;
    sleep(CLOSE_TIMEOUT).await;
    Ending::SlowReader
}

/// Ends the stream and takes in what still comes: unread bytes would turn the end into a reset,
/// which may overtake the last packet.
async fn part(link: &Link) {
    link.stream.end();
    let drain = async {
        let mut scratch = [0; 4096];
        let socket = link.stream.tcp();
        while socket.readable().await.is_ok() {
            match socket.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(PART_TIMEOUT, drain).await;
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
const PART_TIMEOUT: Duration = Duration::from_secs(1);
