//! A follower with observers, against observers made of packets, and against learners of our own.

mod direct;
mod random;

use bytes::Bytes;

use super::{
    ObserverMaster, ObserverMasterInput, ObserverMasterOptions, ObserverMasterOutput, Term,
};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, Zxid};
use crate::zab::leader::tests::bench::{OPTIONS, membership, payload, show, zxid};
use crate::zab::{
    LearnerIdentity, LearnerKind, PROTOCOL_VERSION, Recent, StreamItem, ToLeader, ToLearner,
    packet_len,
};

const ME: ServerId = ServerId(2);
const VIEW: &str = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\nserver.9=h9:1:2:observer\n";

/// A follower in epoch 3 with its window.
struct Bench {
    now: Monotonic,
    master: ObserverMaster,
    recent: Recent,
    applied: Zxid,
    /// Whether what is committed is applied at once.
    applies: bool,
}

impl Bench {
    /// `window` is what is committed, as `epoch.counter`s in order.
    fn new(window: &str) -> Self {
        Self::with(window, |_| {})
    }

    fn with(window: &str, set: impl FnOnce(&mut ObserverMasterOptions)) -> Self {
        Self::of_view(VIEW, window, set)
    }

    fn of_view(view: &str, window: &str, set: impl FnOnce(&mut ObserverMasterOptions)) -> Self {
        let mut recent = Recent::new(500);
        for text in window.split_whitespace() {
            recent.push(zxid(text), payload(zxid(text)));
        }
        let committed = recent.last().unwrap_or_default();
        let mut options = ObserverMasterOptions {
            zab: OPTIONS,
            queue_bytes_max: 32 * 1024 * 1024,
        };
        set(&mut options);
        let now = Monotonic(0);
        let epoch = Epoch(3);
        let durable = committed;
        let term = Term {
            epoch,
            committed,
            durable,
        };
        Self {
            now,
            master: ObserverMaster::new(ME, options, membership(view), term, now),
            recent,
            applied: committed,
            applies: true,
        }
    }

    fn handle(&mut self, input: ObserverMasterInput) -> Vec<ObserverMasterOutput> {
        let mut out = Vec::new();
        let (now, applied) = (self.now, self.applied);
        self.master
            .handle(now, &mut self.recent, applied, input, &mut out);
        out
    }

    fn commit(&mut self, text: &str) -> Vec<ObserverMasterOutput> {
        self.inform(text, None)
    }

    /// Commits a change of the members, under which server 1 leads on.
    fn activate(&mut self, text: &str, view: &str) -> Vec<ObserverMasterOutput> {
        self.master.commit_view(membership(view).committed());
        self.inform(text, Some(ServerId(1)))
    }

    fn inform(&mut self, text: &str, activates: Option<ServerId>) -> Vec<ObserverMasterOutput> {
        let zxid = zxid(text);
        self.recent.push(zxid, payload(zxid));
        let mut out = Vec::new();
        self.master.inform(zxid, payload(zxid), activates, &mut out);
        if self.applies {
            self.applied = zxid;
        }
        out
    }

    /// The own disk has all up to this.
    fn appended(&mut self, text: &str) -> Vec<ObserverMasterOutput> {
        self.handle(ObserverMasterInput::Appended(zxid(text)))
    }

    fn receive(&mut self, link: u64, packet: ToLeader) -> Vec<ObserverMasterOutput> {
        let link = QuorumLink(link);
        self.handle(ObserverMasterInput::Received { link, packet })
    }

    /// An observer dials in and says who it is.
    fn join(&mut self, link: u64, sid: i64) -> String {
        let connected = ObserverMasterInput::Connected {
            link: QuorumLink(link),
        };
        assert_eq!(self.handle(connected), []);
        describe(&self.receive(link, info(LearnerKind::Observer, sid, 2)))
    }

    /// It says what it has.
    fn has(&mut self, link: u64, last: &str) -> String {
        let last_zxid = zxid(last);
        let ack = ToLeader::AckEpoch {
            last_zxid,
            current_epoch: None,
        };
        describe(&self.receive(link, ack))
    }

    fn ack(&mut self, link: u64, text: &str) -> String {
        let zxid = zxid(text);
        describe(&self.receive(link, ToLeader::Ack { zxid }))
    }

    /// An observer that has all.
    fn observer(&mut self, link: u64, sid: i64) {
        self.join(link, sid);
        self.has(link, &show(self.applied));
        assert_eq!(self.ack(link, "3.0"), format!("{link}: UPTODATE"));
    }

