//! A leader with its window, and everything it asks for as text.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, Zxid};
use crate::quorum::{ConfigVersion, Membership, QuorumView, ViewRules};
use crate::zab::{
    Leader, LeaderInput, LeaderOutput, Recent, Standing, StreamItem, ToLearner, ZabOptions,
    packet_len,
};

pub(in crate::zab) const RULES: ViewRules = ViewRules {
    multi_address_enabled: true,
    standalone_enabled: true,
};

pub(in crate::zab) const OPTIONS: ZabOptions = ZabOptions {
    tick_ms: 2000,
    init_limit: 10,
    sync_limit: 5,
    snapshot_size_factor: Some(0.33),
    force_snapshot_sync: false,
    snap_syncs_max: 10,
    diff_syncs_max: 100,
    wait_for_epoch_max_ms: None,
    reconfig_enabled: false,
};

pub(in crate::zab) struct Bench {
    pub(in crate::zab) now: Monotonic,
    pub(in crate::zab) leader: Leader,
    pub(in crate::zab) recent: Recent,
    pub(in crate::zab) applied: Zxid,
    /// Whether what is committed is applied at once.
    pub(in crate::zab) applies: bool,
}

impl Bench {
    pub(in crate::zab) fn new(
        me: ServerId,
        options: ZabOptions,
        view: &str,
        standing: Standing,
        recent: Recent,
        out: &mut Vec<LeaderOutput>,
    ) -> Self {
        let now = Monotonic(0);
        let membership = membership(view);
        Self {
            now,
            leader: Leader::new(me, options, membership, standing, now, out),
            recent,
            applied: standing.last_zxid,
            applies: true,
        }
    }

    /// As the peer does: what is committed is in the window before the next input.
    pub(in crate::zab) fn handle(&mut self, input: LeaderInput) -> Vec<LeaderOutput> {
        let mut out = Vec::new();
        let (now, applied) = (self.now, self.applied);
        self.leader
            .handle(now, &mut self.recent, applied, input, &mut out);
        self.take_commits(&out);
        out
    }

    pub(in crate::zab) fn propose(&mut self, zxid: Zxid, payload: Bytes) -> Vec<LeaderOutput> {
        let mut out = Vec::new();
        self.leader.propose(self.now, zxid, payload, &mut out);
        self.take_commits(&out);
        out
    }

    /// Proposes a change of the members: what the view in the text is.
    pub(in crate::zab::leader) fn reconfigure(
        &mut self,
        zxid: Zxid,
        view: &str,
    ) -> Vec<LeaderOutput> {
        let mut out = Vec::new();
        let view = QuorumView::parse(view, RULES).unwrap();
        let view = Arc::new(view.with_version(ConfigVersion::of(zxid)));
        self.leader
            .propose_view((zxid, payload(zxid)), view, &mut out);
        self.take_commits(&out);
        out
    }

    fn take_commits(&mut self, out: &[LeaderOutput]) {
        for output in out {
            if let LeaderOutput::Committed { zxid, payload } = output {
                self.recent.push(*zxid, payload.clone());
                if self.applies {
                    self.applied = *zxid;
                }
            }
        }
    }

    /// Lets time pass, waking the leader when it asks for it.
    pub(in crate::zab) fn pass(&mut self, millis: u64) -> Vec<(Monotonic, LeaderOutput)> {
        let end = self.now.after(millis);
        let mut passed = Vec::new();
        while let Some(deadline) = self.leader.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            let out = self.handle(LeaderInput::Wake);
            passed.extend(out.into_iter().map(|output| (self.now, output)));
        }
        self.now = end;
        passed
    }
}

/// The committed view, and behind a line of dashes the one that is to replace it.
pub(in crate::zab) fn membership(text: &str) -> Arc<Membership> {
    let view = |text: &str| Arc::new(QuorumView::parse(text, RULES).unwrap());
    Arc::new(match text.split_once("--\n") {
        None => Membership::new(view(text)),
        Some((committed, next)) => Membership::with_last_seen(view(committed), view(next)),
    })
}

/// `epoch.counter`, both in decimal.
pub(in crate::zab) fn zxid(text: &str) -> Zxid {
    if let Some(raw) = text.strip_prefix('=') {
        return Zxid(raw.parse().unwrap());
    }
    let (epoch, counter) = text.split_once('.').unwrap();
    let start = Zxid::start_of(Epoch(epoch.parse().unwrap()));
    Zxid(start.0 + counter.parse::<i64>().unwrap())
}

pub(in crate::zab) fn show(zxid: Zxid) -> String {
    if zxid < Zxid::ZERO {
        return format!("={}", zxid.0);
    }
    format!("{}.{}", zxid.epoch().0, zxid.counter())
}

/// A payload that tells its zxid.
pub(in crate::zab) fn payload(zxid: Zxid) -> Bytes {
    Bytes::from(show(zxid))
}

