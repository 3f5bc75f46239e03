//! The checker passes a history without fault, and names each fault that is planted into it.

use std::time::Duration;

use super::{Answer, Call, Event, Found, History, Home, Record, Rule, Rules, Seen, check};

const SESSION: [i64; 2] = [0x10, 0x20];
const BAD_VERSION: i32 = -103;
const NODE_EXISTS: i32 = -110;

/// A history in the making; every event is a millisecond after the last.
struct Story {
    history: History,
    now: Duration,
}

impl Story {
    /// Two clients and one register. Client 0 creates 1, sets 2, swaps 3 to version 1; client 1 reads
    /// that with a watch as 1, syncs, swaps 3 to version 2 and creates the ephemeral 4; client 0 goes to
    /// another server with its set 4 unanswered, and reads version 2 there as 5.
    fn good() -> Self {
        let mut story = Self {
            history: History {
                records: vec![Vec::new(), Vec::new()],
                found: Found::default(),
            },
            now: Duration::ZERO,
        };
        story.connect(0);
        story.connect(1);
        story.ask(0, 1, Call::Create, 1, 0, None);
        story.ask(0, 2, Call::Set, 2, 0, Some(seen("", 1, 2)));
        story.ask(0, 3, swap(0), 3, 0, Some(seen("", 1, 3)));
        story.ask(1, 1, READ_WITH_WATCH, 3, 0, Some(seen("0.3", 1, 3)));
        story.ask(1, 2, Call::Sync, 3, 0, None);
        story.event(1, Event::Sent(3, swap(1)));
        story.event(1, Event::Fired { register: 0 });
        story.answer(1, 3, 4, 0, Some(seen("", 2, 4)));
        story.ask(1, 4, Call::CreateEphemeral, 5, 0, None);
        story.event(0, Event::Sent(4, Call::Set));
        story.event(0, Event::Disconnected);
        story.connect(0);
        story.ask(0, 5, READ, 5, 0, Some(seen("1.3", 2, 4)));
        let found = &mut story.history.found;
        found.registers = vec![seen("1.3", 2, 4)];
        found.homes = vec![
            Home {
                node: seen("0.2", 1, 2),
                children: [1].into(),
            },
            Home {
                node: seen("", 0, 0),
                children: [].into(),
            },
        ];
        found.ephemerals.insert((1, 4), SESSION[1]);
        story
    }

    fn connect(&mut self, client: usize) {
        let timeout = Duration::from_secs(10);
        let session = SESSION[client];
        self.event(client, Event::Connected { session, timeout });
    }

    /// Sends and answers.
    fn ask(
        &mut self,
        client: usize,
        number: u64,
        call: Call,
        zxid: i64,
        error: i32,
        seen: Option<Seen>,
    ) {
        self.event(client, Event::Sent(number, call));
        self.answer(client, number, zxid, error, seen);
    }

    fn answer(&mut self, client: usize, number: u64, zxid: i64, error: i32, seen: Option<Seen>) {
        self.event(
            client,
            Event::Answered(number, Answer { zxid, error, seen }),
        );
    }

    fn event(&mut self, client: usize, event: Event) {
        self.now += Duration::from_millis(1);
        let at = self.now;
        self.history.records[client].push(Record { at, event });
    }

    /// The answer to a client's operation, to be falsified.
    fn answer_to(&mut self, client: usize, number: u64) -> &mut Answer {
        self.history.records[client]
            .iter_mut()
            .find_map(|record| match &mut record.event {
                Event::Answered(of, answer) if *of == number => Some(answer),
                _ => None,
            })
            .expect("it was answered")
    }

    fn remove(&mut self, client: usize, event: &Event) {
        let records = &mut self.history.records[client];
        let at = records.iter().position(|record| record.event == *event);
        records.remove(at.expect("it is there"));
    }

    fn found(&mut self) -> &mut Found {
        &mut self.history.found
    }

    fn rules(&self, rules: Rules) -> Vec<Rule> {
        let violations = check(&self.history, rules);
        let mut broken: Vec<Rule> = violations.iter().map(|it| it.rule).collect();
        broken.sort_unstable();
        broken.dedup();
        broken
    }

    #[track_caller]
    fn expect(&self, rule: Rule) {
        let broken = self.rules(Rules::STRICT);
        assert!(broken.contains(&rule), "{rule:?} is not in {broken:?}");
    }
}

