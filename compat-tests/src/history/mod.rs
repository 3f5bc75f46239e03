//! What clients of an ensemble saw, and whether servers that keep their promises could have shown it.
//!
//! In: each client's [`Record`]s, in the order they happened to it, and what is [`Found`] when all is
//! quiet again. Out: [`Violation`]s. What is promised, and checked:
//!
//! | promise | [`Rule`] |
//! |---|---|
//! | an acknowledged write is there at the end | `Lost` |
//! | no write is carried out twice, none that nobody sent or that was refused | `Invented` |
//! | of what one connection sent, a prefix is carried out | `Order` |
//! | the transaction ids of one session grow, with each write by at least one | `Zxid` |
//! | a session never sees an older state than it saw before | `WentBack` |
//! | writes take effect in an order that agrees with real time, and compare-and-set compares | `NotLinearizable` |
//! | a read after a sync sees what was acknowledged before the sync (if asked for) | `Stale` |
//! | a session lives while its client is not away for longer than its timeout | `Expired` |
//! | an ephemeral node lives exactly as long as its session, or until it is deleted | `Ephemeral` |
//! | a watch fires once, after the change, before its client can see the change | `Watch` |
//! | a request that must succeed does | `Refused` |
//!
//! Clients number their operations from 1 and write the number as data, so each value tells its writer.

mod chain;
mod check;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

pub use check::check;

/// Something that happened to a client, `at` a time since the load began.
#[derive(Debug, Clone)]
pub struct Record {
    pub at: Duration,
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server accepted the client: with a new session, or with the one it has.
    Connected {
        session: i64,
        timeout: Duration,
    },
    /// The connection is gone; what was not answered on it never will be.
    Disconnected,
    /// A server says that the session is no more. The client had heard from none for `away`.
    SessionOver {
        away: Duration,
    },
    /// The client is about to send its operation of this number.
    Sent(u64, Call),
    Answered(u64, Answer),
    /// The watch on a register fired.
    Fired {
        register: usize,
    },
}

/// Registers are shared by all clients; a home and the numbered nodes below it are one client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Creates a node named by the operation's number below the client's home.
    Create,
    /// Sets the client's home to the number, whatever it was.
    Set,
    /// Sets a register if it has this version.
    Swap {
        register: usize,
        expected: i32,
    },
    Read {
        register: usize,
        watch: bool,
    },
    Sync,
    /// Creates an ephemeral node named by client and number.
    CreateEphemeral,
    /// Deletes the one that the operation `created` made.
    DeleteEphemeral {
        created: u64,
    },
    /// Ends the session.
    Close,
}

impl Call {
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Sync)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub zxid: i64,
    pub error: i32,
    /// What a set or a read that succeeded says of the node. A set leaves the value empty.
    pub seen: Option<Seen>,
}

/// A node of which each version has one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Empty, or `<client>.<number>` of the operation that wrote it.
    pub value: String,
    pub version: i32,
    pub mzxid: i64,
}

/// What the servers agree on at the end, all clients quiet and connected or gone for good.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub registers: Vec<Seen>,
    /// For each client.
    pub homes: Vec<Home>,
    /// The owner's session by client and number.
    pub ephemerals: BTreeMap<(usize, u64), i64>,
}

#[derive(Debug, Clone)]
pub struct Home {
    pub node: Seen,
    pub children: BTreeSet<u64>,
}

#[derive(Debug, Clone, Default)]
pub struct History {
    /// For each client.
    pub records: Vec<Vec<Record>>,
    pub found: Found,
}

/// What a test may ask for beyond what always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A leader that was paused or cut off answers a sync before it knows that it leads no more, so this
    /// holds only where leaders just die.
    pub sync_is_fresh: bool,
    /// Nothing the test does keeps clients away for long.
    pub no_session_ends: bool,
    /// A member that has lost its leader and does not know it yet answers its clients' pings, and the
    /// leader never hears of them: by so much a client may be wrong about how long it was away.
    pub unheard: Duration,
}

impl Rules {
    pub const STRICT: Self = Self {
        sync_is_fresh: true,
        no_session_ends: true,
        unheard: Duration::ZERO,
    };
    /// For pauses and partitions.
    pub const LENIENT: Self = Self {
        sync_is_fresh: false,
        no_session_ends: false,
        unheard: Duration::from_secs(5),
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Lost,
    Invented,
    Order,
    Zxid,
    WentBack,
    NotLinearizable,
    Stale,
    Expired,
    Ephemeral,
    Watch,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

impl History {
    /// Panics with all violations; otherwise says what the history was made of.
    pub fn expect(&self, rules: Rules) -> Summary {
        let violations = check(self, rules);
        let shown = &violations[..violations.len().min(20)];
        let count = violations.len();
        assert!(violations.is_empty(), "{count} violations: {shown:#?}");
        self.summary()
    }

    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut writes = Vec::new();
        for records in &self.records {
            let mut calls = BTreeMap::new();
            for record in records {
                match &record.event {
                    Event::Sent(number, call) => drop(calls.insert(*number, *call)),
                    Event::Answered(number, answer) => {
                        let call = calls.remove(number);
                        summary.answered += 1;
                        if answer.error == 0 && call.is_some_and(Call::is_write) {
                            writes.push(record.at);
                        }
                    }
                    Event::Connected { .. } => summary.connections += 1,
                    Event::SessionOver { .. } => summary.sessions_over += 1,
                    Event::Fired { .. } => summary.watches_fired += 1,
                    Event::Disconnected => {}
                }
            }
            summary.unanswered += calls.len();
        }
        writes.sort_unstable();
        summary.writes = writes.len();
        let gaps = writes.windows(2).map(|pair| pair[1] - pair[0]);
        summary.longest_write_gap = gaps.max().unwrap_or_default();
        summary
    }
}

#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub answered: usize,
    pub unanswered: usize,
    pub writes: usize,
    pub connections: usize,
    pub sessions_over: usize,
    pub watches_fired: usize,
    /// The longest time in which no client had a write acknowledged.
    pub longest_write_gap: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers with {} writes, {} operations unanswered, {} connections, {} sessions over, \
             {} watches fired, longest gap between writes {:?}",
            self.answered,
            self.writes,
            self.unanswered,
            self.connections,
            self.sessions_over,
            self.watches_fired,
            self.longest_write_gap
        )
    }
}
