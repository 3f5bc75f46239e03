//! `reconfig`: from the members a client asks for to the configuration of the ensemble that is
//! proposed.
//!
//! The checks come in Apache's order: the feature, the session, a leader, one change at a time, the
//! version asked for, the texts, the number of voters, a quorum of the new members that is ready,
//! and last the permission. Texts that Java reads with an exception nobody expects are answered as
//! a request that cannot be read, like there.

use std::collections::BTreeMap;

use crate::auth::Policy;
use crate::base::{ServerId, WallMillis, Zxid, path, perms};
use crate::prep::step::Step;
use crate::prep::{Caller, Prep};
use crate::proto::request::Reconfig;
use crate::proto::txn::SetDataTxn;
use crate::proto::{ErrorCode, Txn, TxnRecord};
use crate::quorum::{
    Address, ConfigVersion, GroupsError, Host, Member, Membership, QuorumView, Verifier, ViewError,
    ViewRules,
};
use crate::tree::Database;

/// What a change of the members is held against.
#[derive(Clone, Copy)]
pub struct Ensemble<'a> {
    pub membership: &'a Membership,
    /// Which views this server accepts.
    pub rules: ViewRules,
    /// Whether a quorum of this view is connected to the leader, itself included, and up to date.
    pub is_synced: &'a dyn Fn(&QuorumView) -> bool,
}

impl Prep {
    /// Prepares a change of the members of the ensemble that this server leads. Gives the view that
    /// comes with the transaction, unless that is a refusal.
    pub fn reconfigure(
        &mut self,
        db: &Database,
        policy: &Policy,
        time: WallMillis,
        caller: &Caller<'_>,
        (request, ensemble): (Reconfig, Ensemble<'_>),
    ) -> (TxnRecord, Option<QuorumView>) {
        let mut next = None;
        let record = self.log(db, time, caller.session, caller.xid, |prep, zxid| {
            let mut step = prep.step(db, policy, zxid, time, caller);
            let view = step.reconfigure(request, ensemble)?;
            let txn = step.write_config(&view)?;
            next = Some(view);
            Ok(txn)
        });
        (record, next)
    }
}

impl Step<'_> {
    fn reconfigure(
        &mut self,
        request: Reconfig,
        ensemble: Ensemble<'_>,
    ) -> Result<QuorumView, ErrorCode> {
        if !self.options.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.caller.standing?;
        if ensemble.membership.proposed().is_some() {
            return Err(ErrorCode::ReconfigInProgress);
        }
        let current = ensemble.membership.committed();
        let asked = request.config_version;
        if asked != ANY_VERSION && ConfigVersion(asked) != current.version() {
            return Err(ErrorCode::BadVersion);
        }
        let view = match &request.new_members {
            Some(text) => bulk(text, ensemble.rules)?,
            None => incremental(current, &request, ensemble.rules)?,
        };
        let voters_min = if ensemble.rules.standalone_enabled {
            2
        } else {
            1
        };
        if view.voters().len() < voters_min {
            return Err(ErrorCode::BadArguments);
        }
        if !(ensemble.is_synced)(&view) {
            return Err(ErrorCode::NewConfigNoQuorum);
        }
        Ok(view.with_version(ConfigVersion::of(self.zxid)))
    }

    /// The node changes as by `setData`, but for its version, which it never has.
    fn write_config(&mut self, view: &QuorumView) -> Result<Txn, ErrorCode> {
        let mut node = self.node(path::CONFIG)?;
        self.permit(&node, perms::WRITE)?;
        let text = view.to_string();
        let txn = Txn::Reconfig(SetDataTxn {
            path: path::CONFIG.into(),
            data: Some(text.clone().into_bytes().into()),
            version: UNVERSIONED,
        });
        self.take_room(txn.body_len())?;
        let zxid: Zxid = self.zxid;
        node.stat.version = UNVERSIONED;
        node.stat.mtime = self.time.0;
        node.stat.mzxid = zxid.0;
        self.overlay
            .update_data(path::CONFIG, zxid, node, Some(text.as_bytes()));
        Ok(txn)
    }
}

