//! Session ids and passwords. A password follows from the id alone, so any server of an ensemble
//! can verify one that another gave out.

use crate::base::{Monotonic, SessionId};

/// The value that marks the owner of a container, which no session may have.
const CONTAINER_OWNER: u64 = 0x8000_0000_0000_0000;

/// Hands out ids, as `SessionTrackerImpl.initializeNextSessionId` starts them.
///
/// | bits | from |
/// |---|---|
/// | 63..56 | the server's id |
/// | 55..16 | milliseconds of the monotonic clock at the start |
/// | 15..0 | a counter, which may carry into the time |
#[derive(Debug)]
pub struct IdGenerator {
    next: u64,
}

impl IdGenerator {
    /// `server_id` is the low byte of the server's id; a standalone server uses 1. `start` must
    /// not have been read in an earlier run: whoever held an id then knows its password.
    pub fn new(server_id: u8, start: Monotonic) -> Self {
        let time = (start.0 << 24) >> 8;
        let next = time | (u64::from(server_id) << 56);
        let is_marker = next == CONTAINER_OWNER;
        Self {
            next: next + u64::from(is_marker),
        }
    }

    /// An id this generator has not given before. The caller skips one that is in use.
    pub fn next_id(&mut self) -> SessionId {
        let id = SessionId(self.next.cast_signed());
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// Every password's length.
pub const PASSWORD_LEN: usize = 16;

const SECRET: u64 = 0xb341_5c00;
const MULTIPLIER: u64 = 0x5_deec_e66d;
const STATE_MASK: u64 = (1 << 48) - 1;

/// The password of a session, as `ZooKeeperServer.generatePasswd`: sixteen bytes of
/// `java.util.Random` seeded with the id xor a constant. Only the id's low 48 bits matter.
pub fn password(session: SessionId) -> [u8; PASSWORD_LEN] {
    let mut state = (session.0.cast_unsigned() ^ SECRET ^ MULTIPLIER) & STATE_MASK;
    let mut bytes = [0; PASSWORD_LEN];
    for four in bytes.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xb) & STATE_MASK;
        let value = u32::try_from(state >> 16).expect("a state has 48 bits");
        four.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Whether `given` is the password of `session`. Takes the same time for every wrong one of the
/// right length. Session 0 has none.
pub fn is_password_of(session: SessionId, given: Option<&[u8]>) -> bool {
    let expected = password(session);
    let Some(given) = given.filter(|given| given.len() == PASSWORD_LEN) else {
        return false;
    };
    let difference = expected
        .iter()
        .zip(given)
        .fold(0, |difference, (expected, given)| {
            difference | (expected ^ given)
        });
    session != SessionId::NONE && difference == 0
}
