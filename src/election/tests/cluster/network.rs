//! Simulated connections: first in, first out, with delays; stalled by cuts, ended by crashes.

use super::{Arrival, Cluster, Connection, DIAL_TIMEOUT_MS, End, Event, link_id};
use crate::{
    base::ServerId,
    election::{Ballot, Input, LinkInput, Notification, Received},
};

impl Cluster {
    pub(super) fn dial(&mut self, from: ServerId, to: ServerId) {
        let (incarnation, peer) = (self.servers[&from].incarnation, &self.servers[&to]);
        if self.is_cut(from, to) || peer.process.is_none() {
            // Nobody answers over a cut; a machine without the process refuses.
            let wait = if self.is_cut(from, to) {
                DIAL_TIMEOUT_MS
            } else {
                self.delay()
            };
            self.after(wait, Event::DialFails(from, to, incarnation));
            return;
        }
        let end = End(self.connections.len(), false);
        self.connections.push(Connection {
            servers: [(from, incarnation), (to, peer.incarnation)],
            is_open: [true, true],
            last_arrival: [0, 0],
            stalled: Vec::new(),
        });
        self.send(end, Arrival::Established);
        self.send(End(end.0, true), Arrival::Greeting);
    }

    /// Puts something on its way to this end, behind what is on its way already.
    pub(super) fn send(&mut self, end: End, arrival: Arrival) {
        let at = self.now + self.delay();
        let last = &mut self.connections[end.0].last_arrival[usize::from(end.1)];
        *last = at.max(*last);
        let wait = *last - self.now;
        self.after(wait, Event::Arrive(end, arrival));
    }

    pub(super) fn close(&mut self, end: End) {
        let is_open = &mut self.connections[end.0].is_open[usize::from(end.1)];
        if std::mem::take(is_open) {
            self.send(End(end.0, !end.1), Arrival::Closed);
        }
    }

    pub(super) fn on_arrival(&mut self, end: End, arrival: Arrival) {
        let connection = &mut self.connections[end.0];
        let (id, incarnation) = connection.servers[usize::from(end.1)];
        let (peer, _) = connection.servers[usize::from(!end.1)];
        if self.cuts.contains(&(id.min(peer), id.max(peer)))
            && !matches!(arrival, Arrival::Closed | Arrival::Written)
        {
            connection.stalled.push((end, arrival));
            return;
        }
        if !connection.is_open[usize::from(end.1)] || !self.is_current(id, incarnation) {
            if self.is_current(id, incarnation) && arrival == Arrival::Established {
                // Reset before it was there.
                self.feed_links(id, LinkInput::DialFailed { to: peer });
            }
            // A process that came back knows nothing of the connection and says so.
            if self.servers[&id].process.is_some() && matches!(arrival, Arrival::Frame(_)) {
                self.send(End(end.0, !end.1), Arrival::Closed);
            }
            return;
        }
        let link = link_id(end);
        match arrival {
            Arrival::Established => self.feed_links(id, LinkInput::Dialled { to: peer, link }),
            Arrival::Greeting => {
                let (from, addresses) = (peer, Vec::new());
                let accepted = LinkInput::Accepted {
                    link,
                    from,
                    addresses,
                };
                self.feed_links(id, accepted);
            }
            Arrival::Frame(number) => {
                let Notification {
                    state,
                    vote,
                    config,
                } = self.messages[number].clone();
                let ballot = Ballot {
                    state,
                    vote,
                    version: Notification::VERSION,
                };
                let message = Received {
                    ballot,
                    config: Some(config),
                };
                self.feed(
                    id,
                    Input::Received {
                        from: peer,
                        message,
                    },
                );
            }
            Arrival::Written => self.feed_links(id, LinkInput::Written { link }),
            Arrival::Closed => {
                self.connections[end.0].is_open[usize::from(end.1)] = false;
                self.feed_links(id, LinkInput::Closed { link });
            }
        }
    }
}
