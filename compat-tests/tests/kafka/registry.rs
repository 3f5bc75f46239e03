//! What Kafka keeps in ZooKeeper, as a client of ours finds it there.

use std::{collections::BTreeMap, net::SocketAddr};

use compat_tests::tree::{self, Node, Tree};

/// Who is there and who is in charge. The transaction that made a broker's node is what Kafka knows one life
/// of the broker by; a broker that loses its session has another one afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registry {
    /// The broker's number, and the transaction that made its node.
    pub(crate) brokers: BTreeMap<u16, i64>,
    /// The same of the one broker that is the controller.
    pub(crate) controller: Option<(u16, i64)>,
    /// How many controllers there have been.
    pub(crate) controller_epoch: u64,
}

impl Registry {
    pub(crate) fn read(address: SocketAddr) -> Self {
        Self::of(&tree::dump(address, "/"))
    }

    fn of(tree: &Tree) -> Self {
        let brokers = below(tree, "/brokers/ids/").map(|(id, node)| {
            assert_ne!(node.stat.ephemeral_owner, 0, "broker {id} is ephemeral");
            (id.parse().expect("a broker's number"), node.stat.czxid)
        });
        let controller = tree.get("/controller").map(|node| {
            let id = numbers(node, "brokerid").first().copied();
            let id = id.expect("the controller's number");
            (u16::try_from(id).expect("a broker"), node.stat.czxid)
        });
        let epoch = tree.get("/controller_epoch");
        let epoch = epoch.map_or(0, |node| text(node).parse().expect("an epoch"));
        Self {
            brokers: brokers.collect(),
            controller,
            controller_epoch: epoch,
        }
    }

    /// The number of the controller; panics if there is none.
    pub(crate) fn controller(&self) -> u16 {
        self.controller.expect("there is a controller").0
    }
}

/// Who leads each partition of a topic, and which of its replicas have all it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) leader: Option<u16>,
    pub(crate) in_sync: usize,
}

/// All partitions of all topics, by their paths.
pub(crate) fn partitions(address: SocketAddr) -> BTreeMap<String, Partition> {
    let tree = tree::dump(address, "/brokers/topics");
    let states = tree.iter().filter_map(|(path, node)| {
        let path = path.strip_prefix("/brokers/topics/")?;
        let partition = Partition {
            // Kafka writes -1 for "nobody".
            leader: numbers(node, "leader")
                .first()
                .and_then(|id| u16::try_from(*id).ok()),
            in_sync: numbers(node, "isr").len(),
        };
        let path = path.strip_suffix("/state")?;
        Some((path.replace("/partitions/", "-"), partition))
    });
    states.collect()
}

/// The nodes whose paths begin so, without that.
fn below<'a>(tree: &'a Tree, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
    tree.iter()
        .filter_map(move |(path, node)| Some((path.strip_prefix(prefix)?, node)))
}

fn text(node: &Node) -> &str {
    std::str::from_utf8(&node.data).expect("text")
}

/// The number or the list of numbers that a JSON object has under a key.
fn numbers(node: &Node, key: &str) -> Vec<i64> {
    let json = text(node);
    let Some((_, value)) = json.split_once(&format!("\"{key}\":")) else {
        return Vec::new();
    };
    let value = value.trim_start_matches('[');
    let end = value.find([']', '}', '"']).unwrap_or(value.len());
    value[..end]
        .split(',')
        .map_while(|number| number.trim().parse().ok())
        .collect()
}
