//! The role of a leader: what ZAB asks for is carried out, what learners pass on is prepared like
//! the writes of own clients.
//!
//! Before the term begins there is no pipeline: nothing is prepared until a quorum has this server's
//! history. Then the state moves to the start of the epoch, every session starts with its full
//! timeout, and clients are served.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::base::{
    Epoch, Monotonic, Now, QuorumLink, ServerId, SessionId, SizeSpread, Zxid, limits,
};
use crate::election;
use crate::peer::pipeline::{Asked, Pipeline};
use crate::peer::query::LeadingReport;
use crate::peer::{Mode, Output, Peer, Role};
use crate::prep::{Caller, Prepared};
use crate::proto::{ErrorCode, Op, OpClass, TxnRecord, WriteRequest};
use crate::session::{EndedSessions, Owner, Scope, SessionTable};
use crate::tree::Database;
use crate::zab::{Leader, LeaderInput, LeaderOutput, LearnerRequest};

/// See the module.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) zab: Leader,
    pub(super) pipeline: Option<Pipeline>,
    /// The term is to begin as soon as the state may be changed.
    begins: Option<Epoch>,
    /// The last transaction before the term.
    initial: Zxid,
    /// Where the term's zxids begin, once it has begun.
    start: Option<Zxid>,
    /// When that was.
    since: Option<Monotonic>,
    proposal_sizes: Option<SizeSpread>,
    /// Of this term, while there are local sessions.
    pub(super) ended: EndedSessions,
    /// Who leads next: this server's last commit has named it.
    pub(super) hands_over_to: Option<ServerId>,
}

impl Leading {
    pub(super) fn new(zab: Leader, initial: Zxid) -> Self {
        Self {
            zab,
            pipeline: None,
            begins: None,
            initial,
            start: None,
            since: None,
            proposal_sizes: None,
            ended: EndedSessions::new(limits::ENDED_SESSIONS),
            hands_over_to: None,
        }
    }

    /// The last transaction before the term, and where the term's begin; once it has begun.
    pub(super) fn led(&self) -> Option<(Zxid, Zxid)> {
        Some((self.initial, self.start?))
    }

    /// Whether [`Peer::apply_committed`] has something to do.
    pub(super) fn has_committed(&self) -> bool {
        self.begins.is_some() || self.pipeline.as_ref().is_some_and(Pipeline::has_settled)
    }

    pub(super) fn report(&self) -> LeadingReport {
        let report = self.zab.report();
        LeadingReport {
            since: self.since,
            learners: report.learners,
            pending_syncs: report.pending_syncs,
            proposals: self.proposal_sizes,
        }
    }

    pub(super) fn reset_proposal_sizes(&mut self) {
        self.proposal_sizes = None;
    }

    /// What the log has beyond the state.
    pub(super) fn into_tail(self) -> VecDeque<(TxnRecord, Bytes)> {
        let records = self.pipeline.into_iter().flat_map(Pipeline::into_records);
        let with_payload = |record: TxnRecord| {
            let mut payload = BytesMut::with_capacity(record.encoded_len());
            record.encode(&mut payload);
            (record, payload.freeze())
        };
        records.map(with_payload).collect()
    }
}

/// Whose sessions are a learner's.
fn owner(link: QuorumLink) -> Owner {
    Owner(i64::try_from(link.0).unwrap_or(i64::MAX))
}

impl Peer {
    pub(super) fn feed_leader(
        &mut self,
        now: Now,
        db: &Database,
        input: LeaderInput,
        out: &mut Vec<Output>,
    ) {
        let (Role::Leading(role), Some(member)) = (&mut self.role, &mut self.member) else {
            return;
        };
        let mut asked = Vec::new();
        let applied = db.last_zxid();
        role.zab.handle(
            now.monotonic,
            &mut member.recent,
            applied,
            input,
            &mut asked,
        );
        self.carry_out_leader(now, db, asked, out);
    }

