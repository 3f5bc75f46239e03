//! The workloads of the budget table: how many connections, how deep, which requests.
//!
//! In: a server's address and process. Out: one `Sample`. Every workload reads and writes the same thousand nodes of
//! 1 KiB, picked by a generator with a fixed seed; sequential creates go below a parent of their own that is removed
//! after the measurement, so that each round meets the same tree.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    drive::{Fleet, Load},
    error::LoadError,
    process,
    stats::Histogram,
    wire::{self, Reply},
};

/// `KeeperException.Code.NODEEXISTS`, which setting up the nodes a second time meets.
const NODE_EXISTS: i32 = -110;
const ROOT: &str = "/load";
const NODES: usize = 1000;
const VALUE_BYTES: usize = 1024;
/// Depth and connections used around the measurements, where nothing is timed.
const SETUP_CONNS: usize = 4;
const SETUP_DEPTH: usize = 64;

/// The name gives connections x requests in flight on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    Get16x16,
    Get64x1,
    Set16x16,
    Set16x1,
    Create16x16,
    Mixed16x16,
}

impl Workload {
    /// As the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Get16x16 => "getData, 16 connections, 16 deep",
            Self::Get64x1 => "getData, 64 connections, 1 deep",
            Self::Set16x16 => "setData, 16 connections, 16 deep, fsync on",
            Self::Set16x1 => "setData, 16 connections, 1 deep, fsync on",
            Self::Create16x16 => "sequential create, 16 connections, 16 deep",
            Self::Mixed16x16 => "90 % getData, 10 % setData, 16 connections, 16 deep",
        }
    }

    /// Server processor time per request the design allows, in microseconds: of a standalone server, or summed over
    /// the three of an ensemble.
    pub(crate) fn budget_micros(self, ensemble: usize) -> Option<f64> {
        match (ensemble, self) {
            (1, Self::Get16x16) => Some(2.0),
            (1, Self::Get64x1) => Some(9.0),
            (1, Self::Set16x16) => Some(4.0),
            (3, Self::Set16x16) => Some(12.0),
            (3, Self::Create16x16) => Some(16.0),
            _ => None,
        }
    }

    fn conns(self) -> usize {
        if self == Self::Get64x1 { 64 } else { 16 }
    }

    fn depth(self) -> usize {
        if matches!(self, Self::Get64x1 | Self::Set16x1) {
            1
        } else {
            16
        }
    }
}

/// The server under measurement, or the members of an ensemble, whose costs are summed.
pub(crate) struct Subject {
    pub(crate) targets: Vec<SocketAddr>,
    pub(crate) pids: Vec<u32>,
}

impl Subject {
    pub(crate) fn cpu_time(&self) -> Result<Duration, LoadError> {
        self.pids.iter().map(|&pid| process::cpu_time(pid)).sum()
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64, LoadError> {
        self.pids
            .iter()
            .map(|&pid| process::resident_bytes(pid))
            .sum()
    }
}

/// How long to load before measuring, and how long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) cpu_micros_per_request: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) resident_bytes: u64,
    /// The generator's own processor time, to tell whether it was the bottleneck.
    pub(crate) load_cpu_micros_per_request: f64,
}

/// Creates the nodes that the workloads read and write; those already there stay.
pub(crate) fn set_up(targets: &[SocketAddr]) -> Result<(), LoadError> {
    let value = value();
    let root = std::iter::once((ROOT.to_owned(), Vec::new()));
    create_all(targets, root)?;
    create_all(
        targets,
        (0..NODES).map(|node| (node_path(node), value.clone())),
    )
}

/// Loads the server with one workload and measures it.
pub(crate) fn measure(
    subject: &Subject,
    workload: Workload,
    timing: Timing,
) -> Result<Sample, LoadError> {
    let sequence_parent = format!("{ROOT}/sequence-{}", std::process::id());
    if workload == Workload::Create16x16 {
        create_all(
            &subject.targets,
            std::iter::once((sequence_parent.clone(), Vec::new())),
        )?;
    }
    let mut fleet = Fleet::open(&subject.targets, workload.conns(), workload.depth())?;
    let mut requests = Requests::new(workload, format!("{sequence_parent}/n-"));
    let mut window = Window::new(subject, timing, &mut requests);
    fleet.run(&mut window)?;
    let sample = window.into_sample()?;
    fleet.close()?;
    if workload == Workload::Create16x16 {
        let children = (0..requests.made).map(|number| format!("{sequence_parent}/n-{number:010}"));
        delete_all(&subject.targets, children)?;
        delete_all(&subject.targets, std::iter::once(sequence_parent))?;
    }
    Ok(sample)
}

