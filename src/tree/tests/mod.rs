//! The tree and the state around it, from outside.

use bytes::Bytes;

use crate::base::{Acl, AclList, SessionId, WallMillis, Xid, Zxid};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{SubTxn, Txn, TxnRecord};
use crate::tree::{Database, DatabaseLoader, SnapshotCursor, TreeOptions};

mod basics;
mod model;
mod replay;

const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

pub(super) fn open() -> Option<AclList> {
    Some(AclList::from([Acl::anyone(31)]))
}

pub(super) fn create_txn(path: &str, data: &[u8]) -> CreateTxn {
    CreateTxn {
        kind: CreateKind::Plain {
            op_is_create2: false,
            ephemeral: false,
        },
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data)),
        acl: open(),
        parent_cversion: -1,
    }
}

pub(super) fn create(path: &str, data: &[u8]) -> Txn {
    Txn::Create(create_txn(path, data))
}

pub(super) fn ephemeral(path: &str) -> Txn {
    Txn::Create(CreateTxn {
        kind: CreateKind::Plain {
            op_is_create2: true,
            ephemeral: true,
        },
        ..create_txn(path, b"")
    })
}

pub(super) fn delete(path: &str) -> Txn {
    Txn::Delete { path: path.into() }
}

pub(super) fn set(path: &str, data: &[u8], version: i32) -> Txn {
    Txn::SetData(SetDataTxn {
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data)),
        version,
    })
}

pub(super) fn record(zxid: i64, txn: Txn) -> TxnRecord {
    TxnRecord {
        session: SESSION,
        cxid: Xid(0),
        zxid: Zxid(zxid),
        time: WallMillis(1000 + zxid),
        txn,
        digest: None,
    }
}

/// Applies transactions one after the other, from zxid 1 on.
pub(super) fn apply_all(txns: impl IntoIterator<Item = Txn>) -> Database {
    let mut database = Database::new(TreeOptions::default());
    for (zxid, txn) in (1..).zip(txns) {
        database.apply(&record(zxid, txn), &mut Vec::new());
    }
    database
}

/// The whole state as snapshot bytes, written in slices of `bytes_max`.
pub(super) fn snapshot(database: &Database, bytes_max: usize) -> Vec<u8> {
    let mut cursor = SnapshotCursor::new(database);
    let mut out = Vec::new();
    while cursor.next_slice(database, bytes_max, &mut out) {}
    out
}

/// The state in snapshot bytes, as if it were named `last_zxid`.
pub(super) fn load(bytes: &[u8], last_zxid: Zxid) -> crate::tree::Loaded {
    use jute::{Buffer, Decode, Reader, Ustring, Vector};

    let mut reader = Reader::new(bytes);
    let mut loader = DatabaseLoader::new(TreeOptions::default());
    for _ in 0..i32::decode(&mut reader).unwrap() {
        let id = SessionId(i64::decode(&mut reader).unwrap());
        loader.session(id, i32::decode(&mut reader).unwrap());
    }
    for _ in 0..i32::decode(&mut reader).unwrap() {
        let id = i64::decode(&mut reader).unwrap();
        let list = Vector::<jute::data::Acl<'_>>::decode(&mut reader).unwrap();
        loader.acl(id, list.unwrap().iter().map(Acl::from_record).collect());
    }
    loop {
        let path = Ustring::decode(&mut reader).unwrap().unwrap();
        if path == "/" {
            break;
        }
        let data = Buffer::decode(&mut reader).unwrap();
        let acl = i64::decode(&mut reader).unwrap();
        let stat = jute::data::StatPersisted::decode(&mut reader).unwrap();
        loader.node(&path, data, acl, &stat).unwrap();
    }
    assert_eq!(reader.remaining(), 0);
    loader.finish(last_zxid).unwrap()
}

/// A part of a multi that creates.
pub(super) fn sub_create(path: &str) -> SubTxn {
    SubTxn::Create(create_txn(path, b"sub"))
}
