//! Rows of the ensemble. A standalone server reads them only to see that it is one, as Apache's
//! does.

use super::{ANY, BYTES, Key, MS, decimal, int, long, rows};
use crate::config::value::Kind;

rows! {
    /// A member: host:port:port[:role][|host:port:port...][;[host:]port]. A single one makes a
    /// standalone server, as in Apache.
    SERVERS = Kind::Text, "server.*", "";
    /// Members of a group, with colons between them. Needs more than half of the groups.
    GROUPS = Kind::Text, "group.*", "";
    /// Weight of a member in its group; 1 when not set.
    WEIGHTS = Kind::Text, "weight.*", "";
    /// A single server runs without elections; with false it is an ensemble of one.
    STANDALONE_ENABLED = Kind::Strict, "standaloneEnabled", "true";
    /// File that lists the members instead of this one; its name ends with its version.
    DYNAMIC_CONFIG_FILE = Kind::Path, "dynamicConfigFile", "";
    /// Role of this server; its server line rules.
    PEER_TYPE = Kind::Choice(&["participant", "observer"]), "peerType", "participant",
        ignored(ALONE), used_in_ensemble();
    /// Election algorithm.
    ELECTION_ALGORITHM = Kind::Choice(&["3"]), "electionAlg", "3", quiet(ALONE), used_in_ensemble();
    /// Time a follower has to connect and catch up; an ensemble needs it.
    INIT_LIMIT = decimal(ANY, TICKS), "initLimit", "", quiet(ALONE), used_in_ensemble();
    /// Time a follower may stay silent; an ensemble needs it.
    SYNC_LIMIT = decimal(ANY, TICKS), "syncLimit", "", quiet(ALONE), used_in_ensemble();
    /// Time a follower has to connect; 0 or less for initLimit.
    CONNECT_LIMIT = decimal(ANY, TICKS), "connectToLearnerMasterLimit", "0",
        quiet(ALONE), used_in_ensemble();
    /// Bind the ports for peers on all addresses.
    LISTEN_ON_ALL_IPS = Kind::Strict, "quorumListenOnAllIPs", "false",
        quiet(ALONE), used_in_ensemble();
    /// Observers keep a log.
    SYNC_ENABLED = Kind::Strict, "syncEnabled", "true", quiet(ALONE), used_in_ensemble();
    /// Observers keep a log; wins over syncEnabled.
    OBSERVER_SYNC_ENABLED = Kind::Loose, "observer.syncEnabled", "true",
        quiet(ALONE), used_in_ensemble();
    /// Several addresses for a member.
    MULTI_ADDRESS_ENABLED = Kind::Strict, "multiAddress.enabled", "false",
        quiet(ALONE), used_in_ensemble();
    /// Probe the addresses of a member that has several.
    REACHABILITY_CHECK_ENABLED = Kind::Strict, "multiAddress.reachabilityCheckEnabled", "true",
        quiet(ALONE), used_in_ensemble();
    /// Time a probe may take.
    REACHABILITY_CHECK_TIMEOUT = decimal(ANY, MS), "multiAddress.reachabilityCheckTimeoutMs", "1000",
        quiet(ALONE), used_in_ensemble();
    /// A leader accepts clients.
    LEADER_SERVES = Kind::Switch { on: "yes", off: "no" }, "leaderServes", "yes",
        quiet(ALONE), used_in_ensemble();
    /// Time an election connection may take.
    CNX_TIMEOUT = decimal(ANY, MS), "cnxTimeout", "5000", quiet(ALONE), used_in_ensemble();
    /// Time a server that dials the election port has to say who it is; 0 or less for syncLimit.
    QUORUM_CNXN_TIMEOUT = int(ANY, MS), "quorumCnxnTimeoutMs", "-1",
        quiet(ALONE), used_in_ensemble();
    /// TCP keep-alive on election connections.
    TCP_KEEP_ALIVE = Kind::Loose, "tcpKeepAlive", "false", quiet(ALONE), used_in_ensemble();
    /// Tries to bind the election port; 0 for ever.
    ELECTION_PORT_BIND_RETRY = int(ANY, "tries"), "electionPortBindRetry", "3",
        quiet(ALONE), used_in_ensemble();
    /// First wait of an election.
    MIN_NOTIFICATION_INTERVAL = int(ANY, MS), "fastleader.minNotificationInterval", "200",
        quiet(ALONE), used_in_ensemble();
    /// Longest wait of an election.
    MAX_NOTIFICATION_INTERVAL = int(ANY, MS), "fastleader.maxNotificationInterval", "60000",
        quiet(ALONE), used_in_ensemble();
    /// Followers fed by snapshot at once.
    MAX_SNAP_SYNCS = int(ANY, "followers"), "leader.maxConcurrentSnapSyncs", "10",
        aliases(&["maxConcurrentSnapSyncs"]), quiet(ALONE), used_in_ensemble();
    /// Followers fed by log at once.
    MAX_DIFF_SYNCS = int(ANY, "followers"), "leader.maxConcurrentDiffSyncs", "100",
        aliases(&["maxConcurrentDiffSyncs"]), quiet(ALONE), used_in_ensemble();
    /// Time a leader waits for its followers while they look elsewhere; less than 0 for ever.
    MAX_TIME_TO_WAIT_FOR_EPOCH = int(ANY, MS), "leader.maxTimeToWaitForEpoch", "-1",
        aliases(&["maxTimeToWaitForEpoch"]), quiet(ALONE), used_in_ensemble();
    /// Pause between tries to reach the leader.
    LEADER_CONNECT_DELAY = int(ANY, MS), "leaderConnectDelayDuringRetryMs", "100",
        quiet(ALONE), used_in_ensemble();
    /// Longest pause before an observer looks for a leader; it is a random one.
    OBSERVER_ELECTION_DELAY = long(i64::MIN, i64::MAX, MS), "observer.election.DelayMs", "200",
        quiet(ALONE), used_in_ensemble();
    /// Longest pause before an observer dials the leader, or the first of the followers; it is a
    /// random one.
    OBSERVER_RECONNECT_DELAY = long(i64::MIN, i64::MAX, MS), "observer.reconnectDelayMs", "0",
        quiet(ALONE), used_in_ensemble();
    /// Port on which a follower serves observers, and on which observers dial followers; 0 or less for
    /// none.
    OBSERVER_MASTER_PORT = decimal(ANY, ""), "observerMasterPort", "0",
        quiet(ALONE), used_in_ensemble();
    /// What a follower keeps for an observer that does not take it; then it has to come again.
    OBSERVER_MASTER_SIZE_LIMIT = int(ANY, BYTES), "observerMaster.sizeLimit", "33554432",
        quiet(ALONE), used_in_ensemble();
    /// SASL between servers.
    SASL_ENABLED = Kind::Strict, "quorum.auth.enableSasl", "false",
        quiet(ALONE), used_in_ensemble();
    /// Log in by SASL where this server dials another.
    SASL_LEARNER_REQUIRED = Kind::Strict, "quorum.auth.learnerRequireSasl", "false",
        quiet(ALONE), used_in_ensemble();
    /// Refuse servers that do not log in by SASL where they dial this one.
    SASL_SERVER_REQUIRED = Kind::Strict, "quorum.auth.serverRequireSasl", "false",
        quiet(ALONE), used_in_ensemble();
    /// Section of the JAAS file by which this server logs in to others.
    SASL_LEARNER_SECTION = Kind::Text, "quorum.auth.learner.saslLoginContext", "QuorumLearner",
        quiet(ALONE), used_in_ensemble();
    /// Section of the JAAS file by which other servers log in to this one.
    SASL_SERVER_SECTION = Kind::Text, "quorum.auth.server.saslLoginContext", "QuorumServer",
        quiet(ALONE), used_in_ensemble();
    /// Kerberos name of the other servers; _HOST stands for a server's host.
    SASL_SERVICE_PRINCIPAL = Kind::Text, "quorum.auth.kerberos.servicePrincipal", "zkquorum/localhost",
        quiet(ALONE), used_in_ensemble();
    /// Kerberos realm of the other servers; unset: that of the own login.
    SERVER_REALM = Kind::Text, "server.realm", "",
        quiet(ALONE), used_in_ensemble();
    /// The hosts in the Kerberos names of servers are what the DNS calls them.
    CANONICALIZE_HOSTS = Kind::Loose, "kerberos.canonicalizeHostNames", "false",
        quiet(ALONE), used_in_ensemble();
    unnamed {
        Key::new("oraclePath", Kind::Text, "", "File that breaks ties between two servers.")
            .quiet(ALONE).refused_in_ensemble("an oracle is not supported by this version");
        Key::new("quorum.cnxn.threads.size", decimal(ANY, "threads"), "20",
            "Threads for SASL between servers.").quiet(NEVER_WAITS);
        Key::new("leader.ackLoggingFrequency", int(ANY, "proposals"), "1000",
            "How often acknowledgements are timed.").quiet("acknowledgements are not timed");
        Key::new("leader.closeSocketAsync", Kind::Loose, "false",
            "Close sockets on another thread.").quiet(NEVER_WAITS);
        Key::new("learner.closeSocketAsync", Kind::Loose, "false",
            "Close sockets on another thread.").quiet(NEVER_WAITS);
        Key::new("learner.asyncSending", Kind::Loose, "false", "Send on another thread.")
            .quiet(NEVER_WAITS);
        Key::new("leader.nodelay", Kind::Loose, "true", "TCP_NODELAY between servers.").bare()
            .quiet(NO_DELAY);
        Key::new("follower.nodelay", Kind::Loose, "true", "TCP_NODELAY between servers.").bare()
            .quiet(NO_DELAY);
        Key::new("commitProcessor.numWorkerThreads", int(ANY, "threads"), "",
            "Threads that answer requests.").quiet(OWN_FLOW);
        Key::new("commitProcessor.maxReadBatchSize", int(ANY, "requests"), "-1",
            "Reads between two commits.").quiet(OWN_FLOW);
        Key::new("commitProcessor.maxCommitBatchSize", int(ANY, "requests"), "1",
            "Commits between two reads.").quiet(OWN_FLOW);
        Key::new("commitProcessor.shutdownTimeout", long(i64::MIN, i64::MAX, MS), "5000",
            "How long threads may take to stop.").quiet(OWN_FLOW);
        Key::new("follower.skipLearnerRequestToNextProcessor", Kind::Loose, "false",
            "Followers do not queue what they forward.").quiet(OWN_FLOW);
        Key::new("forward_learner_requests_to_commit_processor_disabled", Kind::Loose, "false",
            "Leaders do not queue what followers sent.").quiet(OWN_FLOW);
    }
}

const TICKS: &str = "ticks";
const ALONE: &str = "a standalone server has no peers";
const NEVER_WAITS: &str = "no thread waits for a socket here";
const NO_DELAY: &str = "packets between servers are never delayed";
const OWN_FLOW: &str = "requests take another way here, without these threads and queues";