/// Creates all of `nodes` (path and value), many at a time; nodes that exist already stay as they are.
pub(crate) fn create_all(
    targets: &[SocketAddr],
    nodes: impl Iterator<Item = (String, Vec<u8>)>,
) -> Result<(), LoadError> {
    let mut batch = Batch {
        items: nodes,
        tolerated: NODE_EXISTS,
        write: |xid, (path, value): (String, Vec<u8>), out: &mut Vec<u8>| {
            wire::create(out, xid, &path, &value, false);
        },
    };
    run_batch(targets, &mut batch)
}

fn delete_all(
    targets: &[SocketAddr],
    paths: impl Iterator<Item = String>,
) -> Result<(), LoadError> {
    let mut batch = Batch {
        items: paths,
        tolerated: 0,
        write: |xid, path: String, out: &mut Vec<u8>| wire::delete(out, xid, &path),
    };
    run_batch(targets, &mut batch)
}

fn run_batch(targets: &[SocketAddr], batch: &mut impl Load) -> Result<(), LoadError> {
    let mut fleet = Fleet::open(targets, SETUP_CONNS, SETUP_DEPTH)?;
    fleet.run(batch)?;
    fleet.close()
}

/// A finite number of requests of one kind.
struct Batch<Items, Write> {
    items: Items,
    /// The error code that counts as done.
    tolerated: i32,
    write: Write,
}

impl<Item, Items, Write> Load for Batch<Items, Write>
where
    Items: Iterator<Item = Item>,
    Write: FnMut(i32, Item, &mut Vec<u8>),
{
    fn next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        let item = self.items.next();
        item.map(|item| (self.write)(xid, item, out)).is_some()
    }

    fn answered(&mut self, reply: &Reply<'_>, _: Instant, _: Instant) -> Result<(), LoadError> {
        if reply.error == self.tolerated {
            Ok(())
        } else {
            succeeded(reply)
        }
    }
}

fn succeeded(reply: &Reply<'_>) -> Result<(), LoadError> {
    match reply.error {
        0 => Ok(()),
        error => Err(LoadError::Refused {
            xid: reply.xid,
            error,
        }),
    }
}

/// The endless stream of one workload's requests.
struct Requests {
    workload: Workload,
    paths: Vec<String>,
    value: Vec<u8>,
    sequence_prefix: String,
    random: u64,
    made: u64,
}

impl Requests {
    fn new(workload: Workload, sequence_prefix: String) -> Self {
        Self {
            workload,
            paths: (0..NODES).map(node_path).collect(),
            value: value(),
            sequence_prefix,
            random: 0x9E37_79B9_7F4A_7C15,
            made: 0,
        }
    }

    fn write_next(&mut self, xid: i32, out: &mut Vec<u8>) {
        let random = self.next_random();
        self.made += 1;
        let is_write = match self.workload {
            Workload::Get16x16 | Workload::Get64x1 => false,
            Workload::Set16x16 | Workload::Set16x1 => true,
            Workload::Mixed16x16 => random.is_multiple_of(10),
            Workload::Create16x16 => {
                wire::create(out, xid, &self.sequence_prefix, &self.value, true);
                return;
            }
        };
        let index = usize::try_from(random >> 32).unwrap_or_default() % NODES;
        let Some(path) = self.paths.get(index) else {
            return;
        };
        if is_write {
            wire::set_data(out, xid, path, &self.value);
        } else {
            wire::get_data(out, xid, path);
        }
    }

    /// xorshift64.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Runs a workload's requests through warm-up and measurement: what is answered during the latter is counted.
struct Window<'a> {
    subject: &'a Subject,
    requests: &'a mut Requests,
    timing: Timing,
    phase: Phase,
    latencies: Histogram,
}

enum Phase {
    /// Since the first request; counting begins at the first answer past the warm-up.
    WarmUp {
        since: Instant,
    },
    Measure {
        start: Reading,
    },
    Done {
        start: Reading,
        end: Reading,
    },
}

/// The clocks at one moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    server_cpu: Duration,
    load_cpu: Duration,
}

