//! The role of a follower or an observer: it takes over the leader's history, in the leader's order, and
//! serves clients, see `clients`.

mod clients;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use clients::Returning;

use crate::base::{Epoch, Monotonic, Now, QuorumLink, ServerId, SessionId, Zxid, limits};
use crate::peer::member::Member;
use crate::peer::observers::{Holders, Questions};
use crate::peer::reconfig::{Source, view_of};
use crate::peer::requests::Requests;
use crate::peer::{ClientOutput, Door, Mode, Output, Peer, Role};
use crate::proto::TxnRecord;
use crate::quorum::{ConfigVersion, QuorumView};
use crate::tree::Database;
use crate::zab::{Learner, LearnerInput, LearnerKind, LearnerOutput, ObserverMaster, Term};

/// See the module.
#[derive(Debug)]
pub(in crate::peer) struct Learning {
    pub(in crate::peer) zab: Learner,
    kind: LearnerKind,
    /// Who leads.
    leader: ServerId,
    /// Whom this server learns from, and where it takes learners: the leader, or a follower that
    /// serves observers, and is called the leader below.
    master: (ServerId, Door),
    /// To the leader, once it has answered.
    link: Option<QuorumLink>,
    /// What was given to the log and is not committed, in order.
    proposals: VecDeque<(TxnRecord, Bytes)>,
    /// The last transaction that the leader is known to have made.
    known: Zxid,
    /// What has its turn, in order.
    steps: VecDeque<Step>,
    pub(in crate::peer) requests: Requests,
    /// Clients that came back with a session the leader is asked about.
    returning: HashMap<SessionId, Returning>,
    /// Who is to hear the leader's answers.
    pub(in crate::peer) questions: Questions,
    pub(in crate::peer) holders: Holders,
    /// Those who learn from this follower, while it serves them.
    pub(in crate::peer) observers: Option<Box<ObserverMaster>>,
    /// What the disk is asked for waits among the steps: the state is to be written down when it
    /// is as far as the leader's history was.
    disk_waits: bool,
    /// Clients are to be served once the steps are done.
    serves: Option<Epoch>,
    /// Sessions heard of since then are told of with the next ping.
    pinged: Monotonic,
    /// Those of clients that left since then, and those that observers have heard of.
    touched_elsewhere: BTreeMap<SessionId, i32>,
    field_bytes_max: usize,
    /// The view that came with NEWLEADER: UPTODATE commits it.
    new_leader_view: Option<Arc<QuorumView>>,
}

/// What the leader has decided on.
#[derive(Debug)]
pub(in crate::peer) enum Step {
    Apply(TxnRecord),
    /// The oldest sync is answered.
    Synced,
    /// The state is to be written down as it is then.
    StoreSnapshot,
    /// The disk is to do this behind it.
    Ask(Output),
    /// A view is in force, and this server leads if it is known.
    Activate {
        view: Arc<QuorumView>,
        leader: Option<ServerId>,
        source: Source,
    },
}

impl Learning {
    /// `last_zxid` is where the leader is told that the log ends.
    pub(in crate::peer) fn new(
        member: &Member,
        leader: ServerId,
        master: (ServerId, Door),
        last_zxid: Zxid,
        now: Now,
    ) -> Self {
        let kind = member.learner_kind();
        let zab = Learner::new(
            member.options.me,
            kind,
            member.options.zab,
            member.standing(last_zxid),
            member.config_version(),
            now.monotonic,
        );
        Self {
            zab,
            kind,
            leader,
            master,
            link: None,
            proposals: VecDeque::new(),
            known: last_zxid,
            steps: VecDeque::new(),
            requests: Requests::default(),
            returning: HashMap::new(),
            questions: Questions::default(),
            holders: Holders::default(),
            observers: None,
            disk_waits: false,
            serves: None,
            pinged: now.monotonic,
            touched_elsewhere: BTreeMap::new(),
            field_bytes_max: member.options.field_bytes_max,
            new_leader_view: None,
        }
    }

