//! Ensembles whose members change: they grow and shrink, servers get other ports and other roles, the
//! leader goes, one server becomes three and one again; by Apache's servers, by ours, and by both
//! together. Every change is asked for by a client, seen in `/zookeeper/config` of every member and
//! in the files that a restart reads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use compat_tests::{
    calls::{self, call},
    changing::{
        Change, Cluster, MEMBERS_MAX, NEW_CONFIG_NO_QUORUM, RECONFIG, config, reconfig, version_of,
    },
    ensemble::{ENSEMBLE_PATIENCE, can_run_or_skip, rounds},
    history::Rules,
    java::java_or_skip,
    load::{Load, LoadOptions},
    scenarios::tell,
    server::Kind::{self, Apache, Ours},
    wire::{Body, Client},
};

const BAD_ARGUMENTS: i32 = -8;
const MARSHALLING_ERROR: i32 = -5;
const NO_AUTH: i32 = -102;
const BAD_VERSION: i32 = -103;
const RECONFIG_DISABLED: i32 = -123;

compat_tests::cases! {
    first_start_of_apache: on(&[Apache; 3], first_start);
    first_start_of_ours: on(&[Ours; 3], first_start);
    first_start_mixed: on(&[Apache, Apache, Ours], first_start);
    first_start_mixed_led_by_apache: on(&[Ours, Ours, Apache], first_start);
    grow_and_shrink_apache: on(&[Apache; 5], grow_and_shrink);
    grow_and_shrink_ours: on(&[Ours; 5], grow_and_shrink);
    grow_and_shrink_led_by_ours: on(&[Apache, Apache, Ours, Apache, Ours], grow_and_shrink);
    grow_and_shrink_led_by_apache: on(&[Ours, Ours, Apache, Ours, Apache], grow_and_shrink);
    ports_change_apache: on(&[Apache; 3], ports_change);
    ports_change_ours: on(&[Ours; 3], ports_change);
    ports_change_led_by_ours: on(&[Apache, Apache, Ours], ports_change);
    ports_change_led_by_apache: on(&[Ours, Ours, Apache], ports_change);
    roles_change_apache: on(&[Apache; 4], roles_change);
    roles_change_ours: on(&[Ours; 4], roles_change);
    roles_change_led_by_ours: on(&[Apache, Ours, Apache, Ours], roles_change);
    roles_change_led_by_apache: on(&[Ours, Apache, Ours, Apache], roles_change);
    the_leader_goes_apache: on(&[Apache; 4], the_leader_goes);
    the_leader_goes_ours: on(&[Ours; 4], the_leader_goes);
    the_leader_of_ours_goes_to_apache: on(&[Apache, Apache, Apache, Ours], the_leader_goes);
    the_leader_of_apache_goes_to_ours: on(&[Ours, Ours, Ours, Apache], the_leader_goes);
    one_to_three_and_back_apache: on(&[Apache; 3], one_to_three_and_back);
    one_to_three_and_back_ours: on(&[Ours; 3], one_to_three_and_back);
    one_of_ours_to_three_with_apache: on(&[Ours, Apache, Apache], one_to_three_and_back);
    one_of_apache_to_three_with_ours: on(&[Apache, Ours, Ours], one_to_three_and_back);
    a_client_follows_apache: on(&[Apache; 3], a_client_follows);
    a_client_follows_ours: on(&[Ours; 3], a_client_follows);
    a_client_follows_from_apache_to_ours: on(&[Apache, Ours, Ours], a_client_follows);
    a_client_follows_from_ours_to_apache: on(&[Ours, Apache, Apache], a_client_follows);
    observers_of_followers_apache: on(&[Apache; 5], observers_of_followers);
    observers_of_followers_ours: on(&[Ours; 5], observers_of_followers);
    observers_of_our_followers: on(&[Ours, Ours, Apache, Apache, Ours], observers_of_followers);
    observers_of_apache_s_followers: on(&[Apache, Apache, Ours, Ours, Apache], observers_of_followers);
    changes_under_load_apache: on(&[Apache; 5], changes_under_load);
    changes_under_load_ours: on(&[Ours; 5], changes_under_load);
    changes_under_load_led_by_ours: on(&[Apache, Ours, Apache, Ours, Ours], changes_under_load);
    changes_under_load_led_by_apache: on(&[Ours, Apache, Ours, Apache, Apache], changes_under_load);
    refusals_of_apache: on(&[Apache; 3], refusals);
    refusals_of_ours: on(&[Ours; 3], refusals);
    disabled_on_apache: on(&[Apache; 3], disabled);
    disabled_on_ours: on(&[Ours; 3], disabled);
}

