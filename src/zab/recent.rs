//! The newest committed transactions as they went over the wire: what a learner that was away for a
//! short time is brought up to date with.
//!
//! Invariant: rising zxids without a hole, so that what lies behind any of them is all there is. A
//! transaction that does not follow the last (after a snapshot was taken over) starts the window
//! anew.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{Epoch, Zxid, limits};

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub zxid: Zxid,
    /// See [`TxnRecord::decode`](crate::proto::TxnRecord::decode).
    pub payload: Bytes,
}

/// See the module.
#[derive(Debug)]
pub struct Recent {
    entries: VecDeque<Committed>,
    bytes: usize,
    /// `commitLogCount`: as many are kept while `pin` is not set, if that is not too much.
    count_max: usize,
    /// Bytes kept, the last transaction apart; twice that while `pin` is set.
    bytes_max: usize,
    /// What lies behind this is kept while somebody is brought up to date who lacks it.
    pin: Option<Zxid>,
}

/// Bytes kept, the last transaction apart. What goes at the bound a learner gets from the log, or in
/// a snapshot. All that is kept is queued for a learner at once, and has to fit its link.
pub const RECENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// As above, while the window is pinned. At the bound the oldest go, pinned or not.
const PINNED_BYTES_MAX: usize = 2 * RECENT_BYTES_MAX;

const _: () =
    assert!(PINNED_BYTES_MAX + limits::TRANSACTION_BYTES_IN_FLIGHT < limits::QUORUM_LINK_BYTES);

impl Recent {
    pub fn new(count_max: usize) -> Self {
        Self::bounded(count_max, RECENT_BYTES_MAX)
    }

    /// The same with another bound of bytes than [`RECENT_BYTES_MAX`], which is the largest.
    pub fn bounded(count_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            count_max: count_max.max(1),
            bytes_max: bytes_max.min(RECENT_BYTES_MAX),
            pin: None,
        }
    }

    /// Takes in the next committed transaction. One that is there already is passed over.
    pub fn push(&mut self, zxid: Zxid, payload: Bytes) {
        if let Some(last) = self.last() {
            if zxid <= last {
                return;
            }
            let is_next =
                zxid == last.next() || (zxid.epoch() > last.epoch() && zxid.counter() <= 1);
            if !is_next {
                self.clear();
            }
        }
        self.bytes += cost(&payload);
        self.entries.push_back(Committed { zxid, payload });
        self.trim();
    }

    /// Forgets all: what comes next does not follow.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Keeps `first` and what lies behind it until [`Recent::unpin`], or until it is too much.
    pub fn pin(&mut self, first: Zxid) {
        self.pin = Some(self.pin.map_or(first, |pinned| pinned.min(first)));
    }

    pub fn unpin(&mut self) {
        self.pin = None;
        self.trim();
    }

    pub fn first(&self) -> Option<Zxid> {
        self.entries.front().map(|entry| entry.zxid)
    }

    /// The first of the newest that have no more than so many bytes together; the last in any case.
    pub fn first_within(&self, bytes_max: usize) -> Option<Zxid> {
        let mut first = self.last()?;
        let mut bytes = 0;
        for entry in self.entries.iter().rev() {
            bytes += cost(&entry.payload);
            if bytes > bytes_max {
                break;
            }
            first = entry.zxid;
        }
        Some(first)
    }

    /// Bytes of those behind `zxid`.
    pub fn bytes_after(&self, zxid: Zxid) -> usize {
        self.after(zxid).map(|entry| cost(&entry.payload)).sum()
    }

    /// Bytes kept while the window is pinned: as much may be queued for a learner at once.
    pub fn pinned_bytes_max(&self) -> usize {
        2 * self.bytes_max
    }

    pub fn last(&self) -> Option<Zxid> {
        self.entries.back().map(|entry| entry.zxid)
    }

    /// The last that is not behind `zxid`.
    pub fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        let end = self.entries.partition_point(|entry| entry.zxid <= zxid);
        let floor = self.entries.get(end.checked_sub(1)?)?;
        Some(floor.zxid)
    }

    /// In order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Committed> {
        self.entries.iter()
    }

    /// Whether all is here that lies behind `zxid`, a transaction of the own history; the first of the term
    /// `epoch` follows `initial`.
    pub fn goes_on_from(&self, zxid: Zxid, initial: Zxid, epoch: Option<Epoch>) -> bool {
        let Some(first) = self.first() else {
            return true;
        };
        let follows_initial = |epoch| zxid == initial && first == Zxid::start_of(epoch).next();
        first <= zxid || first == zxid.next() || epoch.is_some_and(follows_initial)
    }

    /// Those behind `zxid`, in order.
    pub fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Committed> {
        let start = self.entries.partition_point(|entry| entry.zxid <= zxid);
        self.entries.range(start..)
    }

    fn trim(&mut self) {
        let is_too_much = |this: &Self| this.entries.len() > 1 && this.bytes > this.bytes_max;
        while self.entries.len() > self.count_max || is_too_much(self) {
            let is_pinned = self.bytes <= self.pinned_bytes_max()
                && self
                    .pin
                    .is_some_and(|pin| self.first().is_some_and(|first| first >= pin));
            if is_pinned {
                return;
            }
            if let Some(gone) = self.entries.pop_front() {
                self.bytes -= cost(&gone.payload);
            }
        }
    }
}

/// Memory that a transaction takes, and about what a learner is sent around it.
fn cost(payload: &Bytes) -> usize {
    payload.len() + size_of::<Committed>()
}
