//! The task that owns the links: it feeds [`Links`] with what happens and does what it says.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::{sleep, timeout};

use super::accept::{self, Caller};
use super::link::{self, KeptLink};
use super::{ElectionPortFailure, Outgoing, Shared};
use crate::base::ServerId;
use crate::election::{LinkId, LinkInput, LinkOutput, Links};
use crate::net::tls::PeerStream;
use crate::net::{peer_sasl, sockets};
use crate::peer::Input;
use crate::quorum::Address;

/// What happens to the sockets.
pub(super) enum Event {
    /// The initial message is sent.
    Dialled {
        to: ServerId,
        stream: PeerStream,
    },
    DialFailed(ServerId),
    Accepted(Caller),
    Written(LinkId),
    Closed(LinkId),
}

/// Keeps the port open; ends only when no address can be bound.
pub(super) async fn run(shared: Arc<Shared>) -> ElectionPortFailure {
    let (events, incoming) = mpsc::channel(EVENTS_MAX);
    let mut listeners = JoinSet::new();
    for address in shared.options.listen.clone() {
        listeners.spawn(accept::listen(shared.clone(), address, events.clone()));
    }
    let owner = Owner {
        links: Links::new(shared.options.me),
        shared,
        sockets: HashMap::new(),
        links_opened: 0,
        tasks: JoinSet::new(),
        if_panicked: HashMap::new(),
        unreachable: BTreeSet::new(),
        events,
    };
    tokio::select! {
        failure = all_fail(&mut listeners) => failure,
        never = owner.run(incoming) => match never {},
    }
}

/// As Apache, a server goes on with the addresses it has got.
async fn all_fail(listeners: &mut JoinSet<ElectionPortFailure>) -> ElectionPortFailure {
    let mut last = None;
    while let Some(failed) = listeners.join_next().await {
        let failure = failed.unwrap_or(ElectionPortFailure::Panicked);
        if let (ElectionPortFailure::Panicked, _) | (_, true) = (&failure, listeners.is_empty()) {
            return failure;
        }
        last = Some(failure);
    }
    match last {
        Some(failure) => failure,
        None => std::future::pending().await,
    }
}

struct Owner {
    shared: Arc<Shared>,
    links: Links,
    sockets: HashMap<LinkId, Socket>,
    links_opened: u64,
    /// Dials and kept links.
    tasks: JoinSet<Event>,
    /// What a task that panics has come to.
    if_panicked: HashMap<task::Id, Event>,
    /// Servers of the configuration whose last dial failed, so that it is said once.
    unreachable: BTreeSet<ServerId>,
    events: mpsc::Sender<Event>,
}

/// A connection that `Links` has a number for.
enum Socket {
    /// Whether to keep it is about to be decided.
    New(PeerStream, BytesMut),
    /// Its task takes messages from here, and ends without.
    Kept(mpsc::Sender<Bytes>),
}

/// What never comes.
enum Never {}

