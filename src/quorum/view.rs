//! One configuration of the ensemble: its version, its members, and which sets are quorums.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{member::Member, verifier::Verifier};
use crate::base::{ServerId, Zxid};

/// The version of a configuration: the zxid of the transaction that made it, 0 when no transaction
/// has. Newer ones are greater; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConfigVersion(pub i64);

impl ConfigVersion {
    /// The version a transaction gives to the configuration it carries.
    pub fn of(zxid: Zxid) -> Self {
        Self(zxid.0)
    }
}

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// One configuration. Two are equal when all of them is but where a client address came from;
/// Apache's equality is [`matches`](QuorumView::matches). Invariant: `voters` are the members that are participants, and if the
/// verifier has groups, each voter is in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumView {
    version: ConfigVersion,
    members: BTreeMap<ServerId, Member>,
    voters: BTreeSet<ServerId>,
    verifier: Verifier,
}

impl QuorumView {
    /// A view whose verifier was made for the participants among `members`.
    pub(super) fn new(
        version: ConfigVersion,
        members: BTreeMap<ServerId, Member>,
        verifier: Verifier,
    ) -> Self {
        let voters = participants(&members);
        if let Verifier::Hierarchical(groups) = &verifier {
            let grouped = voters.iter().all(|v| groups.group_of().contains_key(v));
            assert!(grouped, "every voter is in a group");
        }
        Self {
            version,
            members,
            voters,
            verifier,
        }
    }

    /// Members of whom more than half of those that vote decide; `None` without one that votes.
    /// Under `standaloneEnabled` a voter alone has no observers.
    pub fn of_majority(
        members: BTreeMap<ServerId, Member>,
        rules: super::ViewRules,
    ) -> Option<Self> {
        let voters = participants(&members).len();
        let is_standalone = rules.standalone_enabled && voters == 1;
        if voters == 0 || (is_standalone && members.len() > 1) {
            return None;
        }
        Some(Self::new(
            ConfigVersion::default(),
            members,
            Verifier::Majority,
        ))
    }

    /// The same members under another version.
    #[must_use]
    pub fn with_version(mut self, version: ConfigVersion) -> Self {
        self.version = version;
        self
    }

    /// The same, with the static file's client address for this server if its line names none.
    #[must_use]
    pub fn with_client(mut self, server: ServerId, client: super::Address) -> Self {
        if let Some(member) = self.members.get_mut(&server)
            && member.client.is_none()
        {
            member.client = Some(client);
            member.client_from_static = true;
        }
        self
    }

    pub fn version(&self) -> ConfigVersion {
        self.version
    }

    /// Every server, voting or not.
    pub fn members(&self) -> &BTreeMap<ServerId, Member> {
        &self.members
    }

    /// The participants.
    pub fn voters(&self) -> &BTreeSet<ServerId> {
        &self.voters
    }

    /// The members that do not vote.
    pub fn observers(&self) -> impl Iterator<Item = ServerId> + '_ {
        let observers = self.members.iter().filter(|(_, m)| !m.is_participant());
        observers.map(|(server, _)| *server)
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether the voters for which `acked` holds are a quorum. Servers that are no voters here
    /// do not count, whatever `acked` says of them.
    pub fn has_quorum(&self, acked: impl Fn(ServerId) -> bool) -> bool {
        self.verifier.has_quorum(&self.voters, acked)
    }

    /// How much the server's word counts.
    pub fn weight(&self, server: ServerId) -> u64 {
        self.verifier.weight(server)
    }

    /// Whether members, roles, addresses, groups and weights are the same; versions may differ.
    pub fn same_members(&self, other: &Self) -> bool {
        self.members == other.members && self.verifier == other.verifier
    }

    /// Apache's equality of verifiers: the same version, or the same members.
    pub fn matches(&self, other: &Self) -> bool {
        let same_kind = matches!(
            (&self.verifier, &other.verifier),
            (Verifier::Majority, Verifier::Majority)
                | (Verifier::Hierarchical(_), Verifier::Hierarchical(_))
        );
        same_kind && (self.version == other.version || self.same_members(other))
    }
}

/// The participants among `members`.
pub(super) fn participants(members: &BTreeMap<ServerId, Member>) -> BTreeSet<ServerId> {
    let voting = members.iter().filter(|(_, m)| m.is_participant());
    voting.map(|(server, _)| *server).collect()
}