    pub(super) fn carry_out_leader(
        &mut self,
        now: Now,
        db: &Database,
        asked: Vec<LeaderOutput>,
        out: &mut Vec<Output>,
    ) {
        for output in asked {
            let (Role::Leading(role), Some(member)) = (&mut self.role, &mut self.member) else {
                return;
            };
            match output {
                LeaderOutput::Send { link, packets } => out.push(Output::Send { link, packets }),
                LeaderOutput::Stream { link, item } => out.push(Output::Stream { link, item }),
                LeaderOutput::Close { link, reason } => {
                    tracing::info!(%link, "closing a learner's link: {reason}");
                    out.push(Output::CloseLink { link });
                }
                LeaderOutput::SaveAcceptedEpoch(epoch) => {
                    out.push(Output::SaveAcceptedEpoch(epoch));
                }
                LeaderOutput::SaveCurrentEpoch(epoch) => out.push(Output::SaveCurrentEpoch(epoch)),
                LeaderOutput::ProbeLog { link, after, upto } => {
                    out.push(Output::ProbeLog { link, after, upto });
                }
                LeaderOutput::ViewSeen(view) => self.on_view_seen(view, out),
                LeaderOutput::ViewCommitted { view, leader } => {
                    self.on_view_committed(now, db, &view, leader, out);
                }
                LeaderOutput::Established(epoch) => role.begins = Some(epoch),
                LeaderOutput::Committed { zxid, payload } => {
                    member.recent.push(zxid, payload);
                    if let Some(pipeline) = &mut role.pipeline {
                        pipeline.settle(zxid);
                    }
                }
                LeaderOutput::Request { link, request, .. } => {
                    self.on_learner_request(now, db, link, request, out);
                }
                LeaderOutput::Touched { sessions, .. } => {
                    for (session, timeout_ms) in sessions {
                        self.sessions.touch(session, timeout_ms, now.monotonic);
                    }
                }
                LeaderOutput::Revalidate {
                    link,
                    session,
                    timeout_ms,
                } => self.on_revalidate(now, link, session, timeout_ms, out),
                LeaderOutput::StepDown(reason) => self.leave(&reason, out),
            }
        }
    }

    /// Proposes what was prepared here, as a server on its own appends it.
    pub(super) fn propose(
        &mut self,
        now: Now,
        prepared: Prepared,
        asked: Option<Asked>,
        out: &mut Vec<Output>,
    ) {
        match &mut self.role {
            Role::Standalone(pipeline) => {
                if let Some((zxid, payload)) = pipeline.queue(prepared, asked) {
                    out.push(Output::Append { zxid, payload });
                }
            }
            Role::Leading(role) => {
                let pipeline = role.pipeline.as_mut().expect("only in a term is prepared");
                if let Some((zxid, payload)) = pipeline.queue(prepared, asked) {
                    SizeSpread::count(&mut role.proposal_sizes, payload.len());
                    let mut outputs = Vec::new();
                    role.zab
                        .propose(now.monotonic, zxid, payload.clone(), &mut outputs);
                    for output in outputs {
                        match output {
                            LeaderOutput::Send { link, packets } => {
                                out.push(Output::Send { link, packets });
                            }
                            other => panic!("a proposal asks for {other:?}"),
                        }
                    }
                    out.push(Output::Append { zxid, payload });
                }
            }
            Role::Looking(_) | Role::Learning(_) => {
                unreachable!("only who leads, or is alone, prepares")
            }
        }
    }

    /// A learner's client asks for a write. The learner answers it when it hears of the commit.
    pub(super) fn on_learner_request(
        &mut self,
        now: Now,
        db: &Database,
        link: QuorumLink,
        request: LearnerRequest,
        out: &mut Vec<Output>,
    ) {
        let Some(request) = self.held_back(now, db, (link, request), out) else {
            return;
        };
        let LearnerRequest {
            session,
            xid,
            op: number,
            body,
            ids,
        } = request;
        if !matches!(&self.role, Role::Leading(role) if role.pipeline.is_some()) {
            tracing::warn!(%link, %session, number, "a learner passed on a request out of turn");
            return;
        }
        let op = Op::from_number(number);
        match op {
            Some(Op::CreateSession) => self.open_for_learner(now, db, link, session, &body, out),
            Some(Op::Sync) => self.on_learner_sync(link, out),
            _ => {
                let (standing, ephemerals) = self.standings(session, owner(link));
                let caller = Caller {
                    session,
                    xid,
                    op: op.unwrap_or(Op::Error),
                    ids: &ids,
                    standing,
                    ephemerals,
                };
                let request = match op.filter(|op| op.class() == OpClass::Write) {
                    Some(op) => WriteRequest::decode(op, &body),
                    None => not_for_clients(),
                };
                self.prepare(now, db, &caller, loggable(request), None, out);
            }
        }
    }

    fn on_learner_sync(&mut self, link: QuorumLink, out: &mut Vec<Output>) {
        if let Role::Leading(role) = &mut self.role {
            let mut asked = Vec::new();
            role.zab.sync_asked(link, &mut asked);
            out.extend(asked.into_iter().filter_map(sent));
        }
    }

