//! Whole lives of a server over a disk that loses power at every step: what was acknowledged is
//! always there, what is there is always a prefix of what was written; and files with flipped
//! bits, which may cost a start but never an acknowledged record in silence.

use std::collections::BTreeMap;

use crate::base::Zxid;
use crate::store::layout::Compression;
use crate::store::log_writer::{LogOptions, LogWriter};
use crate::store::purge::purge;
use crate::store::recover::{Recovered, recover};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::snapshot_writer::write_snapshot;
use crate::store::tests::{Random, Still, describe, dirs, options, sim_disk, storage, writer};
use crate::tree::{Database, TreeOptions};

const TREE: TreeOptions = TreeOptions {
    extended_types: true,
    emulate_353_ttl: false,
    digest_enabled: true,
};

/// What a server has done so far, across its lives.
struct Server {
    disk: SimDisk,
    random: Random,
    /// The state after each transaction, as far as it may still be on disk.
    states: BTreeMap<Zxid, String>,
    /// What a client may have been told of.
    acknowledged: Zxid,
    log_options: LogOptions,
}

impl Server {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let steps = [0, 512, 4096, 65_536];
        let file_bytes_max = [None, Some(2000)];
        Self {
            disk: sim_disk(seed),
            log_options: LogOptions {
                file_bytes_max: file_bytes_max[usize::try_from(random.below(2)).unwrap()],
                ..options(steps[usize::try_from(random.below(4)).unwrap()])
            },
            random,
            states: BTreeMap::new(),
            acknowledged: Zxid::ZERO,
        }
    }

    /// Starts, which may take several power losses, and checks what is there.
    fn start(&mut self, context: &str) -> Database {
        for _ in 0..self.random.below(3) {
            let call = self.random.below(6);
            self.disk.inject(Fault::PowerLossAt(call));
            let _ = recover(&self.disk, &storage(), TREE);
            self.disk.crash();
        }
        let recovered = recover(&self.disk, &storage(), TREE);
        let Recovered { database, .. } = recovered.unwrap_or_else(|error| {
            panic!("{context}: {error}");
        });
        let last = database.last_zxid();
        assert!(
            last >= self.acknowledged,
            "{context}: {last} lost acknowledged records"
        );
        self.states.retain(|zxid, _| *zxid <= last);
        let state = describe(&database);
        if last == Zxid::ZERO {
            self.states.insert(last, state);
        } else {
            assert_eq!(
                Some(&state),
                self.states.get(&last),
                "{context}: not a prefix"
            );
        }
        database
    }

    /// Works until something fails.
    fn work(&mut self, mut database: Database) {
        let mut log = writer(&self.disk, self.log_options, database.last_zxid());
        loop {
            for _ in 0..self.random.below(5) {
                let (zxid, payload) = self.random.apply_next(&mut database);
                self.states.insert(zxid, describe(&database));
                if log.append(zxid, &payload).is_err() {
                    return;
                }
                if self.random.below(20) == 0 {
                    log.roll();
                }
            }
            match log.sync() {
                Ok(durable) => self.acknowledged = durable,
                Err(_) => return,
            }
            if self.random.below(8) == 0 && !self.take_snapshot(&database) {
                return;
            }
            if self.random.below(12) == 0 && purge(&self.disk, &dirs(), 3).is_err() {
                return;
            }
        }
    }

    fn take_snapshot(&mut self, database: &Database) -> bool {
        let compression = match self.random.below(4) {
            0 => Compression::Gzip,
            1 => Compression::Snappy,
            _ => Compression::Plain,
        };
        let mut source = Still::new(database);
        let zxid = database.last_zxid();
        write_snapshot(&self.disk, &dirs(), zxid, &mut source, compression).is_ok()
    }
}

#[test]
fn what_was_acknowledged_survives_every_loss_of_power() {
    for seed in 0..60 {
        let mut server = Server::new(seed);
        for life in 0..8 {
            let context = format!("seed {seed}, life {life}");
            let database = server.start(&context);
            let call = server.random.below(60);
            let fault = match server.random.below(8) {
                0 => Fault::FailAt(call),
                _ => Fault::PowerLossAt(call),
            };
            server.disk.inject(fault);
            server.work(database);
            server.disk.crash();
        }
    }
}

