//! Epoch files: their bytes, the rules of the start, and every crash.

use std::error::Error;

use crate::base::{Epoch, Zxid};
use crate::store::disk::Disk;
use crate::store::epoch::{EpochError, EpochFile, Epochs};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::tests::{dirs, sim_disk};

const APACHE_ACCEPTED: &[u8] = include_bytes!("../testdata/3.9.5/acceptedEpoch");
const APACHE_CURRENT: &[u8] = include_bytes!("../testdata/3.9.5/currentEpoch");

fn zxid_of(epoch: i64) -> Zxid {
    Zxid(Zxid::start_of(Epoch(epoch)).0 + 7)
}

fn put(disk: &SimDisk, name: &str, content: &str) {
    disk.put(&dirs().snapshots.join(name), content.as_bytes());
}

fn content(disk: &SimDisk, name: &str) -> Option<String> {
    let content = disk.read(&dirs().snapshots.join(name))?;
    Some(String::from_utf8(content).unwrap())
}

fn disk_with(accepted: Option<&str>, current: Option<&str>) -> SimDisk {
    let disk = sim_disk(1);
    for (name, text) in [("acceptedEpoch", accepted), ("currentEpoch", current)] {
        if let Some(text) = text {
            put(&disk, name, text);
        }
    }
    disk
}

/// Accepted and current, or what is wrong.
fn load(disk: &SimDisk, last: Zxid) -> Result<(i64, i64), EpochError> {
    let epochs = Epochs::load(disk, &dirs(), last)?;
    Ok((epochs.accepted.0, epochs.current.0))
}

#[test]
fn sf_075_the_files_are_apaches_to_the_byte() {
    let disk = sim_disk(1);
    disk.put(&dirs().snapshots.join("acceptedEpoch"), APACHE_ACCEPTED);
    disk.put(&dirs().snapshots.join("currentEpoch"), APACHE_CURRENT);
    assert_eq!(load(&disk, Zxid::ZERO).unwrap(), (11, 11));
    let disk = sim_disk(1);
    EpochFile::Accepted.save(&disk, &dirs(), Epoch(11)).unwrap();
    EpochFile::Current.save(&disk, &dirs(), Epoch(11)).unwrap();
    let read = |name| disk.read(&dirs().snapshots.join(name)).unwrap();
    assert_eq!(read("acceptedEpoch"), APACHE_ACCEPTED);
    assert_eq!(read("currentEpoch"), APACHE_CURRENT);
    let mut names = disk.list(&dirs().snapshots).unwrap();
    names.sort();
    assert_eq!(names, ["acceptedEpoch", "currentEpoch"]);
}

#[test]
fn sf_075_only_the_first_line_counts() {
    for text in ["5", "5\n", "5\r\n", "5\nrubbish", "+5", "0005"] {
        let disk = disk_with(Some(text), Some(text));
        assert_eq!(load(&disk, zxid_of(5)).unwrap(), (5, 5), "{text:?}");
        assert_eq!(content(&disk, "currentEpoch").unwrap(), text, "kept");
    }
    for (epoch, text) in [(i64::MAX, "9223372036854775807"), (-1, "-1"), (0, "0")] {
        let disk = sim_disk(1);
        EpochFile::Accepted
            .save(&disk, &dirs(), Epoch(epoch))
            .unwrap();
        assert_eq!(content(&disk, "acceptedEpoch").unwrap(), text);
    }
}

