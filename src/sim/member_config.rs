//! The configuration files of a server whose ensemble changes: read at each start by the code that
//! reads everybody's, written by the server itself.
//!
//! A server that was removed and restarted does not start: its files do not name it. Then its
//! operator writes that it is an observer of the members it knew, as one that joins is told to be.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::base::ServerId;
use crate::config::{CommandLine, Config, edit_static};
use crate::quorum::{Membership, QuorumView};
use crate::sim::options::Options;
use crate::store::disk::Disk;
use crate::store::member_files::MemberFiles;
use crate::store::sim_disk::SimDisk;

const CONFIG: &str = "/conf/zoo.cfg";

/// Where they are.
pub(super) fn files() -> MemberFiles {
    MemberFiles::new(CONFIG.into(), edit_static)
}

/// What an operator writes before the first start.
pub(super) fn write_first(disk: &SimDisk, me: ServerId, options: &Options, view: &QuorumView) {
    let dir = "the disk is whole";
    disk.create_dirs(Path::new("/conf")).expect(dir);
    disk.create_dirs(Path::new("/data")).expect(dir);
    disk.put(Path::new("/data/myid"), me.0.to_string().as_bytes());
    let server = &options.server;
    let text = format!(
        "tickTime={}\ninitLimit={}\nsyncLimit={}\ndataDir=/data\nreconfigEnabled=true\n{}\n",
        server.tick_ms,
        server.init_limit,
        server.sync_limit,
        view.file_text(false)
    );
    disk.put(Path::new(CONFIG), text.as_bytes());
    for dir in ["/conf", "/data"] {
        disk.sync_dir(Path::new(dir)).expect("the disk is whole");
    }
}

/// Who is in the ensemble, by the files.
pub(super) fn read(disk: &SimDisk, me: ServerId) -> Result<Membership, String> {
    load(disk).or_else(|reason| {
        if !reason.contains("is not among the server lines") {
            return Err(reason);
        }
        join_again(disk, me).ok_or(reason)?;
        load(disk)
    })
}

fn load(disk: &SimDisk) -> Result<Membership, String> {
    let text = disk.read(Path::new(CONFIG)).ok_or("there is no zoo.cfg")?;
    let found = |path: &Path| {
        let content = disk.read(path);
        content.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let read = Config::read_with(Path::new(CONFIG), &text, &CommandLine::default(), &found);
    let (config, _) = read.map_err(|rejection| rejection.to_string())?;
    let ensemble = config.ensemble.ok_or("it is a server of its own")?;
    let committed = Arc::new(ensemble.view);
    Ok(match ensemble.last_seen {
        None => Membership::new(committed),
        Some(seen) => Membership::with_last_seen(committed, Arc::new(seen)),
    })
}

/// The members that the server knew, and itself beside them.
fn join_again(disk: &SimDisk, me: ServerId) -> Option<()> {
    let text = String::from_utf8(disk.read(Path::new(CONFIG))?).ok()?;
    let key = "dynamicConfigFile=";
    let dynamic = text.lines().find_map(|line| line.strip_prefix(key))?;
    let members = String::from_utf8(disk.read(Path::new(dynamic))?).ok()?;
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(key)).collect();
    let text = format!(
        "{}\n{members}\nserver.{me}=10.0.0.{me}:2888:3888:observer;2181\n",
        kept.join("\n")
    );
    disk.put(Path::new(CONFIG), text.as_bytes());
    Some(())
}