    /// Says something to the leader, if there is a link to it.
    pub(in crate::peer) fn tell_leader(
        &mut self,
        out: &mut Vec<Output>,
        tell: impl FnOnce(&mut Learner, &mut Vec<LearnerOutput>),
    ) {
        let mut asked = Vec::new();
        tell(&mut self.zab, &mut asked);
        for output in asked {
            if let (LearnerOutput::Send(packets), Some(link)) = (output, self.link) {
                out.push(Output::Send { link, packets });
            }
        }
    }

    /// Who leads, though it may be a follower that this server learns from.
    pub(in crate::peer) fn leader(&self) -> ServerId {
        self.leader
    }

    /// Whom this server learns from.
    pub(in crate::peer) fn master(&self) -> ServerId {
        self.master.0
    }

    pub(in crate::peer) fn is_follower(&self) -> bool {
        self.kind == LearnerKind::Follower
    }

    pub(in crate::peer) fn push_step(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    pub(in crate::peer) fn is_serving(&self) -> bool {
        self.zab.is_serving()
    }

    pub(in crate::peer) fn memory_is_ahead(&self) -> bool {
        self.zab.memory_is_ahead()
    }

    pub(in crate::peer) fn has_committed(&self) -> bool {
        !self.steps.is_empty() || self.serves.is_some()
    }

    /// Asks the disk for something, behind all it was asked for before.
    fn ask_disk(&mut self, output: Output, out: &mut Vec<Output>) {
        if self.disk_waits {
            self.steps.push_back(Step::Ask(output));
        } else {
            out.push(output);
        }
    }

    /// A view may become committed: it is kept before what the disk is asked for next.
    fn see_view(&mut self, member: &mut Member, view: Arc<QuorumView>, out: &mut Vec<Output>) {
        if member.see_view(&view) {
            self.ask_disk(Output::SaveSeenView(view), out);
            out.push(Output::Members(member.membership.clone()));
        }
    }

    /// What the leader has seen last, with NEWLEADER. A text that cannot be read is passed over, as
    /// Apache does: newer releases may write what this one does not know.
    fn on_config(&mut self, member: &mut Member, text: &[u8], out: &mut Vec<Output>) {
        if !member.options.reconfig_enabled {
            return;
        }
        let text = String::from_utf8_lossy(text);
        match QuorumView::parse(&text, member.options.view_rules) {
            Ok(view) => {
                let view = Arc::new(view);
                self.new_leader_view = Some(view.clone());
                self.see_view(member, view, out);
            }
            Err(error) => tracing::warn!("the leader's configuration cannot be read: {error}"),
        }
    }

    /// A transaction goes to the log; a view that it brings goes before it.
    fn append(
        &mut self,
        member: &mut Member,
        zxid: Zxid,
        payload: Bytes,
        out: &mut Vec<Output>,
    ) -> Result<(), String> {
        let Some(record) = self.decode(zxid, &payload) else {
            return Err(NOT_UNDERSTOOD.to_owned());
        };
        self.known = self.known.max(zxid);
        if member.options.reconfig_enabled
            && let Some(view) = view_of(&record, member.options.view_rules)
        {
            let view = view.map_err(|error| error.to_string())?;
            self.see_view(member, view, out);
        }
        self.proposals.push_back((record, payload.clone()));
        self.ask_disk(Output::Append { zxid, payload }, out);
        Ok(())
    }

    /// A transaction is committed, and is applied when it is its turn; what it `activates` is in force
    /// behind it. `false`: it cannot be understood.
    fn commit(
        &mut self,
        member: &mut Member,
        zxid: Zxid,
        payload: &Bytes,
        activates: Option<ServerId>,
    ) -> bool {
        let Some(record) = self.proposal(zxid, payload) else {
            return false;
        };
        self.known = self.known.max(zxid);
        member.recent.push(zxid, payload.clone());
        let activates = activates.filter(|_| member.options.reconfig_enabled);
        let view = activates.map(|_| view_of(&record, member.options.view_rules));
        self.steps.push_back(Step::Apply(record));
        match view {
            None => true,
            Some(Some(Ok(view))) => {
                if let Some(observers) = &mut self.observers {
                    observers.commit_view(&view);
                }
                self.steps.push_back(Step::Activate {
                    view,
                    leader: activates,
                    source: Source::Transaction,
                });
                true
            }
            Some(Some(Err(_)) | None) => false,
        }
    }

    /// UPTODATE: what came with NEWLEADER is in force, then clients are served. A view that is proposed
    /// and not committed is not in force: Apache's servers take it for that when they join meanwhile,
    /// and have it for ever if it comes to nothing.
    fn serve(&mut self, epoch: Epoch) {
        let is_pending = |view: &Arc<QuorumView>| {
            let mut records = self.proposals.iter().map(|(record, _)| record);
            records.any(|record| ConfigVersion::of(record.zxid) == view.version())
        };
        let in_force = self.new_leader_view.take().filter(|view| !is_pending(view));
        let activate = in_force.map(|view| Step::Activate {
            view,
            leader: None,
            source: Source::Word,
        });
        self.steps.extend(activate);
        self.serves = Some(epoch);
    }

    pub(in crate::peer) fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    pub(in crate::peer) fn has_room(&self) -> bool {
        self.requests.len() < limits::TRANSACTIONS_IN_FLIGHT
    }

    pub(in crate::peer) fn next_deadline(&self) -> Option<Monotonic> {
        let observers = self.observers.as_ref();
        let observers = observers.map(|observers| observers.next_deadline());
        [self.zab.next_deadline(), observers]
            .into_iter()
            .flatten()
            .min()
    }

    pub(in crate::peer) fn mode(&self) -> Mode {
        match self.kind {
            LearnerKind::Follower => Mode::Follower,
            LearnerKind::Observer => Mode::Observer,
        }
    }

    fn decode(&self, zxid: Zxid, payload: &Bytes) -> Option<TxnRecord> {
        match TxnRecord::decode(payload, self.field_bytes_max) {
            Ok(record) if record.zxid == zxid => Some(record),
            Ok(record) => {
                let found = record.zxid;
                tracing::error!(%zxid, %found, "a transaction of the leader's has two numbers");
                None
            }
            Err(error) => {
                tracing::error!("a transaction of the leader's cannot be understood: {error}");
                None
            }
        }
    }

    /// The proposal that is committed, which was decoded when it came; one that was taken over with
    /// a snapshot is decoded now.
    fn proposal(&mut self, zxid: Zxid, payload: &Bytes) -> Option<TxnRecord> {
        let is_it = |(record, _): &mut (TxnRecord, Bytes)| record.zxid == zxid;
        match self.proposals.pop_front_if(is_it) {
            Some((record, _)) => Some(record),
            None => self.decode(zxid, payload),
        }
    }
}

impl Peer {
    pub(in crate::peer) fn on_leader_connected(
        &mut self,
        now: Now,
        link: QuorumLink,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        if let Role::Learning(role) = &mut self.role {
            assert!(role.link.is_none(), "one leader is dialled once");
            role.link = Some(link);
            self.feed_learner(now, LearnerInput::Connected, out, client);
        }
    }