impl<'a> Window<'a> {
    fn new(subject: &'a Subject, timing: Timing, requests: &'a mut Requests) -> Self {
        let phase = Phase::WarmUp {
            since: Instant::now(),
        };
        Self {
            subject,
            requests,
            timing,
            phase,
            latencies: Histogram::new(),
        }
    }

    fn read_clocks(&self, at: Instant) -> Result<Reading, LoadError> {
        let load_cpu = process::cpu_time(std::process::id())?;
        Ok(Reading {
            at,
            server_cpu: self.subject.cpu_time()?,
            load_cpu,
        })
    }

    fn into_sample(self) -> Result<Sample, LoadError> {
        let Phase::Done { start, end } = self.phase else {
            return Err(LoadError::Failed("the measurement ended early".to_owned()));
        };
        let requests = self.latencies.total();
        let micros_each = |time: Duration| time.as_secs_f64() * 1e6 / requests.max(1) as f64;
        Ok(Sample {
            requests,
            cpu_micros_per_request: micros_each(end.server_cpu.saturating_sub(start.server_cpu)),
            requests_per_second: requests as f64 / (end.at - start.at).as_secs_f64(),
            p50: self.latencies.percentile(50),
            p99: self.latencies.percentile(99),
            resident_bytes: self.subject.resident_bytes()?,
            load_cpu_micros_per_request: micros_each(end.load_cpu.saturating_sub(start.load_cpu)),
        })
    }
}

impl Load for Window<'_> {
    fn next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        if matches!(self.phase, Phase::Done { .. }) {
            return false;
        }
        self.requests.write_next(xid, out);
        true
    }

    fn answered(
        &mut self,
        reply: &Reply<'_>,
        sent_at: Instant,
        now: Instant,
    ) -> Result<(), LoadError> {
        succeeded(reply)?;
        match self.phase {
            Phase::WarmUp { since } => {
                if now - since >= self.timing.warm_up {
                    self.phase = Phase::Measure {
                        start: self.read_clocks(now)?,
                    };
                }
            }
            Phase::Measure { start } => {
                self.latencies.record(now - sent_at);
                if now - start.at >= self.timing.measure {
                    self.phase = Phase::Done {
                        start,
                        end: self.read_clocks(now)?,
                    };
                }
            }
            Phase::Done { .. } => {}
        }
        Ok(())
    }
}

fn node_path(node: usize) -> String {
    format!("{ROOT}/n{node:04}")
}

fn value() -> Vec<u8> {
    (0..VALUE_BYTES)
        .map(|index| b'a' + u8::try_from(index % 26).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_one_write_in_ten() {
        let mut requests = Requests::new(Workload::Mixed16x16, String::new());
        let mut out = Vec::new();
        let mut writes = 0;
        for xid in 0..10_000 {
            out.clear();
            requests.write_next(xid, &mut out);
            writes += u32::from(out.len() > VALUE_BYTES);
        }
        assert!((900..1100).contains(&writes), "{writes} writes of 10000");
    }

    #[test]
    fn a_window_counts_between_warm_up_and_end() {
        let mut requests = Requests::new(Workload::Get16x16, String::new());
        let second = Duration::from_secs(1);
        let timing = Timing {
            warm_up: second,
            measure: second,
        };
        let subject = Subject {
            targets: Vec::new(),
            pids: vec![std::process::id()],
        };
        let mut window = Window::new(&subject, timing, &mut requests);
        let Phase::WarmUp { since } = window.phase else {
            panic!("not warming up")
        };
        let reply = Reply {
            xid: 1,
            error: 0,
            body: &[],
        };
        for half_seconds in 0..8 {
            let now = since + second / 2 * half_seconds;
            window.answered(&reply, now - second / 4, now).unwrap();
        }
        assert!(!window.next(1, &mut Vec::new()));
        let sample = window.into_sample().unwrap();
        assert_eq!(sample.requests, 2);
        assert_eq!(sample.requests_per_second, 2.0);
        assert!(sample.p50 >= second / 4 && sample.p50 < second / 3);
    }

    #[test]
    fn an_error_reply_ends_the_run() {
        let reply = Reply {
            xid: 3,
            error: -101,
            body: &[],
        };
        assert!(matches!(
            succeeded(&reply),
            Err(LoadError::Refused {
                xid: 3,
                error: -101
            })
        ));
    }
}
