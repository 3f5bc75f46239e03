//! Whom an observer learns from, with `observerMasterPort`: the followers in a random order, and, when
//! none of them serves it, the leader.
//!
//! Apache's observers never dial the leader then; an ensemble whose followers do not listen, or that
//! has none, would be without observers. One that lost its follower tries all others first, and that
//! one last.

use crate::base::ServerId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Masters {
    /// Who is still to be dialled, the next one last; `None`: all are, in a new order.
    round: Option<Vec<ServerId>>,
}

impl Masters {
    /// Whom to dial: a follower, or nobody but the leader is left. `draw` gives random numbers.
    pub(super) fn next(
        &mut self,
        voters: impl Iterator<Item = ServerId>,
        leader: ServerId,
        draw: impl FnMut() -> u64,
    ) -> Option<ServerId> {
        let round = self
            .round
            .get_or_insert_with(|| shuffled(voters.collect(), draw));
        // It serves no observers where followers do.
        round.retain(|voter| *voter != leader);
        let next = round.pop();
        if next.is_none() {
            self.round = None;
        }
        next
    }

    /// This one serves: when it is lost, all others are tried, then it.
    pub(super) fn on_served(
        &mut self,
        voters: impl Iterator<Item = ServerId>,
        master: ServerId,
        draw: impl FnMut() -> u64,
    ) {
        let others = voters.filter(|voter| *voter != master).collect();
        let mut round = shuffled(others, draw);
        round.insert(0, master);
        self.round = Some(round);
    }

    /// Whether the next one to be dialled is the first of all.
    pub(super) fn is_new_round(&self) -> bool {
        self.round.is_none()
    }
}

/// Fisher and Yates.
fn shuffled(mut servers: Vec<ServerId>, mut draw: impl FnMut() -> u64) -> Vec<ServerId> {
    for at in (1..servers.len()).rev() {
        let below = u64::try_from(at + 1).unwrap_or(u64::MAX);
        let other = usize::try_from(draw() % below).unwrap_or(0);
        servers.swap(at, other);
    }
    servers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LEADER: ServerId = ServerId(3);

    fn voters() -> impl Iterator<Item = ServerId> {
        (1..=5).map(ServerId)
    }

    fn draws() -> impl FnMut() -> u64 {
        let mut state = 7_u64;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        }
    }

    #[test]
    fn each_follower_once_then_the_leader_then_all_anew() {
        let (mut masters, mut draw) = (Masters::default(), draws());
        for _ in 0..3 {
            assert!(masters.is_new_round());
            let mut tried = BTreeSet::new();
            while let Some(next) = masters.next(voters(), LEADER, &mut draw) {
                assert!(tried.insert(next), "{next} was dialled before");
                assert!(!masters.is_new_round());
            }
            assert_eq!(tried, [1, 2, 4, 5].map(ServerId).into());
        }
    }

    #[test]
    fn orders_differ() {
        let (mut masters, mut draw) = (Masters::default(), draws());
        let mut firsts = BTreeSet::new();
        for _ in 0..50 {
            firsts.extend(masters.next(voters(), LEADER, &mut draw));
            while masters.next(voters(), LEADER, &mut draw).is_some() {}
        }
        assert_eq!(firsts, [1, 2, 4, 5].map(ServerId).into());
    }

    #[test]
    fn who_served_is_tried_last() {
        let (mut masters, mut draw) = (Masters::default(), draws());
        masters.next(voters(), LEADER, &mut draw);
        masters.on_served(voters(), ServerId(4), &mut draw);
        assert!(!masters.is_new_round());
        let mut tried = Vec::new();
        // Another one leads by now.
        while let Some(next) = masters.next(voters(), ServerId(1), &mut draw) {
            tried.push(next);
        }
        assert_eq!(tried.len(), 4);
        assert_eq!(tried.last(), Some(&ServerId(4)));
        assert!(masters.is_new_round());
    }

    #[test]
    fn an_ensemble_without_followers_has_its_leader() {
        let (mut masters, mut draw) = (Masters::default(), draws());
        assert_eq!(masters.next([LEADER].into_iter(), LEADER, &mut draw), None);
        assert!(masters.is_new_round());
    }
}