    /// Whether what comes over this link is from the leader this server follows now.
    pub(in crate::peer) fn follows(&self, link: QuorumLink) -> bool {
        matches!(&self.role, Role::Learning(role) if role.link == Some(link))
    }

    /// A dial that failed has no link yet.
    pub(in crate::peer) fn on_leader_gone(
        &mut self,
        link: QuorumLink,
        reason: &str,
        out: &mut Vec<Output>,
    ) {
        if matches!(&self.role, Role::Learning(role) if role.link.is_none_or(|known| known == link))
        {
            self.leave(&reason, out);
        }
    }

    pub(in crate::peer) fn feed_learner(
        &mut self,
        now: Now,
        input: LearnerInput,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let mut asked = Vec::new();
        role.zab.handle(now.monotonic, input, &mut asked);
        for output in asked {
            self.carry_out_learner(now, output, out, client);
        }
    }

    fn carry_out_learner(
        &mut self,
        now: Now,
        output: LearnerOutput,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let (Role::Learning(role), Some(member)) = (&mut self.role, &mut self.member) else {
            return;
        };
        match output {
            LearnerOutput::Send(packets) => {
                out.extend(role.link.map(|link| Output::Send { link, packets }))
            }
            LearnerOutput::SaveAcceptedEpoch(epoch) => {
                role.ask_disk(Output::SaveAcceptedEpoch(epoch), out);
            }
            LearnerOutput::SaveCurrentEpoch(epoch) => {
                role.ask_disk(Output::SaveCurrentEpoch(epoch), out);
            }
            LearnerOutput::Append { zxid, payload } => {
                if let Err(reason) = role.append(member, zxid, payload, out) {
                    self.leave(&reason, out);
                }
            }
            LearnerOutput::Truncate(zxid) => role.ask_disk(Output::Truncate { zxid }, out),
            LearnerOutput::InstallSnapshot { zxid } => {
                member.recent.clear();
                member.config_is_stale = true;
                out.push(Output::InstallSnapshot { zxid });
            }
            LearnerOutput::StoreSnapshot => {
                role.disk_waits = true;
                role.steps.push_back(Step::StoreSnapshot);
            }
            LearnerOutput::Commit {
                zxid,
                payload,
                activates,
            } => {
                if role.commit(member, zxid, &payload, activates) {
                    self.inform_observers(zxid, payload, activates, out);
                } else {
                    self.leave(&NOT_UNDERSTOOD, out);
                }
            }
            LearnerOutput::Config(text) => role.on_config(member, &text, out),
            LearnerOutput::Serve(epoch) => role.serve(epoch),
            LearnerOutput::Ping { zxid } => self.answer_ping(now, zxid, out),
            LearnerOutput::Revalidated { session, is_valid } => {
                match role.questions.on_session(session) {
                    Some(link) => {
                        self.answer_observer(link, (session, is_valid), out, client);
                    }
                    None => self.on_revalidated(now, session, is_valid, client),
                }
            }
            LearnerOutput::Synced => self.on_synced(out),
            LearnerOutput::Leave(reason) => self.leave(&reason, out),
            LearnerOutput::Exit { code, reason } => out.push(Output::Exit { code, reason }),
        }
    }

