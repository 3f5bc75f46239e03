//! What happens in a run, as the trace shows it and the checkers see it.
//!
//! Facts about servers are what a driver can see from outside: what goes to disk and comes back
//! from it, what is applied, when clients are served. Facts about clients are what the clients did
//! and were told.
//!
//! ```text
//! n1 started 0x0 + 12, accepted 3, current 3     what is on disk: a snapshot and so many records
//! n1 serves as leader                            what n1 has applied is committed from here on
//! n1 proposed 0x400000001 create                 a transaction is there for the first time
//! n2 durable 0x400000001                         n2 may say that it is on disk
//! n2 applied 0x400000001
//! c3 asked 5 set /k1 "c3:5"                      a request leaves the client
//! c3 told 5 at 0x400000001 stat 2                its reply arrives
//! c3 sees DataChanged /k1 at 0x400000001         a watch event arrives
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::base::{Epoch, ServerId, SessionId, Xid, Zxid};
use crate::peer::Mode;
use crate::proto::TxnRecord;
use crate::sim::asked::{Answer, Asked, WatchSet};
use crate::sim::network::Ending;
use crate::sim::world::Micros;

/// A client of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Something that happened.
#[derive(Debug, Clone, Hash)]
pub enum Fact {
    Server { node: ServerId, what: ServerFact },
    Client { client: ClientId, what: ClientFact },
    Fault(FaultFact),
}

/// A transaction and what its bytes were.
#[derive(Debug, Clone)]
pub struct Entry {
    pub zxid: Zxid,
    /// Of the bytes.
    pub hash: u64,
    pub txn: Arc<TxnRecord>,
}

