//! Rows of the disk: directories, log, snapshots, their retention.

use super::{ANY, BYTES, KIB, Key, MS, decimal, int, long, rows};
use crate::config::value::{Kind, Range};

rows! {
    /// Directory of the snapshots, and of the log unless dataLogDir is set.
    DATA_DIR = Kind::Path, "dataDir", "";
    /// Directory of the transaction log; dataDir when not set.
    DATA_LOG_DIR = Kind::Path, "dataLogDir", "";
    /// Create missing data directories.
    DATADIR_AUTOCREATE = Kind::Loose, "datadir.autocreate", "true";
    /// Start with an empty tree when there is no snapshot; false asks for a file named initialize
    /// first.
    DB_AUTOCREATE = Kind::Loose, "db.autocreate", "true";
    /// What a log file grows by; 0 or less to grow by record.
    PRE_ALLOC_SIZE = Kind::Decimal(Range { min: i64::MIN, max: KIB_MAX, noun: KIB }),
        "preAllocSize", "65536";
    /// Transactions between two snapshots; 2 at least.
    SNAP_COUNT = int(ANY, "transactions"), "snapCount", "100000";
    /// Bytes of log between two snapshots; 0 or less for no limit.
    SNAP_SIZE_LIMIT = long(i64::MIN, KIB_MAX, KIB), "snapSizeLimitInKb", "4194304";
    /// Size at which a new log file is begun; 0 or less for never.
    TXN_LOG_SIZE_LIMIT = long(i64::MIN, KIB_MAX, KIB), "txnLogSizeLimitInKb", "-1";
    /// Wait for the disk before a write is acknowledged. With no, a crash of the machine loses
    /// acknowledged writes.
    FORCE_SYNC = Kind::Switch { on: "yes", off: "no" }, "forceSync", "yes";
    /// A sync that takes longer is logged.
    FSYNC_WARNING_THRESHOLD = long(0, i64::MAX, MS), "fsync.warningthresholdms", "1000";
    /// How long a write may wait for others to share its sync.
    FLUSH_DELAY = long(0, i64::MAX, MS), "flushDelay", "0";
    /// How often the queue of writes is looked at while one waits; a third of flushDelay when not
    /// set.
    MAX_WRITE_QUEUE_POLL_TIME = long(0, i64::MAX, MS), "maxWriteQueuePollTime", "";
    /// Writes that may share a sync; 0 or less for no limit.
    MAX_BATCH_SIZE = int(ANY, "writes"), "maxBatchSize", "1000";
    /// How snapshots are compressed: gz, snappy, or empty for not at all.
    SNAPSHOT_COMPRESSION = Kind::Choice(&["gz", "snappy", ""]), "snapshot.compression.method", "";
    /// Accept a log without any snapshot, as servers before 3.5 left it.
    SNAPSHOT_TRUST_EMPTY = Kind::Loose, "snapshot.trust.empty", "false";
    /// Write the zxid a snapshot stands at behind it.
    SERIALIZE_LAST_ZXID = Kind::Loose, "serializeLastProcessedZxid.enabled", "true";
    /// Committed transactions kept in memory; 500 at least.
    COMMIT_LOG_COUNT = decimal(ANY, "transactions"), "commitLogCount", "500";
    /// Snapshots that a purge leaves; 3 at least.
    PURGE_RETAIN_COUNT = decimal(ANY, "snapshots"), "autopurge.snapRetainCount", "3";
    /// Hours between purges of old snapshots and logs, or a number with ms, s, m, h or d; 0 or less
    /// for none.
    PURGE_INTERVAL = Kind::Period, "autopurge.purgeInterval", "0";
    /// Log bytes that a leader reads for a follower, relative to a snapshot; less than 0 for none.
    SNAPSHOT_SIZE_FACTOR = Kind::Fraction { min: f64::MIN, max: f64::MAX },
        "snapshotSizeFactor", "0.33", quiet(NO_FOLLOWERS), used_in_ensemble();
    /// Bring every follower up to date by snapshot.
    FORCE_SNAPSHOT_SYNC = Kind::Loose, "forceSnapshotSync", "false",
        quiet(NO_FOLLOWERS), used_in_ensemble();
    unnamed {
        Key::new("bitHashCacheSize", int(0, BYTES), "10", "Cache of watcher bitmaps.")
            .quiet("watches are stored otherwise");
    }
}

const NO_FOLLOWERS: &str = "only an ensemble brings followers up to date";

/// The most KiB whose bytes a signed 64-bit number holds.
const KIB_MAX: i64 = i64::MAX / 1024;
