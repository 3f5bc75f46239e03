//! Putting the log's transactions on top of a state, and keeping the newest of them.

use std::collections::VecDeque;

use crate::base::{Zxid, limits};
use crate::proto::{NodeEvent, TxnRecord};
use crate::store::log_reader::LogRecord;
use crate::store::recover::RecoverError;
use crate::tree::{Database, DigestMismatch};
use crate::zab::Committed;

/// A replay that goes on.
pub(super) struct Replay {
    field_bytes_max: usize,
    recent: RecentWindow,
    replayed: u64,
    mismatch: Option<(DigestMismatch, u64)>,
    /// Nobody watches yet.
    events: Vec<NodeEvent>,
}

/// What a replay leaves besides the state.
pub(super) struct Replayed {
    pub(super) recent: Vec<Committed>,
    pub(super) count: u64,
    /// The first, and how many there were.
    pub(super) mismatch: Option<(DigestMismatch, u64)>,
}

impl Replay {
    /// Keeps the `recent_max` newest transactions.
    pub(super) fn new(field_bytes_max: usize, recent_max: usize) -> Self {
        Self {
            field_bytes_max,
            recent: RecentWindow::new(recent_max),
            replayed: 0,
            mismatch: None,
            events: Vec::new(),
        }
    }

    pub(super) fn apply(
        &mut self,
        database: &mut Database,
        record: LogRecord,
    ) -> Result<(), RecoverError> {
        let LogRecord { zxid, payload } = record;
        let txn = TxnRecord::decode(&payload, self.field_bytes_max)
            .map_err(|source| RecoverError::Undecodable { zxid, source })?;
        let applied = database.apply(&txn, &mut self.events);
        self.events.clear();
        self.replayed += 1;
        if let Some(found) = applied.digest_mismatch {
            self.mismatch.get_or_insert((found, 0)).1 += 1;
        }
        self.recent.push(Committed { zxid, payload });
        Ok(())
    }

    pub(super) fn finish(self) -> Replayed {
        Replayed {
            recent: self.recent.entries.into(),
            count: self.replayed,
            mismatch: self.mismatch,
        }
    }
}

/// The newest transactions, each of which follows the one before it, as
/// [`Recent`](crate::zab::Recent) has it, and bounded by bytes as well.
struct RecentWindow {
    entries: VecDeque<Committed>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl RecentWindow {
    fn new(count_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            count_max,
            bytes_max: limits::RECOVERED_RECENT_BYTES,
        }
    }

    fn push(&mut self, entry: Committed) {
        if self.count_max == 0 {
            return;
        }
        if let Some(last) = self.entries.back() {
            if entry.zxid <= last.zxid {
                return;
            }
            if !follows(last.zxid, entry.zxid) {
                self.entries.clear();
                self.bytes = 0;
            }
        }
        self.bytes += entry.payload.len();
        self.entries.push_back(entry);
        while self.entries.len() > self.count_max || self.bytes > self.bytes_max {
            let Some(gone) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= gone.payload.len();
        }
    }
}

/// Whether nothing can be missing between the two.
pub(super) fn follows(last: Zxid, next: Zxid) -> bool {
    next == last.next() || (next.epoch() > last.epoch() && next.counter() <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(count_max: usize, bytes_max: usize, zxids: &[i64]) -> Vec<i64> {
        let mut window = RecentWindow {
            bytes_max,
            ..RecentWindow::new(count_max)
        };
        for zxid in zxids {
            window.push(Committed {
                zxid: Zxid(*zxid),
                payload: vec![0; 10].into(),
            });
        }
        let bytes = window.entries.iter().map(|entry| entry.payload.len());
        assert_eq!(window.bytes, bytes.sum::<usize>());
        window.entries.iter().map(|entry| entry.zxid.0).collect()
    }

    #[test]
    fn sf_092_the_window_is_bounded_by_count_and_by_bytes() {
        assert_eq!(window(3, 1000, &[1, 2, 3, 4, 5]), [3, 4, 5]);
        assert_eq!(window(100, 25, &[1, 2, 3, 4, 5]), [4, 5]);
        assert_eq!(window(100, 5, &[1, 2]), [0; 0]);
        assert_eq!(window(0, 1000, &[1, 2]), [0; 0]);
    }

    #[test]
    fn the_window_has_no_hole() {
        let second = 0x2_0000_0001;
        assert_eq!(window(9, 1000, &[1, 2, second]), [1, 2, second]);
        assert_eq!(window(9, 1000, &[1, 2, second + 1]), [second + 1]);
        assert_eq!(window(9, 1000, &[1, 2, 2, 1, 3]), [1, 2, 3]);
        assert_eq!(window(9, 1000, &[1, 2, 5, 6]), [5, 6]);
    }
}
