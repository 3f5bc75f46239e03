//! `mntr`: one line per key, as Apache's default metrics provider spells them.

use std::fmt::{Display, Write as _};

use crate::admin::VERSION;
use crate::admin::facts::{LeaderFacts, MemberFacts, MonitorFacts, RoleFacts, Spread};
use crate::admin::java;

/// The answer to `mntr`.
pub fn mntr(facts: &MonitorFacts) -> String {
    let mut lines = Lines(String::new());
    let server = &facts.server;
    let latency = server.latency;
    lines.put("version", VERSION);
    lines.put("server_state", server.mode);
    if let Some(member) = &facts.member {
        lines.put_place(member);
    }
    lines.put("min_latency", latency.min_ms);
    lines.put(
        "avg_latency",
        java::average(latency.total_ms, latency.count),
    );
    lines.put("max_latency", latency.max_ms);
    lines.put("packets_received", server.received);
    lines.put("packets_sent", server.sent);
    lines.put("num_alive_connections", server.connections);
    lines.put("outstanding_requests", server.outstanding);
    lines.put("uptime", facts.uptime_ms);
    lines.put("znode_count", server.node_count);
    lines.put("watch_count", facts.watch_count);
    lines.put("ephemerals_count", facts.ephemerals_count);
    lines.put("approximate_data_size", facts.approximate_data_size);
    lines.put("global_sessions", facts.global_sessions);
    lines.put("local_sessions", facts.local_sessions);
    lines.put("open_file_descriptor_count", facts.open_files);
    lines.put("max_file_descriptor_count", facts.open_files_max);
    let drop_chance = java::double(facts.connection_drop_chance);
    lines.put("connection_drop_probability", drop_chance);
    lines.put("last_client_response_size", facts.responses.last);
    lines.put("max_client_response_size", facts.responses.max);
    lines.put("min_client_response_size", facts.responses.min);
    lines.put("outstanding_tls_handshake", facts.tls_handshakes);
    lines.put("auth_failed_count", facts.authentications_failed);
    if let Some(member) = &facts.member {
        lines.put("quorum_size", member.quorum_size);
        match &member.role {
            RoleFacts::Leader(leader) => lines.put_leader(leader),
            RoleFacts::Follower {
                synced_observers: Some(count),
            } => lines.put("synced_observers", count),
            RoleFacts::Follower { .. } | RoleFacts::Observer { .. } => {}
        }
    }
    for (name, value) in &facts.counters {
        lines.put(name, value);
    }
    for (name, spread) in &facts.spreads {
        lines.put_spread(name, *spread);
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "zk_{key}\t{value}");
    }

    /// What stands before all that is measured.
    fn put_place(&mut self, member: &MemberFacts) {
        // One that serves has left the other phases behind.
        match member.role {
            RoleFacts::Leader(_) => self.put("peer_state", "leading - broadcast"),
            RoleFacts::Follower { .. } => self.put("peer_state", "following - broadcast"),
            RoleFacts::Observer { leader } => {
                self.put("peer_state", "observing - broadcast");
                self.put("observer_master_id", leader);
            }
        }
    }

    fn put_leader(&mut self, leader: &LeaderFacts) {
        self.put("learners", leader.learners);
        self.put("synced_followers", leader.synced_followers);
        self.put(
            "synced_non_voting_followers",
            leader.synced_non_voting_followers,
        );
        self.put("synced_observers", leader.synced_observers);
        self.put("pending_syncs", leader.pending_syncs);
        self.put("leader_uptime", leader.uptime_ms);
        self.put("last_proposal_size", leader.proposals.last);
        self.put("max_proposal_size", leader.proposals.max);
        self.put("min_proposal_size", leader.proposals.min);
    }

    fn put_spread(&mut self, name: &str, spread: Spread) {
        let average = java::average(spread.sum, spread.count);
        self.put(&format!("avg_{name}"), average);
        self.put(&format!("min_{name}"), spread.min);
        self.put(&format!("max_{name}"), spread.max);
        self.put(&format!("cnt_{name}"), spread.count);
        self.put(&format!("sum_{name}"), spread.sum);
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::facts::{QuorumFacts, ServerFacts, Sizes};
    use crate::base::ServerId;

    use super::*;

    fn answer(quorum: &QuorumFacts) -> String {
        mntr(&MonitorFacts {
            server: ServerFacts {
                mode: quorum.mode(),
                proposals: quorum.proposals(),
                ..ServerFacts::default()
            },
            member: quorum.member().cloned(),
            ..MonitorFacts::default()
        })
    }

    /// The lines of a member that one of its own does not have, without those of the head.
    fn added(member: &QuorumFacts) -> Vec<String> {
        let alone = answer(&QuorumFacts::Standalone);
        let answer = answer(member);
        let added = answer
            .lines()
            .filter(|line| !alone.lines().any(|other| other == *line));
        let head = ["zk_server_state", "zk_peer_state", "zk_observer_master_id"];
        let added = added.filter(|line| !head.iter().any(|key| line.starts_with(key)));
        added.map(str::to_owned).collect()
    }

    const FOLLOWER: RoleFacts = RoleFacts::Follower {
        synced_observers: None,
    };

    fn serving(role: RoleFacts) -> QuorumFacts {
        QuorumFacts::Serving(MemberFacts {
            role,
            quorum_size: 3,
        })
    }

    #[test]
    fn the_first_lines_say_what_the_server_is() {
        let head = |facts: &QuorumFacts, count| {
            let answer = answer(facts);
            let lines = answer.lines().skip(1).take(count).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            head(&QuorumFacts::Standalone, 2),
            ["zk_server_state\tstandalone", "zk_min_latency\t0"]
        );
        let leader = serving(RoleFacts::Leader(LeaderFacts::default()));
        assert_eq!(
            head(&leader, 2),
            [
                "zk_server_state\tleader",
                "zk_peer_state\tleading - broadcast"
            ]
        );
        assert_eq!(
            head(&serving(FOLLOWER), 2),
            [
                "zk_server_state\tfollower",
                "zk_peer_state\tfollowing - broadcast"
            ]
        );
        let observer = serving(RoleFacts::Observer {
            leader: ServerId(3),
        });
        assert_eq!(
            head(&observer, 3),
            [
                "zk_server_state\tobserver",
                "zk_peer_state\tobserving - broadcast",
                "zk_observer_master_id\t3"
            ]
        );
    }

    #[test]
    fn what_only_members_and_leaders_have() {
        assert_eq!(added(&serving(FOLLOWER)), ["zk_quorum_size\t3"]);
        let with_observers = RoleFacts::Follower {
            synced_observers: Some(2),
        };
        assert_eq!(
            added(&serving(with_observers)),
            ["zk_quorum_size\t3", "zk_synced_observers\t2"]
        );
        let leader = LeaderFacts {
            uptime_ms: 23_347,
            learners: 5,
            synced_followers: 2,
            synced_non_voting_followers: 1,
            synced_observers: 1,
            pending_syncs: 4,
            proposals: Sizes {
                last: 36,
                min: 30,
                max: 48,
            },
        };
        assert_eq!(
            added(&serving(RoleFacts::Leader(leader))),
            [
                "zk_quorum_size\t3",
                "zk_learners\t5",
                "zk_synced_followers\t2",
                "zk_synced_non_voting_followers\t1",
                "zk_synced_observers\t1",
                "zk_pending_syncs\t4",
                "zk_leader_uptime\t23347",
                "zk_last_proposal_size\t36",
                "zk_max_proposal_size\t48",
                "zk_min_proposal_size\t30",
            ]
        );
        let new = serving(RoleFacts::Leader(LeaderFacts::default()));
        assert!(added(&new).contains(&"zk_last_proposal_size\t-1".to_owned()));
    }
}
