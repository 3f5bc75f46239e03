//! Facts about a member of an ensemble among the others: who leads, who votes, who learns from it.

use std::net::ToSocketAddrs;

use crate::admin::{HostPort, ObserverFacts, PlaceFacts, VoterFacts};
use crate::base::{QuorumLink, ServerId};
use crate::net::{LinkReports, Server};
use crate::peer::{Mode, QuorumReport, RoleReport};
use crate::quorum::{Host, Member};
use crate::runtime::facts::Facts;
use crate::zab::LearnerKind;

impl Facts {
    /// The links to other servers, once there are any.
    pub(super) fn tell_of_links(&self, links: LinkReports) {
        if self.links.set(links).is_err() {
            unreachable!("a server opens its ports once");
        }
    }

    /// Where the server is in its ensemble; `None` of one that is in none, or has no leader.
    pub(super) fn place(&self, server: &Server) -> Option<PlaceFacts> {
        let mode = server.mode()?;
        if mode == Mode::ReadOnly {
            return None;
        }
        let report = self.peer.lock().quorum()?;
        let me = ServerId(self.conf.server_id);
        let leader = match &report.role {
            RoleReport::Looking => return None,
            RoleReport::Leading(_) => me,
            // An observer's is the follower that serves it, as Apache has it.
            RoleReport::Learning { leader, .. } => *leader,
        };
        let view = report.membership.committed();
        let own = view.members().get(&me);
        let address_of_leader = view.members().get(&leader).map(address_of);
        Some(PlaceFacts {
            me,
            is_leader: leader == me,
            leader: (leader, address_of_leader.unwrap_or_default()),
            quorum: own.map_or_else(Vec::new, |own| ports(own, |part| part.quorum_port)),
            election: own.map_or_else(Vec::new, |own| ports(own, |part| part.election_port)),
            client: own.and_then(client_of),
            is_voting: view.voters().contains(&me),
            zxid: server.state.read().last_zxid(),
            voters: voters(&report),
        })
    }

    /// The observers that have got all from this server.
    pub(super) fn observers(&self) -> Vec<ObserverFacts> {
        let Some(links) = self.links.get() else {
            return Vec::new();
        };
        let observers = self.observer_links().into_iter();
        let known = observers.filter_map(|(link, id)| {
            let figures = links.of(link)?;
            Some(ObserverFacts {
                id,
                peer: figures.peer,
                established: figures.established,
                queued: figures.queued,
                queued_bytes: figures.queued_bytes,
                received: figures.received,
                sent: figures.sent,
                requests: figures.requests,
                last_zxid: figures.last_zxid,
            })
        });
        known.collect()
    }

    /// Counts anew what goes over their links.
    pub(super) fn reset_observers(&self) {
        if let Some(links) = self.links.get() {
            for (link, _) in self.observer_links() {
                links.reset(link);
            }
        }
    }

    fn observer_links(&self) -> Vec<(QuorumLink, ServerId)> {
        let report = self.peer.lock().quorum();
        match report.map(|report| report.role) {
            Some(RoleReport::Leading(leading)) => {
                let learners = leading.learners.into_iter();
                let observers = learners
                    .filter(|learner| learner.kind == LearnerKind::Observer && learner.is_synced);
                observers
                    .map(|learner| (learner.link, learner.sid))
                    .collect()
            }
            Some(RoleReport::Learning {
                synced_observers, ..
            }) => synced_observers.unwrap_or_default(),
            Some(RoleReport::Looking) | None => Vec::new(),
        }
    }
}

fn voters(report: &QuorumReport) -> Vec<VoterFacts> {
    let view = report.membership.committed();
    let voters = view.members().iter();
    let voters = voters.filter(|(_, member)| member.is_participant());
    let texts = |places: Vec<HostPort>| places.iter().map(HostPort::to_string).collect();
    let facts = voters.map(|(id, member)| VoterFacts {
        id: *id,
        quorum: texts(ports(member, |part| part.quorum_port)),
        election: texts(ports(member, |part| part.election_port)),
        client: client_of(member).unwrap_or_default(),
    });
    facts.collect()
}

fn ports(member: &Member, port: impl Fn(&crate::quorum::PeerAddress) -> u16) -> Vec<HostPort> {
    let parts = member.addresses().iter();
    let places = parts.map(|part| HostPort {
        host: part.host.to_string(),
        port: port(part),
    });
    places.collect()
}

fn client_of(member: &Member) -> Option<String> {
    member.client.as_ref().map(ToString::to_string)
}

/// The first address of a server, looked up if it is a name.
fn address_of(member: &Member) -> String {
    let Some(part) = member.addresses().first() else {
        return String::new();
    };
    let Host::Name(name) = &part.host else {
        return part.host.to_string();
    };
    let found = (&**name, part.quorum_port).to_socket_addrs();
    let first = found.ok().and_then(|mut found| found.next());
    first.map_or_else(
        || name.to_string(),
        |first| Host::Ip(first.ip()).to_string(),
    )
}
