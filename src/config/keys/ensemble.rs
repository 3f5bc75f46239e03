//! Rows of the ensemble. A standalone server reads them only to see that it is one, as Apache's
//! does.

use super::{ANY, BYTES, Key, MS, decimal, int, long, rows};
use crate::config::value::Kind;

rows! {
    /// A member: host:port:port[:role][;[host:]port]. A single one makes a standalone server, as in
    /// Apache.
    SERVERS = Kind::Text, "server.*", "";
    unnamed {
        Key::new("standaloneEnabled", Kind::Strict, "true",
            "A single server runs without elections.").refused(NO_ENSEMBLE);
        Key::new("dynamicConfigFile", Kind::Text, "", "File that lists the members.")
            .refused(NO_ENSEMBLE);
        Key::new("group.*", Kind::Text, "", "Members of a group.").refused(NO_ENSEMBLE);
        Key::new("weight.*", Kind::Text, "", "Weight of a member.").refused(NO_ENSEMBLE);
        Key::new("peerType", Kind::Choice(&["participant", "observer"]), "participant",
            "Role of this server.").ignored(ALONE);
        Key::new("electionAlg", Kind::Choice(&["3"]), "3", "Election algorithm.").quiet(ALONE);
        Key::new("initLimit", decimal(ANY, "ticks"), "",
            "Time a follower has to connect and catch up.").quiet(ALONE);
        Key::new("syncLimit", decimal(ANY, "ticks"), "", "Time a follower may stay silent.")
            .quiet(ALONE);
        Key::new("connectToLearnerMasterLimit", decimal(ANY, "ticks"), "0",
            "Time a follower has to connect.").quiet(ALONE);
        Key::new("observerMasterPort", decimal(ANY, ""), "0",
            "Port on which a follower serves observers.").quiet(ALONE);
        Key::new("quorumListenOnAllIPs", Kind::Strict, "false",
            "Bind the ports for peers on all addresses.").quiet(ALONE);
        Key::new("syncEnabled", Kind::Strict, "true", "Observers keep a log.").quiet(ALONE);
        Key::new("observer.syncEnabled", Kind::Loose, "true", "Observers keep a log.").quiet(ALONE);
        Key::new("sslQuorum", Kind::Strict, "false", "TLS between servers.").quiet(ALONE);
        Key::new("portUnification", Kind::Strict, "false", "TLS and plain text between servers.")
            .quiet(ALONE);
        Key::new("sslQuorumReloadCertFiles", Kind::Strict, "false", "Reload certificates of peers.")
            .quiet(ALONE);
        Key::new("quorum.auth.enableSasl", Kind::Strict, "false", "SASL between servers.")
            .quiet(ALONE);
        Key::new("quorum.auth.learnerRequireSasl", Kind::Strict, "false",
            "Refuse leaders without SASL.").quiet(ALONE);
        Key::new("quorum.auth.serverRequireSasl", Kind::Strict, "false",
            "Refuse followers without SASL.").quiet(ALONE);
        Key::new("quorum.auth.learner.saslLoginContext", Kind::Text, "QuorumLearner",
            "Section of the JAAS file.").quiet(ALONE);
        Key::new("quorum.auth.server.saslLoginContext", Kind::Text, "QuorumServer",
            "Section of the JAAS file.").quiet(ALONE);
        Key::new("quorum.auth.kerberos.servicePrincipal", Kind::Text, "zkquorum/localhost",
            "Kerberos name of peers.").quiet(ALONE);
        Key::new("quorum.cnxn.threads.size", decimal(ANY, "threads"), "20",
            "Threads for SASL between servers.").quiet(ALONE);
        Key::new("multiAddress.enabled", Kind::Strict, "false", "Several addresses for a member.")
            .quiet(ALONE);
        Key::new("multiAddress.reachabilityCheckEnabled", Kind::Strict, "true",
            "Probe the addresses of a member.").quiet(ALONE);
        Key::new("multiAddress.reachabilityCheckTimeoutMs", decimal(ANY, MS), "1000",
            "Time a probe may take.").quiet(ALONE);
        Key::new("oraclePath", Kind::Text, "", "File that breaks ties between two servers.")
            .quiet(ALONE);
        Key::new("leaderServes", Kind::Switch { on: "yes", off: "no" }, "yes",
            "A leader accepts clients.").quiet(ALONE);
        Key::new("cnxTimeout", decimal(ANY, MS), "5000", "Time an election connection may take.")
            .quiet(ALONE);
        Key::new("quorumCnxnTimeoutMs", int(ANY, MS), "-1",
            "Silence allowed on an election connection.").quiet(ALONE);
        Key::new("tcpKeepAlive", Kind::Loose, "false", "TCP keep-alive on election connections.")
            .quiet(ALONE);
        Key::new("electionPortBindRetry", int(ANY, "tries"), "3",
            "Tries to bind the election port.").quiet(ALONE);
        Key::new("fastleader.minNotificationInterval", int(ANY, MS), "200",
            "First wait of an election.").quiet(ALONE);
        Key::new("fastleader.maxNotificationInterval", int(ANY, MS), "60000",
            "Longest wait of an election.").quiet(ALONE);
        Key::new("leader.maxConcurrentSnapSyncs", int(ANY, "followers"), "10",
            "Followers fed by snapshot at once.").aliases(&["maxConcurrentSnapSyncs"]).quiet(ALONE);
        Key::new("leader.maxConcurrentDiffSyncs", int(ANY, "followers"), "100",
            "Followers fed by log at once.").aliases(&["maxConcurrentDiffSyncs"]).quiet(ALONE);
        Key::new("leader.maxTimeToWaitForEpoch", int(ANY, MS), "-1",
            "Time a leader waits for its followers.").aliases(&["maxTimeToWaitForEpoch"])
            .quiet(ALONE);
        Key::new("leader.ackLoggingFrequency", int(ANY, "proposals"), "1000",
            "How often acknowledgements are timed.").quiet(ALONE);
        Key::new("leader.closeSocketAsync", Kind::Loose, "false",
            "Close sockets on another thread.").quiet(ALONE);
        Key::new("learner.closeSocketAsync", Kind::Loose, "false",
            "Close sockets on another thread.").quiet(ALONE);
        Key::new("learner.asyncSending", Kind::Loose, "false", "Send on another thread.")
            .quiet(ALONE);
        Key::new("leader.nodelay", Kind::Loose, "true", "TCP_NODELAY between servers.").bare()
            .quiet(ALONE);
        Key::new("follower.nodelay", Kind::Loose, "true", "TCP_NODELAY between servers.").bare()
            .quiet(ALONE);
        Key::new("leaderConnectDelayDuringRetryMs", int(ANY, MS), "100",
            "Pause between tries to reach the leader.").quiet(ALONE);
        Key::new("observer.reconnectDelayMs", long(i64::MIN, i64::MAX, MS), "0",
            "Pause before an observer reconnects.").quiet(ALONE);
        Key::new("observer.election.DelayMs", long(i64::MIN, i64::MAX, MS), "200",
            "Pause before an observer looks for a leader.").quiet(ALONE);
        Key::new("observerMaster.sizeLimit", int(ANY, BYTES), "33554432",
            "Packets a follower keeps for observers.").quiet(ALONE);
        Key::new("commitProcessor.numWorkerThreads", int(ANY, "threads"), "",
            "Threads that answer requests.").quiet(ALONE);
        Key::new("commitProcessor.maxReadBatchSize", int(ANY, "requests"), "-1",
            "Reads between two commits.").quiet(ALONE);
        Key::new("commitProcessor.maxCommitBatchSize", int(ANY, "requests"), "1",
            "Commits between two reads.").quiet(ALONE);
        Key::new("commitProcessor.shutdownTimeout", long(i64::MIN, i64::MAX, MS), "5000",
            "How long threads may take to stop.").quiet(ALONE);
        Key::new("follower.skipLearnerRequestToNextProcessor", Kind::Loose, "false",
            "Followers do not queue what they forward.").quiet(ALONE);
        Key::new("forward_learner_requests_to_commit_processor_disabled", Kind::Loose, "false",
            "Leaders do not queue what followers sent.").quiet(ALONE);
    }
}

const ALONE: &str = "a standalone server has no peers";
const NO_ENSEMBLE: &str = "an ensemble is not supported by this version";
