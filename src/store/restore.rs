//! A state from a snapshot that somebody hands over: its bytes in, uncompressed, a state out.

use std::io::Read;

use crate::base::Zxid;
use crate::store::load_ahead::load_ahead;
use crate::store::snapshot_reader::SnapshotReadError;
use crate::tree::{Database, DatabaseLoader, LoadError, TreeOptions};

/// Reads a snapshot to its end. The state's last transaction is the one that its trailers name, zero
/// without any. Strings and buffers longer than `field_max` are refused.
///
/// A snapshot mixes moments if the state changed while it was written, and there is no log here that
/// would repair it; that is logged where the digest shows it, as Apache's server does.
pub fn read_state(
    input: &mut (dyn Read + Send),
    field_max: usize,
    tree: TreeOptions,
) -> Result<Database, SnapshotReadError<LoadError>> {
    let mut loader = DatabaseLoader::new(tree);
    let tail = load_ahead(input, field_max, &mut loader)?;
    let ends = [tail.last_processed, tail.digest.map(|(at, _)| at)];
    let end = ends.into_iter().flatten().fold(Zxid::ZERO, Zxid::max);
    let loaded = loader.finish(end).map_err(SnapshotReadError::BadState)?;
    if !loaded.missing_acls.is_empty() {
        let ids = &loaded.missing_acls;
        tracing::warn!(?ids, "the snapshot lacks access control lists");
    }
    let actual = loaded.database.tree.digest();
    if let Some((zxid, expected)) = tail.digest
        && tree.digest_enabled
        && zxid != Zxid::ZERO
        && expected != actual
    {
        tracing::warn!(%zxid, expected, actual, "the snapshot was taken while its state changed");
    }
    Ok(loaded.database)
}
