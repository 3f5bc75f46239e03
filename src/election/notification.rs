//! The one message of an election, and the frames that carry it.
//!
//! ```text
//! frame    0  length         int    1 to 524288
//!          4  notification
//!
//! offset   0  state          int    0 to 3
//!          4  leader         long
//!         12  zxid           long
//!         20  round          long   electionEpoch
//!         28  epoch          long   peerEpoch; a message of 28 bytes ends before it
//!         36  version        int    2; not read where the message ends after it
//!         40  config length  int    from version 2 on
//!         44  config         bytes  the sender's committed view as text; more may follow, unread
//! ```
//!
//! In: [`Notification::encode`] for what we send, always version 2 with a configuration; any bytes
//! for [`Received::decode`]. Out: bytes; what was said, or a [`NotificationError`], upon which the
//! message is dropped and nothing else happens.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use jute::Reader;
use thiserror::Error;

use super::vote::{Ballot, Candidate, PeerState, Round, Vote};
use crate::{
    base::{Epoch, ServerId, Zxid},
    quorum::{QuorumView, ViewError, ViewRules},
};

/// A notification of ours.
#[derive(Debug, Clone)]
pub struct Notification {
    pub state: PeerState,
    pub vote: Vote,
    /// Our committed view. Apache's receiver dies of a text it cannot read, so this is a view that
    /// exists, not a text.
    pub config: Arc<QuorumView>,
}

impl Notification {
    /// The version we speak.
    pub const VERSION: i32 = 2;

    /// The payload of the frame.
    pub fn encode(&self) -> Bytes {
        let config = self.config.to_string();
        let length = i32::try_from(config.len()).expect("a view is smaller than 2 GiB");
        let mut out = BytesMut::with_capacity(CONFIG_OFFSET + config.len());
        let Vote { candidate, round } = self.vote;
        out.put_i32(self.state.to_wire());
        out.put_i64(candidate.leader.0);
        out.put_i64(candidate.zxid.0);
        out.put_i64(round.0);
        out.put_i64(candidate.epoch.0);
        out.put_i32(Self::VERSION);
        out.put_i32(length);
        out.put_slice(config.as_bytes());
        out.freeze()
    }
}

/// A notification of another server.
#[derive(Debug, Clone)]
pub struct Received {
    pub ballot: Ballot,
    /// The sender's committed view, if the message has one that we can read.
    pub config: Option<Arc<QuorumView>>,
}

impl Received {
    /// Reads the payload of a frame, of any generation since 3.3. `multi_address_enabled` as in
    /// [`ViewRules`].
    pub fn decode(message: &[u8], multi_address_enabled: bool) -> Result<Self, NotificationError> {
        let truncated = || NotificationError::Truncated(message.len());
        let mut fields = Fields(Reader::new(message));
        let fixed = (fields.int(), fields.long(), fields.long(), fields.long());
        let (Some(state), Some(leader), Some(zxid), Some(round)) = fixed else {
            return Err(truncated());
        };
        let zxid = Zxid(zxid);
        let (epoch, version) = match message.len() {
            WITHOUT_EPOCH => (zxid.epoch(), 0),
            WITH_VERSION_UNREAD => (Epoch(fields.long().ok_or_else(truncated)?), 0),
            _ => {
                let epoch = fields.long().ok_or_else(truncated)?;
                (Epoch(epoch), fields.int().ok_or_else(truncated)?)
            }
        };
        let config = if version > 1 {
            fields.config(message.len(), multi_address_enabled)?
        } else {
            None
        };
        let state = PeerState::from_wire(state).ok_or(NotificationError::State(state))?;
        let candidate = Candidate {
            epoch,
            zxid,
            leader: ServerId(leader),
        };
        let vote = Vote {
            candidate,
            round: Round(round),
        };
        let ballot = Ballot {
            state,
            vote,
            version,
        };
        Ok(Self { ballot, config })
    }
}

/// Why a notification is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotificationError {
    #[error("a notification of {0} bytes ends within a field")]
    Truncated(usize),
    #[error("no server is in state {0}")]
    State(i32),
    #[error("a configuration of {length} bytes in a notification of {total}")]
    ConfigLength { length: i32, total: usize },
    #[error("the configuration of a notification: {0}")]
    Config(#[from] ViewError),
}

/// The length a frame's first four bytes announce.
pub fn frame_length(announced: i32) -> Result<usize, FrameError> {
    match usize::try_from(announced) {
        Ok(length) if (1..=FRAME_BYTES_MAX).contains(&length) => Ok(length),
        _ => Err(FrameError(announced)),
    }
}

/// The longest payload of a frame on an election link.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;

/// A frame whose length breaks its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a frame of {0} bytes on an election link, expected 1 to {FRAME_BYTES_MAX}")]
pub struct FrameError(pub i32);

/// Where the message of servers before 3.4 ends.
const WITHOUT_EPOCH: usize = 28;
/// Where the message of 3.4.6 to 3.4.14 ends; its version field is never looked at.
const WITH_VERSION_UNREAD: usize = 40;
const CONFIG_OFFSET: usize = 44;

/// Big-endian numbers off the front; `None` where the bytes end.
struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    fn int(&mut self) -> Option<i32> {
        let bytes = self.0.take(4).ok()?;
        bytes.try_into().ok().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Option<i64> {
        let bytes = self.0.take(8).ok()?;
        bytes.try_into().ok().map(i64::from_be_bytes)
    }

    /// The configuration. One in a form that only a newer release may know is passed over, as
    /// Apache does, and the vote counts; any other that cannot be read takes the vote with it.
    fn config(
        &mut self,
        total: usize,
        multi_address_enabled: bool,
    ) -> Result<Option<Arc<QuorumView>>, NotificationError> {
        let length = self.int().ok_or(NotificationError::Truncated(total))?;
        let wrong = NotificationError::ConfigLength { length, total };
        let text: &'a [u8] = match usize::try_from(length) {
            Ok(length) => self.0.take(length).map_err(|_| wrong)?,
            Err(_) => return Err(wrong),
        };
        // Which members make a standalone server is a question for our own configuration only.
        let rules = ViewRules {
            multi_address_enabled,
            standalone_enabled: false,
        };
        match QuorumView::parse(&String::from_utf8_lossy(text), rules) {
            Ok(view) => Ok(Some(Arc::new(view))),
            Err(error) if error.may_be_newer_form() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