/// The packets in `bytes`.
pub(in crate::zab) fn packets(bytes: &Bytes) -> Vec<ToLearner> {
    let mut rest = bytes.clone();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let length = packet_len(&rest, usize::MAX).unwrap().unwrap();
        packets.push(ToLearner::decode(&rest.split_to(length)).unwrap());
    }
    packets
}

/// One line for each output; packets to one link are on one line.
pub(in crate::zab) fn describe<'a>(out: impl IntoIterator<Item = &'a LeaderOutput>) -> String {
    let mut text = String::new();
    let mut open: Option<QuorumLink> = None;
    for output in out {
        let (link, line) = describe_one(output);
        if link.is_some() && link == open {
            write!(text, ", {line}").unwrap();
        } else {
            let to = link.map_or_else(String::new, |link| format!("to {}: ", link.0));
            write!(text, "\n{to}{line}").unwrap();
        }
        open = link;
    }
    text.trim_start().to_owned()
}

fn describe_one(output: &LeaderOutput) -> (Option<QuorumLink>, String) {
    let line = match output {
        LeaderOutput::Send {
            link,
            packets: sent,
        } => {
            let packets: Vec<String> = packets(sent).iter().map(describe_packet).collect();
            return (Some(*link), packets.join(", "));
        }
        LeaderOutput::Stream { link, item } => {
            let line = match item {
                StreamItem::Snapshot => "[snapshot]".to_owned(),
                StreamItem::LogRange { after, upto } => {
                    format!("[log behind {} to {}]", show(*after), show(*upto))
                }
            };
            return (Some(*link), line);
        }
        LeaderOutput::Close { link, reason } => format!("close {}: {reason}", link.0),
        LeaderOutput::SaveAcceptedEpoch(epoch) => format!("save accepted epoch {}", epoch.0),
        LeaderOutput::SaveCurrentEpoch(epoch) => format!("save current epoch {}", epoch.0),
        LeaderOutput::ProbeLog { link, after, upto } => {
            let (after, upto) = (show(*after), show(*upto));
            format!("probe the log for {}: behind {after} to {upto}", link.0)
        }
        LeaderOutput::ViewSeen(view) => format!("keep view {}", view.version()),
        LeaderOutput::ViewCommitted { view, leader } => {
            format!("view {} is in force, {leader} leads", view.version())
        }
        LeaderOutput::Established(epoch) => format!("epoch {} begins", epoch.0),
        LeaderOutput::Committed { zxid, payload } => {
            assert_eq!(payload, &show(*zxid));
            format!("committed {}", show(*zxid))
        }
        LeaderOutput::Request { link, sid, request } => {
            format!("request {} from {} ({sid})", request.xid.0, link.0)
        }
        LeaderOutput::Touched { link, sessions } => {
            let sessions: Vec<String> = sessions.iter().map(|(s, t)| format!("{s} {t}")).collect();
            format!("touched by {}: {}", link.0, sessions.join(", "))
        }
        LeaderOutput::Revalidate {
            link,
            session,
            timeout_ms,
        } => format!("revalidate {session} {timeout_ms} for {}", link.0),
        LeaderOutput::StepDown(reason) => format!("step down: {reason}"),
    };
    (None, line)
}

fn describe_packet(packet: &ToLearner) -> String {
    match packet {
        ToLearner::LeaderInfo {
            epoch,
            protocol_version,
        } => format!("LEADERINFO {} ({protocol_version:#x})", epoch.0),
        ToLearner::Diff { zxid } => format!("DIFF {}", show(*zxid)),
        ToLearner::Trunc { zxid } => format!("TRUNC {}", show(*zxid)),
        ToLearner::Proposal { zxid, payload } => {
            assert_eq!(payload, &show(*zxid));
            format!("PROPOSAL {}", show(*zxid))
        }
        ToLearner::Commit { zxid } => format!("COMMIT {}", show(*zxid)),
        ToLearner::CommitAndActivate { zxid, leader } => {
            format!("COMMITANDACTIVATE {} ({leader})", show(*zxid))
        }
        ToLearner::InformAndActivate {
            zxid,
            leader,
            payload,
        } => {
            assert_eq!(payload, &show(*zxid));
            format!("INFORMANDACTIVATE {} ({leader})", show(*zxid))
        }
        ToLearner::Inform { zxid, payload } => {
            assert_eq!(payload, &show(*zxid));
            format!("INFORM {}", show(*zxid))
        }
        ToLearner::NewLeader { zxid, config } => {
            let text = |text: &Bytes| {
                let version = text.rsplit(|&byte| byte == b'=').next().unwrap_or_default();
                String::from_utf8_lossy(version).into_owned()
            };
            let version = config.as_ref().map_or_else(|| "none".to_owned(), text);
            format!("NEWLEADER {} (config {version})", show(*zxid))
        }
        ToLearner::UpToDate => "UPTODATE".to_owned(),
        ToLearner::Ping { zxid } => format!("PING {}", show(*zxid)),
        ToLearner::Revalidate { session, is_valid } => format!("REVALIDATE {session} {is_valid}"),
        ToLearner::Sync => "SYNC".to_owned(),
        other => panic!("a leader does not send {other:?}"),
    }
}
