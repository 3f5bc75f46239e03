//! Connections between hosts: first in, first out, each way on its own, with delays; and all that
//! can happen to them.
//!
//! ```text
//!  dial -- SYN --> listening:      Accepted there, SYN-ACK back, Dialled here
//!            |---> not listening:  RST back, DialFailed here
//!            +---> no answer:      DialFailed when the time is up
//!  send -- bytes, one after the other, whole or in pieces --> Bytes
//!  close -- FIN behind the bytes --> Closed
//! ```
//!
//! A way that is blocked holds what is on it, as a network that loses packets does to a stream: it
//! arrives when the way is free again. A reset loses it from some byte on. A process that ends
//! resets its connections or closes them; a machine that ends says nothing, and answers with a
//! reset once it is back. Within a link nothing is ever reordered, doubled or left out: that is what
//! ZAB asks of its links, and what TCP gives.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use bytes::Bytes;

use crate::sim::prng::Prng;
use crate::sim::world::{Micros, Timeline};

/// A machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub u32);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// Where a host listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    Client,
    Election,
    Quorum,
    /// `observerMasterPort`.
    Observers,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    conn: u64,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    Dialling,
    Dialled,
}

/// What the network has to do at some moment.
#[derive(Debug, Clone, Copy)]
pub enum NetEvent {
    /// The first parcel on its way to an end is due.
    Due(End),
    DialTimeout(End),
}

/// What a host's process notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Someone dialled this host; the connection is there.
    Accepted {
        port: Port,
        from: Host,
    },
    Dialled,
    DialFailed,
    Bytes(Bytes),
    /// The other side closed, or the connection broke; not after this end was closed.
    Closed,
}

/// How long things take, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct NetworkOptions {
    pub delay_min_us: u64,
    /// What is added to it, mostly; up to sixteen times that.
    pub delay_mean_us: u64,
    /// So many parcels of a thousand take `spike_us` more.
    pub spike_per_mille: u64,
    pub spike_us: u64,
    /// So many parcels of a thousand arrive in two pieces.
    pub split_per_mille: u64,
    pub dial_timeout_us: u64,
}

/// How a process ends, as the others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The kernel sends what it has and closes.
    Closes,
    /// The kernel resets: some of what was sent is lost.
    Resets,
    /// The machine is gone: nobody hears a thing.
    Silent,
}

/// All hosts and what is between them.
#[derive(Debug)]
pub struct Network {
    options: NetworkOptions,
    prng: Prng,
    conns: BTreeMap<u64, Conn>,
    next_conn: u64,
    listening: BTreeSet<(Host, Port)>,
    /// Machines without power.
    silent: BTreeSet<Host>,
    /// Ways on which nothing gets through, by their two hosts in order.
    blocked: BTreeSet<(Host, Host)>,
    /// Ways on which nothing gets through until then.
    clogged: BTreeMap<(Host, Host), Micros>,
}

#[derive(Debug)]
struct Conn {
    port: Port,
    hosts: [Host; 2],
    states: [State; 2],
    /// What is on its way to each end.
    ways: [Way; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not there yet: the dial is in progress.
    Dialling,
    Open,
    /// Closed by its own process, which wants to hear nothing more.
    Closed,
    /// Its process is gone.
    Dead,
}

#[derive(Debug, Default)]
struct Way {
    queue: VecDeque<(Micros, Parcel)>,
    is_scheduled: bool,
}

#[derive(Debug)]
enum Parcel {
    Syn,
    SynAck,
    Bytes(Bytes),
    Fin,
    Rst,
}

impl End {
    fn other(self) -> Self {
        let side = match self.side {
            Side::Dialling => Side::Dialled,
            Side::Dialled => Side::Dialling,
        };
        Self { side, ..self }
    }

    fn index(self) -> usize {
        self.side as usize
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}{}", self.conn, ["a", "b"][self.index()])
    }
}

impl Network {
    pub fn new(options: NetworkOptions, prng: Prng) -> Self {
        Self {
            options,
            prng,
            conns: BTreeMap::new(),
            next_conn: 0,
            listening: BTreeSet::new(),
            silent: BTreeSet::new(),
            blocked: BTreeSet::new(),
            clogged: BTreeMap::new(),
        }
    }

    pub fn listen(&mut self, host: Host, port: Port) {
        assert!(!self.silent.contains(&host), "only what runs listens");
        self.listening.insert((host, port));
    }

    pub fn stop_listening(&mut self, host: Host, port: Port) {
        self.listening.remove(&(host, port));
    }

