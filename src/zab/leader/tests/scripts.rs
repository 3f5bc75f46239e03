//! Scripts with golden output in `testdata`. Zxids are written `epoch.counter`.

use super::bench::{Bench, OPTIONS, RULES, describe, payload, show, zxid};
use crate::base::{Epoch, QuorumLink, ServerId, SessionId, Xid, Zxid};
use crate::quorum::QuorumView;
use crate::quorum::tests::script::{self, Block};
use crate::zab::{
    LeaderInput, LearnerIdentity, LearnerKind, LearnerRequest, LogProbe, PROTOCOL_VERSION,
    RECENT_BYTES_MAX, Recent, Standing, ToLeader, ZabOptions,
};
use bytes::Bytes;

#[test]
fn discovery_qp_052_to_qp_059_qp_061() {
    run("discovery");
}

#[test]
fn waits_qp_060_and_voters_that_look_elsewhere_qp_046() {
    run("waits");
}

#[test]
fn synchronisation_qp_063_to_qp_073_qp_114() {
    run("plans");
}

#[test]
fn what_follows_the_history_qp_076_to_qp_078_qp_084_qp_090_qp_093() {
    run("sync");
}

#[test]
fn broadcast_qp_097_to_qp_099_qp_102_qp_103_qp_107() {
    run("broadcast");
}

#[test]
fn reconfiguration_qp_126_qp_130_to_qp_132_qp_134() {
    run("reconfig");
}

#[test]
fn liveness_qp_111_qp_112() {
    run("liveness");
}

fn run(name: &str) {
    let mut bench = None;
    script::check(&format!("zab/leader/testdata/{name}.txt"), |block| {
        if block.command == "lead" {
            let (lead, output) = lead(block);
            bench = Some(lead);
            return output;
        }
        command(bench.as_mut().expect("a leader first"), block)
    });
}

/// `lead ID accepted=E current=E last=Z window=Z-Z option=value`, and the view. `bytes`: of the window.
fn lead(block: &Block<'_>) -> (Bench, String) {
    let value = |key: &str| value(block, key);
    let epoch = |key| Epoch(value(key).map_or(0, |text| text.parse().unwrap()));
    let standing = Standing {
        accepted_epoch: epoch("accepted"),
        current_epoch: epoch("current"),
        last_zxid: value("last").map_or(Zxid::ZERO, zxid),
    };
    let count = value("count").map_or(500, |text| text.parse().unwrap());
    let bytes = value("bytes").map_or(RECENT_BYTES_MAX, |text| text.parse().unwrap());
    let mut recent = Recent::bounded(count, bytes);
    for range in value("window").into_iter().flat_map(|text| text.split(',')) {
        let (first, last) = range.split_once('-').unwrap();
        for raw in zxid(first).0..=zxid(last).0 {
            recent.push(Zxid(raw), payload(Zxid(raw)));
        }
    }
    let number = |key| value(key).map(|text| text.parse::<u64>().unwrap());
    let size = |key| number(key).map(|number| usize::try_from(number).unwrap());
    let options = ZabOptions {
        force_snapshot_sync: block.arguments.contains(&"force-snapshot"),
        reconfig_enabled: block.arguments.contains(&"reconfig"),
        snapshot_size_factor: (!block.arguments.contains(&"no-log")).then_some(0.33),
        snap_syncs_max: size("snaps").unwrap_or(OPTIONS.snap_syncs_max),
        diff_syncs_max: size("diffs").unwrap_or(OPTIONS.diff_syncs_max),
        wait_for_epoch_max_ms: number("wait-for-epoch"),
        ..OPTIONS
    };
    let me = ServerId(block.arguments[0].parse().unwrap());
    let mut out = Vec::new();
    let bench = Bench::new(me, options, block.input, standing, recent, &mut out);
    (bench, describe(&out))
}

fn command(bench: &mut Bench, block: &Block<'_>) -> String {
    let argument = |index: usize| block.arguments[index];
    let out = match block.command {
        "propose" => {
            let zxids = block.arguments.iter().map(|text| zxid(text));
            zxids
                .flat_map(|zxid| bench.propose(zxid, payload(zxid)))
                .collect()
        }
        "reconfig" => bench.reconfigure(zxid(argument(0)), block.input),
        "synced" => {
            let view = QuorumView::parse(block.input, RULES).unwrap();
            return bench.leader.is_quorum_synced(&view).to_string();
        }
        "answer" => {
            let (mut out, link) = (Vec::new(), QuorumLink(argument(0).parse().unwrap()));
            match argument(1) {
                "sync" => bench.leader.sync_asked(link, &mut out),
                valid => {
                    let (session, is_valid) = (SessionId(7), valid == "valid");
                    bench
                        .leader
                        .answer_revalidate(link, session, is_valid, &mut out);
                }
            }
            out
        }
        "pass" => return pass(bench, argument(0).parse().unwrap(), block),
        "hold" => {
            bench.applies = false;
            Vec::new()
        }
        "apply" => {
            bench.applied = zxid(argument(0));
            Vec::new()
        }
        "report" => return report(bench),
        // Dials in, and does what it can without waiting.
        "join" => join(bench, block),
        _ => {
            let input = input(block);
            bench.handle(input)
        }
    };
    describe(&out)
}

/// `pass MS [brief]`: the time of each line; brief without pings.
fn pass(bench: &mut Bench, millis: u64, block: &Block<'_>) -> String {
    let is_brief = block.arguments.contains(&"brief");
    let passed = bench.pass(millis);
    let lines = passed
        .iter()
        .map(|(at, output)| format!("{:>6} {}", at.0, describe([output])));
    let lines: Vec<String> = lines
        .filter(|line| !is_brief || !line.contains("PING"))
        .collect();
    lines.join("\n")
}

