//! Module `org.apache.zookeeper.server.persistence`: the head of logs and snapshots.

use crate::record_macro::record;

record! {
    /// The first 16 bytes of a transaction log or a snapshot.
    pub struct FileHeader {
        /// [`LOG_MAGIC`] or [`SNAPSHOT_MAGIC`].
        magic: i32,
        version: i32,
        /// 0 in logs, -1 in snapshots; never read.
        dbid: i64,
    }
}

/// "ZKLG".
pub const LOG_MAGIC: i32 = i32::from_be_bytes(*b"ZKLG");
/// "ZKSN".
pub const SNAPSHOT_MAGIC: i32 = i32::from_be_bytes(*b"ZKSN");
/// The version Apache writes in both; readers ignore it.
pub const FILE_VERSION: i32 = 2;