    /// Lets time pass, waking it when it asks for it.
    fn pass(&mut self, millis: u64) -> String {
        let end = self.now.after(millis);
        let mut passed = Vec::new();
        while self.master.next_deadline() <= end {
            self.now = self.now.max(self.master.next_deadline());
            passed.extend(self.handle(ObserverMasterInput::Wake));
        }
        self.now = end;
        describe(&passed)
    }
}

fn info(kind: LearnerKind, sid: i64, accepted: i64) -> ToLeader {
    ToLeader::Info {
        kind,
        accepted_epoch: Epoch(accepted),
        info: Some(LearnerIdentity {
            sid: ServerId(sid),
            protocol_version: PROTOCOL_VERSION,
            config_version: 0,
        }),
    }
}

/// The packets in `bytes`.
fn packets(bytes: &Bytes) -> Vec<ToLearner> {
    let mut rest = bytes.clone();
    let mut packets = Vec::new();
    while let Some(length) = packet_len(&rest, 1 << 20).unwrap() {
        packets.push(ToLearner::decode(&rest.split_to(length)).unwrap());
    }
    assert!(rest.is_empty());
    packets
}

/// One line for each packet and each thing that is asked for.
fn describe(out: &[ObserverMasterOutput]) -> String {
    let mut lines = Vec::new();
    for output in out {
        match output {
            ObserverMasterOutput::Send {
                link,
                packets: bytes,
            } => {
                let packets = packets(bytes);
                lines.extend(
                    packets
                        .iter()
                        .map(|it| format!("{}: {}", link.0, packet(it))),
                );
            }
            ObserverMasterOutput::Stream { link, item } => lines.push(match item {
                StreamItem::Snapshot => format!("{}: the state", link.0),
                StreamItem::LogRange { after, upto } => {
                    format!(
                        "{}: the log behind {} up to {}",
                        link.0,
                        show(*after),
                        show(*upto)
                    )
                }
            }),
            ObserverMasterOutput::Close { link, reason } => {
                lines.push(format!("close {}: {reason}", link.0));
            }
            ObserverMasterOutput::ProbeLog { link, after, upto } => {
                lines.push(format!(
                    "probe {}: {} to {}",
                    link.0,
                    show(*after),
                    show(*upto)
                ));
            }
            ObserverMasterOutput::Request { link, request } => {
                lines.push(format!(
                    "request {}: {} op {}",
                    link.0, request.xid.0, request.op
                ));
            }
            ObserverMasterOutput::Touched { sessions } => {
                lines.push(format!("touched {}", sessions.len()));
            }
            ObserverMasterOutput::Revalidate { link, session, .. } => {
                lines.push(format!("revalidate {}: {}", link.0, session.0));
            }
        }
    }
    lines.join("\n")
}

fn packet(packet: &ToLearner) -> String {
    match packet {
        ToLearner::LeaderInfo { epoch, .. } => format!("LEADERINFO {}", epoch.0),
        ToLearner::Diff { zxid } => format!("DIFF {}", show(*zxid)),
        ToLearner::Trunc { zxid } => format!("TRUNC {}", show(*zxid)),
        ToLearner::Proposal { zxid, payload } => {
            assert_eq!(payload, &crate::zab::leader::tests::bench::payload(*zxid));
            format!("PROPOSAL {}", show(*zxid))
        }
        ToLearner::Commit { zxid } => format!("COMMIT {}", show(*zxid)),
        ToLearner::Inform { zxid, payload } => {
            assert_eq!(payload, &crate::zab::leader::tests::bench::payload(*zxid));
            format!("INFORM {}", show(*zxid))
        }
        ToLearner::InformAndActivate {
            zxid,
            leader,
            payload,
        } => {
            assert_eq!(payload, &crate::zab::leader::tests::bench::payload(*zxid));
            format!("INFORMANDACTIVATE {} ({leader})", show(*zxid))
        }
        ToLearner::NewLeader { zxid, config } => {
            let view = str::from_utf8(config.as_deref().unwrap()).unwrap();
            let version = view.lines().last().unwrap();
            let of_version = match version.strip_prefix("version=").unwrap() {
                "0" => String::new(),
                version => format!(" of {version}"),
            };
            format!("NEWLEADER {}{of_version}", show(*zxid))
        }
        ToLearner::UpToDate => "UPTODATE".to_owned(),
        ToLearner::Ping { zxid } => format!("PING {}", show(*zxid)),
        ToLearner::Sync => "SYNC".to_owned(),
        ToLearner::Revalidate { session, is_valid } => {
            format!("REVALIDATE {} {is_valid}", session.0)
        }
        other => format!("{other:?}"),
    }
}
