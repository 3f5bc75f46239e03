//! Which sessions ended last.

use std::collections::VecDeque;

use hashbrown::HashSet;

use crate::base::SessionId;

/// The last sessions that a transaction ended, at most as many as it was made for.
#[derive(Debug)]
pub struct EndedSessions {
    max: usize,
    /// The longest ended first.
    order: VecDeque<SessionId>,
    ids: HashSet<SessionId>,
}

impl EndedSessions {
    pub fn new(max: usize) -> Self {
        Self {
            max,
            order: VecDeque::new(),
            ids: HashSet::new(),
        }
    }

    /// Ids are not used again, so none comes twice but by a client of its own making.
    pub fn add(&mut self, session: SessionId) {
        if !self.ids.insert(session) {
            return;
        }
        self.order.push_back(session);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub fn contains(&self, session: SessionId) -> bool {
        self.ids.contains(&session)
    }
}
