//! Module `org.apache.zookeeper.data`: what other records are made of.

use crate::Ustring;
use crate::record_macro::record;

record! {
    /// Who: an authentication scheme and an id within it.
    pub struct Id<'a> {
        scheme: Ustring<'a>,
        id: Ustring<'a>,
    }
}

record! {
    /// One entry of an access control list.
    pub struct Acl<'a> {
        /// Permission bits: READ 1, WRITE 2, CREATE 4, DELETE 8, ADMIN 16. Others are kept as given.
        perms: i32,
        id: Id<'a>,
    }
}

record! {
    /// A znode's metadata as clients see it, 68 bytes.
    pub struct Stat {
        /// zxid that created the node.
        czxid: i64,
        /// zxid of the creation or the last `setData`.
        mzxid: i64,
        /// Time of the creating transaction, milliseconds since 1970.
        ctime: i64,
        /// Time of the creation or the last `setData`, milliseconds since 1970.
        mtime: i64,
        /// Data version.
        version: i32,
        /// Twice the number of children ever created, less the number of children there are.
        cversion: i32,
        /// Version of the access control list.
        aversion: i32,
        /// Session that owns an ephemeral node, else 0.
        ephemeral_owner: i64,
        /// Bytes of data, 0 for null.
        data_length: i32,
        num_children: i32,
        /// zxid of the last creation or deletion of a child, at first the node's own `czxid`.
        pzxid: i64,
    }
}

record! {
    /// A znode's metadata as snapshots hold it, 60 bytes.
    pub struct StatPersisted {
        czxid: i64,
        mzxid: i64,
        ctime: i64,
        mtime: i64,
        version: i32,
        /// How many children were ever created (not what clients see, see [`Stat::cversion`]).
        cversion: i32,
        aversion: i32,
        /// Session of an ephemeral, or a marker for container and TTL nodes.
        ephemeral_owner: i64,
        pzxid: i64,
    }
}

record! {
    /// One identity of a connection, as `whoAmI` reports it.
    pub struct ClientInfo<'a> {
        auth_scheme: Ustring<'a>,
        user: Ustring<'a>,
    }
}
