//! What a learner has of its leader's history: what came, what of it the disk was given and has,
//! and what is committed.
//!
//! ```text
//!             committed      durable      appended = last
//!   ..........|..............|............|                follower
//!             last = committed = appended                  observer
//! ```
//!
//! A follower logs a transaction when it is proposed, an observer when it is committed. Behind SNAP
//! neither logs anything until NEWLEADER: there is no log that it would follow.
//!
//! Invariants: transactions are taken in one after the other, without a hole, each once; they are
//! appended and committed in that order; the epoch is asked to be saved as current before its first
//! transaction is appended; a follower acknowledges in order, only what is durable.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{EXIT_UNMATCHED_COMMIT, End, LearnerOutput, LeaveReason};
use crate::base::{Epoch, ServerId, Zxid};
use crate::zab::{Committed, LearnerKind, ToLeader};

/// Bytes of what came and waits: proposals for their commits, packets for a truncation, transactions
/// for the disk. The leader bounds what it proposes long before this, and lets go of a follower with a
/// slow disk; an observer's disk it knows nothing of. At the bound it is left.
pub(super) const BYTES_HELD_MAX: usize = 256 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    kind: LearnerKind,
    /// The leader's, which no transaction exceeds.
    epoch: Epoch,
    /// The last that was taken in.
    last: Zxid,
    /// The last that is in the log, in the snapshot below it, or on the way there.
    appended: Zxid,
    /// The last that is known to be on disk.
    durable: Zxid,
    /// What lies between `durable` and `appended`, with its cost.
    undurable: VecDeque<(Zxid, usize)>,
    undurable_bytes: usize,
    committed: Zxid,
    /// What lies between `committed` and `last`.
    pending: VecDeque<Committed>,
    pending_bytes: usize,
    base: Base,
    current_epoch: Save,
    /// How far all this was at NEWLEADER.
    complete: Option<Complete>,
    /// The last that was acknowledged or need not be, once NEWLEADER was acknowledged.
    acknowledged: Option<Zxid>,
}

/// Where NEWLEADER found the history.
#[derive(Debug, Clone, Copy)]
struct Complete {
    appended: Zxid,
    committed: Zxid,
}

/// Where the state that all this builds upon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    OnDisk,
    /// It came with SNAP. What is committed is added in memory only.
    InMemory,
    /// It is being stored, up to this.
    Storing(Zxid),
}

/// A write that is to happen once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Save {
    NotYet,
    Asked,
    Done,
}

/// Where a transaction belongs.
enum Place {
    Next,
    /// It was taken in before.
    Repeated,
}

impl History {
    /// Behind DIFF or TRUNC: on top of what this server has, which ends with `last`.
    pub(super) fn on_disk(kind: LearnerKind, epoch: Epoch, last: Zxid) -> Self {
        Self::new(kind, epoch, last, Base::OnDisk)
    }

    /// Behind SNAP: on top of what was received.
    pub(super) fn in_memory(kind: LearnerKind, epoch: Epoch, last: Zxid) -> Self {
        Self::new(kind, epoch, last, Base::InMemory)
    }

    fn new(kind: LearnerKind, epoch: Epoch, last: Zxid, base: Base) -> Self {
        let durable = match base {
            Base::OnDisk => last,
            Base::InMemory | Base::Storing(_) => Zxid::ZERO,
        };
        Self {
            kind,
            epoch,
            last,
            appended: last,
            durable,
            undurable: VecDeque::new(),
            undurable_bytes: 0,
            committed: last,
            pending: VecDeque::new(),
            pending_bytes: 0,
            base,
            current_epoch: Save::NotYet,
            complete: None,
            acknowledged: None,
        }
    }

    /// A transaction that may become committed.
    pub(super) fn propose(
        &mut self,
        zxid: Zxid,
        payload: Bytes,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        match self.place(zxid)? {
            Place::Repeated => self.acknowledge_again(zxid, out),
            Place::Next => {
                self.last = zxid;
                if self.kind == LearnerKind::Follower && self.base != Base::InMemory {
                    self.append(zxid, payload.clone(), out);
                }
                self.pending_bytes += cost(&payload);
                self.pending.push_back(Committed { zxid, payload });
            }
        }
        self.check_bounds()
    }

