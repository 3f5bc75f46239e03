//! Bounds of ours, where Apache has none or leaves them to memory. What Apache has a setting for
//! is in `config`. What happens at a bound is written beside it.

/// Requests of one connection that wait behind its own unanswered writes. At the bound the
/// connection is not read until some are answered.
pub const REQUESTS_WAITING_PER_CONNECTION: usize = 1024;

/// Bytes of such requests; as above, and one more request may go beyond it.
pub const REQUEST_BYTES_WAITING_PER_CONNECTION: usize = 4 * 1024 * 1024;

/// Bytes taken from a socket at one go, before what they hold is worked off.
pub const SOCKET_READ_BYTES: usize = 64 * 1024;

/// Requests in the queue to the writer. At the bound connections wait to hand theirs over.
pub const WRITER_QUEUE: usize = 4096;

/// Bytes of requests in the queue to the writer; as above.
pub const WRITER_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Replies a connection's task collects before it writes them to the socket. At the bound it
/// works off no further request until the socket has taken them.
pub const REPLY_BYTES_PER_BATCH: usize = 256 * 1024;

/// Transactions prepared and appended in one go before the writer looks at what else came in.
pub const WRITES_PER_BATCH: usize = 1000;

/// Transactions appended and not yet durable. At the bound the writer prepares no more until the
/// disk has caught up.
pub const TRANSACTIONS_IN_FLIGHT: usize = 16 * 1024;

/// Bytes of transactions appended and not yet durable; as above.
pub const TRANSACTION_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;

/// Watches of one connection. A request that would set more is answered with a marshalling error.
pub const WATCHES_PER_CONNECTION: usize = 16 * 1024 * 1024;

/// Bytes of the answer to one multiRead, which may ask for one large node many times. A request
/// whose answer would be longer is answered with a marshalling error.
pub const MULTI_READ_REPLY_BYTES: usize = 64 * 1024 * 1024;

/// How long a connection's reads may hold the shared lock, beyond the one read that passes it.
/// Then the writer gets in before the connection goes on.
pub const READ_BATCH_MS: u64 = 5;

/// Entries of one access control list. A longer one, also one that gets longer as `auth` stands
/// for all that the client is, is refused with `InvalidACL`.
pub const ACL_ENTRIES: usize = 4096;

/// Identities of one connection. One that authenticates as more is refused and closed.
pub const IDENTITIES_PER_CONNECTION: usize = 128;

/// Bytes of those; as above. An entry `auth` of a list, of which a request can have tens of
/// thousands, stands for all of them.
pub const IDENTITY_BYTES_PER_CONNECTION: usize = 8 * 1024;

/// Bytes of paths that the end of a session lists, even where a larger `jute.maxbuffer` lets other
/// servers take more; beyond it, its other ephemerals go unlisted, as all do with `closeSessionTxn`
/// off. A record of 2 GiB could not be read back.
pub const CLOSED_PATH_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of the newest transactions that a start keeps for learners that were away for a short time.
/// Older ones are left to the log on disk.
pub const RECOVERED_RECENT_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of one slice of a snapshot, serialized under the shared lock in one go.
pub const SNAPSHOT_SLICE_BYTES: usize = 256 * 1024;

/// Connections accepted on the election port that have not said whose they are. At the bound the
/// oldest of them is closed.
pub const ELECTION_CALLERS: usize = 256;

/// Learners' links of one leader. A learner beyond it is closed at once.
pub const LEARNER_LINKS: usize = 1024;

/// Learners that have dialled a leader and are logging in by SASL. At the bound the oldest is closed.
pub const LEARNER_LOGINS: usize = 256;

/// Bytes queued for one link of the quorum port. At the bound it is closed: the learner has to come
/// again and catch up from the disk.
pub const QUORUM_LINK_BYTES: usize = 256 * 1024 * 1024;

/// Sessions a leader remembers that ended in its term, while there are local sessions: what one has still
/// under way on another link must not pass for a local session's. The longest ended is forgotten first,
/// and its late writes would be taken, as Apache's leader takes all.
pub const ENDED_SESSIONS: usize = 64 * 1024;

const _: () = assert!(WRITES_PER_BATCH <= TRANSACTIONS_IN_FLIGHT);
const _: () = assert!(MULTI_READ_REPLY_BYTES < i32::MAX as usize);
const _: () = assert!(jute::MAX_BUFFER_DEFAULT < TRANSACTION_BYTES_IN_FLIGHT);