#[test]
fn a_loss_of_power_at_each_call_in_turn() {
    // One life, cut at each of its calls; what the disk keeps differs with the seed.
    for seed in 0..4 {
        for call in 0..80 {
            let mut server = Server::new(seed);
            server.disk = sim_disk(seed * 1000 + call);
            let database = server.start("the first start");
            server.disk.inject(Fault::PowerLossAt(call));
            server.work(database);
            server.disk.crash();
            server.start(&format!("seed {seed}, call {call}"));
        }
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing() {
    for seed in 0..8 {
        let mut server = Server::new(seed);
        let database = server.start("the first start");
        server.disk.inject(Fault::Capacity(60_000 + seed * 1000));
        server.work(database);
        // Space appears again, without a crash.
        server.disk.inject(Fault::None);
        server.start(&format!("seed {seed}"));
    }
}

/// A log of six acknowledged records behind `snapshot.0`, and the state after each.
fn small_log(step: u64) -> (SimDisk, Vec<String>) {
    let disk = sim_disk(1);
    let mut database = recover(&disk, &storage(), TREE).unwrap().database;
    let mut states = vec![describe(&database)];
    let mut random = Random(40);
    let mut log = writer(&disk, options(step), Zxid::ZERO);
    while database.last_zxid() < Zxid(6) {
        let (zxid, payload) = random.apply_next(&mut database);
        log.append(zxid, &payload).unwrap();
        states.push(describe(&database));
    }
    log.sync().unwrap();
    (disk, states)
}

/// Recovers from a log that was tampered with: an error, or a prefix, and if it is not all there
/// somebody is told.
fn check_tampered(disk: &SimDisk, content: &[u8], states: &[String], context: &str) {
    disk.put(&dirs().logs.join("log.1"), content);
    if let Ok(recovered) = recover(disk, &storage(), TREE) {
        let last = usize::try_from(recovered.database.last_zxid().0).unwrap();
        assert_eq!(describe(&recovered.database), states[last], "{context}");
        let is_told = !recovered.remarks.is_empty();
        assert!(
            last + 1 == states.len() || is_told,
            "{context}: {last} in silence"
        );
    }
}

#[test]
fn no_flipped_bit_loses_a_record_in_silence() {
    for (step, stride) in [(0, 1), (4096, 7)] {
        let (disk, states) = small_log(step);
        let content = disk.read(&dirs().logs.join("log.1")).unwrap();
        let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for bit in (0..(used + 40).min(content.len()) * 8).step_by(stride) {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check_tampered(&disk, &flipped, &states, &format!("step {step}, bit {bit}"));
        }
    }
}

#[test]
fn no_bytes_make_recovery_panic() {
    let (disk, states) = small_log(512);
    let content = disk.read(&dirs().logs.join("log.1")).unwrap();
    let mut random = Random(5);
    for round in 0..3000 {
        let mut tampered = content.clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(tampered.len() as u64)).unwrap();
            let len = usize::try_from(random.below(30))
                .unwrap()
                .min(tampered.len() - at);
            let style = random.below(3);
            for byte in &mut tampered[at..at + len] {
                *byte = match style {
                    0 => 0,
                    1 => 0xff,
                    _ => u8::try_from(random.below(256)).unwrap(),
                };
            }
        }
        check_tampered(&disk, &tampered, &states, &format!("round {round}"));
    }
}

#[test]
fn no_bytes_make_a_snapshot_panic() {
    let (disk, states) = small_log(0);
    let database = recover(&disk, &storage(), TREE).unwrap().database;
    let mut random = Random(6);
    for compression in [Compression::Plain, Compression::Gzip, Compression::Snappy] {
        let mut source = Still::new(&database);
        let zxid = database.last_zxid();
        let written = write_snapshot(&disk, &dirs(), zxid, &mut source, compression).unwrap();
        let content = disk.read(&written.path).unwrap();
        for round in 0..1000 {
            let mut tampered = content.clone();
            for _ in 0..=random.below(4) {
                let at = usize::try_from(random.below(tampered.len() as u64)).unwrap();
                tampered[at] = u8::try_from(random.below(256)).unwrap();
            }
            disk.put(&written.path, &tampered);
            let recovered = recover(&disk, &storage(), TREE).unwrap();
            assert_eq!(
                Some(&describe(&recovered.database)),
                states.last(),
                "round {round}"
            );
        }
        crate::store::disk::Disk::remove(&disk, &written.path).unwrap();
    }
}

/// Appends the next transaction.
fn append(log: &mut LogWriter, random: &mut Random, database: &mut Database) {
    let (zxid, payload) = random.apply_next(database);
    log.append(zxid, &payload).unwrap();
}

#[test]
fn what_a_start_has_shown_survives_a_loss_of_power() {
    for seed in 0..20 {
        let disk = sim_disk(seed);
        let mut random = Random(seed);
        let mut database = recover(&disk, &storage(), TREE).unwrap().database;
        let mut log = writer(&disk, options(0), database.last_zxid());
        append(&mut log, &mut random, &mut database);
        log.sync().unwrap();
        append(&mut log, &mut random, &mut database);
        // The process dies between the write and the sync, the machine later.
        disk.inject(Fault::FailAt(1));
        log.sync().unwrap_err();
        let mut shown = recover(&disk, &storage(), TREE).unwrap().database;
        assert_eq!(shown.last_zxid(), Zxid(2));
        let mut log = writer(&disk, options(0), shown.last_zxid());
        append(&mut log, &mut random, &mut shown);
        log.sync().unwrap();
        disk.crash();
        let again = recover(&disk, &storage(), TREE);
        let again = again.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(describe(&again.database), describe(&shown), "seed {seed}");
    }
}
