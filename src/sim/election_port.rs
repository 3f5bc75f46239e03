//! A server's election links, as `net::election_port` has them: [`Links`] decides, this dials,
//! accepts, greets and frames.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::base::ServerId;
use crate::election::{
    InitialMessage, LinkId, LinkInput, LinkOutput, Links, Received, frame_length,
};
use crate::peer::Input;
use crate::quorum::Address;
use crate::sim::network::{End, Port};
use crate::sim::node::NodeEvent;
use crate::sim::scene::Scene;
use crate::sim::stage::host_of;
use crate::sim::world::Micros;

/// See the module.
#[derive(Debug)]
pub(super) struct ElectionPort {
    links: Links,
    greeting: Bytes,
    conns: BTreeMap<End, Conn>,
    ends: BTreeMap<LinkId, End>,
    next_link: u64,
}

#[derive(Debug)]
struct Conn {
    state: State,
    input: BytesMut,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Dialling(ServerId),
    /// Accepted, and not said who it is.
    Nameless,
    /// Whether it is kept is about to be said.
    Numbered(LinkId),
    Kept(LinkId, ServerId),
}

impl ElectionPort {
    /// A port that listens. `address` is what others are told to dial.
    pub(super) fn open(scene: &mut Scene<'_>, address: Address) -> Self {
        scene.stage.listen(scene.host(), Port::Election);
        let greeting = InitialMessage {
            sid: scene.me,
            addresses: vec![address],
        };
        Self {
            links: Links::new(scene.me),
            greeting: greeting.encode(false),
            conns: BTreeMap::new(),
            ends: BTreeMap::new(),
            next_link: 1,
        }
    }

    pub(super) fn notify(&mut self, scene: &mut Scene<'_>, to: ServerId, message: Bytes) {
        self.feed(scene, LinkInput::Queue { to, message });
    }

    pub(super) fn set_eager(&mut self, scene: &mut Scene<'_>, eager: bool) {
        self.feed(scene, LinkInput::Eager(eager));
    }

    pub(super) fn owns(&self, end: End) -> bool {
        self.conns.contains_key(&end)
    }

    pub(super) fn on_accepted(&mut self, end: End) {
        let conn = Conn {
            state: State::Nameless,
            input: BytesMut::new(),
        };
        self.conns.insert(end, conn);
    }

    pub(super) fn on_dialled(&mut self, scene: &mut Scene<'_>, end: End) {
        let Some(State::Dialling(to)) = self.conns.get(&end).map(|conn| conn.state) else {
            return;
        };
        scene.stage.send(end, self.greeting.clone());
        let link = self.number(end);
        self.feed(scene, LinkInput::Dialled { to, link });
    }

    /// It is closed, or was never there.
    pub(super) fn on_closed(&mut self, scene: &mut Scene<'_>, end: End) {
        let Some(conn) = self.conns.remove(&end) else {
            return;
        };
        match conn.state {
            State::Dialling(to) => self.feed(scene, LinkInput::DialFailed { to }),
            State::Nameless => {}
            State::Numbered(link) | State::Kept(link, _) => {
                self.ends.remove(&link);
                self.feed(scene, LinkInput::Closed { link });
            }
        }
    }

    pub(super) fn on_bytes(&mut self, scene: &mut Scene<'_>, end: End, bytes: &Bytes) {
        let Some(conn) = self.conns.get_mut(&end) else {
            return;
        };
        conn.input.extend_from_slice(bytes);
        if let State::Nameless = conn.state {
            let decoded = InitialMessage::decode(&conn.input).expect("ours is well formed");
            let Some((message, taken)) = decoded else {
                return;
            };
            conn.input.advance(taken);
            let link = self.number(end);
            let InitialMessage { sid, addresses } = message;
            self.feed(
                scene,
                LinkInput::Accepted {
                    link,
                    from: sid,
                    addresses,
                },
            );
        }
        self.cut_frames(scene, end);
    }

    pub(super) fn on_written(&mut self, scene: &mut Scene<'_>, link: LinkId) {
        if self.ends.contains_key(&link) {
            self.feed(scene, LinkInput::Written { link });
        }
    }

    /// Wakes the links, if it is time.
    pub(super) fn wake(&mut self, scene: &mut Scene<'_>) {
        let now = scene.now().monotonic;
        if self.links.next_deadline().is_some_and(|due| due <= now) {
            self.feed(scene, LinkInput::Wake);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<crate::base::Monotonic> {
        self.links.next_deadline()
    }

    fn number(&mut self, end: End) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.ends.insert(link, end);
        self.conns.get_mut(&end).expect("it is there").state = State::Numbered(link);
        link
    }

    fn feed(&mut self, scene: &mut Scene<'_>, input: LinkInput) {
        let mut outputs = Vec::new();
        let now = scene.now().monotonic;
        self.links.handle(now, input, &mut outputs);
        for output in outputs {
            match output {
                LinkOutput::Dial { to, .. } => {
                    let (me, there) = (scene.host(), host_of(to));
                    let end = scene.stage.dial(me, there, Port::Election);
                    let conn = Conn {
                        state: State::Dialling(to),
                        input: BytesMut::new(),
                    };
                    self.conns.insert(end, conn);
                }
                LinkOutput::Keep { link, peer } => {
                    let end = self.ends[&link];
                    self.conns.get_mut(&end).expect("it is there").state = State::Kept(link, peer);
                    self.cut_frames(scene, end);
                }
                LinkOutput::Write { link, message } => self.write(scene, link, &message),
                LinkOutput::Close { link } => {
                    if let Some(end) = self.ends.remove(&link) {
                        self.conns.remove(&end);
                        scene.stage.close(end);
                    }
                }
                LinkOutput::Reach { peer, state } => scene.submit(Input::Reach { peer, state }),
            }
        }
    }

    fn write(&self, scene: &mut Scene<'_>, link: LinkId, message: &Bytes) {
        let mut frame = BytesMut::with_capacity(4 + message.len());
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.extend_from_slice(message);
        scene.stage.send(self.ends[&link], frame.freeze());
        let delay = Micros(scene.prng.around(50));
        scene.after(delay, NodeEvent::Written(link));
    }

    /// Takes the whole frames of a kept link.
    fn cut_frames(&mut self, scene: &mut Scene<'_>, end: End) {
        let Some(conn) = self.conns.get_mut(&end) else {
            return;
        };
        let State::Kept(_, from) = conn.state else {
            return;
        };
        while let Some(announced) = conn.input.first_chunk().copied() {
            let length = frame_length(i32::from_be_bytes(announced)).expect("ours is well formed");
            if conn.input.len() < 4 + length {
                return;
            }
            conn.input.advance(4);
            let frame = conn.input.split_to(length);
            let message = Received::decode(&frame, false).expect("ours is well formed");
            scene.submit(Input::Notification { from, message });
        }
    }
}
