//! A learner that cannot be given all it lacks from memory: streams, one after the other, until what is
//! still missing is.
//!
//! ```text
//!  a snapshot, or a range of the log
//!        | sent                                   what it has all of: `at`
//!        v
//!     what is missing is in the window? --yes--> that, and from then on all that happens
//!        |  no             |  the own disk has not taken it
//!        v                 v
//!  the log behind `at`    wait for that, then ask again
//! ```
//!
//! Nothing else is sent to it meanwhile, so nothing piles up behind a stream, and how long one takes and
//! how much is written in that time costs no memory: the log has it. Each range ends in the middle of
//! what may be given from memory, and what comes while it is sent has the other half. So a learner that
//! takes transactions faster than they are committed gets there, each range shorter than the one
//! before; a slower one is fed on for as long as its link holds and the log is not purged, and what it
//! has is never thrown away.

use super::super::Recent;
use crate::base::{Epoch, Zxid};

/// How far such a learner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) struct Feed {
    /// It has all up to this, when what is being streamed is sent.
    at: Zxid,
    is_streaming: bool,
}

/// What comes next for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Next {
    /// All that it lacks is in the window, and fits its link.
    Window,
    /// The log behind `after`, up to `upto`.
    Log { after: Zxid, upto: Zxid },
    /// The own disk does not have it yet: others have committed without.
    AwaitDisk,
}

/// What it is fed from.
pub(in crate::zab) struct Supply<'a> {
    pub(in crate::zab) recent: &'a Recent,
    /// The own log holds everything up to this, durably.
    pub(in crate::zab) durable: Zxid,
    /// Where the initial history of the term ends, and its epoch.
    pub(in crate::zab) initial: Zxid,
    pub(in crate::zab) epoch: Option<Epoch>,
    /// Bytes that may be queued for it at once.
    pub(in crate::zab) at_once_max: usize,
}

impl Feed {
    /// A stream up to this is asked for. That of a snapshot is not known: it has at least this.
    pub(in crate::zab) fn new(upto: Zxid) -> Self {
        Self {
            at: upto,
            is_streaming: true,
        }
    }

    /// A stream is sent.
    pub(in crate::zab) fn on_streamed(&mut self) {
        self.is_streaming = false;
    }

    /// Another is asked for.
    pub(in crate::zab) fn stream(&mut self, upto: Zxid) {
        assert!(upto > self.at, "each stream brings something new");
        *self = Self::new(upto);
    }

    /// What comes next; `None`: what is being streamed.
    pub(in crate::zab) fn next(&self, supply: &Supply<'_>) -> Option<Next> {
        (!self.is_streaming).then(|| supply.behind(self.at))
    }

    pub(in crate::zab) fn at(&self) -> Zxid {
        self.at
    }
}

impl Supply<'_> {
    fn behind(&self, after: Zxid) -> Next {
        let recent = self.recent;
        if recent.goes_on_from(after, self.initial, self.epoch)
            && recent.bytes_after(after) <= self.at_once_max
        {
            return Next::Window;
        }
        // The window keeps `upto` itself, by which it is seen that the two meet.
        let upto = recent.first_within(self.at_once_max / 2);
        let upto = upto.unwrap_or(after).min(self.durable);
        // The start of an epoch is no transaction.
        if upto > after && upto.counter() > 0 {
            Next::Log { after, upto }
        } else {
            Next::AwaitDisk
        }
    }
}
