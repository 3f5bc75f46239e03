//! The side of a follower that serves observers, so that the leader need not (`ObserverMaster`): from
//! the moment the follower serves until its term ends.
//!
//! ```text
//!  observer                                     follower
//!    OBSERVERINFO ->                              must be one, with a number and a view we know
//!                    <- LEADERINFO                the term's epoch, which needs no promises
//!    ACKEPOCH (last zxid) ->                      what it lacks: window, log, or all of the state
//!                    <- DIFF | TRUNC | SNAP, history, NEWLEADER
//!    ACK ->          <- UPTODATE
//!                    <- INFORM, PING, SYNC, REVALIDATE
//!    REQUEST, REVALIDATE, PING ->                 the peer passes them on to the leader
//! ```
//!
//! What an observer lacks is decided on by the same plan as a leader's, and sent the same way. All it
//! goes by is what this server knows to be committed: a transaction gets to observers when its commit
//! comes, with what was proposed, whether that came before this server had caught up or behind it.
//! Apache's forgets the former, and its observers miss a transaction (ZOOKEEPER-5088).
//!
//! Invariants: an observer is sent every transaction behind its last, once and in order; what is
//! committed from the moment its plan is made is queued behind it within the same call.
//!
//! # Differences from Apache
//!
//! * The history of an observer comes from this server's window, log and state, and then from what is
//!   committed; there is no second window of packets that it may have fallen out of.
//! * An observer that has more of this term than this server waits for the rest to come here: what it
//!   has was this leader's, and will be committed as long as the term lasts. Apache's has it forget
//!   that.
//! * An observer that has the initial history of the term and nothing else gets a DIFF.
//! * NEWLEADER brings the view that is committed, and a change of it comes behind that. Apache's brings
//!   the last one proposed, which may come to nothing.
//! * Time is counted in ticks, as a leader's is.
//!
//! | row | where |
//! |---|---|
//! | QP-141 | here, `sync`; the peer: what is passed on to the leader |
//! | QP-142 | `sync`: how much comes from the window; the link's own bound |
//! | QP-143 | [`ObserverMaster::inform`] |

mod seam;
mod sync;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use seam::{ObserverMasterInput, ObserverMasterOptions, ObserverMasterOutput, Term};

use super::catch_up::feed::Feed;
use super::catch_up::{LastZxid, Transfer};
use super::leader::liveness::Ticks;
use super::{CloseReason, LearnerKind, PROTOCOL_VERSION, Recent, ToLeader, ToLearner};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, SessionId, Zxid};
use crate::quorum::{Membership, QuorumView};

/// See the module.
#[derive(Debug)]
pub struct ObserverMaster {
    me: ServerId,
    options: ObserverMasterOptions,
    membership: Arc<Membership>,
    epoch: Epoch,
    committed: Zxid,
    /// The own log holds everything up to this, durably.
    durable: Zxid,
    /// What it was when it lacked what comes next for an observer that is fed.
    awaits_disk: Option<Zxid>,
    /// What was committed when this server began to serve: if it is of an earlier term, where the
    /// initial history of this one ends.
    initial: Zxid,
    /// Links that have said nothing yet, with the tick up to which they may be silent.
    strangers: BTreeMap<QuorumLink, u64>,
    /// Invariant: no two have the same id.
    observers: BTreeMap<QuorumLink, Observer>,
    ticks: Ticks,
    /// The id for the next observer that has none; falls.
    nameless: ServerId,
    has_pinned: bool,
}

/// What is known of one observer.
#[derive(Debug)]
struct Observer {
    sid: ServerId,
    protocol_version: i32,
    stage: Stage,
    /// The tick up to which it may be silent, or may wait; `None`: it is not its turn to speak.
    silent_until: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    /// LEADERINFO is sent.
    Asked,
    /// It knows the epoch, and is to be brought up to date.
    Ready { last: LastZxid },
    /// The own log is asked for what it lacks.
    Probing {
        last_zxid: Zxid,
        /// Where the log meets the window.
        upto: Zxid,
    },
    /// Everything up to NEWLEADER is on its way.
    Syncing {
        transfer: Transfer,
        /// It lacks more than memory has, and hears of nothing that happens until it has that.
        feed: Option<Feed>,
    },
    /// It has acknowledged NEWLEADER, and was sent UPTODATE.
    Synced,
}

impl Observer {
    /// Whether it has been sent the history and is to get all that follows.
    fn is_live(&self) -> bool {
        matches!(
            self.stage,
            Stage::Syncing { feed: None, .. } | Stage::Synced
        )
    }

