//! The views in force, and acknowledgements counted in all of them.
//!
//! Between the proposal of a new configuration and its activation two views are in force: whatever
//! needs a quorum needs one of each. [`Membership`] is that pair at one moment and does not change;
//! an [`AckSet`] counts under the membership it was opened with.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    member::{Member, Role},
    view::QuorumView,
};
use crate::base::ServerId;

/// The views in force: the committed one and, while a reconfiguration is on its way, the newer one.
/// Invariant: the proposed view's version is greater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    committed: Arc<QuorumView>,
    proposed: Option<Arc<QuorumView>>,
}

impl Membership {
    /// Only the committed view.
    pub fn new(committed: Arc<QuorumView>) -> Self {
        Self {
            committed,
            proposed: None,
        }
    }

    /// The committed view and the last one seen, which is in force too if it is newer.
    pub fn with_last_seen(committed: Arc<QuorumView>, last_seen: Arc<QuorumView>) -> Self {
        let proposed = (last_seen.version() > committed.version()).then_some(last_seen);
        Self {
            committed,
            proposed,
        }
    }

    pub fn committed(&self) -> &Arc<QuorumView> {
        &self.committed
    }

    /// The view a reconfiguration on its way will bring.
    pub fn proposed(&self) -> Option<&Arc<QuorumView>> {
        self.proposed.as_ref()
    }

    /// The newest view this server has seen, committed or not.
    pub fn last_seen(&self) -> &Arc<QuorumView> {
        self.proposed.as_ref().unwrap_or(&self.committed)
    }

    /// The same with another last seen view. An older one takes the place of a newer one: whoever
    /// leads says what may still be committed.
    #[must_use]
    pub fn seeing(&self, last_seen: Arc<QuorumView>) -> Self {
        Self::with_last_seen(Arc::clone(&self.committed), last_seen)
    }

    /// The same with a newer view committed; unchanged by one that is not newer.
    #[must_use]
    pub fn committing(&self, view: Arc<QuorumView>) -> Self {
        if view.version() <= self.committed.version() {
            return self.clone();
        }
        let last_seen = self.proposed.clone().unwrap_or_else(|| view.clone());
        Self::with_last_seen(view, last_seen)
    }

    /// Whether the servers for which `acked` holds are a quorum of every view in force.
    pub fn has_quorum(&self, acked: impl Fn(ServerId) -> bool) -> bool {
        self.views().all(|view| view.has_quorum(&acked))
    }

    /// Whether the server votes in any view in force.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.views().any(|view| view.voters().contains(&server))
    }

    /// Everyone who votes in any view in force.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        self.views()
            .flat_map(|view| view.voters())
            .copied()
            .collect()
    }

    /// What is known of the server: from the committed view, or else from the proposed one.
    pub fn member(&self, server: ServerId) -> Option<&Member> {
        self.views().find_map(|view| view.members().get(&server))
    }

    /// What the server is by the committed view. One that is not in it is a participant whose
    /// votes and acknowledgements do not count: a joiner, or one that was removed.
    pub fn role(&self, server: ServerId) -> Role {
        let member = self.committed.members().get(&server);
        member.map_or(Role::Participant, |member| member.role)
    }

    /// The views in force, the committed one first.
    pub fn views(&self) -> impl Iterator<Item = &QuorumView> {
        [Some(&self.committed), self.proposed.as_ref()]
            .into_iter()
            .flatten()
            .map(|view| &**view)
    }
}

/// Who has acknowledged one thing. Acknowledgements of servers that vote in no view are taken and
/// count for nothing, so a caller need not filter.
#[derive(Debug, Clone)]
pub struct AckSet {
    membership: Arc<Membership>,
    /// Sorted. A vector, since ensembles are small and there is one set per proposal.
    acked: Vec<ServerId>,
}

impl AckSet {
    /// Nobody yet, counted under these views.
    pub fn new(membership: Arc<Membership>) -> Self {
        Self {
            membership,
            acked: Vec::new(),
        }
    }

    /// Takes an acknowledgement; whether it is the first of this server.
    pub fn add(&mut self, server: ServerId) -> bool {
        match self.acked.binary_search(&server) {
            Ok(_) => false,
            Err(index) => {
                self.acked.insert(index, server);
                true
            }
        }
    }

    pub fn contains(&self, server: ServerId) -> bool {
        self.acked.binary_search(&server).is_ok()
    }

    /// Whether a quorum of every view has acknowledged.
    pub fn has_quorum(&self) -> bool {
        self.membership.has_quorum(|server| self.contains(server))
    }

    /// Who has acknowledged, in ascending order.
    pub fn servers(&self) -> &[ServerId] {
        &self.acked
    }

    pub fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }
}