    /// Starts to connect; ends in `Dialled` or `DialFailed` for the end that is given back.
    pub fn dial<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        from: Host,
        to: Host,
        port: Port,
    ) -> End {
        let conn = self.next_conn;
        self.next_conn += 1;
        self.conns.insert(
            conn,
            Conn {
                port,
                hosts: [from, to],
                states: [State::Dialling; 2],
                ways: [Way::default(), Way::default()],
            },
        );
        let end = End {
            conn,
            side: Side::Dialling,
        };
        self.push(timeline, end.other(), Parcel::Syn);
        let timeout = Micros(self.options.dial_timeout_us);
        timeline.after(timeout, NetEvent::DialTimeout(end));
        end
    }

    /// Sends bytes from an end. What is sent from one that is not open is lost.
    pub fn send<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        from: End,
        mut bytes: Bytes,
    ) {
        if bytes.is_empty() || self.state(from) != Some(State::Open) {
            return;
        }
        if bytes.len() > 1 && self.prng.per_mille(self.options.split_per_mille) {
            let cut = 1 + self.prng.index(bytes.len() - 1);
            self.push(timeline, from.other(), Parcel::Bytes(bytes.split_to(cut)));
        }
        self.push(timeline, from.other(), Parcel::Bytes(bytes));
    }

    /// Closes an end behind what was sent from it. It hears nothing more.
    pub fn close<E: From<NetEvent>>(&mut self, timeline: &mut Timeline<E>, end: End) {
        match self.state(end) {
            Some(State::Open) => {
                self.set_state(end, State::Closed);
                self.push(timeline, end.other(), Parcel::Fin);
            }
            Some(State::Dialling) => self.set_state(end, State::Closed),
            _ => {}
        }
    }

    /// Breaks a connection: both ends hear of it, and of what is on its way some is lost.
    pub fn reset<E: From<NetEvent>>(&mut self, timeline: &mut Timeline<E>, end: End) {
        for end in [end, end.other()] {
            if self.state(end).is_some() {
                self.lose_from_somewhere(end);
                self.push(timeline, end, Parcel::Rst);
            }
        }
    }

    /// The process of a host is gone with all its ends.
    pub fn end_process<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        host: Host,
        ending: Ending,
    ) {
        self.listening.retain(|(listening, _)| *listening != host);
        if ending == Ending::Silent {
            self.silent.insert(host);
        }
        for end in self.ends_of(host) {
            let was = self.state(end);
            self.set_state(end, State::Dead);
            if was == Some(State::Closed) || was == Some(State::Dead) {
                continue;
            }
            match ending {
                Ending::Silent => {}
                Ending::Closes => self.push(timeline, end.other(), Parcel::Fin),
                Ending::Resets => {
                    self.lose_from_somewhere(end.other());
                    self.push(timeline, end.other(), Parcel::Rst);
                }
            }
        }
    }

    /// The machine has power again.
    pub fn power_on(&mut self, host: Host) {
        self.silent.remove(&host);
    }

    /// Lets nothing through from one host to another.
    pub fn block(&mut self, from: Host, to: Host) {
        self.blocked.insert((from, to));
    }

    /// Lets everything through again; what was held arrives.
    pub fn unblock_all<E: From<NetEvent>>(&mut self, timeline: &mut Timeline<E>) {
        self.blocked.clear();
        self.clogged.clear();
        let held: Vec<End> = self.all_ends().collect();
        for end in held {
            let delay = self.delay();
            self.schedule(timeline, end, timeline.now().after(delay));
        }
    }

    /// Lets nothing through for a while from one host to another.
    pub fn clog(&mut self, from: Host, to: Host, until: Micros) {
        let clogged = self.clogged.entry((from, to)).or_default();
        *clogged = until.max(*clogged);
    }

    pub fn is_blocked(&self, from: Host, to: Host) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// The connections between two hosts that are open at both ends, by the end that dialled.
    pub fn between(&self, a: Host, b: Host) -> Vec<End> {
        let is_between = |conn: &Conn| conn.hosts == [a, b] || conn.hosts == [b, a];
        let open = self
            .conns
            .iter()
            .filter(|(_, conn)| is_between(conn) && conn.states == [State::Open; 2]);
        let end = |(conn, _): (&u64, &Conn)| End {
            conn: *conn,
            side: Side::Dialling,
        };
        open.map(end).collect()
    }

    /// Does what is due. What the process of a host notices of it.
    pub fn on_event<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        event: NetEvent,
    ) -> Option<(Host, End, Arrival)> {
        match event {
            NetEvent::Due(end) => self.on_due(timeline, end),
            NetEvent::DialTimeout(end) => {
                if self.state(end) != Some(State::Dialling) {
                    return None;
                }
                self.set_state(end, State::Closed);
                Some((self.host_of(end), end, Arrival::DialFailed))
            }
        }
    }

    fn on_due<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        end: End,
    ) -> Option<(Host, End, Arrival)> {
        let (from, to) = (self.host_of(end.other()), self.host_of(end));
        let way = self.way(end);
        way.is_scheduled = false;
        if self.blocked.contains(&(from, to)) {
            return None;
        }
        let now = timeline.now();
        if let Some(until) = self.clogged.get(&(from, to)).copied() {
            if until > now {
                self.schedule(timeline, end, until);
                return None;
            }
            self.clogged.remove(&(from, to));
        }
        let (_, parcel) = self.way(end).queue.pop_front()?;
        self.schedule(timeline, end, now);
        if self.silent.contains(&to) {
            return None;
        }
        let arrival = self.receive(timeline, end, parcel);
        self.forget_if_over(end);
        Some((to, end, arrival?))
    }

    fn receive<E: From<NetEvent>>(
        &mut self,
        timeline: &mut Timeline<E>,
        end: End,
        parcel: Parcel,
    ) -> Option<Arrival> {
        let (from, to) = (self.host_of(end.other()), self.host_of(end));
        let state = self.state(end)?;
        match (parcel, state) {
            (Parcel::Syn, State::Dialling) => {
                let port = self.conns[&end.conn].port;
                if !self.listening.contains(&(to, port)) {
                    self.set_state(end, State::Dead);
                    self.push(timeline, end.other(), Parcel::Rst);
                    return None;
                }
                self.set_state(end, State::Open);
                self.push(timeline, end.other(), Parcel::SynAck);
                Some(Arrival::Accepted { port, from })
            }
            (Parcel::SynAck, State::Dialling) => {
                self.set_state(end, State::Open);
                Some(Arrival::Dialled)
            }
            (Parcel::Bytes(bytes), State::Open) => Some(Arrival::Bytes(bytes)),
            (Parcel::Fin | Parcel::Rst, State::Open) => {
                self.set_state(end, State::Closed);
                Some(Arrival::Closed)
            }
            (Parcel::Fin | Parcel::Rst, State::Dialling) => {
                self.set_state(end, State::Closed);
                // One that was dialled and never knew of it has not failed at anything.
                (end.side == Side::Dialling).then_some(Arrival::DialFailed)
            }
            // To whom is not there any more: the other side hears of it.
            (Parcel::SynAck | Parcel::Bytes(_), State::Closed | State::Dead) => {
                self.push(timeline, end.other(), Parcel::Rst);
                None
            }
            _ => None,
        }
    }

    fn push<E: From<NetEvent>>(&mut self, timeline: &mut Timeline<E>, to: End, parcel: Parcel) {
        let due = timeline.now().after(self.delay());
        let queue = &mut self.way(to).queue;
        let due = queue.back().map_or(due, |(last, _)| due.max(*last));
        queue.push_back((due, parcel));
        self.schedule(timeline, to, timeline.now());
    }

    /// Lets the first parcel to an end be due, not before `least`.
    fn schedule<E: From<NetEvent>>(&mut self, timeline: &mut Timeline<E>, to: End, least: Micros) {
        let way = self.way(to);
        if let Some((due, _)) = way.queue.front()
            && !way.is_scheduled
        {
            let due = least.max(*due);
            way.is_scheduled = true;
            timeline.at(due, NetEvent::Due(to));
        }
    }

    /// Of what is on its way to an end only the first bytes arrive, any number of them.
    fn lose_from_somewhere(&mut self, to: End) {
        let queue = &mut self
            .conns
            .get_mut(&to.conn)
            .expect("the caller looked")
            .ways[to.index()]
        .queue;
        let kept = self.prng.index(queue.len() + 1);
        queue.truncate(kept);
        if let Some((_, Parcel::Bytes(bytes))) = queue.back_mut() {
            bytes.truncate(1 + self.prng.index(bytes.len()));
        }
    }

    fn delay(&mut self) -> Micros {
        let NetworkOptions {
            delay_min_us,
            delay_mean_us,
            spike_per_mille,
            spike_us,
            ..
        } = self.options;
        let mut delay = delay_min_us + self.prng.around(delay_mean_us);
        if self.prng.per_mille(spike_per_mille) {
            delay += self.prng.below(spike_us.max(1));
        }
        Micros(delay)
    }

    fn forget_if_over(&mut self, end: End) {
        let over = |conn: &Conn| {
            conn.states
                .iter()
                .all(|state| matches!(state, State::Closed | State::Dead))
                && conn
                    .ways
                    .iter()
                    .all(|way| way.queue.is_empty() && !way.is_scheduled)
        };
        if self.conns.get(&end.conn).is_some_and(over) {
            self.conns.remove(&end.conn);
        }
    }

    fn state(&self, end: End) -> Option<State> {
        self.conns
            .get(&end.conn)
            .map(|conn| conn.states[end.index()])
    }

    fn set_state(&mut self, end: End, state: State) {
        if let Some(conn) = self.conns.get_mut(&end.conn) {
            conn.states[end.index()] = state;
        }
    }

    fn host_of(&self, end: End) -> Host {
        self.conns[&end.conn].hosts[end.index()]
    }

    /// What is on its way to an end.
    fn way(&mut self, to: End) -> &mut Way {
        let conn = self.conns.get_mut(&to.conn);
        &mut conn.expect("a connection in use is known").ways[to.index()]
    }

    fn ends_of(&self, host: Host) -> Vec<End> {
        self.all_ends()
            .filter(|end| self.host_of(*end) == host)
            .collect()
    }

    fn all_ends(&self) -> impl Iterator<Item = End> + '_ {
        self.conns
            .keys()
            .flat_map(|conn| [Side::Dialling, Side::Dialled].map(|side| End { conn: *conn, side }))
    }
}
