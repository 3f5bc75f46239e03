//! Which sets of voters are quorums. Pure arithmetic over a set of acknowledgements.
//!
//! * [`Verifier::Majority`]: more than half of the voters.
//! * [`Verifier::Hierarchical`]: voters have weights and belong to groups. A group is satisfied by
//!   more than half of its weight; a quorum satisfies more than half of the groups that have any
//!   weight. A group of weight 0 is not counted, and a server of weight 0 adds nothing.
//!
//! Invariant, which every protocol above rests on: any two quorums of one verifier share a voter,
//! and a superset of a quorum is a quorum.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::base::ServerId;

/// The rule by which a set of voters is a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verifier {
    /// More than half of the voters.
    Majority,
    /// More than half of the groups, each by more than half of its weight.
    Hierarchical(Groups),
}

impl Verifier {
    /// Whether the voters for which `acked` holds form a quorum of `voters`.
    pub fn has_quorum(
        &self,
        voters: &BTreeSet<ServerId>,
        acked: impl Fn(ServerId) -> bool,
    ) -> bool {
        let present = voters.iter().copied().filter(|&voter| acked(voter));
        match self {
            Self::Majority => present.count() > voters.len() / 2,
            Self::Hierarchical(groups) => groups.has_quorum(present),
        }
    }

    /// How much the server's word counts. Servers without a weight of their own count 1 by
    /// majority; in groups one that is not listed counts 0, where Apache has a null dereference.
    pub fn weight(&self, server: ServerId) -> u64 {
        match self {
            Self::Majority => 1,
            Self::Hierarchical(groups) => groups.weight(server),
        }
    }
}

/// Groups of servers and the servers' weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    group_of: BTreeMap<ServerId, GroupId>,
    weights: BTreeMap<ServerId, u64>,
    group_weights: BTreeMap<GroupId, u128>,
}

/// The number in `group.N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub i64);

impl Groups {
    /// Groups for these voters. Voters without a weight get 1.
    pub fn new(
        voters: &BTreeSet<ServerId>,
        group_of: BTreeMap<ServerId, GroupId>,
        mut weights: BTreeMap<ServerId, u64>,
    ) -> Result<Self, GroupsError> {
        for voter in voters {
            if !group_of.contains_key(voter) {
                return Err(GroupsError::NotInGroup(*voter));
            }
            weights.entry(*voter).or_insert(1);
        }
        let mut group_weights: BTreeMap<GroupId, u128> = BTreeMap::new();
        for (server, group) in &group_of {
            let weight = weights.get(server).ok_or(GroupsError::NotAVoter(*server))?;
            *group_weights.entry(*group).or_default() += u128::from(*weight);
        }
        Ok(Self {
            group_of,
            weights,
            group_weights,
        })
    }

    /// The group each server is in.
    pub fn group_of(&self) -> &BTreeMap<ServerId, GroupId> {
        &self.group_of
    }

    /// Every weight, those that were not written included.
    pub fn weights(&self) -> &BTreeMap<ServerId, u64> {
        &self.weights
    }

    fn weight(&self, server: ServerId) -> u64 {
        self.weights.get(&server).copied().unwrap_or(0)
    }

    fn has_quorum(&self, present: impl Iterator<Item = ServerId>) -> bool {
        let mut present_weights: BTreeMap<GroupId, u128> = BTreeMap::new();
        for server in present {
            if let Some(group) = self.group_of.get(&server) {
                *present_weights.entry(*group).or_default() += u128::from(self.weight(server));
            }
        }
        let satisfied = present_weights
            .iter()
            .filter(|(group, weight)| {
                let whole = self.group_weights.get(group).copied().unwrap_or(0);
                **weight > whole / 2
            })
            .count();
        let counted = self.group_weights.values().filter(|&&w| w > 0).count();
        assert!(satisfied <= counted, "a group of weight 0 is not satisfied");
        satisfied > counted / 2
    }
}

/// Why groups and weights do not fit the servers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupsError {
    #[error("server {0} is in no group")]
    NotInGroup(ServerId),
    #[error("server {0} is in a group, but it is no participant and has no weight")]
    NotAVoter(ServerId),
}