    /// How far it is, if it lacks more than memory has.
    fn feed(&mut self) -> Option<&mut Feed> {
        match &mut self.stage {
            Stage::Syncing { feed, .. } => feed.as_mut(),
            _ => None,
        }
    }

    /// Whether it needs the window to reach back: the log is read for it.
    fn reads_log(&self) -> bool {
        matches!(
            self.stage,
            Stage::Probing { .. } | Stage::Syncing { feed: Some(_), .. }
        )
    }
}

/// What this server has to send observers from.
struct History<'a> {
    recent: &'a mut Recent,
    applied: Zxid,
}

/// Links of observers, those that have said nothing yet included. At the bound new ones are closed.
const LINKS_MAX: usize = 4096;

/// The id of observers that were given none (`QuorumPeer.OBSERVER_ID`).
const OBSERVER_ID: ServerId = ServerId(i64::MAX);

/// What Apache takes an observer for that says nothing of itself.
const NAMELESS_VERSION: i32 = 1;

impl ObserverMaster {
    /// This server has caught up with its leader and serves.
    pub fn new(
        me: ServerId,
        options: ObserverMasterOptions,
        membership: Arc<Membership>,
        term: Term,
        now: Monotonic,
    ) -> Self {
        let Term {
            epoch,
            committed,
            durable,
        } = term;
        assert!(committed.epoch() <= epoch, "{committed} is of a later term");
        Self {
            me,
            options,
            membership,
            epoch,
            committed,
            durable,
            awaits_disk: None,
            initial: committed,
            strangers: BTreeMap::new(),
            observers: BTreeMap::new(),
            ticks: Ticks::new(options.zab.tick_ms, now),
            nameless: ServerId(-1),
            has_pinned: false,
        }
    }

    /// Takes one input; what follows from it is appended to `out`, in order. `recent` ends with the
    /// last transaction given to [`ObserverMaster::inform`], `applied` is the last one in the state in
    /// memory.
    pub fn handle(
        &mut self,
        now: Monotonic,
        recent: &mut Recent,
        applied: Zxid,
        input: ObserverMasterInput,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let mut history = History { recent, applied };
        match input {
            ObserverMasterInput::Connected { link } => self.on_connected(link, out),
            ObserverMasterInput::Received { link, packet } => {
                self.on_packet(link, packet, &mut history, out);
            }
            ObserverMasterInput::Gone { link } => {
                self.strangers.remove(&link);
                self.observers.remove(&link);
            }
            ObserverMasterInput::LogProbed { link, found } => {
                self.on_log_probed(link, found, &mut history, out);
            }
            ObserverMasterInput::Streamed { link } => self.on_streamed(link, &mut history, out),
            ObserverMasterInput::Appended(zxid) => self.on_appended(zxid, &mut history, out),
            ObserverMasterInput::Wake => self.on_wake(now, out),
        }
        self.sync_ready(&mut history, out);
        self.maybe_unpin(history.recent);
    }

    /// A transaction is committed, and is the last in the window. All observers that have been sent
    /// the history hear of it; the others will, with that. `activates`: it is a change of the members,
    /// under which that server leads.
    pub fn inform(
        &mut self,
        zxid: Zxid,
        payload: Bytes,
        activates: Option<ServerId>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        assert!(zxid > self.committed, "commits rise");
        assert!(zxid.epoch() <= self.epoch, "{zxid} is of a later term");
        self.committed = zxid;
        let packet = match activates {
            None => ToLearner::Inform { zxid, payload },
            Some(leader) => ToLearner::InformAndActivate {
                zxid,
                leader,
                payload,
            },
        };
        self.send_live(&packet, out);
    }

    /// What is informed of next commits this view: observers that are brought up to date behind it get
    /// it with NEWLEADER.
    pub fn commit_view(&mut self, view: &Arc<QuorumView>) {
        if view.version() > self.membership.committed().version() {
            self.membership = Arc::new(self.membership.committing(view.clone()));
        }
    }

    /// The leader has answered an observer's [`ObserverMasterOutput::Revalidate`].
    pub fn answer_revalidate(
        &self,
        link: QuorumLink,
        session: SessionId,
        is_valid: bool,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        if self.observers.contains_key(&link) {
            send(link, &ToLearner::Revalidate { session, is_valid }, out);
        }
    }