const READ: Call = Call::Read {
    register: 0,
    watch: false,
};
const READ_WITH_WATCH: Call = Call::Read {
    register: 0,
    watch: true,
};

fn swap(expected: i32) -> Call {
    Call::Swap {
        register: 0,
        expected,
    }
}

fn seen(value: &str, version: i32, mzxid: i64) -> Seen {
    Seen {
        value: value.to_owned(),
        version,
        mzxid,
    }
}

#[test]
fn a_good_history_passes() {
    let story = Story::good();
    assert_eq!(check(&story.history, Rules::STRICT), []);
    let summary = story.history.summary();
    assert_eq!((summary.writes, summary.unanswered), (5, 1));
}

#[test]
fn an_unanswered_write_may_have_been_carried_out() {
    let mut story = Story::good();
    story.found().homes[0].node = seen("0.4", 2, 6);
    assert_eq!(check(&story.history, Rules::STRICT), []);
}

#[test]
fn a_lost_create_is_found() {
    let mut story = Story::good();
    story.found().homes[0].children.clear();
    story.expect(Rule::Lost);
}

#[test]
fn a_lost_set_is_found() {
    let mut story = Story::good();
    story.found().homes[0].node = seen("", 0, 0);
    story.expect(Rule::Lost);
}

#[test]
fn a_set_that_another_took_the_place_of_is_found() {
    let mut story = Story::good();
    // Version 1 of the home is acknowledged to 2, and 4 has it in the end.
    story.found().homes[0].node = seen("0.4", 1, 6);
    story.expect(Rule::Lost);
}

#[test]
fn a_write_nobody_sent_is_found() {
    let mut story = Story::good();
    story.found().homes[1].children.insert(9);
    story.expect(Rule::Invented);
    let mut story = Story::good();
    story.found().ephemerals.insert((0, 9), SESSION[0]);
    story.expect(Rule::Invented);
}

#[test]
fn a_version_without_a_writer_is_found() {
    let mut story = Story::good();
    story.found().registers[0] = seen("1.3", 4, 9);
    story.answer_to(1, 3).seen = Some(seen("", 4, 9));
    story.expect(Rule::Invented);
}

#[test]
fn a_write_carried_out_twice_is_found() {
    let mut story = Story::good();
    story.found().homes[0].node = seen("0.2", 2, 9);
    story.expect(Rule::Invented);
    let mut story = Story::good();
    story.answer_to(0, 1).error = NODE_EXISTS;
    story.expect(Rule::Invented);
}

#[test]
fn a_refused_write_that_was_carried_out_is_found() {
    let mut story = Story::good();
    *story.answer_to(1, 3) = Answer {
        zxid: 4,
        error: BAD_VERSION,
        seen: None,
    };
    story.expect(Rule::Invented);
}

#[test]
fn a_gap_in_what_a_connection_sent_is_found() {
    let mut story = Story::good();
    story.event(1, Event::Sent(5, Call::Create));
    story.event(1, Event::Sent(6, Call::Create));
    story.found().homes[1].children.insert(6);
    story.expect(Rule::Order);
    story.found().homes[1].children.insert(5);
    assert_eq!(story.rules(Rules::STRICT), []);
}

#[test]
fn a_zxid_that_does_not_grow_is_found() {
    let mut story = Story::good();
    story.answer_to(1, 4).zxid = 4;
    story.expect(Rule::Zxid);
    let mut story = Story::good();
    story.answer_to(0, 5).zxid = 2;
    story.expect(Rule::Zxid);
}

#[test]
fn a_zxid_given_to_two_writes_is_found() {
    let mut story = Story::good();
    story.ask(0, 6, Call::Create, 5, 0, None);
    story.found().homes[0].children.insert(6);
    story.expect(Rule::Zxid);
}

#[test]
fn a_read_that_goes_back_is_found() {
    let mut story = Story::good();
    story.ask(0, 6, READ, 6, 0, Some(seen("0.3", 1, 3)));
    story.expect(Rule::WentBack);
}

#[test]
fn a_read_of_a_state_that_was_over_is_found() {
    let mut story = Story::good();
    *story.answer_to(0, 5) = Answer {
        zxid: 5,
        error: 0,
        seen: Some(seen("0.3", 1, 3)),
    };
    story.expect(Rule::NotLinearizable);
}