    /// The steps are done.
    pub(in crate::peer) fn after_steps(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        assert!(role.steps.is_empty(), "all that was decided is applied");
        role.disk_waits = false;
        let (mode, master, durable) = (role.mode(), role.master, role.zab.durable());
        if let Some(epoch) = role.serves.take() {
            self.tell_of_term(now, epoch);
            tracing::info!(%epoch, zxid = %db.last_zxid(), "serving as {}", mode.name());
            out.push(Output::Serve(mode));
            if let ((master, Door::Follower), Some(member)) = (master, &mut self.member) {
                member.on_served_by(master);
            }
            let term = Term {
                epoch,
                committed: db.last_zxid(),
                durable,
            };
            self.open_for_observers(now, term, out);
        }
        self.resume_observers(now, db, out);
    }

    /// What the log has beyond the state when this learner leaves.
    pub(in crate::peer) fn tail_of(&self, role: Learning) -> VecDeque<(TxnRecord, Bytes)> {
        let mut tail = VecDeque::new();
        for step in role.steps {
            if let Step::Apply(record) = step {
                let mut payload = Vec::with_capacity(record.encoded_len());
                record.encode(&mut payload);
                tail.push_back((record, payload.into()));
            }
        }
        // Not what ZAB holds: that has what could not be understood too.
        tail.extend(role.proposals);
        tail
    }
}

const NOT_UNDERSTOOD: &str = "the leader sent a transaction that cannot be understood";
