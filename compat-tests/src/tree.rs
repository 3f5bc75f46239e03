//! All that a client can see on a server: every node with its data and its stat.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use crate::{
    calls::{CLOSE_SESSION, GET_CHILDREN, GET_DATA, SYNC, header, try_call},
    eventually::within,
    wire::{Body, Client, Reader},
};

const SESSION_TIMEOUT_MS: i32 = 10_000;
/// Requests sent before their replies are read: replies of this many nodes fit the sockets' buffers.
const PIPELINE_MAX: usize = 64;
/// Servers write it themselves when they start, at times of their own.
const CONFIG: &str = "/zookeeper/config";
const NO_NODE: i32 = -101;

pub type Tree = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub data: Vec<u8>,
    pub stat: Stat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}

impl Stat {
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            czxid: reader.long()?,
            mzxid: reader.long()?,
            ctime: reader.long()?,
            mtime: reader.long()?,
            version: reader.int()?,
            cversion: reader.int()?,
            aversion: reader.int()?,
            ephemeral_owner: reader.long()?,
            data_length: reader.int()?,
            num_children: reader.int()?,
            pzxid: reader.long()?,
        })
    }
}

/// Everything below and including `root`, after a sync. `/zookeeper/config` has data alone.
pub fn dump(address: SocketAddr, root: &str) -> Tree {
    try_dump(address, root).unwrap_or_else(|| panic!("{address} closes the connection"))
}

/// The same; `None` if the server closes the connection, as one does that was paused and finds out
/// that the others have gone on without it.
fn try_dump(address: SocketAddr, root: &str) -> Option<Tree> {
    let mut client = Client::try_open_session(address, SESSION_TIMEOUT_MS)?.0;
    let reply = try_call(&mut client, SYNC, &Body::new().string(root))?;
    assert_eq!(reply.error, 0, "sync: {reply:?}");
    let mut tree = Tree::new();
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let mut next = Vec::new();
        for paths in level.chunks(PIPELINE_MAX) {
            next.extend(visit(&mut client, paths, &mut tree)?);
        }
        level = next;
    }
    try_call(&mut client, CLOSE_SESSION, &Body::new())?;
    Some(tree)
}

/// Waits until all servers show the same tree, and gives it; panics with the differences.
pub fn await_same(addresses: &[SocketAddr], root: &str, patience: Duration) -> Tree {
    let mut differences = Vec::new();
    let same = within(patience, || {
        let dumps = addresses.iter().map(|address| try_dump(*address, root));
        let trees: Vec<Tree> = dumps.collect::<Option<_>>()?;
        differences = trees
            .windows(2)
            .flat_map(|pair| diff(&pair[0], &pair[1]))
            .collect();
        differences.is_empty().then(|| trees[0].clone())
    });
    same.unwrap_or_else(|| {
        let shown = &differences[..differences.len().min(20)];
        panic!(
            "the servers do not come to the same tree; {} differences at the last look: {shown:#?}",
            differences.len()
        )
    })
}

/// Reads nodes into `tree` and gives their children; `None` as above.
fn visit(client: &mut Client, paths: &[String], tree: &mut Tree) -> Option<Vec<String>> {
    for path in paths {
        let body = Body::new().string(path).boolean(false);
        client.request(1, GET_DATA, &body);
        client.request(2, GET_CHILDREN, &body);
    }
    let mut found = Vec::new();
    for path in paths {
        let data = client.frame_or_close("a node")?;
        let children = client.frame_or_close("its children")?;
        let (mut data, mut children) = (Reader::new(&data), Reader::new(&children));
        let errors = [header(&mut data).2, header(&mut children).2];
        // A node may go between two looks.
        if errors.contains(&NO_NODE) {
            continue;
        }
        assert_eq!(errors, [0, 0], "{path}");
        let node = node(path, &mut data).expect("data and a stat");
        tree.insert(path.clone(), node);
        let count = children.int().expect("a count");
        found.extend((0..count).map(|_| {
            let name = children.string().flatten().expect("a name");
            format!("{}/{name}", path.trim_end_matches('/'))
        }));
    }
    Some(found)
}

fn node(path: &str, reader: &mut Reader<'_>) -> Option<Node> {
    let data = reader.buffer()?.unwrap_or_default().to_vec();
    let stat = Stat::decode(reader)?;
    let stat = if path == CONFIG {
        Stat::default()
    } else {
        stat
    };
    Some(Node { data, stat })
}

fn diff(one: &Tree, other: &Tree) -> Vec<String> {
    let paths = one.keys().chain(other.keys());
    let mut differing: Vec<&String> = paths
        .filter(|path| one.get(*path) != other.get(*path))
        .collect();
    differing.dedup();
    differing
        .iter()
        .map(|path| format!("{path}: {:?} and {:?}", one.get(*path), other.get(*path)))
        .collect()
}
