//! Answers to "may they?", kept while one request or one batch is worked off.
//!
//! A request can ask about the same long list tens of thousands of times, and each time costs as
//! many comparisons as the list has entries times the caller has identities. With this it costs
//! that once for each list.

use hashbrown::HashMap;

use crate::base::AclList;

/// Answers by asker and list. Lives for as long as an asker's answers cannot change.
#[derive(Debug, Default)]
pub struct PermitMemo {
    /// With the list, so that no other comes to lie at its address.
    known: HashMap<(u64, usize), (AclList, bool)>,
}

/// Shorter lists are asked each time.
const ENTRIES_WORTH_KEEPING: usize = 16;

impl PermitMemo {
    /// The answer of `ask`, which for a long list is asked once. `asker` stands for everything but
    /// the list that the answer depends on.
    pub fn answer(
        &mut self,
        asker: u64,
        acl: Option<&AclList>,
        ask: impl FnOnce() -> bool,
    ) -> bool {
        match acl.filter(|list| list.len() > ENTRIES_WORTH_KEEPING) {
            None => ask(),
            Some(list) => {
                let key = (asker, list.as_ptr().addr());
                let entry = self.known.entry(key);
                entry.or_insert_with(|| (list.clone(), ask())).1
            }
        }
    }
}
