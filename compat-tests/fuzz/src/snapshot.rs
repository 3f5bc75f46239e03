//! Any bytes as a snapshot: refused, or a state that can be asked and applied to.
#![no_main]

use gamekeeper::base::Zxid;
use gamekeeper::store::snapshot_reader::read_snapshot;
use gamekeeper::tree::{DatabaseLoader, TreeOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut loader = DatabaseLoader::new(TreeOptions::default());
    let mut input = data;
    // The seal is wrong in nearly every input; what was loaded before it is checked all the same.
    let _ = read_snapshot(&mut input, 1 << 20, &mut loader);
    if let Ok(mut loaded) = loader.finish(Zxid(1)) {
        let root = loaded
            .database
            .tree
            .node("/")
            .expect("every tree has its root");
        assert!(root.child_count() <= loaded.database.tree.node_count());
        loaded.database.remove_orphaned_ephemerals();
        assert!(loaded.database.tree.node("").is_some());
    }
});