impl Owner {
    async fn run(mut self, mut incoming: mpsc::Receiver<Event>) -> Never {
        loop {
            let now = self.shared.server.clock.now().monotonic;
            let deadline = self.links.next_deadline();
            let wait = deadline.map(|deadline| Duration::from_millis(deadline.since(now)));
            tokio::select! {
                Some(event) = incoming.recv() => self.on_event(event),
                Some(ended) = self.tasks.join_next_with_id() => {
                    let id = match &ended {
                        Ok((id, _)) => *id,
                        Err(error) => error.id(),
                    };
                    let if_panicked = self.if_panicked.remove(&id);
                    if let Some(event) = ended.map(|(_, event)| event).ok().or(if_panicked) {
                        self.on_event(event);
                    }
                }
                () = self.shared.desk.changed.notified() => self.on_outgoing(),
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    self.feed(LinkInput::Wake);
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Dialled { to, stream } => {
                if self.unreachable.remove(&to) {
                    tracing::info!(sid = %to, "the election port of a server can be reached again");
                }
                let link = self.number(stream, BytesMut::new());
                self.feed(LinkInput::Dialled { to, link });
            }
            Event::DialFailed(to) => {
                if self.shared.desk.peers.lock().contains_key(&to) {
                    self.unreachable.insert(to);
                }
                self.feed(LinkInput::DialFailed { to });
            }
            Event::Accepted(caller) => {
                let link = self.number(caller.stream, caller.rest);
                self.feed(LinkInput::Accepted {
                    link,
                    from: caller.message.sid,
                    addresses: caller.message.addresses,
                });
            }
            Event::Written(link) => self.feed(LinkInput::Written { link }),
            Event::Closed(link) => {
                self.sockets.remove(&link);
                self.feed(LinkInput::Closed { link });
            }
        }
    }

    /// The order among what waited together does not matter: only the newest counts of each.
    fn on_outgoing(&mut self) {
        let Outgoing { messages, eager } = std::mem::take(&mut *self.shared.desk.outgoing.lock());
        if let Some(eager) = eager {
            self.feed(LinkInput::Eager(eager));
        }
        for (to, message) in messages {
            self.feed(LinkInput::Queue { to, message });
        }
    }

    fn number(&mut self, stream: PeerStream, rest: BytesMut) -> LinkId {
        self.links_opened += 1;
        let link = LinkId(self.links_opened);
        self.sockets.insert(link, Socket::New(stream, rest));
        link
    }

    fn feed(&mut self, input: LinkInput) {
        let now = self.shared.server.clock.now().monotonic;
        let mut outputs = Vec::new();
        self.links.handle(now, input, &mut outputs);
        for output in outputs {
            match output {
                LinkOutput::Dial { to, addresses } => self.dial(to, addresses),
                LinkOutput::Keep { link, peer } => self.keep(link, peer),
                LinkOutput::Write { link, message } => {
                    // A link whose task has just ended is about to be reported as closed.
                    if let Some(Socket::Kept(messages)) = self.sockets.get(&link) {
                        let _ = messages.try_send(message);
                    }
                }
                LinkOutput::Close { link } => {
                    self.sockets.remove(&link);
                }
                LinkOutput::Reach { peer, state } => {
                    tracing::debug!(sid = %peer, ?state, "election link");
                    let input = Input::Reach { peer, state };
                    self.shared.server.submissions.notify(input);
                }
            }
        }
    }

    fn dial(&mut self, to: ServerId, addresses: Option<Vec<Address>>) {
        let configured = || self.shared.desk.peers.lock().get(&to).cloned();
        let says_failure = configured().is_some() && !self.unreachable.contains(&to);
        let addresses = addresses.or_else(configured).unwrap_or_default();
        let dial = dial(self.shared.clone(), to, addresses, says_failure);
        self.spawn(dial, Event::DialFailed(to));
    }

    fn keep(&mut self, link: LinkId, peer: ServerId) {
        // One write is in progress per link.
        let (sender, messages) = mpsc::channel(1);
        let socket = self.sockets.insert(link, Socket::Kept(sender));
        let Some(Socket::New(stream, received)) = socket else {
            panic!("a link is kept once");
        };
        self.limit_unacknowledged(peer, stream.tcp());
        let kept = KeptLink {
            shared: self.shared.clone(),
            link,
            peer,
            stream,
            received,
            messages,
            events: self.events.clone(),
        };
        self.spawn(link::serve(kept), Event::Closed(link));
    }

    /// A server with several addresses may be there while the one that this link goes to is dead:
    /// the system then drops the link as soon as something was sent on it in vain. Apache's server
    /// asks whether the address still answers, each time it has something to send.
    fn limit_unacknowledged(&self, peer: ServerId, stream: &TcpStream) {
        let options = &self.shared.options;
        let has_several = options.peers.get(&peer).is_some_and(|all| all.len() > 1);
        if let Some(limit_ms) = options.unacknowledged_max_ms.filter(|_| has_several)
            && let Err(error) = set_tcp_user_timeout(stream, limit_ms)
        {
            tracing::debug!(sid = %peer, %error, "cannot set socket options");
        }
    }

    fn spawn(&mut self, task: impl Future<Output = Event> + Send + 'static, if_panicked: Event) {
        let id = self.tasks.spawn(task).id();
        self.if_panicked.insert(id, if_panicked);
    }
}

/// Connects and says who we are.
async fn dial(
    shared: Arc<Shared>,
    to: ServerId,
    addresses: Vec<Address>,
    says_failure: bool,
) -> Event {
    let options = &shared.options;
    let limit = Duration::from_millis(options.connect_timeout_ms);
    let connect = async {
        let (resolver, security) = (&shared.resolver, &shared.security);
        let candidates = addresses.clone();
        let dialled = sockets::connect(resolver, candidates, options.keep_alive, security, limit);
        let mut stream = dialled.await?;
        let greet = async {
            stream.write_all(&shared.initial_message).await?;
            stream.flush().await
        };
        timeout(limit, greet).await??;
        io::Result::Ok(stream)
    };
    let dialled = connect.await;
    let error = match log_in(&shared, dialled, &addresses).await {
        Ok(stream) => return Event::Dialled { to, stream },
        Err(error) => error,
    };
    if says_failure {
        tracing::warn!(sid = %to, %error, "cannot reach the election port of a server");
    } else {
        tracing::debug!(sid = %to, %error, "cannot reach the election port of a server");
    }
    Event::DialFailed(to)
}

async fn log_in(
    shared: &Shared,
    dialled: io::Result<PeerStream>,
    addresses: &[Address],
) -> io::Result<PeerStream> {
    let mut stream = dialled?;
    let options = &shared.options;
    if let Some(login) = options.sasl.as_ref().and_then(|it| it.login.as_ref()) {
        let limit = Duration::from_millis(options.handshake_timeout_ms);
        let host = peer_sasl::host_of(addresses);
        let logged_in = peer_sasl::log_in(&mut stream, login, &host, limit).await;
        logged_in.map_err(io::Error::other)?;
    }
    Ok(stream)
}

/// What tasks have to tell; at the bound they wait for the owner, who never waits for them.
const EVENTS_MAX: usize = 256;