/// A history on disk: everything up to `base`, then these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct History {
    pub base: Zxid,
    /// zxids and hashes, in the order of the log.
    pub entries: Vec<(Zxid, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpochKind {
    Accepted,
    Current,
}

#[derive(Debug, Clone, Hash)]
pub enum ServerFact {
    /// A process starts with this on its disk, which is its state in memory too.
    Started {
        history: History,
        accepted: Epoch,
        current: Epoch,
    },
    /// The process is gone.
    Stopped(StopReason),
    /// The leader of an epoch has made a transaction.
    Proposed(Entry),
    /// The disk is given a transaction that another server made.
    Appended {
        zxid: Zxid,
        hash: u64,
    },
    /// The disk said that everything up to this is on it.
    Durable(Zxid),
    EpochSaved(EpochKind, Epoch),
    /// The disk is asked to cut the log.
    Truncating {
        zxid: Zxid,
    },
    /// The log was cut behind this, and the state read back.
    Truncated {
        zxid: Zxid,
        history: History,
    },
    /// The state was read back.
    Reloaded {
        history: History,
    },
    /// The state of another server up to this took the place of the own one.
    Installed {
        zxid: Zxid,
    },
    /// The disk is asked to keep the state in memory instead of what it has.
    StoringSnapshot,
    SnapshotStored {
        zxid: Zxid,
    },
    /// A transaction changed the state in memory.
    Applied {
        zxid: Zxid,
        hash: u64,
    },
    /// The state in memory now counts as that at the start of an epoch.
    TermBegan(Zxid),
    /// Clients are served; all that was and will be applied is committed.
    Serving {
        mode: Mode,
        epoch: Epoch,
    },
    /// No client is served any more.
    Retired,
    /// The digest of the tree after everything up to this.
    Digest {
        zxid: Zxid,
        digest: u64,
    },
    /// The leader has heard of a session.
    Heard(SessionId),
    /// What the server has when all is over.
    Final(FinalState),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FinalState {
    /// What `/zookeeper/config` has.
    pub config: Box<str>,
    pub zxid: Zxid,
    pub digest: u64,
    pub sessions: Vec<SessionId>,
    /// Path, data and version of each node but the system's, by path.
    pub nodes: Vec<(Box<str>, Vec<u8>, i32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// A fault of the run.
    Killed,
    /// The disk failed, as the run wanted it.
    DiskFailed,
    /// The disk failed, and nobody wanted it to.
    DiskError(String),
    /// The server stopped itself.
    Exit { code: u8, reason: String },
}

/// Connections of one client are numbered, each a higher number than the last.
pub type ClientConn = u32;

#[derive(Debug, Clone, Hash)]
pub enum ClientFact {
    /// A connection has a session: a new one, or the old one again.
    Connected {
        conn: ClientConn,
        server: ServerId,
        session: SessionId,
        timeout_ms: i32,
        is_new: bool,
    },
    /// The session is not valid any more, says a server.
    Expired {
        server: ServerId,
        session: SessionId,
    },
    /// A connection is over, by whichever side.
    Disconnected { conn: ClientConn },
    /// What came is not what a server may send.
    Garbled { conn: ClientConn, text: String },
    /// A request leaves.
    Invoked {
        conn: ClientConn,
        session: SessionId,
        xid: Xid,
        asked: Asked,
    },
    /// Watches are set again on a new connection.
    WatchesSet {
        conn: ClientConn,
        xid: Xid,
        seen: Zxid,
        watches: WatchSet,
    },
    /// A reply arrives.
    Replied {
        conn: ClientConn,
        xid: Xid,
        zxid: Zxid,
        /// 0, or an error code.
        err: i32,
        answer: Answer,
    },
    /// A watch event arrives; the zxid is -1 for one that catches up.
    Event {
        conn: ClientConn,
        zxid: Zxid,
        event_type: i32,
        path: Box<str>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FaultFact {
    Crash(ServerId, Ending),
    Restart(ServerId),
    Pause(ServerId, Micros),
    Resume(ServerId),
    /// Nothing gets through between these two groups of hosts, perhaps one way only.
    Partition(String),
    Clog(String),
    Reset(String),
    SlowDisk(ServerId, Micros),
    BrokenDisk(ServerId),
    WallClock(ServerId, i64),
    Heal,
}

/// A hash of bytes that is the same in every run.
pub fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.zxid, self.hash).hash(state);
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { node, what } => write!(f, "n{node} {what}"),
            Self::Client { client, what } => write!(f, "{client} {what}"),
            Self::Fault(fault) => write!(f, "-- {fault:?}"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.entries.last().map_or(self.base, |(zxid, _)| *zxid);
        write!(f, "{} + {} = {last}", self.base, self.entries.len())
    }
}

impl fmt::Display for ServerFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                history,
                accepted,
                current,
            } => write!(
                f,
                "started {history}, accepted {accepted}, current {current}"
            ),
            Self::Stopped(reason) => write!(f, "stopped: {reason:?}"),
            Self::Proposed(entry) => write!(
                f,
                "proposed {} of {} {}: {:?}",
                entry.zxid, entry.txn.session, entry.txn.cxid.0, entry.txn.txn
            ),
            Self::Appended { zxid, .. } => write!(f, "appends {zxid}"),
            Self::Durable(zxid) => write!(f, "durable {zxid}"),
            Self::EpochSaved(kind, epoch) => write!(f, "saved {kind:?} {epoch}"),
            Self::Truncating { zxid } => write!(f, "truncates to {zxid}"),
            Self::StoringSnapshot => write!(f, "stores a snapshot"),
            Self::Truncated { zxid, history } => write!(f, "truncated to {zxid}: {history}"),
            Self::Reloaded { history } => write!(f, "reloaded {history}"),
            Self::Installed { zxid } => write!(f, "installed {zxid}"),
            Self::SnapshotStored { zxid } => write!(f, "stored a snapshot of {zxid}"),
            Self::Applied { zxid, .. } => write!(f, "applied {zxid}"),
            Self::TermBegan(zxid) => write!(f, "began the term {zxid}"),
            Self::Serving { mode, epoch } => write!(f, "serves as {} in {epoch}", mode.name()),
            Self::Retired => write!(f, "retired"),
            Self::Digest { zxid, digest } => write!(f, "digest at {zxid}: {digest:x}"),
            Self::Heard(session) => write!(f, "heard of {session}"),
            Self::Final(state) => write!(
                f,
                "ends at {} with {} nodes, {} sessions, digest {:x}",
                state.zxid,
                state.nodes.len(),
                state.sessions.len(),
                state.digest
            ),
        }
    }
}

impl fmt::Display for ClientFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected {
                conn,
                server,
                session,
                timeout_ms,
                is_new,
            } => {
                let how = if *is_new { "new" } else { "again" };
                write!(
                    f,
                    "#{conn} has {session} for {timeout_ms} at n{server}, {how}"
                )
            }
            Self::Expired { server, session } => {
                write!(f, "{session} is not valid, says n{server}")
            }
            Self::Disconnected { conn } => write!(f, "#{conn} disconnected"),
            Self::Garbled { conn, text } => write!(f, "#{conn} cannot make sense: {text}"),
            Self::Invoked {
                conn, xid, asked, ..
            } => write!(f, "#{conn} asks {}: {asked:?}", xid.0),
            Self::WatchesSet {
                conn,
                xid,
                seen,
                watches,
            } => write!(f, "#{conn} asks {}: since {seen} {watches:?}", xid.0),
            Self::Replied {
                conn,
                xid,
                zxid,
                err,
                answer,
            } => write!(f, "#{conn} told {} at {zxid}: {err} {answer:?}", xid.0),
            Self::Event {
                conn,
                zxid,
                event_type,
                path,
            } => write!(f, "#{conn} sees {event_type} of {path} at {zxid}"),
        }
    }
}