/// A scenario on members of these kinds.
fn on(test: &str, kinds: &[Kind], scenario: fn(&[Kind])) {
    if can_run_or_skip(test, kinds) {
        scenario(kinds);
    }
}

fn ids(kinds: &[Kind]) -> Vec<usize> {
    (1..=kinds.len()).collect()
}

/// All of these as an ensemble: with their numbers, and the lines that their configuration has.
fn started(kinds: &[Kind]) -> (Cluster, Vec<usize>, Vec<String>) {
    let mut cluster = Cluster::start(kinds);
    let ids = ids(kinds);
    let lines = cluster.server_lines(&ids);
    cluster.await_config(&ids, &lines);
    (cluster, ids, lines)
}

/// The first leader gives the configuration its version, everybody writes it down, and a restart
/// goes on with it.
fn first_start(kinds: &[Kind]) {
    let (mut cluster, ids, lines) = started(kinds);
    let config = cluster.await_config(&ids, &lines);
    assert_eq!(version_of(&config), "100000000");
    for id in &ids {
        let bak = cluster.file(*id, "zoo.cfg.bak").unwrap();
        assert!(
            bak.contains("server.1=") && bak.contains("reconfigEnabled"),
            "{bak}"
        );
        let cfg = cluster.file(*id, "zoo.cfg").unwrap();
        assert!(
            !cfg.contains("server.") && cfg.contains("tickTime=500"),
            "{cfg}"
        );
    }
    cluster.expect_writes(&ids);
    for id in &ids {
        cluster.kill(*id);
    }
    for id in &ids {
        cluster.restart(*id);
    }
    assert_eq!(cluster.await_config(&ids, &lines), config);
    cluster.expect_writes(&ids);
}

/// From three to five, then back to the first three.
fn grow_and_shrink(kinds: &[Kind]) {
    let mut cluster = Cluster::start(&kinds[..3]);
    let first = cluster.server_lines(&[1, 2, 3]);
    cluster.await_config(&[1, 2, 3], &first);
    for id in [4, 5] {
        let mut known = first.clone();
        known.push(cluster.server_line(id));
        cluster.launch(id, kinds[id - 1], &known);
        cluster.await_serving(id);
    }
    let both = cluster.server_lines(&[4, 5]);
    cluster.reconfigure(1, &Change::join(&both));
    let all = [1, 2, 3, 4, 5];
    let five = cluster.server_lines(&all);
    cluster.await_config(&all, &five);
    cluster.expect_writes(&all);
    // Two of the first three are not a quorum of five.
    cluster.kill(4);
    cluster.kill(5);
    cluster.expect_writes(&[1, 2, 3]);
    cluster.restart(4);
    cluster.restart(5);
    cluster.await_config(&all, &five);
    cluster.reconfigure(2, &Change::leave(&[4, 5]));
    cluster.await_config(&[1, 2, 3], &first);
    // Who was removed goes on serving, and its word does not count.
    cluster.expect_writes(&[1, 2, 3, 4, 5]);
    cluster.kill(4);
    cluster.kill(5);
    cluster.expect_writes(&[1, 2, 3]);
}

