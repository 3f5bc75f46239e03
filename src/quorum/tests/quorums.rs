//! Which sets decide: a table in `testdata`, and the property all of ZAB rests on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::script;
use crate::{
    base::ServerId,
    quorum::{AckSet, GroupId, Groups, Membership, QuorumView, Role, Verifier, ViewRules},
};

/// Each block names one or two views, `1:2:3` or `1:2/3:4 4=0` for groups with weights, and asks
/// for sets.
#[test]
fn quorums_qp_043_qp_044() {
    script::check("quorum/testdata/quorums.txt", |block| {
        assert_eq!(block.command, "quorums");
        let mut views = Vec::new();
        let mut output = String::new();
        for line in block.input.lines() {
            let (word, rest) = line.split_once(' ').unwrap();
            if word == "view" {
                let version = views.len();
                views.push(Arc::new(view(rest, version)));
                continue;
            }
            let membership = match views.as_slice() {
                [one] => Membership::new(Arc::clone(one)),
                [one, two] => Membership::with_last_seen(Arc::clone(one), Arc::clone(two)),
                _ => panic!("one or two views"),
            };
            let mut acks = AckSet::new(Arc::new(membership));
            for server in rest.split_whitespace() {
                acks.add(ServerId(server.parse().unwrap()));
            }
            let answer = if acks.has_quorum() { "quorum" } else { "-" };
            output += &format!("{line}: {answer}\n");
        }
        output
    });
}

fn view(description: &str, version: usize) -> QuorumView {
    let mut words = description.split_whitespace();
    let groups: Vec<&str> = words.next().unwrap().split('/').collect();
    let mut text = format!("version={version}\n");
    for (index, group) in groups.iter().enumerate() {
        for server in group.split(':') {
            text += &format!("server.{server}=h{server}:1:2\n");
        }
        if groups.len() > 1 {
            text += &format!("group.{index}={group}\n");
        }
    }
    for word in words {
        match word.split_once('=') {
            Some((server, weight)) => text += &format!("weight.{server}={weight}\n"),
            None => text += &format!("server.{word}=h{word}:1:2:observer\n"),
        }
    }
    QuorumView::parse(&text, ViewRules::default()).unwrap()
}

#[test]
fn two_views_in_force_qp_044() {
    let old = Arc::new(view("1:2:3 9", 1));
    let new = Arc::new(view("3:4:5 1", 2));
    let both = Membership::with_last_seen(Arc::clone(&old), Arc::clone(&new));
    let voters: Vec<i64> = both.voters().iter().map(|server| server.0).collect();
    assert_eq!(voters, [1, 2, 3, 4, 5]);
    assert!(both.is_voter(ServerId(5)) && both.is_voter(ServerId(2)));
    assert!(!both.is_voter(ServerId(9)) && !both.is_voter(ServerId(6)));
    // By the committed view: 1 still votes, 4 does not yet and is no observer either.
    assert_eq!(both.role(ServerId(1)), Role::Participant);
    assert_eq!(both.role(ServerId(9)), Role::Observer);
    assert_eq!(both.role(ServerId(4)), Role::Participant);
    assert!(both.member(ServerId(4)).is_some() && both.member(ServerId(6)).is_none());
    // A last seen view that is not newer is not in force.
    let settled = Membership::with_last_seen(Arc::clone(&new), old);
    assert!(settled.proposed().is_none() && !settled.is_voter(ServerId(2)));
}

#[test]
fn an_ack_counts_once() {
    let membership = Arc::new(Membership::new(Arc::new(view("1:2:3 9", 0))));
    let mut acks = AckSet::new(membership);
    assert!(acks.add(ServerId(3)) && !acks.add(ServerId(3)));
    assert!(acks.add(ServerId(9)) && !acks.has_quorum());
    assert!(acks.add(ServerId(1)) && acks.has_quorum());
    assert_eq!(acks.servers(), [ServerId(1), ServerId(3), ServerId(9)]);
    assert_eq!(acks.membership().voters().len(), 3);
}

#[test]
fn weights_outside_the_view() {
    let majority = view("1:2:3", 0);
    let groups = view("1:2/3 1=0 3=7", 0);
    assert_eq!(majority.weight(ServerId(77)), 1);
    let weights = [1, 2, 3, 77].map(|server| groups.weight(ServerId(server)));
    assert_eq!(weights, [0, 1, 7, 0]);
}

/// A verifier of either kind over servers 0 to `count - 1`.
fn verifier() -> impl Strategy<Value = (BTreeSet<ServerId>, Verifier)> {
    let placed = prop::collection::vec((0_i64..4, 0_u64..4), 1..10);
    (placed, any::<bool>()).prop_map(|(placed, majority)| {
        let ids = (0_i64..).map(ServerId);
        let voters: BTreeSet<ServerId> = ids.clone().take(placed.len()).collect();
        if majority {
            return (voters, Verifier::Majority);
        }
        let mut group_of = BTreeMap::new();
        let mut weights = BTreeMap::new();
        for (server, (group, weight)) in ids.zip(placed) {
            group_of.insert(server, GroupId(group));
            weights.insert(server, weight);
        }
        let groups = Groups::new(&voters, group_of, weights).unwrap();
        (voters, Verifier::Hierarchical(groups))
    })
}

proptest! {
    #[test]
    fn any_two_quorums_share_a_voter((voters, verifier) in verifier(), a: u16, b: u16) {
        let in_set = |set: u16| move |server: ServerId| set >> server.0 & 1 == 1;
        let is_quorum = |set: u16| verifier.has_quorum(&voters, in_set(set));
        if is_quorum(a) && is_quorum(b) {
            prop_assert!(voters.iter().any(|&v| in_set(a & b)(v)), "of {:#b} and {:#b}", a, b);
        }
        // No set and its complement, whatever they are.
        prop_assert!(!(is_quorum(a) && is_quorum(!a)));
        // More voters never undo a quorum.
        prop_assert!(!is_quorum(a) || is_quorum(a | b));
        prop_assert!(!is_quorum(0));
    }

    #[test]
    fn a_quorum_of_both_views_is_one_of_each(a in 1_i64..6, b in 1_i64..6, acked: u16) {
        let list = |range: std::ops::RangeInclusive<i64>| {
            range.map(|id| id.to_string()).collect::<Vec<_>>().join(":")
        };
        let old = Arc::new(view(&list(1..=a), 0));
        let new = Arc::new(view(&list(a..=a + b), 1));
        let both = Membership::with_last_seen(Arc::clone(&old), Arc::clone(&new));
        let has = |server: ServerId| acked >> server.0 & 1 == 1;
        prop_assert_eq!(both.has_quorum(has), old.has_quorum(has) && new.has_quorum(has));
    }
}