    /// The leader has answered a sync that an observer passed on: all that was committed before it
    /// did was given to [`ObserverMaster::inform`].
    pub fn answer_sync(&self, link: QuorumLink, out: &mut Vec<ObserverMasterOutput>) {
        if self.observers.contains_key(&link) {
            send(link, &ToLearner::Sync, out);
        }
    }

    /// Lets an observer go that asks too much; whether it was there. Its link is to be closed.
    pub fn refuse(&mut self, link: QuorumLink) -> bool {
        let observer = self.observers.remove(&link);
        if let Some(Observer { sid, .. }) = &observer {
            tracing::warn!(%link, %sid, "an observer asks more than the leader answers");
        }
        observer.is_some()
    }

    /// Whether an observer waits for the state in memory, or for what is committed, to get further.
    pub fn has_waiting(&self) -> bool {
        let stages = self.observers.values().map(|observer| &observer.stage);
        stages
            .into_iter()
            .any(|stage| matches!(stage, Stage::Ready { .. }))
    }

    /// When to be woken, if nothing happens before.
    pub fn next_deadline(&self) -> Monotonic {
        self.ticks.next_beat()
    }

    /// Observers that have the history of the term.
    pub fn synced(&self) -> Vec<(QuorumLink, ServerId)> {
        let is_synced = |observer: &Observer| matches!(observer.stage, Stage::Synced);
        let observers = self.observers.iter();
        let synced = observers.filter(|(_, observer)| is_synced(observer));
        synced
            .map(|(link, observer)| (*link, observer.sid))
            .collect()
    }

    fn on_connected(&mut self, link: QuorumLink, out: &mut Vec<ObserverMasterOutput>) {
        if self.strangers.len() + self.observers.len() >= LINKS_MAX {
            let reason = CloseReason::TooMany;
            out.push(ObserverMasterOutput::Close { link, reason });
            return;
        }
        let silent_until = self.ticks.after(self.options.zab.init_limit);
        self.strangers.insert(link, silent_until);
    }

