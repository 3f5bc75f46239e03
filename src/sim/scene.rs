//! What the parts of one server's process act on, and the queue to its writer.

use std::collections::VecDeque;

use crate::base::{Monotonic, Now, ServerId, WallMillis};
use crate::peer::Input;
use crate::sim::facts::ServerFact;
use crate::sim::network::Host;
use crate::sim::node::NodeEvent;
use crate::sim::prng::Prng;
use crate::sim::stage::{Event, Stage, host_of};
use crate::sim::world::Micros;
use crate::tree::Database;

/// See the module.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub stage: &'a mut Stage,
    pub me: ServerId,
    /// Which process of the server this is.
    pub process: u32,
    pub clock: Clock,
    pub prng: &'a mut Prng,
    pub mailbox: &'a mut Mailbox,
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pub mail: VecDeque<Mail>,
    /// The writer will have a turn.
    is_called: bool,
}

/// An input, the state that came with it, and what is a fact once it is fed.
#[derive(Debug)]
pub(super) struct Mail {
    pub input: Input,
    pub state: Option<Box<Database>>,
    pub fact: Option<ServerFact>,
}

impl From<Input> for Mail {
    fn from(input: Input) -> Self {
        Self {
            input,
            state: None,
            fact: None,
        }
    }
}

/// A machine's clocks: the monotonic one may be fast or slow, the wall clock wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Parts of a million by which it is fast.
    pub rate_ppm: i64,
    pub wall_skew_ms: i64,
}

impl Scene<'_> {
    pub(super) fn host(&self) -> Host {
        host_of(self.me)
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now(self.stage.now())
    }

    pub(super) fn after(&mut self, span: Micros, event: NodeEvent) {
        let event = Event::Node(self.me, self.process, event);
        self.stage.timeline.after(span, event);
    }

    pub(super) fn submit(&mut self, input: Input) {
        self.post(Mail::from(input));
    }

    pub(super) fn post(&mut self, mail: Mail) {
        self.mailbox.mail.push_back(mail);
        self.call_writer();
    }

    /// Sees to it that the writer has a turn soon.
    pub(super) fn call_writer(&mut self) {
        if !self.mailbox.is_called {
            self.mailbox.is_called = true;
            let delay = Micros(self.prng.around(20));
            self.after(delay, NodeEvent::Turn);
        }
    }
}

impl Mailbox {
    /// The writer has its turn: all that waits.
    pub(super) fn take(&mut self) -> VecDeque<Mail> {
        self.is_called = false;
        std::mem::take(&mut self.mail)
    }
}

impl Clock {
    pub(super) fn now(&self, at: Micros) -> Now {
        let micros = i64::try_from(at.0).unwrap();
        let shown = i128::from(micros) * i128::from(1_000_000 + self.rate_ppm) / 1_000_000;
        let millis = shown / 1000;
        Now {
            monotonic: Monotonic(START_MS + u64::try_from(millis).unwrap()),
            wall: WallMillis(WALL_START_MS + micros / 1000 + self.wall_skew_ms),
        }
    }

    /// When this clock shows `monotonic`, or a little later.
    pub(super) fn moment_of(&self, monotonic: Monotonic) -> Micros {
        let millis = i64::try_from(monotonic.0.saturating_sub(START_MS)).unwrap();
        let micros = i128::from(millis) * 1_000_000_000 / i128::from(1_000_000 + self.rate_ppm);
        // What rounding took away is less than this.
        Micros(u64::try_from(micros).unwrap() + 1)
    }
}

/// What clocks show at the start of a run.
const START_MS: u64 = 1_000_000;
const WALL_START_MS: i64 = 1_700_000_000_000;