#[test]
fn sf_080_anything_but_a_number_refuses_and_is_named() {
    let long = "1".repeat(100);
    let wrong = [
        "",
        "\n",
        " 5",
        "5 ",
        "0x5",
        "five",
        "5.0",
        "9223372036854775808",
        &long,
        "\0",
    ];
    for text in wrong {
        for (accepted, current, name) in [(text, "5", "acceptedEpoch"), ("5", text, "currentEpoch")]
        {
            let disk = disk_with(Some(accepted), Some(current));
            let error = load(&disk, zxid_of(5)).unwrap_err();
            let is_right = matches!(&error, EpochError::NotANumber { path, .. }
                if *path == dirs().snapshots.join(name));
            assert!(is_right, "{text:?}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn sf_077_missing_files_are_made_of_the_epoch_of_the_data() {
    for (last, text) in [
        (Zxid(-1), "-1"),
        (Zxid::ZERO, "0"),
        (Zxid(40), "0"),
        (zxid_of(12), "12"),
    ] {
        let disk = sim_disk(1);
        let epoch = last.epoch().0;
        assert_eq!(load(&disk, last).unwrap(), (epoch, epoch));
        for name in ["acceptedEpoch", "currentEpoch"] {
            assert_eq!(content(&disk, name).as_deref(), Some(text));
        }
        let calls = disk.calls();
        assert_eq!(load(&disk, last).unwrap(), (epoch, epoch));
        assert_eq!(disk.calls(), calls, "what is there is not written");
    }
    let disk = disk_with(Some("9"), None);
    assert_eq!(load(&disk, zxid_of(3)).unwrap(), (9, 3));
    assert_eq!(content(&disk, "currentEpoch").as_deref(), Some("3"));
}

#[test]
fn sf_078_what_was_accepted_is_never_behind_what_is_current() {
    for (accepted, current, last) in [
        (Some("3"), Some("4"), zxid_of(2)),
        // Without the file it might promise an epoch twice.
        (None, Some("4"), zxid_of(2)),
    ] {
        let disk = disk_with(accepted, current);
        let error = load(&disk, last).unwrap_err();
        let is_right = matches!(error, EpochError::AcceptedBehindCurrent { .. });
        assert!(is_right, "{error}");
        assert!(error.to_string().contains("acceptedEpoch"), "{error}");
        assert_eq!(content(&disk, "acceptedEpoch").as_deref(), accepted);
    }
}

#[test]
fn sf_079_data_of_a_later_epoch_moves_the_current_one_up_to_what_was_accepted() {
    let disk = disk_with(Some("6"), Some("4"));
    assert_eq!(load(&disk, zxid_of(5)).unwrap(), (6, 5));
    assert_eq!(content(&disk, "currentEpoch").as_deref(), Some("5"));
    let error = load(&disk_with(Some("6"), Some("4")), zxid_of(7)).unwrap_err();
    assert!(matches!(error, EpochError::NeverAccepted { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the data ends with 0x700000007 of epoch 7, but \"/data/version-2/acceptedEpoch\" says \
         that no epoch behind 6 was accepted: it does not belong to this data"
    );
    assert!(error.source().is_none());
}

#[test]
fn sf_079_an_unfinished_current_epoch_counts_only_when_the_data_is_ahead() {
    // (what the temporary file has, epoch of the data, the outcome)
    for (unfinished, of_data, current) in [
        ("6", 5, 6),
        ("5", 5, 5),
        // Torn, or left from before: the data decides.
        ("", 5, 5),
        ("\0", 5, 5),
        ("3", 5, 5),
        // The data is not ahead.
        ("6", 4, 4),
    ] {
        let disk = disk_with(Some("6"), Some("4"));
        put(&disk, "currentEpoch.tmp", unfinished);
        let expected = (6, current);
        assert_eq!(
            load(&disk, zxid_of(of_data)).unwrap(),
            expected,
            "{unfinished:?}"
        );
    }
    let disk = disk_with(Some("6"), Some("4"));
    put(&disk, "currentEpoch.tmp", "7");
    let error = load(&disk, zxid_of(5)).unwrap_err();
    assert!(
        matches!(error, EpochError::AcceptedBehindCurrent { .. }),
        "{error}"
    );
}

#[test]
fn sf_076_a_crash_or_failure_at_any_call_leaves_the_old_or_the_new() {
    for (call, seed) in (0..6).flat_map(|call| (0..20).map(move |seed| (call, seed))) {
        for loses_power in [true, false] {
            let disk = SimDisk::new(seed);
            dirs().prepare(&disk, true).unwrap();
            let save = |epoch| EpochFile::Current.save(&disk, &dirs(), Epoch(epoch));
            save(4).unwrap();
            disk.inject(if loses_power {
                Fault::PowerLossAt(call)
            } else {
                Fault::FailAt(call)
            });
            let saved = save(1234);
            // Create, write, sync, rename, names.
            assert_eq!(saved.is_ok(), call >= 5);
            disk.crash();
            let text = content(&disk, "currentEpoch").unwrap();
            assert!(text == "1234" || (text == "4" && saved.is_err()), "{text}");
        }
    }
}

#[test]
fn sf_081_a_crash_while_files_are_made_starts_again() {
    for call in 0..12 {
        let disk = sim_disk(call);
        disk.inject(Fault::PowerLossAt(call));
        let _ = load(&disk, zxid_of(3));
        disk.crash();
        assert_eq!(load(&disk, zxid_of(3)).unwrap(), (3, 3));
    }
}
