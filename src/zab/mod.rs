//! ZAB: how a leader and its learners agree on one history of transactions, over the quorum port.
//!
//! Two state machines without I/O, [`Leader`] and [`Learner`]. In: packets of the other side, links
//! that come and go, what the disk has done, time. Out: packets, what the disk is to do, and what is
//! committed. What a transaction means is not known here: payloads are bytes. A third one,
//! [`ObserverMaster`], has a follower bring observers up to date as a leader does; what is the same in
//! both is in `catch_up`.
//!
//! ```text
//!             leader                                    learner
//!   discovery                   <- FOLLOWERINFO / OBSERVERINFO (accepted epoch)
//!     epoch = max + 1, saved       LEADERINFO ->            epoch saved as accepted
//!                               <- ACKEPOCH (last zxid)
//!   synchronisation                DIFF | TRUNC | SNAP ->
//!     current epoch saved          history, NEWLEADER ->    history and epoch saved
//!                               <- ACK
//!   broadcast                      UPTODATE ->              serves
//!                                  PROPOSAL, COMMIT, INFORM, PING ->
//!                               <- ACK, REQUEST, PING, REVALIDATE
//! ```
//!
//! Invariants: what depends on the disk leaves only after the completion came in; per link, packets
//! leave in the order in which they were decided on; a leader commits in order, each transaction
//! after a quorum of every view in force has it on disk.

mod catch_up;
pub mod leader;
pub mod learner;
pub mod observer_master;
pub mod packet;
mod recent;

#[cfg(test)]
mod tests;

pub use catch_up::{LogProbe, StreamItem};
pub use leader::{
    CloseReason, Leader, LeaderInput, LeaderOutput, LeaderReport, LearnerReport, StepDown,
};
pub use learner::{Learner, LearnerInput, LearnerOutput, LeaveReason, NO_DATA};
pub use observer_master::{
    ObserverMaster, ObserverMasterInput, ObserverMasterOptions, ObserverMasterOutput, Term,
};
pub use packet::{
    LearnerIdentity, LearnerKind, LearnerRequest, PROTOCOL_VERSION, PacketError, ToLeader,
    ToLearner, packet_len,
};
pub use recent::{Committed, RECENT_BYTES_MAX, Recent};

use crate::base::{Epoch, Zxid};

/// What an operator may set. Limits are in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZabOptions {
    pub tick_ms: u64,
    /// `initLimit`: how long a learner has to connect and catch up.
    pub init_limit: u64,
    /// `syncLimit`: how long one that has caught up may stay silent.
    pub sync_limit: u64,
    /// `zookeeper.snapshotSizeFactor`: how large the log may be, as a share of the snapshot, to be
    /// sent instead of it. `None`: never sent.
    pub snapshot_size_factor: Option<f64>,
    /// `zookeeper.forceSnapshotSync`: every learner gets a snapshot.
    pub force_snapshot_sync: bool,
    /// `zookeeper.leader.maxConcurrentSnapSyncs`, and below it for DIFF: observers beyond it have to
    /// come again.
    pub snap_syncs_max: usize,
    pub diff_syncs_max: usize,
    /// `zookeeper.leader.maxTimeToWaitForEpoch`: a leader whose voters look elsewhere gives up after
    /// this.
    pub wait_for_epoch_max_ms: Option<u64>,
    /// `reconfigEnabled`: the first leader of an ensemble gives its configuration a version.
    pub reconfig_enabled: bool,
}

/// What a server brings into a term: all of it on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The highest epoch this server has promised to join.
    pub accepted_epoch: Epoch,
    /// The highest epoch whose initial history it has.
    pub current_epoch: Epoch,
    /// The last transaction in its log.
    pub last_zxid: Zxid,
}
