//! `reconfig` on a leader: the checks in their order, what is proposed, and what becomes of the node.

use std::sync::Arc;

use crate::auth::{AuthOptions, Policy};
use crate::base::{Xid, Zxid};
use crate::prep::tests::{World, code_of};
use crate::prep::{Caller, Ensemble};
use crate::proto::request::Reconfig;
use crate::proto::{ErrorCode, Op, Txn, TxnRecord};
use crate::quorum::{ConfigVersion, Membership, QuorumView, ViewRules};

use ErrorCode::{
    BadArguments, BadVersion, MarshallingError, NewConfigNoQuorum, NoAuth, ReconfigDisabled,
    ReconfigInProgress, SessionExpired,
};

const RULES: ViewRules = ViewRules {
    multi_address_enabled: false,
    standalone_enabled: true,
};
const THREE: &str = "server.1=h1:1:2;3\nserver.2=h2:1:2;3\nserver.3=h3:1:2;3\nversion=5";

fn view(text: &str) -> Arc<QuorumView> {
    Arc::new(QuorumView::parse(text, RULES).unwrap())
}

/// A leader of three with all rights.
struct Leader {
    world: World,
    membership: Membership,
    rules: ViewRules,
    is_synced: bool,
}

impl Leader {
    fn new() -> Self {
        let mut world = World::with(|options| options.reconfig_enabled = true);
        let options = AuthOptions {
            super_digest: Some("super:lK75jTNcA+U9vtVEw5vB51mj/w4=".to_owned()),
            ..AuthOptions::default()
        };
        world.policy = Policy::new(&options).unwrap();
        world.authenticate("super:secret");
        Self {
            world,
            membership: Membership::new(view(THREE)),
            rules: RULES,
            is_synced: true,
        }
    }

    fn ask(&mut self, request: Reconfig) -> (TxnRecord, Option<QuorumView>) {
        let world = &mut self.world;
        world.time.0 += 1;
        let caller = Caller {
            session: world.session,
            xid: Xid(9),
            op: Op::Reconfig,
            ids: &world.ids,
            standing: world.standing,
            ephemerals: Ok(()),
        };
        let is_synced = self.is_synced;
        let ensemble = Ensemble {
            membership: &self.membership,
            rules: self.rules,
            is_synced: &|_| is_synced,
        };
        let asked = (request, ensemble);
        let (record, view) =
            world
                .prep
                .reconfigure(&world.db, &world.policy, world.time, &caller, asked);
        world.in_flight.push_back(record.clone());
        world.apply_all();
        (record, view)
    }

    fn refusal(&mut self, request: Reconfig) -> Option<ErrorCode> {
        let (record, view) = self.ask(request);
        assert_eq!(view.is_none(), code_of(&record).is_some());
        code_of(&record)
    }

    /// What comes of it.
    fn done(&mut self, request: Reconfig) -> String {
        let (record, view) = self.ask(request);
        let view = view.unwrap_or_else(|| panic!("refused: {record:?}"));
        let Txn::Reconfig(set) = &record.txn else {
            panic!("{record:?}");
        };
        assert_eq!((&*set.path, set.version), ("/zookeeper/config", -1));
        let text = String::from_utf8(set.data.as_deref().unwrap().to_vec()).unwrap();
        assert_eq!(text, view.to_string());
        assert_eq!(view.version(), ConfigVersion::of(record.zxid));
        let node = self.world.db.tree.node("/zookeeper/config").unwrap();
        let stat = node.stat();
        assert_eq!((stat.version, Zxid(stat.mzxid)), (-1, record.zxid));
        assert_eq!(stat.mtime, self.world.time.0);
        assert_eq!(node.data(), Some(text.as_bytes()));
        let (lines, _) = text.rsplit_once("\nversion=").unwrap();
        lines.to_owned()
    }
}

fn request(joining: Option<&str>, leaving: Option<&str>, all: Option<&str>) -> Reconfig {
    Reconfig {
        joining: joining.map(Box::from),
        leaving: leaving.map(Box::from),
        new_members: all.map(Box::from),
        config_version: -1,
    }
}

fn join(text: &str) -> Reconfig {
    request(Some(text), None, None)
}

fn leave(text: &str) -> Reconfig {
    request(None, Some(text), None)
}

fn all(text: &str) -> Reconfig {
    request(None, None, Some(text))
}