    /// The oldest proposal is committed. `activates`: it is a change of the members, under which that
    /// server leads.
    pub(super) fn commit(
        &mut self,
        zxid: Zxid,
        activates: Option<ServerId>,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        if zxid <= self.committed {
            return Ok(());
        }
        let Some(next) = self.pending.pop_front() else {
            tracing::warn!(%zxid, committed = %self.committed, "commit of what was not proposed");
            return Ok(());
        };
        if next.zxid != zxid {
            let reason = format!("{zxid} is committed, and next here is {}", next.zxid);
            self.pending.push_front(next);
            return Err(End::Exit {
                code: EXIT_UNMATCHED_COMMIT,
                reason,
            });
        }
        self.pending_bytes -= cost(&next.payload);
        self.take(next, activates, out);
        Ok(())
    }

    /// A transaction that is committed already, for an observer; `activates` as of [`History::commit`].
    pub(super) fn inform(
        &mut self,
        zxid: Zxid,
        payload: Bytes,
        activates: Option<ServerId>,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        if self.kind != LearnerKind::Observer {
            return Err(LeaveReason::Unexpected("INFORM").into());
        }
        // No commit will come for these: it would have come by now.
        self.pending.clear();
        self.pending_bytes = 0;
        self.last = self.committed;
        if let Place::Next = self.place(zxid)? {
            self.last = zxid;
            self.take(Committed { zxid, payload }, activates, out);
        }
        self.check_bounds()
    }

    /// NEWLEADER: what came is the history of the epoch. It is to be on disk, and the epoch then.
    pub(super) fn complete(&mut self, out: &mut Vec<LearnerOutput>) {
        assert!(self.complete.is_none(), "a history is complete once");
        if self.base == Base::InMemory {
            out.push(LearnerOutput::StoreSnapshot);
            self.base = Base::Storing(self.committed);
            self.appended = self.committed;
            if self.kind == LearnerKind::Follower {
                for Committed { zxid, payload } in self.pending.clone() {
                    self.append(zxid, payload, out);
                }
            }
        }
        self.save_epoch(out);
        self.complete = Some(Complete {
            appended: self.appended,
            committed: self.committed,
        });
    }

    pub(super) fn on_current_epoch_saved(&mut self, epoch: Epoch) {
        assert_eq!(epoch, self.epoch, "another epoch was saved");
        assert_eq!(self.current_epoch, Save::Asked, "nobody wanted it saved");
        self.current_epoch = Save::Done;
    }

    pub(super) fn on_appended(&mut self, zxid: Zxid) {
        assert!(zxid >= self.durable, "what was on disk is gone");
        assert!(zxid <= self.appended, "the log has what it was not given");
        self.durable = zxid;
        while let Some((_, bytes)) = self.undurable.pop_front_if(|(next, _)| *next <= zxid) {
            self.undurable_bytes -= bytes;
        }
    }

    pub(super) fn on_snapshot_stored(&mut self, zxid: Zxid) {
        assert_eq!(self.base, Base::Storing(zxid), "another was to be stored");
        self.base = Base::OnDisk;
        self.durable = self.durable.max(zxid);
    }

    /// NEWLEADER was acknowledged just now: from here on each transaction is, by itself, from the
    /// first one that was not committed then.
    pub(super) fn begin_acknowledging(&mut self) {
        assert!(self.is_whole(), "promised and not kept");
        assert!(self.acknowledged.is_none(), "it is acknowledged once");
        let start = Zxid::start_of(self.epoch);
        self.acknowledged = self.complete.map(|complete| complete.committed.max(start));
    }

    /// Acknowledges all that is durable and was not acknowledged.
    pub(super) fn acknowledge(&mut self, out: &mut Vec<LearnerOutput>) {
        let Some(acknowledged) = self.acknowledged.as_mut() else {
            return;
        };
        if self.kind == LearnerKind::Observer || self.durable <= *acknowledged {
            return;
        }
        let mut acks = BytesMut::new();
        while *acknowledged < self.durable {
            // Within an epoch there are no holes.
            *acknowledged = acknowledged.next();
            ToLeader::Ack {
                zxid: *acknowledged,
            }
            .encode(&mut acks);
        }
        assert_eq!(acknowledged.epoch(), self.epoch, "only the leader's own");
        out.push(LearnerOutput::Send(acks.freeze()));
    }

