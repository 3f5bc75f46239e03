//! Rows of the tree of nodes: kinds of nodes, quotas, containers, watches.

use super::{ANY, Key, MS, int, long, rows};
use crate::config::value::Kind;

rows! {
    /// Nodes with a time to live.
    EXTENDED_TYPES = Kind::Loose, "extendedTypesEnabled", "false";
    /// Read and write times to live as 3.5.3 encoded them.
    EMULATE_353_TTL = Kind::Loose, "emulate353TTLNodes", "false";
    /// Refuse writes beyond a quota.
    ENFORCE_QUOTA = Kind::Loose, "enforceQuota", "false";
    /// Keep a digest of the tree and write it into log and snapshots.
    DIGEST_ENABLED = Kind::Loose, "digest.enabled", "true";
    /// The transaction that closes a session lists its ephemeral nodes.
    CLOSE_SESSION_TXN = Kind::Loose, "closeSessionTxn.enabled", "true";
    /// The members of an ensemble may be changed, and the files that name them are rewritten.
    RECONFIG_ENABLED = Kind::Strict, "reconfigEnabled", "false";
    /// How often containers and nodes with a time to live are looked through.
    CONTAINER_CHECK_INTERVAL = int(1, MS), "znode.container.checkIntervalMs", "60000", bare();
    /// Containers and expired nodes that may be deleted in a minute.
    CONTAINER_MAX_PER_MINUTE = int(1, "nodes"), "znode.container.maxPerMinute", "10000", bare();
    /// Age at which a container that never had a child is deleted; 0 or less for never.
    CONTAINER_NEVER_USED = long(i64::MIN, i64::MAX, MS), "znode.container.maxNeverUsedIntervalMs",
        "0", bare();
    unnamed {
        Key::new("watchManagerName", Kind::Text, "org.apache.zookeeper.server.watch.WatchManager",
            "Java class that stores watches.").quiet(OWN_WATCHES);
        Key::new("watcherCleanThreadsNum", int(ANY, "threads"), "2",
            "Threads that forget dead watchers.").quiet(OWN_WATCHES);
        Key::new("watcherCleanThreshold", int(ANY, "watchers"), "1000",
            "Dead watchers that start a sweep.").quiet(OWN_WATCHES);
        Key::new("watcherCleanIntervalInSeconds", int(ANY, "seconds"), "600",
            "Longest time between sweeps.").quiet(OWN_WATCHES);
        Key::new("maxInProcessingDeadWatchers", int(ANY, "watchers"), "-1",
            "Dead watchers that stop new ones.").quiet(OWN_WATCHES);
        Key::new("test.allowDiscontinuousProposals", Kind::Loose, "false",
            "Switch of Apache's own tests.").ignored("it serves Apache's own tests only");
        Key::new("testingonly.initialZxid", Kind::Text, "", "Switch of Apache's own tests.")
            .ignored("it serves Apache's own tests only");
    }
}

const OWN_WATCHES: &str = "watches are stored in one way, which fires the same events";
