//! The files of a reconfiguration: their bytes and every crash.

use std::path::{Path, PathBuf};

use crate::base::ServerId;
use crate::quorum::{QuorumView, ViewRules};
use crate::store::disk::Disk;
use crate::store::member_files::{MemberFiles, MemberFilesError};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::tests::sim_disk;

const STATIC: &str = "tickTime=2000\nserver.1=a:1:2;2181\nclientPort=2181\n";

fn files() -> MemberFiles {
    MemberFiles::new(PathBuf::from("/conf/zoo.cfg"), edit)
}

/// As the configuration has it, for a file of plain lines.
fn edit(text: &[u8], dynamic: &str, erases_client_port: bool) -> Vec<u8> {
    let text = str::from_utf8(text).unwrap();
    let stays = |line: &&str| {
        let goes = ["server.", "dynamicConfigFile"]
            .iter()
            .any(|key| line.starts_with(key));
        let is_client = line.starts_with("clientPort");
        !goes && (!erases_client_port || !is_client)
    };
    let kept: String = text
        .lines()
        .filter(stays)
        .map(|line| format!("{line}\n"))
        .collect();
    format!("{kept}dynamicConfigFile={dynamic}\n").into()
}

fn view(version: &str) -> QuorumView {
    let text =
        format!("server.1=a:1:2;2181\nserver.2=b:1:2:observer\nserver.10=c:1:2\nversion={version}");
    QuorumView::parse(&text, ViewRules::default()).unwrap()
}

fn disk() -> SimDisk {
    let disk = sim_disk(1);
    disk.create_dirs(Path::new("/conf")).unwrap();
    disk.put(Path::new("/conf/zoo.cfg"), STATIC.as_bytes());
    disk.sync_dir(Path::new("/conf")).unwrap();
    disk
}

fn text(disk: &SimDisk, name: &str) -> Option<String> {
    let content = disk.read(&Path::new("/conf").join(name))?;
    Some(String::from_utf8(content).unwrap())
}

// As Java sorts them: `=` is behind all digits.
const LINES: &str = "server.10=c:1:2:participant\nserver.1=a:1:2:participant;0.0.0.0:2181\n\
    server.2=b:1:2:observer";

#[test]
fn what_is_proposed_and_committed_is_written_as_apache_does_qp_127() {
    let (disk, files) = (disk(), files());
    files.back_up(&disk).unwrap();
    assert_eq!(text(&disk, "zoo.cfg.bak").as_deref(), Some(STATIC));
    files.propose(&disk, &view("100000000")).unwrap();
    let proposed = format!("{LINES}\nversion=100000000");
    assert_eq!(text(&disk, "zoo.cfg.dynamic.next"), Some(proposed));
    let me = ServerId(1);
    files
        .activate(&disk, &view("100000000"), me, false)
        .unwrap();
    assert_eq!(text(&disk, "zoo.cfg.dynamic.next"), None);
    assert_eq!(
        text(&disk, "zoo.cfg.dynamic.100000000").as_deref(),
        Some(LINES)
    );
    assert_eq!(
        text(&disk, "zoo.cfg").unwrap(),
        "tickTime=2000\ndynamicConfigFile=/conf/zoo.cfg.dynamic.100000000\n"
    );
    // The next one leaves the last, and what is proposed behind it.
    files.propose(&disk, &view("200000007")).unwrap();
    files.activate(&disk, &view("200000005"), me, true).unwrap();
    let mut names = disk.list(Path::new("/conf")).unwrap();
    names.sort();
    assert_eq!(
        names,
        [
            "zoo.cfg",
            "zoo.cfg.bak",
            "zoo.cfg.dynamic.100000000",
            "zoo.cfg.dynamic.200000005",
            "zoo.cfg.dynamic.next"
        ]
    );
}

/// A client port that only the static file has stays there.
#[test]
fn the_client_port_stays_unless_the_line_has_it() {
    let (disk, files) = (disk(), files());
    files
        .activate(&disk, &view("1"), ServerId(2), false)
        .unwrap();
    assert_eq!(
        text(&disk, "zoo.cfg").unwrap(),
        "tickTime=2000\nclientPort=2181\ndynamicConfigFile=/conf/zoo.cfg.dynamic.1\n"
    );
}

/// After any crash zoo.cfg is the old or the new one, what it names is whole, and what was proposed
/// is there until it is what zoo.cfg names.
#[test]
fn a_crash_at_every_call_leaves_the_old_or_the_new_qp_138() {
    let change = |disk: &SimDisk| -> Result<(), MemberFilesError> {
        files().propose(disk, &view("300000001"))?;
        files().activate(disk, &view("300000001"), ServerId(1), false)
    };
    let whole = disk();
    let before = whole.calls();
    change(&whole).unwrap();
    let calls = whole.calls() - before;
    for at in 0..=calls {
        let disk = disk();
        disk.inject(Fault::PowerLossAt(at));
        let is_done = change(&disk).is_ok();
        disk.crash();
        disk.power_on();
        let config = text(&disk, "zoo.cfg").unwrap();
        let new = "tickTime=2000\ndynamicConfigFile=/conf/zoo.cfg.dynamic.300000001\n";
        let next = text(&disk, "zoo.cfg.dynamic.next");
        assert!(config == STATIC || config == new, "at {at}: {config:?}");
        if config == new {
            let dynamic = text(&disk, "zoo.cfg.dynamic.300000001");
            assert_eq!(dynamic.as_deref(), Some(LINES), "at {at}");
        }
        let proposed = format!("{LINES}\nversion=300000001");
        assert!(next.is_none() || next == Some(proposed), "at {at}");
        assert!(!is_done || config == new, "at {at}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_found_at_the_start() {
    let (disk, files) = (disk(), files());
    files.check(&disk).unwrap();
    disk.set_read_only(Path::new("/conf"));
    let error = files.check(&disk).unwrap_err().to_string();
    assert_eq!(
        error,
        "files cannot be created beside \"/conf/zoo.cfg\", which reconfigEnabled=true needs"
    );
}
