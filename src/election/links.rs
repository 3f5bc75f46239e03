//! Who dials whom on the election port, and which connection is kept: one per pair of servers, and
//! the one that the server with the *greater* id opened.
//!
//! ```text
//! we dial a smaller id    dial, initial message, keep; what there was before is closed
//! we dial a greater id    dial, initial message, close: a knock, the other dials back
//! a greater id dials us   keep; what there was before is closed
//! a smaller id dials us   close, close what there was before too, and dial back: the other may
//!                         know that its side is dead when we do not
//! we dial ourselves       close
//! ```
//!
//! In: [`LinkInput`]s - a message to send, how dials went, who dialled in, links that closed, time.
//! Out: [`LinkOutput`]s - dial, keep, write, close, and for the election who can be reached. The
//! driver owns the sockets, looks names up at each dial, and numbers the links.
//!
//! Invariants: at most one kept link and one dial in progress per server; at most one message
//! waits per server, the newest; one write is in progress per link. While the election is on
//! ([`LinkInput::Eager`]) a server without a link is dialled again and again, sooner than Apache
//! would; else only when there is a message for it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::LinkState;
use crate::{
    base::{Monotonic, ServerId},
    quorum::Address,
};

/// One connection of this process; never used again within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What can happen to the links.
#[derive(Debug, Clone)]
pub enum LinkInput {
    /// Send this; it takes the place of a message to the same server that still waits.
    Queue { to: ServerId, message: Bytes },
    /// A dial succeeded, and the initial message is sent.
    Dialled { to: ServerId, link: LinkId },
    /// A dial failed, at whichever step.
    DialFailed { to: ServerId },
    /// Someone dialled in, and the initial message is read.
    Accepted {
        link: LinkId,
        from: ServerId,
        /// Where it says it can be dialled, without wildcards.
        addresses: Vec<Address>,
    },
    /// The last [`LinkOutput::Write`] to this link is done.
    Written { link: LinkId },
    /// A link is closed, by the other side or by a failure.
    Closed { link: LinkId },
    /// Whether an election is on.
    Eager(bool),
    /// Time has passed.
    Wake,
}

/// What is to be done with the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkOutput {
    /// Connect and send the initial message; answer with `Dialled` or `DialFailed`.
    Dial {
        to: ServerId,
        /// Where; `None`: where the configuration says.
        addresses: Option<Vec<Address>>,
    },
    /// Start to read frames from this link: they are from this server.
    Keep { link: LinkId, peer: ServerId },
    /// Write one frame; answer with `Written` or `Closed`.
    Write { link: LinkId, message: Bytes },
    /// Close after what is written; no answer.
    Close { link: LinkId },
    /// For the election.
    Reach { peer: ServerId, state: LinkState },
}

/// The election links of one server.
#[derive(Debug)]
pub struct Links {
    me: ServerId,
    peers: BTreeMap<ServerId, Peer>,
    eager: bool,
    /// The next id for one that has none of its own; counts down.
    nameless: ServerId,
}

#[derive(Debug, Default)]
struct Peer {
    link: Option<LinkId>,
    is_writing: bool,
    is_dialling: bool,
    /// When the last dial began.
    dialled_at: Monotonic,
    /// The newest message not yet given to a link.
    waiting: Option<Bytes>,
    /// The last message given to a link: repeated on a new link that has nothing else to say,
    /// since the old one may have lost it.
    last: Option<Bytes>,
    /// When to dial again, while eager.
    retry_at: Option<Monotonic>,
    /// Until then the answer to the last knock is waited for. A knock ends the link the other side
    /// has, so that a second one could end the answer to the first, and so on.
    knock_again_at: Monotonic,
    /// How long the answer to a knock may be on its way.
    answer_ms: u64,
    retry_interval_ms: u64,
    /// Whether there was ever a sign of life.
    was_heard_of: bool,
    /// The first of the failed dials since the last sign of life.
    failing_since: Option<Monotonic>,
    is_gone: bool,
}

impl Links {
    pub fn new(me: ServerId) -> Self {
        Self {
            me,
            peers: BTreeMap::new(),
            eager: false,
            nameless: ServerId(-1),
        }
    }

    /// Takes one input; what follows from it is appended to `out`, in order.
    pub fn handle(&mut self, now: Monotonic, input: LinkInput, out: &mut Vec<LinkOutput>) {
        match input {
            LinkInput::Queue { to, message } => self.on_queue(to, message, now, out),
            LinkInput::Dialled { to, link } => self.on_dialled(to, link, now, out),
            LinkInput::DialFailed { to } => self.on_dial_failed(to, now, out),
            LinkInput::Accepted {
                link,
                from,
                addresses,
            } => self.on_accepted(link, from, addresses, now, out),
            LinkInput::Written { link } => self.on_written(link, out),
            LinkInput::Closed { link } => self.on_closed(link, now, out),
            LinkInput::Eager(eager) => self.on_eager(eager),
            LinkInput::Wake => self.on_wake(now, out),
        }
    }