    /// Proposals that are in the log, or on the way there.
    pub(super) fn into_uncommitted(self) -> Vec<Committed> {
        match (self.kind, self.base) {
            (LearnerKind::Follower, Base::OnDisk) => self.pending.into(),
            _ => Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> LearnerKind {
        self.kind
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    pub(super) fn durable(&self) -> Zxid {
        self.durable
    }

    /// Whether NEWLEADER came.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.is_some()
    }

    /// Whether NEWLEADER came and all it stands for is on disk.
    pub(super) fn is_whole(&self) -> bool {
        self.base == Base::OnDisk
            && self.current_epoch == Save::Done
            && self
                .complete
                .is_some_and(|complete| self.durable >= complete.appended)
    }

    pub(super) fn has_acknowledged(&self) -> bool {
        self.acknowledged.is_some()
    }

    pub(super) fn memory_is_ahead(&self) -> bool {
        self.base != Base::OnDisk
    }

    fn place(&self, zxid: Zxid) -> Result<Place, LeaveReason> {
        if zxid <= self.last {
            return Ok(Place::Repeated);
        }
        if zxid.epoch() > self.epoch {
            return Err(LeaveReason::Unexpected("a transaction of a later term"));
        }
        let is_next = if zxid.epoch() == self.last.epoch() {
            zxid.0 - 1 == self.last.0
        } else {
            zxid.counter() == 1
        };
        if !is_next {
            return Err(LeaveReason::Hole {
                last: self.last,
                found: zxid,
            });
        }
        Ok(Place::Next)
    }

    /// A proposal was repeated: Apache's leader gives the zxid of the last one to another
    /// transaction when a request cannot be read, forgets who had acknowledged, and every follower
    /// commits the first. What is under way is answered when it is durable.
    fn acknowledge_again(&self, zxid: Zxid, out: &mut Vec<LearnerOutput>) {
        tracing::debug!(%zxid, last = %self.last, "passing over a repeated proposal");
        if self.kind == LearnerKind::Follower
            && self.acknowledged == Some(zxid)
            && zxid.counter() != 0
        {
            assert!(zxid <= self.durable, "acknowledged, so durable");
            out.push(LearnerOutput::Send(ToLeader::Ack { zxid }.to_bytes()));
        }
    }

    /// Gives out what is committed.
    fn take(&mut self, next: Committed, activates: Option<ServerId>, out: &mut Vec<LearnerOutput>) {
        let Committed { zxid, payload } = next;
        assert!(zxid > self.committed, "commits rise");
        assert!(zxid <= self.last, "committed before it came");
        if self.kind == LearnerKind::Observer && self.base != Base::InMemory {
            self.append(zxid, payload.clone(), out);
        }
        self.committed = zxid;
        out.push(LearnerOutput::Commit {
            zxid,
            payload,
            activates,
        });
    }

    fn append(&mut self, zxid: Zxid, payload: Bytes, out: &mut Vec<LearnerOutput>) {
        assert!(zxid > self.appended, "the log rises");
        assert!(self.base != Base::InMemory, "nothing to append to");
        if zxid.epoch() == self.epoch {
            self.save_epoch(out);
        }
        self.appended = zxid;
        let bytes = cost(&payload);
        self.undurable.push_back((zxid, bytes));
        self.undurable_bytes += bytes;
        out.push(LearnerOutput::Append { zxid, payload });
    }

    fn check_bounds(&self) -> Result<(), End> {
        if self.pending_bytes > BYTES_HELD_MAX {
            return Err(LeaveReason::Unexpected("more proposals than can be held").into());
        }
        if self.undurable_bytes > BYTES_HELD_MAX {
            return Err(LeaveReason::DiskLags(self.undurable_bytes).into());
        }
        Ok(())
    }

    /// All that came before this epoch is in the log or on its way there, so that the epoch may
    /// become the current one behind it.
    fn save_epoch(&mut self, out: &mut Vec<LearnerOutput>) {
        if self.current_epoch == Save::NotYet {
            self.current_epoch = Save::Asked;
            out.push(LearnerOutput::SaveCurrentEpoch(self.epoch));
        }
    }
}

/// Memory that a waiting transaction takes.
fn cost(payload: &Bytes) -> usize {
    payload.len() + size_of::<Committed>()
}