/// QP-137: followers get other ports for clients, for elections and for learners; who was connected
/// before stays connected.
fn ports_change(kinds: &[Kind]) {
    let (mut cluster, ids, first) = started(kinds);
    let mut connected = cluster.client(1);
    // Only the port for clients.
    let spare = cluster.ports(MEMBERS_MAX);
    let old = cluster.ports(0);
    let moved = format!(
        "1=127.0.0.1:{}:{}:participant;127.0.0.1:{}",
        old.start + 1,
        old.start + 2,
        spare.start
    );
    cluster.reconfigure(2, &Change::join(std::slice::from_ref(&moved)));
    let port = spare.start;
    cluster.moved(1, port);
    let mut lines = first;
    lines[0] = moved;
    cluster.await_config(&ids, &lines);
    calls::sync(&mut connected, "/");
    cluster.expect_writes(&ids);
    // All ports of a follower.
    let follower = ids
        .iter()
        .copied()
        .find(|id| *id != 1 && cluster.mode(*id).unwrap() != "leader");
    let follower = follower.unwrap();
    let all_moved = cluster.line(follower, MEMBERS_MAX + 2, "participant");
    cluster.reconfigure(1, &Change::join(std::slice::from_ref(&all_moved)));
    let port = cluster.ports(MEMBERS_MAX + 1).start;
    cluster.moved(follower, port);
    lines[follower - 1] = all_moved;
    cluster.await_config(&ids, &lines);
    cluster.expect_writes(&ids);
    // Elections still find it.
    let leader = cluster.leader();
    cluster.kill(leader);
    let rest: Vec<usize> = ids.iter().copied().filter(|id| *id != leader).collect();
    for id in &rest {
        cluster.await_serving(*id);
    }
    cluster.expect_writes(&rest);
    cluster.restart(leader);
    cluster.await_config(&ids, &lines);
}

/// A voter becomes an observer and a voter again.
fn roles_change(kinds: &[Kind]) {
    let (mut cluster, ids, first) = started(kinds);
    let observer = cluster.line(1, 1, "observer");
    cluster.reconfigure(2, &Change::join(std::slice::from_ref(&observer)));
    let mut lines = first.clone();
    lines[0] = observer;
    cluster.await_mode(1, "observer");
    cluster.await_config(&ids, &lines);
    cluster.expect_writes(&ids);
    cluster.reconfigure(1, &Change::all(&first));
    cluster.await_mode(1, "follower");
    cluster.await_config(&ids, &first);
    cluster.expect_writes(&ids);
}

/// The leader is removed, joins again, and is made an observer while it leads.
fn the_leader_goes(kinds: &[Kind]) {
    let (mut cluster, ids, first) = started(kinds);
    let leader = cluster.leader();
    assert_eq!(leader, kinds.len());
    cluster.reconfigure(1, &Change::leave(&[leader]));
    let rest: Vec<usize> = ids.iter().copied().filter(|id| *id != leader).collect();
    let lines = cluster.server_lines(&rest);
    cluster.await_config(&rest, &lines);
    let next = cluster.leader();
    assert_ne!(next, leader);
    cluster.expect_writes(&rest);
    // The one that led follows, without a vote.
    cluster.await_mode(leader, "follower");
    cluster.reconfigure(next, &Change::join(&[cluster.server_line(leader)]));
    cluster.await_config(&ids, &first);
    cluster.expect_writes(&ids);
    let next = cluster.leader();
    let demoted = cluster.line(next, next, "observer");
    let asked_at = ids.iter().copied().find(|id| *id != next).unwrap();
    cluster.reconfigure(asked_at, &Change::join(std::slice::from_ref(&demoted)));
    let mut lines = first.clone();
    lines[next - 1] = demoted;
    cluster.await_mode(next, "observer");
    cluster.await_config(&ids, &lines);
    assert_ne!(cluster.leader(), next);
    cluster.expect_writes(&ids);
}

