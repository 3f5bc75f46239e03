//! Random clients and writers against the rules, stated over the whole history.

use proptest::prelude::*;

use super::*;

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read,
    Write,
    /// The writer answers what it has had longest.
    Answer,
    /// The writer gets full or has room again.
    Room(bool),
}

/// A request's life as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// How many of the connection's own writes the read could see.
    Read {
        number: i32,
        writes_seen: usize,
    },
    Write {
        number: i32,
    },
}

/// A connection with a writer that answers when told.
#[derive(Default)]
struct World {
    order: ConnectionOrder<()>,
    with_writer: VecDeque<i32>,
    writes_applied: usize,
    room: bool,
    replies: Vec<Reply>,
    asked: Vec<Lane>,
}

impl World {
    fn ask(&mut self, lane: Lane) {
        if self.order.is_full() {
            return;
        }
        self.asked.push(lane);
        let number = i32::try_from(self.asked.len()).unwrap();
        let arrival = arrival(number, lane);
        match self.order.admit(arrival, self.room) {
            Turn::Now => self.run(number, lane),
            Turn::Wait => self.order.park(arrival, (), 1),
            Turn::Drop => unreachable!("no request is the last"),
        }
    }

    fn run(&mut self, number: i32, lane: Lane) {
        match lane {
            Lane::Read => self.replies.push(Reply::Read {
                number,
                writes_seen: self.writes_applied,
            }),
            Lane::Write => self.with_writer.push_back(number),
        }
    }

    fn answer(&mut self) {
        if let Some(number) = self.with_writer.pop_front() {
            self.writes_applied += 1;
            self.replies.push(Reply::Write { number });
            assert_eq!(self.order.answered().xid, Xid(number));
        }
        self.run_waiting();
    }

    fn run_waiting(&mut self) {
        while let Some(waiting) = self.order.next(self.room) {
            self.run(waiting.ticket.xid.0, waiting.lane);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Read => self.ask(Lane::Read),
            Step::Write => self.ask(Lane::Write),
            Step::Answer => self.answer(),
            Step::Room(room) => {
                self.room = room;
                self.run_waiting();
            }
        }
        let unanswered = self.asked.len() - self.replies.len();
        assert_eq!(self.order.outstanding(), unanswered);
        assert_eq!(self.order.sent(), self.with_writer.len());
    }

    /// What a client must see: replies in the order of its requests, and each read with exactly
    /// the writes that it sent before.
    fn expected(&self) -> Vec<Reply> {
        let mut writes_seen = 0;
        (1..)
            .zip(&self.asked)
            .map(|(number, lane)| match lane {
                Lane::Read => Reply::Read {
                    number,
                    writes_seen,
                },
                Lane::Write => {
                    writes_seen += 1;
                    Reply::Write { number }
                }
            })
            .collect()
    }
}

fn arrival(number: i32, lane: Lane) -> Arrival {
    Arrival {
        ticket: Ticket {
            xid: Xid(number),
            op: None,
            arrived: Monotonic(0),
            bytes: 8,
        },
        lane,
        last: false,
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Read),
        4 => Just(Step::Write),
        5 => Just(Step::Answer),
        1 => any::<bool>().prop_map(Step::Room),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// QP-116.
    #[test]
    fn each_read_sees_exactly_the_writes_before_it(steps in steps()) {
        let mut world = World { room: true, ..World::default() };
        for step in steps {
            world.step(step);
            let expected = world.expected();
            prop_assert_eq!(&world.replies, &expected[..world.replies.len()]);
        }
        world.step(Step::Room(true));
        while !world.with_writer.is_empty() {
            world.step(Step::Answer);
        }
        prop_assert_eq!(&world.replies, &world.expected());
    }
}

#[test]
fn nothing_follows_the_last_request() {
    let mut order = ConnectionOrder::<()>::default();
    let last = Arrival {
        last: true,
        ..arrival(1, Lane::Write)
    };
    assert_eq!(order.admit(last, true), Turn::Now);
    assert_eq!(order.admit(arrival(2, Lane::Read), true), Turn::Drop);
    assert_eq!(order.admit(arrival(3, Lane::Write), true), Turn::Drop);
    assert_eq!(order.answered().xid, Xid(1));
    assert!(order.next(true).is_none() && order.is_sealed());
}

/// QP-120: a throttled one among them.
#[test]
fn a_refused_write_still_waits_for_its_place() {
    let mut order = ConnectionOrder::<()>::default();
    assert_eq!(order.admit(arrival(1, Lane::Write), true), Turn::Now);
    assert_eq!(order.admit(arrival(2, Lane::Write), false), Turn::Wait);
    order.park(arrival(2, Lane::Write), (), 1);
    order.keep_from_writer(|waiting| waiting.ticket.xid == Xid(2));
    assert!(order.next(true).is_none());
    order.answered();
    let refused = order.next(false).unwrap();
    assert_eq!((refused.ticket.xid, refused.lane), (Xid(2), Lane::Read));
    assert_eq!((order.sent(), order.outstanding()), (0, 0));
}

#[test]
fn only_numbers_above_zero_are_outstanding() {
    let mut order = ConnectionOrder::<()>::default();
    for number in [-8, 0, 7] {
        assert_eq!(order.admit(arrival(number, Lane::Write), true), Turn::Now);
    }
    assert_eq!((order.sent(), order.outstanding()), (3, 1));
}

#[test]
fn a_connection_is_full_by_number_and_by_bytes() {
    let mut by_number = ConnectionOrder::<()>::default();
    for number in 0..limits::REQUESTS_WAITING_PER_CONNECTION {
        assert!(!by_number.is_full());
        let number = i32::try_from(number).unwrap();
        by_number.admit(arrival(number, Lane::Write), true);
    }
    assert!(by_number.is_full());

    let mut by_bytes = ConnectionOrder::<()>::default();
    by_bytes.admit(arrival(1, Lane::Write), true);
    by_bytes.admit(arrival(2, Lane::Read), true);
    by_bytes.park(
        arrival(2, Lane::Read),
        (),
        limits::REQUEST_BYTES_WAITING_PER_CONNECTION,
    );
    assert!(by_bytes.is_full());
}