#[test]
fn a_swap_of_another_version_than_expected_is_found() {
    let mut story = Story::good();
    story.event(0, Event::Sent(6, swap(0)));
    story.answer(0, 6, 6, 0, Some(seen("", 3, 6)));
    story.found().registers[0] = seen("0.6", 3, 6);
    story.expect(Rule::NotLinearizable);
}

#[test]
fn a_swap_refused_though_it_had_the_version_is_found() {
    let mut story = Story::good();
    story.ask(0, 6, swap(2), 6, BAD_VERSION, None);
    story.expect(Rule::NotLinearizable);
    let mut story = Story::good();
    story.ask(0, 6, swap(1), 6, BAD_VERSION, None);
    assert_eq!(story.rules(Rules::STRICT), []);
}

#[test]
fn writes_out_of_real_time_are_found() {
    let mut story = Story::good();
    // Client 0's first write is answered before client 1's last is sent.
    story.answer_to(0, 1).zxid = 9;
    story.expect(Rule::NotLinearizable);
}

#[test]
fn a_stale_read_after_a_sync_is_found() {
    let mut story = Story::good();
    story.connect(1);
    story.event(1, Event::Sent(5, Call::Sync));
    story.answer(1, 5, 5, 0, None);
    story.ask(0, 6, swap(2), 6, 0, Some(seen("", 3, 6)));
    story.found().registers[0] = seen("0.6", 3, 6);
    // The sync was before the swap, so version 2 will do.
    story.ask(1, 6, READ, 5, 0, Some(seen("1.3", 2, 4)));
    assert_eq!(story.rules(Rules::STRICT), []);
    story.ask(1, 7, Call::Sync, 5, 0, None);
    story.ask(1, 8, READ, 5, 0, Some(seen("1.3", 2, 4)));
    assert_eq!(story.rules(Rules::STRICT), [Rule::Stale]);
    assert_eq!(story.rules(Rules::LENIENT), []);
}

#[test]
fn a_session_that_ends_early_is_found() {
    let over = |seconds| Event::SessionOver {
        away: Duration::from_secs(seconds),
    };
    let mut story = Story::good();
    story.event(0, over(1));
    story.expect(Rule::Expired);
    assert_eq!(story.rules(Rules::LENIENT), [Rule::Expired]);
    let mut story = Story::good();
    story.event(0, over(11));
    story.expect(Rule::Expired);
    assert_eq!(story.rules(Rules::LENIENT), []);
}

#[test]
fn an_ephemeral_that_goes_before_its_session_is_found() {
    let mut story = Story::good();
    story.found().ephemerals.clear();
    story.expect(Rule::Ephemeral);
    story.event(1, Event::Sent(5, Call::DeleteEphemeral { created: 4 }));
    assert_eq!(story.rules(Rules::STRICT), []);
    story.answer(1, 5, 6, -101, None);
    story.expect(Rule::Ephemeral);
}

#[test]
fn an_ephemeral_that_stays_is_found() {
    let mut story = Story::good();
    story.ask(1, 5, Call::Close, 6, 0, None);
    story.expect(Rule::Ephemeral);
    let mut story = Story::good();
    let delete = Call::DeleteEphemeral { created: 4 };
    story.ask(1, 5, delete, 6, 0, None);
    story.expect(Rule::Ephemeral);
    let mut story = Story::good();
    story.found().ephemerals.insert((1, 4), SESSION[0]);
    story.expect(Rule::Ephemeral);
}

#[test]
fn a_watch_that_does_not_fire_is_found() {
    let mut story = Story::good();
    story.remove(1, &Event::Fired { register: 0 });
    story.expect(Rule::Watch);
}

#[test]
fn a_watch_that_fires_twice_is_found() {
    let mut story = Story::good();
    story.event(1, Event::Fired { register: 0 });
    story.expect(Rule::Watch);
}

#[test]
fn a_watch_that_fires_early_is_found() {
    let mut story = Story::good();
    story.ask(0, 6, READ_WITH_WATCH, 5, 0, Some(seen("1.3", 2, 4)));
    story.event(0, Event::Fired { register: 0 });
    story.ask(0, 7, READ, 5, 0, Some(seen("1.3", 2, 4)));
    story.expect(Rule::Watch);
}

#[test]
fn a_refusal_without_a_reason_is_found() {
    let mut story = Story::good();
    story.answer_to(1, 2).error = -1;
    story.expect(Rule::Refused);
}