/// Curator starts with the only server, follows `/zookeeper/config`, and is at one of two others with
/// its session when the first has gone.
fn a_client_follows(kinds: &[Kind]) {
    let Some(java) = java_or_skip("reconfig::a_client_follows") else {
        return;
    };
    let mut cluster = Cluster::start(&kinds[..1]);
    let all = cluster.server_lines(&ids(kinds));
    cluster.await_config(&[1], &all[..1]);
    let connect = cluster.address(1).to_string();
    let scenario = "reattach_to_other_members";
    let mut program = java.start("gamekeeper.compat.Main", &[], &[&connect, scenario]);
    program.expect_line("grow");
    for id in [2, 3] {
        let known = [cluster.server_line(1), cluster.line(id, id, "observer")];
        cluster.launch(id, kinds[id - 1], &known);
        cluster.await_serving(id);
    }
    cluster.reconfigure(1, &Change::join(&all[1..]));
    cluster.await_config(&[1, 2, 3], &all);
    program.say("grown");
    program.expect_line("leave");
    cluster.reconfigure(2, &Change::leave(&[1]));
    cluster.await_config(&[2, 3], &all[1..]);
    cluster.kill(1);
    program.say("left");
    assert_eq!(program.finish(), [format!("ok {scenario}")]);
}

/// Observers hear of changes from the followers that they learn from, also when one of these votes no
/// more and when one of them votes.
fn observers_of_followers(kinds: &[Kind]) {
    let mut cluster = Cluster::new().with_observer_masters().started(&kinds[..3]);
    let all = ids(kinds);
    let line = |cluster: &Cluster, voters: &[usize]| -> Vec<String> {
        let role = |id: &usize| match voters.contains(id) {
            true => "participant",
            false => "observer",
        };
        let lines = all.iter().map(|id| cluster.line(*id, *id, role(id)));
        lines.collect()
    };
    let lines = line(&cluster, &[1, 2, 3]);
    for id in [4, 5] {
        let mut known = lines[..3].to_vec();
        known.push(lines[id - 1].clone());
        cluster.launch(id, kinds[id - 1], &known);
        cluster.await_serving(id);
    }
    cluster.reconfigure(1, &Change::join(&lines[3..]));
    cluster.await_config(&all, &lines);
    let expect_masters = |cluster: &Cluster, observers: &[usize]| {
        let leader = cluster.leader();
        for id in observers {
            cluster.await_mode(*id, "observer");
            assert_ne!(cluster.await_master(*id), leader, "observer {id}");
        }
    };
    expect_masters(&cluster, &[4, 5]);
    cluster.expect_writes(&all);
    for (asked_at, voters) in [(4, &[2, 3][..]), (5, &[2, 3, 4])] {
        let lines = line(&cluster, voters);
        cluster.reconfigure(asked_at, &Change::join(&lines));
        cluster.await_config(&all, &lines);
        let observers = all.iter().copied().filter(|id| !voters.contains(id));
        expect_masters(&cluster, &observers.collect::<Vec<_>>());
        cluster.expect_writes(&all);
    }
}

/// A server alone gets two others, and is alone again.
fn one_to_three_and_back(kinds: &[Kind]) {
    let mut cluster = Cluster::start(&kinds[..1]);
    let one = vec![cluster.server_line(1)];
    cluster.await_config(&[1], &one);
    cluster.expect_writes(&[1]);
    for id in [2, 3] {
        // As a voter it would be a quorum of two that the first one knows nothing of.
        let known = [cluster.server_line(1), cluster.line(id, id, "observer")];
        cluster.launch(id, kinds[id - 1], &known);
        cluster.await_serving(id);
    }
    let three = cluster.server_lines(&[1, 2, 3]);
    cluster.reconfigure(1, &Change::join(&three[1..]));
    cluster.await_config(&[1, 2, 3], &three);
    cluster.expect_writes(&[1, 2, 3]);
    let leader = cluster.leader();
    let gone: Vec<usize> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    cluster.reconfigure(leader, &Change::leave(&gone));
    let last = vec![cluster.server_line(leader)];
    cluster.await_config(&[leader], &last);
    for id in gone {
        cluster.kill(id);
    }
    cluster.expect_writes(&[leader]);
}