/// All members at once, perhaps under another rule for quorums.
fn bulk(text: &str, rules: ViewRules) -> Result<QuorumView, ErrorCode> {
    QuorumView::parse(&text.replace(',', "\n"), rules).map_err(|error| match error {
        ViewError::Id(_)
        | ViewError::Version(_)
        | ViewError::Weight { .. }
        | ViewError::Group { .. }
        | ViewError::Groups(GroupsError::NotAVoter(_))
        | ViewError::ObserversOfOne => ErrorCode::MarshallingError,
        ViewError::NoParticipant if !rules.standalone_enabled || names_servers(text) => {
            ErrorCode::MarshallingError
        }
        _ => ErrorCode::BadArguments,
    })
}

fn names_servers(text: &str) -> bool {
    let mut lines = text.split([',', '\n']);
    lines.any(|line| line.trim_start().starts_with("server."))
}

/// Who leaves goes first, then each who joins takes the place of the one with its number.
fn incremental(
    current: &QuorumView,
    request: &Reconfig,
    rules: ViewRules,
) -> Result<QuorumView, ErrorCode> {
    if *current.verifier() != Verifier::Majority {
        return Err(ErrorCode::BadArguments);
    }
    let mut members = current.members().clone();
    for leaving in pieces(request.leaving.as_deref(), ',') {
        members.remove(&server(leaving)?);
    }
    for joining in pieces(request.joining.as_deref(), ',') {
        join(joining, &mut members, rules)?;
    }
    QuorumView::of_majority(members, rules).ok_or(ErrorCode::BadArguments)
}

/// `[server.]N=<line>`, with a client port.
fn join(
    text: &str,
    members: &mut BTreeMap<ServerId, Member>,
    rules: ViewRules,
) -> Result<(), ErrorCode> {
    let mut halves = pieces(Some(text), '=');
    let (Some(key), Some(line), None) = (halves.next(), halves.next(), halves.next()) else {
        return Err(ErrorCode::BadArguments);
    };
    let id = server(key.rsplit('.').next().unwrap_or(key))?;
    let member =
        Member::parse(line, rules.multi_address_enabled).map_err(|_| ErrorCode::BadArguments)?;
    if member.client.is_none() {
        return Err(ErrorCode::BadArguments);
    }
    let own = places(&member);
    let others = members.iter().filter(|(other, _)| **other != id);
    for (_, other) in others {
        if places(other).iter().any(|place| own.contains(place)) {
            return Err(ErrorCode::BadArguments);
        }
    }
    members.insert(id, member);
    Ok(())
}

/// Where a server can be reached that nobody else may be: not what every machine has.
fn places(member: &Member) -> Vec<Address> {
    let client = member.client.iter().cloned();
    let all = member
        .quorum_addresses()
        .chain(member.election_addresses())
        .chain(client);
    all.filter(|address| !is_everywhere(&address.host))
        .collect()
}

fn is_everywhere(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => ip.is_unspecified() || ip.is_loopback(),
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn server(text: &str) -> Result<ServerId, ErrorCode> {
    let number = text.parse().map_err(|_| ErrorCode::MarshallingError)?;
    Ok(ServerId(number))
}

/// As Apache's `StringUtils.split`: trimmed, and without those of which nothing is left.
fn pieces(text: Option<&str>, separator: char) -> impl Iterator<Item = &str> {
    let pieces = text.into_iter().flat_map(move |text| text.split(separator));
    pieces.map(str::trim).filter(|piece| !piece.is_empty())
}

/// A request for whatever configuration there is.
const ANY_VERSION: i64 = -1;

/// The version of the data of `/zookeeper/config`.
const UNVERSIONED: i32 = -1;
