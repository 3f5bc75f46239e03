//! Apache's digest of a node, and of the tree as the sum over its nodes.
//!
//! A node's is the CRC-32 of its path (the root's is empty), its data, and its stat in an order of
//! its own. Nodes below `/zookeeper/` do not count. `prep` uses these functions to foretell the
//! digest after a transaction.

use crc32fast::Hasher;

use jute::data::StatPersisted;

/// Whether the node at `path` is part of the tree's digest.
pub fn counts(path: &str) -> bool {
    !path.starts_with("/zookeeper/")
}

/// The CRC-32 of path and data, the part of a node's digest that its stat does not touch.
pub fn prefix_crc(path: &str, data: Option<&[u8]>) -> u32 {
    let mut hasher = Hasher::new();
    if path != "/" {
        hasher.update(path.as_bytes());
    }
    hasher.update(data.unwrap_or_default());
    hasher.finalize()
}

/// A node's digest from the CRC-32 of path and data.
pub fn node_digest(prefix_crc: u32, stat: &StatPersisted) -> u64 {
    let mut bytes = [0; 60];
    let (longs, rest) = bytes.split_at_mut(40);
    let values = [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime];
    for (place, value) in longs.chunks_exact_mut(8).zip(values) {
        place.copy_from_slice(&value.to_be_bytes());
    }
    let (ints, owner) = rest.split_at_mut(12);
    let values = [stat.version, stat.cversion, stat.aversion];
    for (place, value) in ints.chunks_exact_mut(4).zip(values) {
        place.copy_from_slice(&value.to_be_bytes());
    }
    owner.copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    let mut hasher = Hasher::new_with_initial(prefix_crc);
    hasher.update(&bytes);
    u64::from(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_seen_from_apache() {
        let zero = StatPersisted::default();
        assert_eq!(node_digest(prefix_crc("/", Some(b"")), &zero), 0x0412_8908);
        assert_eq!(node_digest(prefix_crc("", Some(b"")), &zero), 0x0412_8908);
        let zookeeper = prefix_crc("/zookeeper", Some(b""));
        assert_eq!(node_digest(zookeeper, &zero), 0x4db4_4d58);
        let root = StatPersisted {
            pzxid: 2,
            cversion: 1,
            ..zero
        };
        assert_eq!(node_digest(prefix_crc("", Some(b"")), &root), 0x0315_78f2);
        let node = StatPersisted {
            czxid: 2,
            mzxid: 2,
            pzxid: 2,
            ctime: 0x1a1_ffa6_64ad,
            mtime: 0x1a1_ffa6_64ad,
            ..zero
        };
        assert_eq!(
            node_digest(prefix_crc("/a", Some(b"hi")), &node),
            0x8366_958e
        );
    }

    #[test]
    fn what_counts() {
        assert!(counts("/") && counts("") && counts("/zookeeper") && counts("/zookeepers/x"));
        assert!(!counts("/zookeeper/config") && !counts("/zookeeper/quota/a"));
    }
}
