//! Files: the transaction log, snapshots, and how a server gets its state back from them.
//!
//! In come payloads to append ([`log_writer`]), the state in slices ([`snapshot_writer`]), and at
//! the start the directories ([`recover`]). Out come durable zxids, durable snapshots, and a
//! [`Database`](crate::tree::Database) with remarks on what was found. Who calls what on which
//! thread is the driver's matter.
//!
//! A member of an ensemble has more: two epochs ([`epoch`]), a history that may have to be cut
//! ([`truncate`]) or replaced, and learners that want a range of the log ([`log_range`]) or the
//! state as a stream ([`snapshot_stream`]), and a configuration that changes ([`member_files`]). What it writes it writes through a [`worker`], which
//! takes commands and gives answers in order.
//!
//! Invariants:
//! - What a sync reported as durable is there after any loss of power, and what recovery gives is
//!   a prefix of what was appended.
//! - After a failed write nothing more is written or reported durable; the server stops.
//! - No bytes in a file make recovery panic, or take memory out of proportion to the file.
//! - What is dropped is remarked on; damage to what may have been acknowledged stops the start.
//! - Files are Apache's to the byte, but for the order of nodes, lists and sessions.
//!
//! Everything goes through a [`disk::Disk`]: the real one, or in tests and simulations the
//! [`sim_disk::SimDisk`], which tears, fills up and fails.
//!
//! # Where it differs from Apache on purpose
//!
//! | matter | Apache | here |
//! |---|---|---|
//! | names with unknown suffixes | live files; purged | neither read nor purged |
//! | bad end mark before good records | rest of the file is dropped | refused |
//! | right end mark, wrong checksum, nothing behind it | refused | torn end, remarked on |
//! | newest log of 1 to 15 bytes that a crash left, or of zeros | refused | removed |
//! | records missing between snapshot and log | loads | refused |
//! | the log before one that starts right behind the snapshot | read too | not read |
//! | names in directories | not synced | synced |
//! | logs that a killed process left unsynced | not synced | synced before anything is shown |
//! | snapshots the server takes | in place, mostly not synced | other name, synced, renamed |
//! | snapshots but none whole, no log | starts empty | refused, except `snapshot.0` alone |
//! | `txnLogSizeLimitInKb` | compared with the space taken | with the bytes written |
//! | `snapSizeLimitInKb=0` | stops the server | off |
//! | data of a later epoch than `currentEpoch`, but not than `acceptedEpoch` | refused | adopted |
//! | what a truncation does not find, and what it leaves | see [`truncate`] | |
//! | the log before a snapshot that a leader sent | stays, with a hole behind it | removed |
//! | records of the log for a learner | sent as they come | whole, or not sent |
//! | the log's share of the snapshot, `snapshotSizeFactor` | of files, with padding | of records |
//!
//! # Rows of the storage checklist
//!
//! | rows | covered by |
//! |---|---|
//! | SF-001, 002 | `layout`, `tests::recovery` |
//! | SF-003 to 006, 024, 053, 054, 062 to 064, 066, 073, 082, 084 to 086, 105 to 107 | `tests::recovery` |
//! | SF-007, 009 to 011 | `log_format` |
//! | SF-008, 011 to 023, 025 to 032 | `tests::log` |
//! | SF-029, 032, 064, 091 | `tests::crash`, at every call of the disk |
//! | SF-065, 081, 104 | `tests::worker`; 081 and 065 at every call of the disk |
//! | QP-127, QP-138 (files) | `tests::member_files`, at every call of the disk |
//! | SF-075 to 081 | `tests::epoch` |
//! | SF-092 | `replay`, `tests::recovery` |
//! | SF-093 to 096 | `tests::truncation`; 096 at every call of the disk |
//! | SF-033 to 035, 037 to 039, 041, 042, 049 to 052, 055 to 059, 063, 067 | `tests::apache` |
//! | SF-101, 103 | `trigger` |
//! | SF-036 to 048, 060, 069 to 072, 087 to 090 | `proto::txn` and `tree` |
//! | SF-061, 068, 074, 098 to 100, 102, 107 (interval) | whoever drives this |
//! | SF-033, 067, 111 against a running Apache server | the compatibility tests |
//! | SF-083 | `config` |
//! | SF-097 | whoever decides on it: `zab` and `peer`, by `StoreSnapshot` and `Drain` |
//! | SF-108 to 110 | open: admin snapshot and restore |

mod container;
pub mod disk;
pub mod epoch;
pub mod layout;
mod load_ahead;
mod log_file;
mod log_format;
pub mod log_range;
pub mod log_reader;
pub mod log_writer;
pub mod member_files;
pub mod purge;
pub mod recover;
mod replay;
pub mod restore;
pub mod sim_disk;
pub mod snapshot_reader;
pub mod snapshot_stream;
pub mod snapshot_writer;
pub mod trigger;
pub mod truncate;
pub mod worker;

#[cfg(test)]
mod tests;