    /// When to be woken, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        if !self.eager {
            return None;
        }
        let retries = self.peers.values().filter(|peer| peer.wants_retry());
        retries.filter_map(|peer| peer.retry_at).min()
    }

    /// The kept link to a server.
    pub fn link(&self, peer: ServerId) -> Option<LinkId> {
        self.peers.get(&peer).and_then(|peer| peer.link)
    }

    fn on_queue(
        &mut self,
        to: ServerId,
        message: Bytes,
        now: Monotonic,
        out: &mut Vec<LinkOutput>,
    ) {
        assert!(to != self.me, "own votes are counted, not sent");
        let peer = self.peers.entry(to).or_default();
        peer.waiting = Some(message);
        peer.write_next(out);
        let will_retry = self.eager && peer.retry_at.is_some_and(|at| at > now);
        if !will_retry {
            peer.maybe_dial(to, None, now, out);
        }
    }

    fn on_dialled(
        &mut self,
        to: ServerId,
        link: LinkId,
        now: Monotonic,
        out: &mut Vec<LinkOutput>,
    ) {
        let (me, peer) = (self.me, self.peers.entry(to).or_default());
        peer.is_dialling = false;
        if to < me {
            peer.keep(to, link, now, out);
        } else {
            // A knock, answered by a dial from there; if that does not come, knock again.
            out.push(LinkOutput::Close { link });
            peer.on_sign_of_life(to, out);
            peer.answer_ms = now.since(peer.dialled_at).saturating_mul(4);
            let wait_ms = peer.answer_ms.saturating_add(peer.next_interval_ms());
            peer.knock_again_at = now.after(wait_ms.min(DIAL_BACK_MAX_MS));
            peer.retry_at = Some(peer.knock_again_at);
        }
    }

    fn on_dial_failed(&mut self, to: ServerId, now: Monotonic, out: &mut Vec<LinkOutput>) {
        let peer = self.peers.entry(to).or_default();
        peer.is_dialling = false;
        peer.retry_at = Some(now.after(peer.next_interval_ms()));
        let failing_since = *peer.failing_since.get_or_insert(now);
        // One that was never there may be about to start, as we have just done.
        let is_gone = peer.was_heard_of || now.since(failing_since) >= START_TOGETHER_MS;
        if is_gone && peer.link.is_none() && !peer.is_gone {
            peer.is_gone = true;
            let state = LinkState::Gone;
            out.push(LinkOutput::Reach { peer: to, state });
        }
    }

    fn on_accepted(
        &mut self,
        link: LinkId,
        from: ServerId,
        addresses: Vec<Address>,
        now: Monotonic,
        out: &mut Vec<LinkOutput>,
    ) {
        let from = if from == NAMELESS_OBSERVER {
            let given = self.nameless;
            self.nameless = ServerId(given.0.wrapping_sub(1));
            given
        } else {
            from
        };
        if from == self.me || !self.has_room_for(from) {
            out.push(LinkOutput::Close { link });
            return;
        }
        let (me, peer) = (self.me, self.peers.entry(from).or_default());
        if from > me {
            peer.keep(from, link, now, out);
            return;
        }
        out.push(LinkOutput::Close { link });
        if let Some(old) = peer.link.take() {
            out.push(LinkOutput::Close { link: old });
            peer.is_writing = false;
            let (peer, state) = (from, LinkState::Down);
            out.push(LinkOutput::Reach { peer, state });
        }
        peer.on_sign_of_life(from, out);
        let addresses = (!addresses.is_empty()).then_some(addresses);
        peer.maybe_dial(from, addresses, now, out);
    }

    fn on_written(&mut self, link: LinkId, out: &mut Vec<LinkOutput>) {
        let mut peers = self.peers.values_mut();
        // A link that was replaced meanwhile has nothing more to say.
        if let Some(peer) = peers.find(|peer| peer.link == Some(link)) {
            peer.is_writing = false;
            peer.write_next(out);
        }
    }

    fn on_closed(&mut self, link: LinkId, now: Monotonic, out: &mut Vec<LinkOutput>) {
        let mut peers = self.peers.iter_mut();
        let Some((&id, peer)) = peers.find(|(_, peer)| peer.link == Some(link)) else {
            return;
        };
        peer.link = None;
        peer.is_writing = false;
        let state = LinkState::Down;
        out.push(LinkOutput::Reach { peer: id, state });
        if self.eager {
            // Find out at once whether the other is gone: the election need not wait for it then.
            peer.maybe_dial(id, None, now, out);
        }
    }

    fn on_eager(&mut self, eager: bool) {
        self.eager = eager;
        for peer in self.peers.values_mut() {
            peer.retry_at = None;
            peer.retry_interval_ms = 0;
        }
    }

    fn on_wake(&mut self, now: Monotonic, out: &mut Vec<LinkOutput>) {
        if !self.eager {
            return;
        }
        for (&id, peer) in &mut self.peers {
            if peer.wants_retry() && peer.retry_at.is_some_and(|at| at <= now) {
                peer.maybe_dial(id, None, now, out);
            }
        }
    }

    /// Bounds what strangers can make this server remember: at the bound, one that was unknown so
    /// far takes the place of one that has no link, or is refused.
    fn has_room_for(&mut self, from: ServerId) -> bool {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(&from) {
            return true;
        }
        let idle = |peer: &Peer| peer.link.is_none() && !peer.is_dialling;
        let unlinked = self.peers.iter().filter(|(_, peer)| idle(peer));
        let unneeded = unlinked.min_by_key(|(_, peer)| peer.waiting.is_some());
        let Some(id) = unneeded.map(|(id, _)| *id) else {
            return false;
        };
        self.peers.remove(&id);
        true
    }
}