/// One change after the other, drawn from fixed numbers, while clients write: a server goes, comes
/// back, votes or only observes, or is reached at other ports. Every history is as it may be, and all
/// know the same members.
fn changes_under_load(kinds: &[Kind]) {
    let mut cluster = Cluster::start(kinds);
    let ids = ids(kinds);
    let addresses: Vec<_> = ids.iter().map(|id| cluster.address(*id)).collect();
    let load = Load::start(&addresses, LoadOptions::default());
    let mut members = Members::all(&ids);
    let mut random: u32 = 7;
    let mut draw = |below: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as usize % below
    };
    for _ in 0..rounds(8) {
        let id = ids[draw(ids.len())];
        let may_go = members.voters() > 3;
        match draw(4) {
            0 if may_go => members.leave(&cluster, id),
            1 if may_go => members.join(&cluster, id, false),
            2 => {
                members.move_ports(id);
                members.join(&cluster, id, true);
            }
            _ => members.join(&cluster, id, true),
        }
        load.await_writes(100, ENSEMBLE_PATIENCE);
    }
    cluster.await_config(&ids, &members.lines(&cluster));
    tell(
        "reconfig::changes_under_load",
        &load.finish(&addresses).expect(Rules::STRICT),
    );
}

/// Who is to be a member by now, and at which ports; who was removed is still there at its own.
struct Members(BTreeMap<usize, Membership>);

#[derive(Clone, Copy)]
struct Membership {
    votes: Option<bool>,
    /// Whose ports it has: its own or those of one of two places that are free.
    place: usize,
}

impl Members {
    fn all(ids: &[usize]) -> Self {
        let votes = Some(true);
        let members = ids.iter().map(|id| (*id, Membership { votes, place: *id }));
        Self(members.collect())
    }

    fn voters(&self) -> usize {
        let votes = self.0.values().filter(|member| member.votes == Some(true));
        votes.count()
    }

    fn member(&mut self, id: usize) -> &mut Membership {
        self.0.get_mut(&id).unwrap()
    }

    /// To a free place, or back to its own.
    fn move_ports(&mut self, id: usize) {
        let is_taken = |place: &usize| self.0.values().any(|member| member.place == *place);
        let mut free = (MEMBERS_MAX + 1..=MEMBERS_MAX + 2).filter(|place| !is_taken(place));
        let place = match self.0[&id].place == id {
            true => free.next().unwrap_or(id),
            false => id,
        };
        self.member(id).place = place;
    }

    fn leave(&mut self, cluster: &Cluster, id: usize) {
        self.member(id).votes = None;
        cluster.reconfigure(cluster.leader(), &Change::leave(&[id]));
    }

    /// It votes, or only observes.
    fn join(&mut self, cluster: &Cluster, id: usize, votes: bool) {
        // An observer has to be out first: its vote may be needed for the change.
        if votes && self.0[&id].votes == Some(false) {
            self.leave(cluster, id);
        }
        let member = self.member(id);
        member.votes = Some(votes);
        let line = member.line(cluster, id).unwrap();
        cluster.reconfigure(cluster.leader(), &Change::join(&[line]));
    }

    fn lines(&self, cluster: &Cluster) -> Vec<String> {
        let members = self.0.iter();
        let lines = members.filter_map(|(id, member)| member.line(cluster, *id));
        lines.collect()
    }
}

impl Membership {
    fn line(&self, cluster: &Cluster, id: usize) -> Option<String> {
        let role = if self.votes? {
            "participant"
        } else {
            "observer"
        };
        Some(cluster.line_of_moved(id, self.place, role))
    }
}