/// `join LINK SID [observer] [last=Z] [current=E] [acked]`.
fn join(bench: &mut Bench, block: &Block<'_>) -> Vec<crate::zab::LeaderOutput> {
    let link = QuorumLink(block.arguments[0].parse().unwrap());
    let sid = ServerId(block.arguments[1].parse().unwrap());
    let kind = kind(block);
    let accepted_epoch = Epoch(value(block, "accepted").map_or(0, |text| text.parse().unwrap()));
    let info = Some(LearnerIdentity {
        sid,
        protocol_version: PROTOCOL_VERSION,
        config_version: 0,
    });
    let mut out = bench.handle(LeaderInput::Connected { link });
    let mut say = |packet| out.extend(bench.handle(LeaderInput::Received { link, packet }));
    say(ToLeader::Info {
        kind,
        accepted_epoch,
        info,
    });
    if let Some(last) = value(block, "last") {
        say(ToLeader::AckEpoch {
            last_zxid: zxid(last),
            current_epoch: Some(Epoch(0)),
        });
    }
    if block.arguments.contains(&"acked") {
        let start = Zxid::start_of(bench.leader.epoch().unwrap());
        let packet = ToLeader::Ack { zxid: start };
        out.extend(bench.handle(LeaderInput::Received { link, packet }));
    }
    out
}

fn report(bench: &Bench) -> String {
    let report = bench.leader.report();
    let learners = report.learners.iter().map(|learner| {
        format!(
            "{}: {} {:?} voter={} synced={}",
            learner.link.0, learner.sid, learner.kind, learner.is_voter, learner.is_synced
        )
    });
    let head = format!(
        "epoch {:?} established={} committed={} proposals={}",
        report.epoch.map(|epoch| epoch.0),
        report.is_established,
        show(report.committed),
        report.proposals
    );
    [head]
        .into_iter()
        .chain(learners)
        .collect::<Vec<_>>()
        .join("\n")
}

fn input(block: &Block<'_>) -> LeaderInput {
    let argument = |index: usize| block.arguments[index];
    let number = |index: usize| argument(index).parse::<i64>().unwrap();
    match block.command {
        "saved" if argument(0) == "accepted" => LeaderInput::AcceptedEpochSaved(Epoch(number(1))),
        "saved" => LeaderInput::CurrentEpochSaved(Epoch(number(1))),
        "appended" => LeaderInput::Appended(zxid(argument(0))),
        "looks" => LeaderInput::VoterLooks {
            voter: ServerId(number(0)),
            has_left: block.arguments.get(1) == Some(&"elsewhere"),
        },
        "wake" => LeaderInput::Wake,
        _ => link_input(block, QuorumLink(argument(0).parse().unwrap())),
    }
}

fn link_input(block: &Block<'_>, link: QuorumLink) -> LeaderInput {
    match block.command {
        "connect" => LeaderInput::Connected { link },
        "gone" => LeaderInput::Gone { link },
        "streamed" => LeaderInput::Streamed { link },
        "probed" => LeaderInput::LogProbed {
            link,
            found: (block.arguments.len() == 3).then(|| LogProbe {
                floor: zxid(block.arguments[1]),
                next: zxid(block.arguments[2]),
            }),
        },
        _ => LeaderInput::Received {
            link,
            packet: packet(block),
        },
    }
}

fn packet(block: &Block<'_>) -> ToLeader {
    let epoch = |key| value(block, key).map(|text| Epoch(text.parse().unwrap()));
    match block.command {
        "info" => ToLeader::Info {
            kind: kind(block),
            accepted_epoch: epoch("accepted").unwrap_or_default(),
            info: value(block, "sid").map(|sid| LearnerIdentity {
                sid: ServerId(sid.parse().unwrap()),
                protocol_version: value(block, "version")
                    .map_or(PROTOCOL_VERSION, |text| text.parse().unwrap()),
                config_version: value(block, "config").map_or(0, |text| text.parse().unwrap()),
            }),
        },
        "promise" => ToLeader::AckEpoch {
            last_zxid: zxid(value(block, "last").unwrap()),
            current_epoch: epoch("current"),
        },
        "ack" => ToLeader::Ack {
            zxid: zxid(block.arguments[1]),
        },
        "ping" => ToLeader::Ping {
            zxid: Zxid::ZERO,
            touched: block.arguments[1..]
                .iter()
                .map(|id| (SessionId(id.parse().unwrap()), 4000))
                .collect(),
        },
        "request" => ToLeader::Request(LearnerRequest {
            session: SessionId(7),
            xid: Xid(block.arguments[1].parse().unwrap()),
            op: 1,
            body: Bytes::new(),
            ids: [].into(),
        }),
        "revalidate" => ToLeader::Revalidate {
            session: SessionId(7),
            timeout_ms: 4000,
        },
        "unknown" => ToLeader::Unknown { number: 99 },
        other => panic!("no command {other}"),
    }
}

fn kind(block: &Block<'_>) -> LearnerKind {
    if block.arguments.contains(&"observer") {
        LearnerKind::Observer
    } else {
        LearnerKind::Follower
    }
}

fn value<'a>(block: &Block<'a>, key: &str) -> Option<&'a str> {
    let pairs = block.arguments.iter();
    pairs
        .filter_map(|argument| argument.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}
