//! Measures the tree alone: memory for a million nodes, and the time of applying, reading, writing
//! a snapshot and loading one. One thread, no sockets, no disk.

#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use clap::Parser;
use parking_lot::Mutex;

use gamekeeper::auth::{AuthOptions, Policy};
use gamekeeper::base::{Acl, AclList, ConnId, Identity, SessionId, WallMillis, Xid, Zxid, limits};
use gamekeeper::exec;
use gamekeeper::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use gamekeeper::proto::{EventType, NodeEvent, Op, Txn, TxnRecord};
use gamekeeper::tree::{Database, DatabaseLoader, SnapshotCursor, TreeOptions};
use gamekeeper::watch::{Registry, WatchMode, WatchTable};
use jute::{Buffer, Decode, Encode, Reader, Ustring};

#[derive(Parser)]
struct Arguments {
    /// How many nodes to make.
    #[arg(long, default_value_t = 1_000_000)]
    nodes: usize,
    /// Bytes of data of each.
    #[arg(long, default_value_t = 100)]
    data_bytes: usize,
    /// Children of each node that has some.
    #[arg(long, default_value_t = 1000)]
    fan_out: usize,
}

fn main() {
    let arguments = Arguments::parse();
    let mut database = Database::new(TreeOptions::default());
    let before = resident_bytes();
    let paths = paths(&arguments);
    let between = resident_bytes();
    let mut events = Vec::new();
    let mut spent_ns = 0;
    // The records are made in parts, so that they weigh little.
    for (part, paths) in paths.chunks(RECORDS_AT_ONCE).enumerate() {
        let records = creations(&arguments, part * RECORDS_AT_ONCE, paths);
        let start = cpu_ns();
        for record in &records {
            black_box(database.apply(record, &mut events));
            events.clear();
        }
        spent_ns += cpu_ns() - start;
    }
    report_memory(&arguments, resident_bytes() - between, before);
    println!("create: {} ns", spent_ns / paths.len());
    measure_set_data(&mut database, &arguments, &paths);
    measure_reads(&database, &paths);
    measure_watches(&paths);
    measure_snapshot(&database);
}

fn report_memory(arguments: &Arguments, grown: usize, before: usize) {
    let per_node = grown as f64 / arguments.nodes as f64;
    println!("resident before: {:.1} MB", before as f64 / 1e6);
    println!(
        "tree: {:.1} MB, {per_node:.1} bytes per node",
        grown as f64 / 1e6
    );
}

/// Paths in the order parents need: some nodes with `fan_out` children each.
fn paths(arguments: &Arguments) -> Vec<Box<str>> {
    let mut paths = Vec::with_capacity(arguments.nodes);
    while paths.len() < arguments.nodes {
        let parent = format!("/p{:06}", paths.len() / (arguments.fan_out + 1));
        paths.push(parent.as_str().into());
        for child in 0..arguments.fan_out.min(arguments.nodes - paths.len()) {
            paths.push(format!("{parent}/n{child:06}").into());
        }
    }
    paths
}

fn creations(arguments: &Arguments, made: usize, paths: &[Box<str>]) -> Vec<TxnRecord> {
    let data = Bytes::from(vec![7; arguments.data_bytes]);
    let acl = AclList::from([Acl::anyone(31)]);
    let creation = |(position, path)| {
        let create = CreateTxn {
            kind: CreateKind::Plain {
                op_is_create2: false,
                ephemeral: false,
            },
            path: Box::clone(path),
            data: Some(data.clone()),
            acl: Some(AclList::clone(&acl)),
            parent_cversion: -1,
        };
        record(made + position + 1, Txn::Create(create))
    };
    paths.iter().enumerate().map(creation).collect()
}

fn record(zxid: usize, txn: Txn) -> TxnRecord {
    let zxid = i64::try_from(zxid).expect("nodes are counted in millions");
    TxnRecord {
        session: SessionId(1),
        cxid: Xid(1),
        zxid: Zxid(zxid),
        time: WallMillis(1_700_000_000_000 + zxid),
        txn,
        digest: None,
    }
}

fn measure_set_data(database: &mut Database, arguments: &Arguments, paths: &[Box<str>]) {
    let data = Bytes::from(vec![8; arguments.data_bytes]);
    let records: Vec<_> = (paths.len() + 1..)
        .zip(scattered(paths))
        .map(|(zxid, path)| {
            let set = SetDataTxn {
                path: path.into(),
                data: Some(data.clone()),
                version: 1,
            };
            record(zxid, Txn::SetData(set))
        })
        .collect();
    let mut events = Vec::new();
    let ns = time_each(&records, |record| {
        black_box(database.apply(record, &mut events));
        events.clear();
    });
    println!("setData: {ns} ns");
}

