//! The folder's tests: what is said to each packet and completion, in short words; every order of
//! packets and completions; random terms.

mod broadcast;
mod discovery;
mod orders;
mod random;
mod sync;
mod world;

use crate::zab::packet_len;

use super::*;
use crate::zab::ToLeader;

const TICK_MS: u64 = 2000;
const OPTIONS: ZabOptions = ZabOptions {
    tick_ms: TICK_MS,
    init_limit: 10,
    sync_limit: 5,
    snapshot_size_factor: None,
    force_snapshot_sync: false,
    snap_syncs_max: 10,
    diff_syncs_max: 100,
    wait_for_epoch_max_ms: None,
    reconfig_enabled: false,
};
/// What servers in these tests come with: the last transaction is 4.3, epoch 5 is proposed.
const STANDING: Standing = Standing {
    accepted_epoch: Epoch(4),
    current_epoch: Epoch(4),
    last_zxid: Zxid(0x4_0000_0003),
};
const NEW_LEADER: Zxid = Zxid(0x5_0000_0000);

/// One learner, and what it asks for in words.
struct Bench {
    learner: Learner,
    now: Monotonic,
}

impl Bench {
    fn new(kind: LearnerKind) -> Self {
        Self::with(kind, STANDING)
    }

    fn with(kind: LearnerKind, standing: Standing) -> Self {
        let now = Monotonic(1000);
        Self {
            learner: Learner::new(ServerId(3), kind, OPTIONS, standing, 0, now),
            now,
        }
    }

    /// One whose leader knows what it has.
    fn promised(kind: LearnerKind) -> Self {
        let mut bench = Self::new(kind);
        bench.feed(LearnerInput::Connected);
        bench.packet(leader_info(5));
        bench.feed(LearnerInput::AcceptedEpochSaved(Epoch(5)));
        bench
    }

    /// One that serves, and has 4.3.
    fn serving(kind: LearnerKind) -> Self {
        let mut bench = Self::promised(kind);
        bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
        bench.packet(new_leader());
        bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
        bench.packet(ToLearner::UpToDate);
        assert!(bench.learner.is_serving());
        bench
    }

    fn feed(&mut self, input: LearnerInput) -> Vec<String> {
        let mut out = Vec::new();
        self.learner.handle(self.now, input, &mut out);
        out.iter().map(show).collect()
    }

    fn packet(&mut self, packet: ToLearner) -> Vec<String> {
        self.feed(LearnerInput::Received(packet))
    }

    fn packets(&mut self, packets: impl IntoIterator<Item = ToLearner>) -> Vec<String> {
        let said = packets.into_iter().flat_map(|packet| self.packet(packet));
        said.collect()
    }

    fn appended(&mut self, zxid: Zxid) -> Vec<String> {
        self.feed(LearnerInput::Appended(zxid))
    }

    fn pass(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now.after(millis);
        self.feed(LearnerInput::Wake)
    }

    fn uncommitted(self) -> Vec<String> {
        let uncommitted = self.learner.into_uncommitted();
        uncommitted.iter().map(|txn| short(txn.zxid)).collect()
    }
}

fn zxid(epoch: i64, counter: i64) -> Zxid {
    Zxid(epoch << 32 | counter)
}

/// A payload that tells whose it is.
fn payload(zxid: Zxid) -> Bytes {
    Bytes::from(short(zxid))
}

fn leader_info(epoch: i64) -> ToLearner {
    ToLearner::LeaderInfo {
        epoch: Epoch(epoch),
        protocol_version: crate::zab::PROTOCOL_VERSION,
    }
}

fn proposal(zxid: Zxid) -> ToLearner {
    ToLearner::Proposal {
        zxid,
        payload: payload(zxid),
    }
}

fn commit(zxid: Zxid) -> ToLearner {
    ToLearner::Commit { zxid }
}

fn inform(zxid: Zxid) -> ToLearner {
    ToLearner::Inform {
        zxid,
        payload: payload(zxid),
    }
}

/// A transaction of the history: it comes committed.
fn pair(zxid: Zxid) -> [ToLearner; 2] {
    [proposal(zxid), commit(zxid)]
}

fn new_leader() -> ToLearner {
    ToLearner::NewLeader {
        zxid: NEW_LEADER,
        config: None,
    }
}

fn unpack(bytes: &Bytes) -> Vec<ToLeader> {
    let mut rest = bytes.clone();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let length = packet_len(&rest, usize::MAX).unwrap().expect("whole");
        packets.push(ToLeader::decode(&rest.split_to(length)).unwrap());
    }
    packets
}

fn show(output: &LearnerOutput) -> String {
    match output {
        LearnerOutput::Send(bytes) => {
            let packets: Vec<_> = unpack(bytes).iter().map(show_packet).collect();
            packets.join(", ")
        }
        LearnerOutput::SaveAcceptedEpoch(epoch) => format!("save accepted {}", epoch.0),
        LearnerOutput::SaveCurrentEpoch(epoch) => format!("save current {}", epoch.0),
        LearnerOutput::Append { zxid, payload } => {
            format!("append {}", checked(*zxid, payload))
        }
        LearnerOutput::Commit {
            zxid,
            payload,
            activates,
        } => {
            let commit = format!("commit {}", checked(*zxid, payload));
            activates.map_or(commit.clone(), |leader| format!("{commit}, {leader} leads"))
        }
        LearnerOutput::Truncate(zxid) => format!("truncate {}", short(*zxid)),
        LearnerOutput::InstallSnapshot { zxid } => format!("install {}", short(*zxid)),
        LearnerOutput::StoreSnapshot => "store snapshot".into(),
        LearnerOutput::Config(text) => format!("config {}", str::from_utf8(text).unwrap()),
        LearnerOutput::Serve(epoch) => format!("serve {}", epoch.0),
        LearnerOutput::Ping { zxid } => format!("ping {}", short(*zxid)),
        LearnerOutput::Revalidated { session, is_valid } => format!("session {session} {is_valid}"),
        LearnerOutput::Synced => "synced".into(),
        LearnerOutput::Leave(reason) => format!("leave: {reason}"),
        LearnerOutput::Exit { code, reason } => format!("exit {code}: {reason}"),
    }
}

fn show_packet(packet: &ToLeader) -> String {
    match packet {
        ToLeader::Ack { zxid } => format!("ACK {}", short(*zxid)),
        ToLeader::AckEpoch {
            last_zxid,
            current_epoch,
        } => match current_epoch {
            Some(epoch) => format!("ACKEPOCH {} {}", short(*last_zxid), epoch.0),
            None => format!("ACKEPOCH {} -", short(*last_zxid)),
        },
        other => format!("{other:?}"),
    }
}

fn short(zxid: Zxid) -> String {
    format!("{}.{}", zxid.epoch().0, zxid.counter())
}

/// Whatever is done with a transaction, its payload stays with it.
fn checked(zxid: Zxid, payload: &Bytes) -> String {
    assert!(
        *payload == short(zxid) || !payload.is_ascii(),
        "not its payload"
    );
    short(zxid)
}