impl Peer {
    /// Makes this the one link, and lets it speak.
    fn keep(&mut self, id: ServerId, link: LinkId, now: Monotonic, out: &mut Vec<LinkOutput>) {
        if let Some(old) = self.link.replace(link) {
            assert!(old != link, "links are numbered once");
            out.push(LinkOutput::Close { link: old });
        }
        self.is_writing = false;
        self.is_gone = false;
        self.was_heard_of = true;
        self.failing_since = None;
        self.retry_at = None;
        self.retry_interval_ms = 0;
        let answer_by = now.after(self.answer_ms.saturating_add(RETRY_MIN_MS));
        self.knock_again_at = self.knock_again_at.min(answer_by);
        out.push(LinkOutput::Keep { link, peer: id });
        let (peer, state) = (id, LinkState::Up);
        out.push(LinkOutput::Reach { peer, state });
        if self.waiting.is_none() {
            self.waiting = self.last.clone();
        }
        self.write_next(out);
    }

    /// A sign of life without a link.
    fn on_sign_of_life(&mut self, id: ServerId, out: &mut Vec<LinkOutput>) {
        self.was_heard_of = true;
        self.failing_since = None;
        if std::mem::take(&mut self.is_gone) {
            let (peer, state) = (id, LinkState::Down);
            out.push(LinkOutput::Reach { peer, state });
        }
    }

    fn write_next(&mut self, out: &mut Vec<LinkOutput>) {
        let Some(link) = self.link.filter(|_| !self.is_writing) else {
            return;
        };
        if let Some(message) = self.waiting.take() {
            self.is_writing = true;
            self.last = Some(message.clone());
            out.push(LinkOutput::Write { link, message });
        }
    }

    /// Dials, unless there is a link, a dial in progress or a knock not yet answered; whether it
    /// did.
    fn maybe_dial(
        &mut self,
        id: ServerId,
        addresses: Option<Vec<Address>>,
        now: Monotonic,
        out: &mut Vec<LinkOutput>,
    ) -> bool {
        if self.link.is_some() || self.is_dialling {
            return false;
        }
        if now < self.knock_again_at {
            self.retry_at = Some(self.knock_again_at);
            return false;
        }
        self.is_dialling = true;
        self.dialled_at = now;
        self.retry_at = None;
        out.push(LinkOutput::Dial { to: id, addresses });
        true
    }

    /// How long to wait this time; twice as long as the last.
    fn next_interval_ms(&mut self) -> u64 {
        let doubled = self.retry_interval_ms.saturating_mul(2);
        self.retry_interval_ms = doubled.clamp(RETRY_MIN_MS, RETRY_MAX_MS);
        self.retry_interval_ms
    }

    /// Whether it is one to dial again: there is something to say, and no link.
    fn wants_retry(&self) -> bool {
        self.link.is_none() && !self.is_dialling && (self.waiting.is_some() || self.last.is_some())
    }
}

/// The id of an observer that has none, in the initial messages of old releases.
const NAMELESS_OBSERVER: ServerId = ServerId(i64::MAX);

/// Servers known here at most, strangers included.
const PEERS_MAX: usize = 512;

/// How long a greater id has at most to dial back before it is knocked at again. It is given four
/// times what the knock took, since its answer makes the same way about twice, and the interval.
const DIAL_BACK_MAX_MS: u64 = 2000;

/// How long dials to a server that was never there have to fail before it counts as gone.
const START_TOGETHER_MS: u64 = RETRY_MIN_MS;

/// From a dial that failed, or a knock that was not answered, to the next, while an election is on;
/// doubles up to the second.
const RETRY_MIN_MS: u64 = 50;
const RETRY_MAX_MS: u64 = 1000;
