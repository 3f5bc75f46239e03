//! Module `org.apache.zookeeper.txn`: what logs hold and proposals carry.

use crate::data::Acl;
use crate::record_macro::record;
use crate::{Buffer, Decode, DecodeError, Reader, Ustring, Vector};

record! {
    /// The head of every transaction, 32 bytes.
    pub struct TxnHeader {
        /// Session that asked for it; 0 for the server's own.
        client_id: i64,
        /// The client's request number.
        cxid: i32,
        zxid: i64,
        /// Wall clock of the server that prepared it, milliseconds since 1970.
        time: i64,
        txn_type: i32,
    }
}

record! {
    /// Digest of the whole tree after a transaction, behind its body.
    pub struct TxnDigest {
        version: i32,
        tree_digest: i64,
    }
}

record! {
    /// Types 1 (create) and 15 (create2).
    pub struct CreateTxn<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        ephemeral: bool,
        /// The parent's counter of created children after this creation; -1 means "one more".
        parent_cversion: i32,
    }
}

impl<'a> CreateTxn<'a> {
    /// Reads a create transaction that is all there is up to the end of `reader`. Releases before
    /// 3.4 wrote none of the last field; as `SerializeUtils.deserializeTxn`, a body that ends
    /// before it has `parent_cversion` -1.
    pub fn decode_any_version(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let first = CreateTxnV0::decode(reader)?;
        let parent_cversion = match i32::decode(reader) {
            Ok(value) => value,
            Err(DecodeError::Truncated) => -1,
            Err(error) => return Err(error),
        };
        let CreateTxnV0 {
            path,
            data,
            acl,
            ephemeral,
        } = first;
        Ok(Self {
            path,
            data,
            acl,
            ephemeral,
            parent_cversion,
        })
    }
}

record! {
    /// Type 1 as releases before 3.4 wrote it.
    pub struct CreateTxnV0<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        ephemeral: bool,
    }
}

record! {
    /// Type 21.
    pub struct CreateTtlTxn<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        parent_cversion: i32,
        /// Milliseconds, 1 to 0xFFFFFFFFFF.
        ttl: i64,
    }
}

record! {
    /// Type 19.
    pub struct CreateContainerTxn<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        parent_cversion: i32,
    }
}

record! {
    /// Types 2 (delete) and 20 (deleteContainer).
    pub struct DeleteTxn<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Types 5 (setData) and 16 (reconfig).
    pub struct SetDataTxn<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        /// The version that results.
        version: i32,
    }
}

record! {
    /// Type 13, only inside a multi.
    pub struct CheckVersionTxn<'a> {
        path: Ustring<'a>,
        version: i32,
    }
}

record! {
    /// Type 7.
    pub struct SetAclTxn<'a> {
        path: Ustring<'a>,
        acl: Vector<Acl<'a>>,
        /// The ACL version that results.
        version: i32,
    }
}

record! {
    /// Declared by Apache and used nowhere.
    pub struct SetMaxChildrenTxn<'a> {
        path: Ustring<'a>,
        max: i32,
    }
}

record! {
    /// Type -10.
    pub struct CreateSessionTxn {
        /// Milliseconds.
        time_out: i32,
    }
}

record! {
    /// Type -11, where the writer lists the ephemerals to delete.
    pub struct CloseSessionTxn<'a> {
        paths2_delete: Vector<Ustring<'a>>,
    }
}

record! {
    /// Type -1.
    pub struct ErrorTxn {
        err: i32,
    }
}

record! {
    /// One part of a multi: a type and the encoded body of that type.
    pub struct Txn<'a> {
        txn_type: i32,
        data: Buffer<'a>,
    }
}

record! {
    /// Type 14.
    pub struct MultiTxn<'a> {
        txns: Vector<Txn<'a>>,
    }
}
