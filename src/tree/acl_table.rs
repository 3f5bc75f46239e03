//! Access control lists, each distinct one kept once and counted by the nodes that have it.
//!
//! Snapshots name lists by numbers: -1 is open to all and has no entry; the others are handed out
//! by a counter that never falls back, since a number seen once may be in a snapshot that is being
//! read or written. A node may name a number whose list is not there, in a snapshot taken while
//! lists changed; until replay brings it, nobody has access.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::base::{Acl, AclList};

/// The place of a list in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AclSlot(u32);

impl AclSlot {
    /// Anyone may do anything: what a null list stands for.
    pub(crate) const OPEN: Self = Self(u32::MAX);
}

/// The number of the open list in snapshots.
const OPEN_ID: i64 = -1;

#[derive(Debug)]
struct Entry {
    id: i64,
    /// `None` when a node named the number and the table of the snapshot lacked it.
    list: Option<AclList>,
    nodes: u32,
}

/// The table.
#[derive(Debug)]
pub(crate) struct AclTable {
    entries: Vec<Option<Entry>>,
    vacant: Vec<AclSlot>,
    by_list: HashMap<AclList, AclSlot>,
    last_id: i64,
    no_access: AclList,
}

impl AclTable {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_list: HashMap::new(),
            last_id: 0,
            no_access: AclList::from([Acl::anyone(0)]),
        }
    }

    /// The slot of `list`, counting one more node that has it.
    pub(crate) fn acquire(&mut self, list: Option<&AclList>) -> AclSlot {
        let Some(list) = list else {
            return AclSlot::OPEN;
        };
        let slot = match self.by_list.get(list) {
            Some(slot) => *slot,
            None => self.add(self.last_id + 1, Some(AclList::clone(list))),
        };
        self.add_node(slot);
        slot
    }

    /// One node fewer has the list in `slot`; without nodes it is forgotten.
    pub(crate) fn release(&mut self, slot: AclSlot) {
        if slot == AclSlot::OPEN {
            return;
        }
        let entry = self.entry_mut(slot);
        entry.nodes = entry
            .nodes
            .checked_sub(1)
            .expect("a list is released by those who acquired it");
        if entry.nodes == 0 {
            self.forget(slot);
        }
    }

    /// The list in `slot`; `None` is open to all.
    pub(crate) fn list(&self, slot: AclSlot) -> Option<&AclList> {
        if slot == AclSlot::OPEN {
            return None;
        }
        Some(self.entry(slot).list.as_ref().unwrap_or(&self.no_access))
    }

    /// The number of `slot` in snapshots.
    pub(crate) fn id(&self, slot: AclSlot) -> i64 {
        if slot == AclSlot::OPEN {
            return OPEN_ID;
        }
        self.entry(slot).id
    }

    /// All numbers that have a list, in order.
    pub(crate) fn by_id(&self) -> BTreeMap<i64, &AclList> {
        self.entries
            .iter()
            .flatten()
            .filter_map(|entry| Some((entry.id, entry.list.as_ref()?)))
            .collect()
    }

    /// Numbers that nodes have and whose list is not there.
    pub(crate) fn missing(&self) -> Vec<i64> {
        let entries = self.entries.iter().flatten();
        let missing = entries.filter(|entry| entry.list.is_none());
        missing.map(|entry| entry.id).collect()
    }

    /// Adds a list under a number of a snapshot, so far without a node.
    pub(crate) fn load(&mut self, id: i64, list: Option<AclList>) -> AclSlot {
        if id == OPEN_ID {
            return AclSlot::OPEN;
        }
        self.add(id, list)
    }

    /// Counts one more node that has the list in `slot`.
    pub(crate) fn add_node(&mut self, slot: AclSlot) {
        if slot != AclSlot::OPEN {
            self.entry_mut(slot).nodes += 1;
        }
    }

    /// Forgets lists no node has.
    pub(crate) fn drop_unused(&mut self) {
        for slot in (0..).map(AclSlot).take(self.entries.len()) {
            let entry = self.entries.get(slot.0 as usize).and_then(Option::as_ref);
            if entry.is_some_and(|entry| entry.nodes == 0) {
                self.forget(slot);
            }
        }
    }

    fn add(&mut self, id: i64, list: Option<AclList>) -> AclSlot {
        self.last_id = self.last_id.max(id);
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            let last = u32::try_from(self.entries.len() - 1).expect("there are fewer lists");
            AclSlot(last)
        });
        assert!(slot != AclSlot::OPEN, "the last slot stands for open");
        if let Some(list) = &list {
            self.by_list.insert(AclList::clone(list), slot);
        }
        let place = self
            .entries
            .get_mut(slot.0 as usize)
            .expect("the slot was just made or vacant");
        *place = Some(Entry { id, list, nodes: 0 });
        slot
    }

    fn forget(&mut self, slot: AclSlot) {
        let place = self.entries.get_mut(slot.0 as usize);
        let entry = place.and_then(Option::take).expect("the slot is in use");
        // A damaged snapshot may hold one list under two numbers; then only one of them is known
        // by the list.
        if let Some(list) = &entry.list
            && self.by_list.get(list) == Some(&slot)
        {
            self.by_list.remove(list);
        }
        self.vacant.push(slot);
    }

    fn entry(&self, slot: AclSlot) -> &Entry {
        self.entries
            .get(slot.0 as usize)
            .and_then(Option::as_ref)
            .expect("a slot is in use as long as a node has it")
    }

    fn entry_mut(&mut self, slot: AclSlot) -> &mut Entry {
        self.entries
            .get_mut(slot.0 as usize)
            .and_then(Option::as_mut)
            .expect("a slot is in use as long as a node has it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(perms: i32) -> AclList {
        AclList::from([Acl::anyone(perms)])
    }

    #[test]
    fn numbers_are_never_used_again() {
        let mut table = AclTable::new();
        let first = table.acquire(Some(&list(1)));
        assert_eq!(table.acquire(Some(&list(1))), first);
        let second = table.acquire(Some(&list(2)));
        assert_eq!((table.id(first), table.id(second)), (1, 2));
        table.release(second);
        let third = table.acquire(Some(&list(2)));
        assert_eq!(table.id(third), 3);
        table.release(first);
        assert_eq!(table.by_id().len(), 2);
        table.release(first);
        assert_eq!(table.by_id(), BTreeMap::from([(3, &list(2))]));
        let open = table.acquire(None);
        assert_eq!((table.id(open), table.list(open)), (OPEN_ID, None));
    }

    #[test]
    fn a_missing_list_gives_no_access_and_keeps_its_number() {
        let mut table = AclTable::new();
        let known = table.load(4, Some(list(31)));
        let missing = table.load(9, None);
        table.add_node(missing);
        assert_eq!(table.list(missing), Some(&list(0)));
        assert_eq!(table.missing(), [9]);
        table.drop_unused();
        assert!(table.by_id().is_empty() && !table.by_list.contains_key(&list(31)));
        let fresh = table.acquire(Some(&list(31)));
        assert_eq!((table.id(fresh), fresh), (10, known));
        assert_eq!(table.load(-1, None), AclSlot::OPEN);
    }
}