/// What is refused, and with which code.
fn refusals(kinds: &[Kind]) {
    let (mut cluster, ids, first) = started(kinds);
    let mut admin = cluster.admin(3);
    let code = |client: &mut Client, change: Change| reconfig(client, &change).error;
    let other = |version| Change {
        version: Some(version),
        ..Change::join(&[cluster.server_line(4)])
    };
    assert_eq!(code(&mut admin, other(7)), BAD_VERSION);
    assert_eq!(
        code(&mut admin, other(0x1_0000_0000)),
        0,
        "three of four are there"
    );
    assert_eq!(code(&mut admin, Change::leave(&[4])), 0);
    let two = Change::join(&cluster.server_lines(&[4, 5, 6]));
    assert_eq!(code(&mut admin, two.clone()), NEW_CONFIG_NO_QUORUM);
    for (number, (body, expected)) in refused_requests().iter().enumerate() {
        assert_eq!(
            call(&mut admin, RECONFIG, body).error,
            *expected,
            "request {number}"
        );
    }
    // The permission comes last.
    let mut client = cluster.client(3);
    assert_eq!(code(&mut client, other(7)), BAD_VERSION);
    assert_eq!(code(&mut client, two), NEW_CONFIG_NO_QUORUM);
    assert_eq!(
        code(&mut client, Change::join(&[cluster.server_line(4)])),
        NO_AUTH
    );
    cluster.await_config(&ids, &first);
}

/// What is refused whatever the members are, with its code.
fn refused_requests() -> Vec<(Body, i32)> {
    let joining = |text: &str| Body::new().string(text).null().null();
    let leaving = |text: &str| Body::new().null().string(text).null();
    let all = |text: &str| Body::new().null().null().string(text);
    let requests = [
        (joining("nonsense"), BAD_ARGUMENTS),
        (joining("server.x=127.0.0.1:1:2;3"), MARSHALLING_ERROR),
        (joining("server.4=127.0.0.1:1;3"), BAD_ARGUMENTS),
        (joining("server.4=127.0.0.1:1:2"), BAD_ARGUMENTS),
        (joining("server.4=127.0.0.1:1:1;3"), BAD_ARGUMENTS),
        (leaving("x"), MARSHALLING_ERROR),
        (leaving("1,2,3"), BAD_ARGUMENTS),
        (all("nonsense"), BAD_ARGUMENTS),
        (all(""), MARSHALLING_ERROR),
        (all("server.x=127.0.0.1:1:2;3"), MARSHALLING_ERROR),
        (all("server.1=127.0.0.1:1;3"), BAD_ARGUMENTS),
        (all("server.1=127.0.0.1:1:2:observer;3"), MARSHALLING_ERROR),
        (all("server.1=127.0.0.1:1:2;3,group.1=2"), BAD_ARGUMENTS),
        (all("server.1=127.0.0.1:1:2;3,weight.1=1"), BAD_ARGUMENTS),
        (
            all("server.1=127.0.0.1:1:2;3,version=zz"),
            MARSHALLING_ERROR,
        ),
    ];
    requests
        .map(|(members, code)| (members.long(-1), code))
        .to_vec()
}

/// Nothing is written, nothing is taken over, and the request is refused.
fn disabled(kinds: &[Kind]) {
    let mut cluster = Cluster::new()
        .with("reconfigEnabled", "false")
        .started(kinds);
    let mut admin = cluster.admin(3);
    let change = Change::join(&[cluster.server_line(4)]);
    assert_eq!(reconfig(&mut admin, &change).error, RECONFIG_DISABLED);
    for id in ids(kinds) {
        cluster.await_serving(id);
        let text = config(&mut cluster.client(id));
        assert_eq!(version_of(&text), "0");
        for name in ["zoo.cfg.bak", "zoo.cfg.dynamic.next", "zoo.cfg.dynamic.0"] {
            assert_eq!(cluster.file(id, name), None, "{name} on server {id}");
        }
        assert!(cluster.file(id, "zoo.cfg").unwrap().contains("server.1="));
    }
}
