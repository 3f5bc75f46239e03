//! Which links there are. All that decides whether a link still counts is behind one lock, so that
//! nothing is said about a link once it was closed from here.

use std::sync::Arc;

use hashbrown::HashMap;

use super::link::Link;
use crate::base::{QuorumLink, limits};

/// The links that were not closed from here.
#[derive(Debug)]
pub(super) struct Registry {
    links: HashMap<QuorumLink, Arc<Link>>,
    /// The leader's, also while it is being dialled.
    leader: Option<QuorumLink>,
    opening: Option<Opening>,
    openings: u64,
    next: QuorumLink,
}

/// The time from opening the port to closing it; never equal to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening(u64);

/// Why a link is not taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was closed from here before it came to be.
    Closed,
    /// There are as many as there may be.
    Full,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            links: HashMap::new(),
            leader: None,
            opening: None,
            openings: 0,
            next: QuorumLink(1),
        }
    }
}

impl Registry {
    /// Begins to take learners; the number of the first.
    pub(super) fn open(&mut self) -> (Opening, QuorumLink) {
        self.openings += 1;
        let opening = Opening(self.openings);
        self.opening = Some(opening);
        (opening, self.next)
    }

    /// Takes no more learners; those there were.
    pub(super) fn close(&mut self) -> Vec<Arc<Link>> {
        self.opening = None;
        let leader = self.leader;
        let learners = self.links.extract_if(|id, _| Some(*id) != leader);
        learners.map(|(_, link)| link).collect()
    }

    /// Takes up a learner's link, which `build` makes for its number.
    pub(super) fn add_learner(
        &mut self,
        opening: Opening,
        build: impl FnOnce(QuorumLink) -> Link,
    ) -> Result<Arc<Link>, Refusal> {
        if self.opening != Some(opening) {
            return Err(Refusal::Closed);
        }
        if self.links.len() >= limits::LEARNER_LINKS {
            return Err(Refusal::Full);
        }
        let id = self.number();
        let link = Arc::new(build(id));
        self.links.insert(id, link.clone());
        Ok(link)
    }

    /// The number of the link that is to be the leader's.
    pub(super) fn dial(&mut self) -> QuorumLink {
        assert!(self.leader.is_none(), "there is one link to a leader");
        let id = self.number();
        self.leader = Some(id);
        id
    }

    /// Takes up the leader's link, if it is still wanted.
    pub(super) fn add_leader(&mut self, link: Arc<Link>) -> bool {
        let is_wanted = self.leader == Some(link.id);
        if is_wanted {
            self.links.insert(link.id, link);
        }
        is_wanted
    }

    /// Forgets the leader; its link, if it came to be.
    pub(super) fn hang_up(&mut self) -> Option<Arc<Link>> {
        let leader = self.leader.take()?;
        self.links.remove(&leader)
    }

    pub(super) fn get(&self, link: QuorumLink) -> Option<Arc<Link>> {
        self.links.get(&link).cloned()
    }

    pub(super) fn remove(&mut self, link: QuorumLink) -> Option<Arc<Link>> {
        self.links.remove(&link)
    }

    /// The link is closed by the other side or by a failure. Whether it still counted.
    pub(super) fn lose(&mut self, id: QuorumLink, is_leader: bool) -> bool {
        let was_linked = self.links.remove(&id).is_some();
        if is_leader {
            self.leader.take_if(|leader| *leader == id).is_some()
        } else {
            was_linked
        }
    }

    fn number(&mut self) -> QuorumLink {
        let id = self.next;
        self.next = QuorumLink(id.0 + 1);
        id
    }
}