    fn open_for_learner(
        &mut self,
        now: Now,
        db: &Database,
        link: QuorumLink,
        session: SessionId,
        body: &Bytes,
        out: &mut Vec<Output>,
    ) {
        let Some(timeout) = body.first_chunk() else {
            tracing::warn!(%link, %session, "a learner opens a session without a timeout");
            return;
        };
        let timeout_ms = i32::from_be_bytes(*timeout);
        self.sessions.track(session, timeout_ms, now.monotonic);
        self.sessions.set_owner(session, owner(link));
        let pipeline = self.pipeline_mut().expect("requests are taken in a term");
        let record = pipeline
            .prep
            .open_session(db, now.wall, session, timeout_ms);
        self.propose(now, Prepared::Logged(record), None, out);
    }

    /// A client came back to a learner with its session.
    fn on_revalidate(
        &mut self,
        now: Now,
        link: QuorumLink,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Vec<Output>,
    ) {
        // Its opening may still be on its way: the client of one that is being upgraded knows it.
        let is_open = self.sessions.open(session).is_some();
        let is_valid = is_open && self.sessions.scope(session) != Some(Scope::Local);
        if is_valid {
            self.sessions.touch(session, timeout_ms, now.monotonic);
            self.sessions.set_owner(session, owner(link));
        }
        let Role::Leading(role) = &mut self.role else {
            return;
        };
        let mut asked = Vec::new();
        role.zab
            .answer_revalidate(link, session, is_valid, &mut asked);
        out.extend(asked.into_iter().filter_map(sent));
    }

    /// Begins the term, if that is due: a quorum has this server's history.
    pub(super) fn begin_term(&mut self, now: Now, db: &mut Database, out: &mut Vec<Output>) {
        let Role::Leading(role) = &mut self.role else {
            return;
        };
        let Some(epoch) = role.begins.take() else {
            return;
        };
        let start = Zxid::start_of(epoch);
        assert!(start > db.last_zxid(), "an epoch begins behind all history");
        db.set_last_zxid(start);
        role.start = Some(start);
        role.since = Some(now.monotonic);
        role.pipeline = Some(Pipeline::new(&self.options, db, now));
        self.sessions = SessionTable::new(self.options.tick_ms);
        for (&session, &timeout_ms) in &db.sessions {
            self.sessions.track(session, timeout_ms, now.monotonic);
            self.sessions.commit(session);
        }
        self.tell_of_term(now, epoch);
        let member = self.member.as_ref().expect("only a member leads");
        tracing::info!(sid = %member.options.me, %epoch, zxid = %start, "the term begins");
        if member.options.leader_serves {
            out.push(Output::Serve(Mode::Leader));
        }
        self.close_orphaned_sessions(now, db, out);
    }

    /// Ephemerals whose session is not open go by a transaction, so that they go everywhere. There
    /// are none unless a snapshot was damaged.
    fn close_orphaned_sessions(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let owners = db.tree.sessions_with_ephemerals();
        let mut orphaned: Vec<_> = owners
            .filter(|session| !db.sessions.contains_key(session))
            .collect();
        orphaned.sort_unstable();
        for session in orphaned {
            tracing::warn!(%session, "closing a session that left ephemerals behind");
            let policy = self.policy.clone();
            let pipeline = self.pipeline_mut().expect("the term has begun");
            let record = pipeline.prep.expire_session(db, &policy, now.wall, session);
            self.propose(now, Prepared::Logged(record), None, out);
        }
    }

    /// The election tells other servers under which epoch the term runs.
    pub(super) fn tell_of_term(&mut self, now: Now, epoch: Epoch) {
        let member = self.member.as_mut();
        if let Some(election) = member.and_then(|member| member.election.as_mut()) {
            let input = election::Input::TermBegan(epoch);
            election.handle(now.monotonic, input, &mut Vec::new());
        }
    }
}

/// What learners of other releases may pass on though it is no request of a client. It is answered,
/// or the client's next ones would wait behind it for ever.
fn not_for_clients() -> WriteRequest {
    WriteRequest::Malformed {
        code: ErrorCode::Unimplemented,
        takes_zxid: true,
    }
}

/// Only what is proposed reaches the learner again, so every refusal is: Apache's leader proposes
/// one that cannot be read under a zxid it has used before.
fn loggable(request: WriteRequest) -> WriteRequest {
    match request {
        WriteRequest::Malformed { code, .. } => WriteRequest::Malformed {
            code,
            takes_zxid: true,
        },
        request => request,
    }
}

fn sent(output: LeaderOutput) -> Option<Output> {
    match output {
        LeaderOutput::Send { link, packets } => Some(Output::Send { link, packets }),
        _ => None,
    }
}
