//! Tests of the whole of `store` over the simulated disk and over files written by Apache.

mod apache;
mod crash;
mod epoch;
mod foreign;
mod log;
mod member_files;
mod range;
mod recovery;
mod stream;
mod truncation;
mod worker;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Acl, AclList, Identity, Monotonic, SessionId, WallMillis, Xid, Zxid, limits};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{SubTxn, Txn, TxnRecord};
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;
use crate::store::log_writer::{LogOptions, LogWriter};
use crate::store::recover::StorageOptions;
use crate::store::sim_disk::SimDisk;
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail};
use crate::tree::{Database, Owner, SnapshotCursor};

fn storage() -> StorageOptions {
    StorageOptions::new(Path::new("/data"), Path::new("/data"))
}

fn dirs() -> DataDirs {
    storage().dirs
}

fn sim_disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    dirs().prepare(&disk, true).unwrap();
    disk
}

fn options(preallocation_bytes: u64) -> LogOptions {
    LogOptions {
        preallocation_bytes,
        ..LogOptions::default()
    }
}

fn writer(disk: &SimDisk, options: LogOptions, last: Zxid) -> LogWriter {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogWriter::new(disk, dirs().logs, options, last, Box::new(|| Monotonic(0)))
}

/// A state that does not change while its snapshot is written.
struct Still<'d> {
    database: &'d Database,
    cursor: SnapshotCursor,
}

impl<'d> Still<'d> {
    fn new(database: &'d Database) -> Self {
        Self {
            database,
            cursor: SnapshotCursor::new(database),
        }
    }
}

impl SnapshotSource for Still<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        let bytes_max = limits::SNAPSHOT_SLICE_BYTES;
        self.cursor.next_slice(self.database, bytes_max, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        let zxid = self.database.last_zxid();
        SnapshotTail {
            digest: Some((zxid, self.database.tree.digest())),
            last_processed: Some(zxid),
        }
    }
}

/// The state in the words of `MakeFixture.java`.
fn describe(database: &Database) -> String {
    let mut text = String::new();
    writeln!(text, "zxid {:x}", database.last_zxid().0).unwrap();
    writeln!(text, "digest {:x}", database.tree.digest()).unwrap();
    for (session, timeout_ms) in &database.sessions {
        writeln!(text, "session {:x} {timeout_ms}", session.0).unwrap();
    }
    describe_node(database, "/", &mut text);
    text
}