#[test]
fn the_checks_come_in_apaches_order_qp_128() {
    let mut leader = Leader::new();
    // Each request fails every check from one on; one after the other they are made to hold.
    let nonsense = || Reconfig {
        config_version: 4,
        ..join("nonsense")
    };
    let mut off = Leader::new();
    off.world = World::with(|options| options.reconfig_enabled = false);
    off.world.standing = Err(SessionExpired);
    assert_eq!(off.refusal(nonsense()), Some(ReconfigDisabled));
    leader.world.ids = Policy::initial("10.0.0.1".parse().unwrap());
    leader.world.standing = Err(SessionExpired);
    leader.is_synced = false;
    leader.membership = leader
        .membership
        .seeing(view(&THREE.replace("version=5", "version=6")));
    assert_eq!(leader.refusal(nonsense()), Some(SessionExpired));
    leader.world.standing = Ok(());
    assert_eq!(leader.refusal(nonsense()), Some(ReconfigInProgress));
    leader.membership = Membership::new(view(THREE));
    assert_eq!(leader.refusal(nonsense()), Some(BadVersion));
    let current = Reconfig {
        config_version: 5,
        ..nonsense()
    };
    assert_eq!(leader.refusal(current), Some(BadArguments));
    assert_eq!(leader.refusal(leave("1,2")), Some(BadArguments));
    assert_eq!(leader.refusal(leave("1")), Some(NewConfigNoQuorum));
    leader.is_synced = true;
    assert_eq!(leader.refusal(leave("1")), Some(NoAuth));
    leader.world.authenticate("super:secret");
    assert_eq!(leader.refusal(leave("1")), None);
}

#[test]
fn members_leave_then_join_qp_129() {
    let mut leader = Leader::new();
    let lines = leader.done(request(
        Some("server.4=h4:1:2:observer;3, 1 = h9:1:2;3,"),
        Some(" 2 ,7,"),
        None,
    ));
    assert_eq!(
        lines,
        "server.1=h9:1:2:participant;0.0.0.0:3\nserver.3=h3:1:2:participant;0.0.0.0:3\n\
         server.4=h4:1:2:observer;0.0.0.0:3"
    );
    // One that joins takes the place of the one with its number, also of one that leaves.
    let lines = leader.done(request(Some("server.3=h3:1:2:observer;3"), Some("3"), None));
    assert!(lines.contains("server.3=h3:1:2:observer"), "{lines}");
}

#[test]
fn all_members_at_once_and_another_rule_qp_129() {
    let mut leader = Leader::new();
    let text =
        "server.1=h1:1:2;3,server.2=h2:1:2;3,server.4=h4:1:2;3,group.1=1:2,group.2=4,weight.4=2";
    let lines = leader.done(all(text));
    assert!(
        lines.ends_with("group.1=1:2\ngroup.2=4\nweight.1=1\nweight.2=1\nweight.4=2"),
        "{lines}"
    );
    // From there members change all at once only.
    leader.membership = Membership::new(view(&format!("{lines}\nversion=6")));
    assert_eq!(leader.refusal(leave("4")), Some(BadArguments));
    // The version in the text counts for nothing.
    leader.done(all("server.1=h1:1:2,server.2=h2:1:2,version=77"));
}

#[test]
fn what_cannot_be_is_refused_qp_128() {
    let mut leader = Leader::new();
    let table = [
        (join("nonsense"), BadArguments),
        (join("server.4=h4:1:2;3=x"), BadArguments),
        (join("server.x=h4:1:2;3"), MarshallingError),
        (join("server.4=h4:1;3"), BadArguments),
        (join("server.4=h4:1:2"), BadArguments),
        (join("server.4=h4:1:1;3"), BadArguments),
        (join("server.4=h4:1:2|h5:1:2;3"), BadArguments),
        // Another server is there.
        (join("server.4=h1:1:4;5"), BadArguments),
        (join("server.4=h1:4:2;5"), BadArguments),
        (join("server.4=h4:4:2;h2:1"), BadArguments),
        (join("server.4=h4:4:2;5,server.5=h4:4:7;9"), BadArguments),
        (leave("x"), MarshallingError),
        (leave("1,2"), BadArguments),
        (leave("1,2,3"), BadArguments),
        (all("nonsense"), BadArguments),
        (all(""), BadArguments),
        (all("server.x=h:1:2;3"), MarshallingError),
        (all("server.1=h1:1:2;3,version=zz"), MarshallingError),
        (all("server.1=h1:1:2:observer;3"), MarshallingError),
        (all("server.1=h1:1:2;3"), BadArguments),
        (
            all("server.1=h1:1:2;3,server.2=h2:1:2:observer"),
            MarshallingError,
        ),
        (
            all("server.1=h1:1:2;3,server.2=h2:1:2,group.1=1"),
            BadArguments,
        ),
    ];
    for (request, expected) in table {
        assert_eq!(
            leader.refusal(request.clone()),
            Some(expected),
            "{request:?}"
        );
    }
    // What every machine has is nobody's own.
    for joining in [
        "server.4=127.0.0.1:1:2;3",
        "server.5=127.0.0.1:1:2;3,server.6=localhost:1:2;3,server.7=localhost:1:2;3",
    ] {
        assert_eq!(leader.refusal(join(joining)), None, "{joining}");
    }
}

#[test]
fn a_voter_alone_is_enough_without_standalone_servers_qp_139() {
    let mut leader = Leader::new();
    leader.rules.standalone_enabled = false;
    assert_eq!(
        leader.done(leave("1,2")),
        "server.3=h3:1:2:participant;0.0.0.0:3"
    );
    assert_eq!(leader.refusal(leave("1,2,3")), Some(BadArguments));
}
