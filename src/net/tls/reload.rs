//! New keys and certificates while the server runs.
//!
//! The files are looked at once a second rather than watched for events: where secrets are mounted, a
//! directory above them is swapped and nothing happens to the files themselves. What counts is which
//! file a path leads to now and when that was last changed. New stores are for new connections; those
//! that cannot be read are reported once and change nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::TlsOptions;
use crate::net::tls::{Sides, Tls, material};

/// What the files were when they were last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen(Vec<Option<File>>);

/// Where a path leads, and what tells one state of that file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds of the last change, of its name or owner as well.
    changed: (i64, i64),
}

impl Tls {
    /// Reads the stores again whenever their files change, for as long as the future lives.
    pub async fn watch(self: Arc<Self>) {
        if !self.options.reloads {
            return;
        }
        let mut seen = self.seen.clone();
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            let tls = self.clone();
            let before = seen.clone();
            let look = move || tls.look(&before);
            match tokio::task::spawn_blocking(look).await {
                Ok(now) => seen = now,
                Err(error) => tracing::error!(%error, "cannot look for new certificates"),
            }
        }
    }

    /// Reads the stores again if the files are not as they were.
    pub(super) fn look(&self, before: &Seen) -> Seen {
        let now = Seen::now(&self.options);
        if now == *before {
            return now;
        }
        match Sides::load(&self.options) {
            Ok(sides) => {
                *self.current.write() = Arc::new(sides);
                tracing::info!("new keys and certificates are in use for new connections");
            }
            Err(error) => tracing::error!("the keys and certificates stay as they were: {error}"),
        }
        now
    }
}

impl Seen {
    pub(super) fn now(options: &TlsOptions) -> Self {
        let stores = [&options.key_store, &options.trust_store];
        let files = stores.into_iter().flatten().flat_map(material::files);
        Self(files.map(File::at).collect())
    }
}

impl File {
    fn at(path: PathBuf) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let metadata = fs::metadata(&path).ok()?;
        Some(Self {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

const EVERY: Duration = Duration::from_secs(1);
