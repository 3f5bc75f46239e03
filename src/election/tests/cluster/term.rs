//! What stands for discovery, synchronization and the ticks of a term.

use super::{Cluster, Event, INIT_LIMIT_MS, JOIN_LIMIT_MS, Role};
use crate::{
    base::{Epoch, ServerId},
    election::{Input, LinkInput},
};

impl Cluster {
    /// One look at what a server does outside of elections.
    pub(super) fn supervise(&mut self, id: ServerId) {
        match self.servers[&id].role.clone() {
            Role::Leading { epoch, since } => self.supervise_leader(id, epoch, since),
            Role::Learning {
                leader,
                term,
                since,
            } => {
                let leads = matches!(self.servers[&leader].role, Role::Leading { .. });
                let is_reached = leads && !self.is_cut(id, leader);
                match term {
                    None if is_reached => self.join(id, leader),
                    None if self.now < since + JOIN_LIMIT_MS => {}
                    Some(_) if is_reached && term == self.term_of(leader) => {}
                    _ => self.rest(id),
                }
            }
            Role::Down | Role::Looking | Role::Resting => {}
        }
    }

    fn supervise_leader(&mut self, id: ServerId, epoch: Option<Epoch>, since: u64) {
        let has_quorum = {
            let own = self.servers[&id].standing;
            self.membership.has_quorum(|server| {
                let follows = matches!(
                    self.servers[&server].role,
                    Role::Learning { leader, .. } if leader == id
                );
                let standing = self.servers[&server].standing;
                let has_less = (standing.epoch, standing.zxid) <= (own.epoch, own.zxid);
                server == id || (follows && has_less && !self.is_cut(id, server))
            })
        };
        match epoch {
            None if has_quorum => self.begin_term(id),
            Some(_) if has_quorum => {
                let leader = self.servers.get_mut(&id).unwrap();
                leader.standing.zxid = leader.standing.zxid.next();
                let zxid = leader.standing.zxid;
                for server in self.followers_in_term(id) {
                    if self.random.below(5) > 0 {
                        self.servers.get_mut(&server).unwrap().standing.zxid = zxid;
                    }
                }
            }
            None if self.now < since + INIT_LIMIT_MS => {}
            _ => self.rest(id),
        }
    }

    fn begin_term(&mut self, id: ServerId) {
        let newest = self.servers.values().map(|server| server.standing.epoch);
        let epoch = Epoch(newest.max().map_or(1, |epoch| epoch.0 + 1));
        self.say(format!("{id} leads epoch {epoch}"));
        let now = self.now;
        let leader = self.servers.get_mut(&id).unwrap();
        leader.role = Role::Leading {
            epoch: Some(epoch),
            since: now,
        };
        leader.standing.epoch = epoch;
        self.feed(id, Input::TermBegan(epoch));
        for server in self.ids() {
            self.supervise(server);
        }
    }

    /// A learner has reached its leader.
    fn join(&mut self, id: ServerId, leader: ServerId) {
        let theirs = self.servers[&leader].standing;
        let own = self.servers[&id].standing;
        let Role::Leading {
            epoch: Some(epoch), ..
        } = self.servers[&leader].role
        else {
            // Discovery is under way; one that has more than the leader is refused.
            if (own.epoch, own.zxid) > (theirs.epoch, theirs.zxid) {
                self.rest(id);
            }
            return;
        };
        let joined = self.term_of(leader);
        let server = self.servers.get_mut(&id).unwrap();
        server.standing = theirs;
        if let Role::Learning { term, .. } = &mut server.role {
            *term = joined;
        }
        self.feed(id, Input::TermBegan(epoch));
    }

    fn followers_in_term(&self, id: ServerId) -> Vec<ServerId> {
        let own = self.term_of(id);
        let in_term = self.servers.iter().filter(|(server, state)| {
            let follows = matches!(state.role, Role::Learning { term, .. } if term == own);
            follows && !self.is_cut(id, **server)
        });
        in_term.map(|(server, _)| *server).collect()
    }

    /// The term this server leads.
    pub(super) fn term_of(&self, leader: ServerId) -> Option<(u64, Epoch)> {
        let server = &self.servers[&leader];
        match server.role {
            Role::Leading { epoch, .. } => epoch.map(|epoch| (server.incarnation, epoch)),
            _ => None,
        }
    }

    /// Out of the term, for a moment.
    pub(super) fn rest(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).unwrap();
        server.role = Role::Resting;
        let incarnation = server.incarnation;
        let delay = if self.membership.is_voter(id) {
            0
        } else {
            self.random.below(200)
        };
        self.after(delay, Event::Look(id, incarnation));
    }

    pub(super) fn look(&mut self, id: ServerId) {
        let now = self.now;
        let server = self.servers.get_mut(&id).unwrap();
        server.role = Role::Looking;
        server.looks_since = now;
        let standing = server.standing;
        self.feed_links(id, LinkInput::Eager(true));
        self.feed(id, Input::Look(standing));
    }
}