fn describe_node(database: &Database, path: &str, text: &mut String) {
    let node = database.tree.node(path).unwrap();
    let hex = |data: &[u8]| {
        data.iter().fold("=".to_owned(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    let data = node.data().map_or_else(|| "null".to_owned(), hex);
    let stat = node.persisted();
    write!(
        text,
        "node {path} {data} {:x} {:x} {} {} {} {} {} {:x} {:x}",
        stat.czxid,
        stat.mzxid,
        stat.ctime,
        stat.mtime,
        stat.version,
        stat.cversion,
        stat.aversion,
        stat.ephemeral_owner,
        stat.pzxid
    )
    .unwrap();
    let open = [Acl::anyone(31)];
    for entry in node.acl().map_or(&open[..], |list| &list[..]) {
        write!(text, " {}:{}:{}", entry.perms, entry.id.scheme, entry.id.id).unwrap();
    }
    text.push('\n');
    let mut children: Vec<String> = node.children().map(|name| name.to_string()).collect();
    children.sort();
    let parent = path.trim_end_matches('/');
    for name in children {
        describe_node(database, &format!("{parent}/{name}"), text);
    }
}

/// Numbers that look random and are the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// One of few, so that they meet again.
    fn path(&mut self) -> Box<str> {
        let mut path = format!("/n{}", self.below(6));
        for _ in 0..self.below(3) {
            write!(path, "/n{}", self.below(4)).unwrap();
        }
        path.into()
    }

    fn data(&mut self) -> Option<bytes::Bytes> {
        let len = [0, 3, 40, 700][usize::try_from(self.below(4)).unwrap()];
        let byte = u8::try_from(self.below(4)).unwrap();
        (self.below(8) != 0).then(|| vec![byte; len].into())
    }

    fn acl(&mut self) -> AclList {
        let entry = |perms, id: &str| Acl {
            perms,
            id: Identity::new("digest", id),
        };
        match self.below(4) {
            0 => [entry(31, "one:x")].into(),
            1 => [entry(1, "one:x"), entry(31, "two:y")].into(),
            _ => [Acl::anyone(31)].into(),
        }
    }

    fn create(&mut self) -> CreateTxn {
        let kind = match self.below(8) {
            0 => CreateKind::Container,
            1 => CreateKind::Ttl { ttl_ms: 5000 },
            other => CreateKind::Plain {
                op_is_create2: other > 4,
                ephemeral: other == 2,
            },
        };
        CreateTxn {
            kind,
            path: self.path(),
            data: self.data(),
            acl: Some(self.acl()),
            parent_cversion: -1,
        }
    }

    fn set_data(&mut self) -> SetDataTxn {
        SetDataTxn {
            path: self.path(),
            data: self.data(),
            version: 7,
        }
    }

    fn txn(&mut self) -> Txn {
        match self.below(16) {
            0..=6 => Txn::Create(self.create()),
            7..=8 => Txn::Delete { path: self.path() },
            9..=10 => Txn::SetData(self.set_data()),
            11 => Txn::SetAcl {
                path: self.path(),
                acl: Some(self.acl()),
                version: 3,
            },
            12 => Txn::CreateSession { timeout_ms: 4000 },
            13 => Txn::CloseSession { paths: None },
            14 => Txn::Error { code: -101 },
            _ => Txn::Multi(vec![
                SubTxn::Create(self.create()),
                SubTxn::SetData(self.set_data()),
                SubTxn::Delete { path: self.path() },
            ]),
        }
    }

    /// The next transaction of `database`, applied to it, and its bytes.
    ///
    /// It is what a real author makes: what cannot be done is an error, creations say what the
    /// parent's counter becomes, and the end of a session which nodes go. Replay over a state that
    /// mixes moments needs all three.
    fn apply_next(&mut self, database: &mut Database) -> (Zxid, Vec<u8>) {
        let session = SessionId(i64::try_from(self.below(3)).unwrap() + 1);
        let mut record = TxnRecord {
            session,
            cxid: Xid(1),
            zxid: database.last_zxid().next(),
            time: WallMillis(1_700_000_000_000 + i64::try_from(self.below(1000)).unwrap()),
            txn: mended(self.txn(), session, database),
            digest: None,
        };
        database.apply(&record, &mut Vec::new());
        record.digest = Some(database.tree.digest());
        let mut payload = Vec::new();
        record.encode(&mut payload);
        (record.zxid, payload)
    }
}

fn mended(mut txn: Txn, session: SessionId, database: &Database) -> Txn {
    if let Txn::Create(create) = &mut txn
        && mend_create(create, database)
    {
        return txn;
    }
    match txn {
        Txn::CloseSession { .. } => Txn::CloseSession {
            paths: Some(database.tree.ephemerals_of(session).collect()),
        },
        Txn::Delete { path } if is_leaf(database, &path) => Txn::Delete { path },
        Txn::SetData(set) if is_there(database, &set.path) => Txn::SetData(set),
        Txn::SetAcl { ref path, .. } if is_there(database, path) => txn,
        Txn::Multi(parts) => Txn::Multi(mended_parts(parts, database)),
        Txn::CreateSession { .. } => txn,
        _ => Txn::Error { code: -101 },
    }
}

/// A creation, a change and a deletion, which all can be done and do not touch each other, or a
/// failure.
fn mended_parts(mut parts: Vec<SubTxn>, database: &Database) -> Vec<SubTxn> {
    let can_be_done = match &mut parts[..] {
        [
            SubTxn::Create(create),
            SubTxn::SetData(set),
            SubTxn::Delete { path },
        ] => {
            mend_create(create, database)
                && is_there(database, &set.path)
                && is_leaf(database, path)
                && set.path != *path
                && !create.path.starts_with(&**path)
        }
        _ => false,
    };
    if !can_be_done {
        parts[1] = SubTxn::error(-101);
        parts[2] = SubTxn::error(-2);
    }
    parts
}

fn mend_create(create: &mut CreateTxn, database: &Database) -> bool {
    let parent = crate::base::path::parent(&create.path).unwrap();
    let Some(parent) = database.tree.node(parent) else {
        return false;
    };
    create.parent_cversion = parent.persisted().cversion + 1;
    !matches!(parent.owner(), Owner::Ephemeral(_)) && !is_there(database, &create.path)
}

fn is_there(database: &Database, path: &str) -> bool {
    database.tree.node(path).is_some()
}

fn is_leaf(database: &Database, path: &str) -> bool {
    let node = database.tree.node(path);
    node.is_some_and(|node| node.child_count() == 0)
}