fn measure_reads(database: &Database, paths: &[Box<str>]) {
    let policy = Policy::new(&AuthOptions::default()).expect("the defaults are good");
    let watches = Mutex::new(WatchTable::default());
    let reader = exec::Reader {
        db: database,
        watches: &watches,
        policy: &policy,
        ids: &[Identity::new("ip", "127.0.0.1")],
        conn: ConnId(1),
        session: SessionId(1),
    };
    let bodies: Vec<_> = scattered(paths)
        .map(|path| {
            let request = jute::proto::GetDataRequest {
                path: Some(path.into()),
                watch: false,
            };
            request.to_vec()
        })
        .collect();
    let mut out = BytesMut::with_capacity(1 << 16);
    for op in [Op::GetData, Op::Exists] {
        let ns = time_each(&bodies, |body| {
            exec::read(&reader, op, Xid(1), body, &mut out);
            black_box(&out);
            out.clear();
        });
        println!("{}: {ns} ns", op.wire_name());
    }
}

/// One connection that watches every path's data.
fn measure_watches(paths: &[Box<str>]) {
    let before = resident_bytes();
    let mut watches = WatchTable::default();
    for path in paths {
        let added = watches.add(path, ConnId(1), Registry::Data, WatchMode::Standard);
        added.expect("there are not that many");
    }
    let grown = resident_bytes().saturating_sub(before) as f64;
    println!("watch: {:.1} bytes", grown / paths.len() as f64);
    let events: Vec<_> = scattered(paths)
        .map(|path| NodeEvent {
            event_type: EventType::NodeDataChanged,
            path: path.into(),
            acl: None,
        })
        .collect();
    let mut selected = Vec::new();
    let start = cpu_ns();
    for event in &events {
        watches.trigger(event, &mut selected);
    }
    let ns = (cpu_ns() - start) / events.len();
    assert_eq!(selected.len(), events.len());
    println!("trigger: {ns} ns");
}

fn measure_snapshot(database: &Database) {
    let start = cpu_ns();
    let mut cursor = SnapshotCursor::new(database);
    let mut bytes = Vec::new();
    let mut slice = Vec::new();
    let mut longest_ns = 0;
    loop {
        let start = cpu_ns();
        let has_more = cursor.next_slice(database, limits::SNAPSHOT_SLICE_BYTES, &mut slice);
        longest_ns = longest_ns.max(cpu_ns() - start);
        bytes.append(&mut slice);
        if !has_more {
            break;
        }
    }
    println!(
        "snapshot: {:.1} MB in {:.3} s, longest slice {:.2} ms",
        bytes.len() as f64 / 1e6,
        (cpu_ns() - start) as f64 / 1e9,
        longest_ns as f64 / 1e6
    );
    let start = cpu_ns();
    let loaded = load(&bytes).expect("what was just written can be read");
    println!("load: {:.3} s", (cpu_ns() - start) as f64 / 1e9);
    assert_eq!(loaded.tree.digest(), database.tree.digest());
}

fn load(bytes: &[u8]) -> Result<Database, Box<dyn std::error::Error>> {
    let mut reader = Reader::new(bytes);
    let mut loader = DatabaseLoader::new(TreeOptions::default());
    for _ in 0..i32::decode(&mut reader)? {
        let id = SessionId(i64::decode(&mut reader)?);
        loader.session(id, i32::decode(&mut reader)?);
    }
    for _ in 0..i32::decode(&mut reader)? {
        let id = i64::decode(&mut reader)?;
        let list = jute::Vector::<jute::data::Acl<'_>>::decode(&mut reader)?;
        let list = list.unwrap_or_default();
        loader.acl(id, list.iter().map(Acl::from_record).collect());
    }
    loop {
        let path = Ustring::decode(&mut reader)?.unwrap_or_default();
        if path == "/" {
            return Ok(loader.finish(Zxid(1))?.database);
        }
        let data = Buffer::decode(&mut reader)?;
        let acl = i64::decode(&mut reader)?;
        let stat = jute::data::StatPersisted::decode(&mut reader)?;
        loader.node(&path, data, acl, &stat)?;
    }
}

/// A hundred thousand paths, or all, far from each other in memory.
fn scattered(paths: &[Box<str>]) -> impl Iterator<Item = &str> {
    let count = paths.len().min(100_000);
    let step = 7919;
    (0..count).filter_map(move |turn| paths.get(turn * step % paths.len()).map(|path| &**path))
}

/// Average nanoseconds of this thread's CPU time for each, of the best of a few rounds.
fn time_each<T>(items: &[T], mut each: impl FnMut(&T)) -> usize {
    let mut best = usize::MAX;
    for _ in 0..ROUNDS {
        let start = cpu_ns();
        for item in items {
            each(item);
        }
        best = best.min((cpu_ns() - start) / items.len());
    }
    best
}

const ROUNDS: usize = 3;
const RECORDS_AT_ONCE: usize = 10_000;

/// First field of `schedstat`: how long this thread has run, whatever else the machine does.
fn cpu_ns() -> usize {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    ns.unwrap_or_default()
}

/// Second field of `statm`, in pages of 4 KiB; 0 where there is no such file.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_usize) * 4096
}
