//! A million small nodes: what they weigh in memory, and how long a server takes to start with them.
//!
//! In: a server without data. Out: resident memory and restart times, after checking that every node came back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    drive::{Fleet, Load},
    error::LoadError,
    server::Server,
    wire::{self, Reply},
    workload::create_all,
};

const ROOT: &str = "/bulk";
const NODES_PER_PARENT: usize = 1000;
const VALUE_BYTES: usize = 100;

/// What the nodes cost.
#[derive(Clone, Debug)]
pub(crate) struct Bulk {
    pub(crate) nodes: usize,
    pub(crate) cpu_micros_per_create: f64,
    pub(crate) resident_bytes_empty: u64,
    pub(crate) resident_bytes_loaded: u64,
    /// After the last restart, when nothing is left of the loading.
    pub(crate) resident_bytes_restarted: u64,
    pub(crate) restarts: Vec<Duration>,
}

/// Fills `server` with `nodes` nodes, measures it, and restarts it `restarts` times.
pub(crate) fn measure(
    server: &mut Server<'_>,
    nodes: usize,
    restarts: usize,
) -> Result<Bulk, LoadError> {
    let subject = server.subject();
    let resident_bytes_empty = subject.resident_bytes()?;
    let cpu_before = subject.cpu_time()?;
    fill(&subject.targets, nodes)?;
    let cpu = subject.cpu_time()?.saturating_sub(cpu_before);
    check(&subject.targets, nodes)?;
    let resident_bytes_loaded = subject.resident_bytes()?;
    let mut times = Vec::with_capacity(restarts);
    for _ in 0..restarts {
        times.push(server.restart()?);
        check(&server.subject().targets, nodes)?;
    }
    Ok(Bulk {
        nodes,
        cpu_micros_per_create: cpu.as_secs_f64() * 1e6 / nodes.max(1) as f64,
        resident_bytes_empty,
        resident_bytes_loaded,
        resident_bytes_restarted: server.subject().resident_bytes()?,
        restarts: times,
    })
}

/// Creates the nodes.
pub(crate) fn fill(targets: &[SocketAddr], nodes: usize) -> Result<(), LoadError> {
    create_all(targets, std::iter::once((ROOT.to_owned(), Vec::new())))?;
    let parents = 0..nodes.div_ceil(NODES_PER_PARENT);
    create_all(
        targets,
        parents.map(|parent| (parent_path(parent), Vec::new())),
    )?;
    create_all(
        targets,
        (0..nodes).map(|node| (node_path(node), vec![b'v'; VALUE_BYTES])),
    )
}

/// The number of nodes must be right, and a sample of them must hold their values.
fn check(targets: &[SocketAddr], nodes: usize) -> Result<(), LoadError> {
    let expected = nodes + nodes.div_ceil(NODES_PER_PARENT);
    let samples = (0..nodes).step_by(nodes.div_ceil(1000).max(1)).collect();
    let mut check = Check {
        expected,
        samples,
        counted: false,
        asked_count: false,
    };
    let mut fleet = Fleet::open(targets, 1, 1)?;
    fleet.run(&mut check)?;
    fleet.close()
}

struct Check {
    expected: usize,
    samples: Vec<usize>,
    asked_count: bool,
    counted: bool,
}

impl Load for Check {
    fn next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        if !self.asked_count {
            self.asked_count = true;
            wire::all_children_number(out, xid, ROOT);
            return true;
        }
        let sample = self.samples.pop();
        sample
            .map(|node| wire::get_data(out, xid, &node_path(node)))
            .is_some()
    }

    fn answered(&mut self, reply: &Reply<'_>, _: Instant, _: Instant) -> Result<(), LoadError> {
        if reply.error != 0 {
            return Err(LoadError::Refused {
                xid: reply.xid,
                error: reply.error,
            });
        }
        let (found, expected) = if self.counted {
            (reply.int()?, VALUE_BYTES)
        } else {
            (reply.int()?, self.expected)
        };
        self.counted = true;
        if usize::try_from(found) == Ok(expected) {
            Ok(())
        } else {
            Err(LoadError::Failed(format!(
                "{found} where {expected} was expected"
            )))
        }
    }
}

fn parent_path(parent: usize) -> String {
    format!("{ROOT}/p{parent:04}")
}

fn node_path(node: usize) -> String {
    format!("{}/n{node:07}", parent_path(node / NODES_PER_PARENT))
}