    /// Packets of a link that is closed already are passed over.
    fn on_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        if self.strangers.remove(&link).is_some() {
            return self.on_first_packet(link, packet, out);
        }
        let Some(observer) = self.observers.get(&link) else {
            return;
        };
        match observer.stage {
            Stage::Asked => self.on_epoch_packet(link, &packet, history, out),
            Stage::Ready { .. } | Stage::Probing { .. } => {
                self.close(link, CloseReason::OutOfTurn(packet.name()), out);
            }
            Stage::Syncing { .. } => self.on_sync_packet(link, &packet, out),
            Stage::Synced => self.on_synced_packet(link, packet, out),
        }
    }

    /// An observer introduces itself.
    fn on_first_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let ToLeader::Info {
            kind: LearnerKind::Observer,
            accepted_epoch,
            info,
        } = packet
        else {
            return self.close(link, CloseReason::NotAnObserver, out);
        };
        let (mut sid, protocol_version, config_version) = match info {
            Some(info) => (info.sid, info.protocol_version, info.config_version),
            None => (OBSERVER_ID, NAMELESS_VERSION, 0),
        };
        if let Some(reason) = self.refusal(sid, config_version, accepted_epoch) {
            return self.close(link, reason, out);
        }
        if sid == OBSERVER_ID {
            sid = self.nameless;
            self.nameless.0 -= 1;
        }
        let former = self.observers.iter().find(|(_, other)| other.sid == sid);
        if let Some((&former, _)) = former {
            self.close(former, CloseReason::Replaced, out);
        }
        tracing::debug!(%link, %sid, %accepted_epoch, "an observer joins");
        let turn_ends = self.ticks.after(self.options.zab.init_limit);
        let (stage, silent_until) = if protocol_version < PROTOCOL_VERSION {
            // One from before 3.4 cannot be asked what it has.
            let last = LastZxid::Unknown;
            (Stage::Ready { last }, None)
        } else {
            let packet = ToLearner::LeaderInfo {
                epoch: self.epoch,
                protocol_version: PROTOCOL_VERSION,
            };
            send(link, &packet, out);
            (Stage::Asked, Some(turn_ends))
        };
        let observer = Observer {
            sid,
            protocol_version,
            stage,
            silent_until,
        };
        self.observers.insert(link, observer);
    }

    fn refusal(
        &self,
        sid: ServerId,
        config_version: i64,
        accepted_epoch: Epoch,
    ) -> Option<CloseReason> {
        if sid == self.me {
            Some(CloseReason::OwnId)
        } else if config_version > self.membership.committed().version().0 {
            Some(CloseReason::NewerConfig)
        } else if accepted_epoch > self.epoch {
            Some(CloseReason::LaterEpoch(accepted_epoch))
        } else {
            None
        }
    }

    /// What an observer says whose epoch is not settled yet.
    fn on_epoch_packet(
        &mut self,
        link: QuorumLink,
        packet: &ToLeader,
        history: &History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let &ToLeader::AckEpoch { last_zxid, .. } = packet else {
            return self.close(link, CloseReason::NoAckEpoch, out);
        };
        let last = LastZxid::Known(self.own_name(last_zxid));
        let turn_ends = self.ticks.after(self.options.zab.init_limit);
        if let Some(observer) = self.observers.get_mut(&link) {
            tracing::debug!(%link, sid = %observer.sid, %last_zxid, committed = %self.committed,
                applied = %history.applied, "an observer says what it has");
            observer.stage = Stage::Ready { last };
            observer.silent_until = Some(turn_ends);
        }
    }

    /// The start of this epoch names the initial history, whose last transaction this server knows
    /// by its own zxid.
    fn own_name(&self, last_zxid: Zxid) -> Zxid {
        let is_start = last_zxid == Zxid::start_of(self.epoch);
        if is_start && self.initial.epoch() < self.epoch {
            self.initial
        } else {
            last_zxid
        }
    }

    fn on_synced_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let limit = self.ticks.after(self.options.zab.sync_limit);
        if let Some(observer) = self.observers.get_mut(&link) {
            observer.silent_until = Some(limit);
        }
        match packet {
            ToLeader::Ping { touched, .. } if !touched.is_empty() => {
                let sessions = touched;
                out.push(ObserverMasterOutput::Touched { sessions });
            }
            ToLeader::Request(request) => {
                out.push(ObserverMasterOutput::Request { link, request });
            }
            ToLeader::Revalidate {
                session,
                timeout_ms,
            } => out.push(ObserverMasterOutput::Revalidate {
                link,
                session,
                timeout_ms,
            }),
            // An observer acknowledges UPTODATE too. The others are passed over, as Apache does.
            ToLeader::Ack { .. }
            | ToLeader::Ping { .. }
            | ToLeader::Info { .. }
            | ToLeader::AckEpoch { .. }
            | ToLeader::Unknown { .. } => {}
        }
    }

    fn on_wake(&mut self, now: Monotonic, out: &mut Vec<ObserverMasterOutput>) {
        let Some(begins_tick) = self.ticks.beat(now) else {
            return;
        };
        if begins_tick {
            self.close_silent(out);
        }
        let zxid = self.committed;
        self.send_live(&ToLearner::Ping { zxid }, out);
    }

    fn close_silent(&mut self, out: &mut Vec<ObserverMasterOutput>) {
        let tick = self.ticks.now();
        let strangers = self.strangers.iter();
        let mut silent: Vec<_> = strangers
            .filter(|(_, until)| tick > **until)
            .map(|(link, _)| (*link, CloseReason::Silent))
            .collect();
        for (link, observer) in &self.observers {
            if observer.silent_until.is_some_and(|until| tick > until) {
                let reason = match observer.stage {
                    Stage::Ready { .. } => CloseReason::Ahead,
                    _ => CloseReason::Silent,
                };
                silent.push((*link, reason));
            }
        }
        for (link, reason) in silent {
            self.close(link, reason, out);
        }
    }

    /// Sends a packet to all that have been sent the history; it is encoded once.
    fn send_live(&self, packet: &ToLearner, out: &mut Vec<ObserverMasterOutput>) {
        let mut bytes = None;
        for (&link, observer) in &self.observers {
            if observer.is_live() {
                let encode = || {
                    let mut bytes = BytesMut::new();
                    packet.encode(&mut bytes);
                    bytes.freeze()
                };
                let packets = bytes.get_or_insert_with(encode).clone();
                out.push(ObserverMasterOutput::Send { link, packets });
            }
        }
    }

    fn close(
        &mut self,
        link: QuorumLink,
        reason: CloseReason,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let sid = self.observers.remove(&link).map(|observer| observer.sid.0);
        tracing::info!(%link, sid, %reason, "closing an observer's link");
        self.strangers.remove(&link);
        out.push(ObserverMasterOutput::Close { link, reason });
    }
}

fn send(link: QuorumLink, packet: &ToLearner, out: &mut Vec<ObserverMasterOutput>) {
    let packets = packet.to_bytes();
    out.push(ObserverMasterOutput::Send { link, packets });
}
