//! What clients may not be told.

use super::*;

#[test]
fn a_write_that_was_acknowledged_and_never_happened() {
    let mut story = Story::running();
    story.ask(1, 1, asks_to_create("/a"));
    story.propose(N1, zxid(1, 2), 1, create("/a", false));
    story.reply(1, 1, zxid(1, 2), 0, Answer::Path("/a".into()));
    story.fails("writes", "never happened");
}

#[test]
fn a_write_that_nobody_asked_for_or_that_happens_twice() {
    let mut story = Story::running();
    story.write(zxid(1, 2), 1, create("/a", false));
    story.fails("writes", "nobody asked");
    let mut story = Story::with_node("/a").with_set("/a");
    story.write(zxid(1, 4), 3, set("/a", "1", 2));
    story.fails("writes", "happened before");
}

#[test]
fn a_write_that_does_something_else() {
    let mut story = Story::running();
    story.ask(1, 1, asks_to_create("/a"));
    story.write(zxid(1, 2), 1, create("/b", false));
    story.fails("writes", "asked was");
}

#[test]
fn writes_out_of_the_order_of_their_session() {
    let mut story = Story::running();
    story.ask(1, 1, asks_to_create("/a"));
    story.ask(1, 2, asks_to_create("/b"));
    story.write(zxid(1, 2), 2, create("/b", false));
    story.fails("writes", "xid 1 before it did not");
}

#[test]
fn a_write_before_one_that_was_acknowledged_when_it_was_asked() {
    let mut story = Story::running();
    story.ask(1, 1, asks_to_create("/a"));
    story.propose(N1, zxid(1, 2), 2, create("/b", false));
    story.write(zxid(1, 3), 1, create("/a", false));
    story.fails("logs", "behind");
    // Only a broken order of commits could give this; the checker is told directly.
    let mut story = Story::with_node("/a");
    story.ask(1, 2, asks_to_create("/b"));
    let entry = Entry {
        zxid: zxid(1, 2),
        ..story.proposed[0].clone()
    };
    let mut record = (*entry.txn).clone();
    (record.cxid, record.txn) = (Xid(2), create("/b", false));
    let txn = Arc::new(record);
    let verdict = story.checkers.writes.on_commit(&Entry { txn, ..entry });
    assert!(verdict.unwrap_err().text.contains("acknowledged already"));
}

#[test]
fn a_wrong_answer_to_a_write() {
    let mut story = Story::with_node("/a").with_set("/a");
    let answer = Answer::Stat(facts(zxid(1, 2), zxid(1, 3), 2));
    story.reply(1, 3, zxid(1, 3), 0, answer);
    story.fails("writes", "not what it did");
    let mut story = Story::with_node("/a").with_set("/a");
    let answer = Answer::Stat(facts(zxid(1, 2), zxid(1, 3), 1));
    story.reply(1, 3, zxid(1, 4), 0, answer);
    story.fails("writes", "happened at 0x100000003");
}

#[test]
fn a_refusal_without_a_reason() {
    let mut story = Story::running();
    story.ask(1, 1, asks_to_create("/a"));
    let code = crate::proto::ErrorCode::NodeExists.number();
    story.write(zxid(1, 2), 1, Txn::Error { code });
    story.reply(1, 1, zxid(1, 2), code, Answer::Nothing);
    story.fails("writes", "no reason to refuse");
}

#[test]
fn a_read_of_another_state() {
    let read = || Asked::GetData {
        path: "/a".into(),
        watch: false,
    };
    let old = || Answer::Data(Bytes::from_static(b"0"), facts(zxid(1, 2), zxid(1, 2), 0));
    let mut story = Story::with_node("/a").with_set("/a");
    story.ask(1, 4, read());
    story.reply(1, 4, zxid(1, 3), 0, old());
    story.fails("views", "is told 0");
    let mut story = Story::with_node("/a").with_set("/a");
    story.ask(1, 4, read());
    story.reply(1, 4, zxid(1, 2), 0, old());
    story.passes();
    story.ask(1, 5, read());
    story.reply(1, 5, zxid(1, 7), 0, old());
    story.fails("views", "not committed");
}

#[test]
fn a_session_that_goes_back() {
    let mut story = Story::with_node("/a");
    story.client(ClientFact::Disconnected { conn: 1 });
    story.connect(2, false);
    let ping = Asked::Ping;
    story.ask(2, -2, ping);
    story.reply(2, -2, zxid(1, 1), 0, Answer::Nothing);
    story.fails("views", "was at 0x100000002");
}

#[test]
fn a_valid_session_that_a_client_is_told_is_not() {
    let (server, session) = (N2, S);
    let left = ClientFact::Disconnected { conn: 1 };
    let mut story = Story::running();
    story.client(left.clone());
    story.client(ClientFact::Expired { server, session });
    story.fails("sessions", "and it is open");
    // It may have asked before the session was opened: one that is upgraded has a client before that.
    let mut story = Story::running();
    story.client(ClientFact::Expired { server, session });
    story.passes();
    // One that missed the end of its term is excused.
    let mut story = Story::running();
    story.start(N1, 2, &[zxid(1, 1)]);
    story.serve(N1, Mode::Leader, 2);
    story.client(left);
    story.client(ClientFact::Expired { server, session });
    story.passes();
}

#[test]
fn an_event_that_is_lost_or_late() {
    let mut story = Story::with_watch("/a").with_set("/a");
    story.answer_set();
    story.fails("watches", "comes before");
}

#[test]
fn an_event_that_is_doubled_or_made_up() {
    let mut story = Story::with_watch("/a").with_set("/a");
    story.event(1, zxid(1, 3), EventType::NodeDataChanged, "/a");
    story.passes();
    story.event(1, zxid(1, 3), EventType::NodeDataChanged, "/a");
    story.fails("watches", "expected was []");
    let mut story = Story::with_node("/a").with_set("/a");
    story.event(1, zxid(1, 3), EventType::NodeDataChanged, "/a");
    story.fails("watches", "expected was []");
}

#[test]
fn an_event_before_its_transaction_is_committed() {
    let mut story = Story::with_watch("/a");
    story.event(1, zxid(1, 3), EventType::NodeDataChanged, "/a");
    story.fails("watches", "not committed");
}

#[test]
fn events_out_of_their_order() {
    let mut story = Story::with_watch("/a");
    let asked = Asked::AddWatch {
        path: "/a".into(),
        recursive: true,
    };
    story.ask(1, 3, asked);
    story.reply(1, 3, zxid(1, 2), 0, Answer::Nothing);
    story.ask(1, 4, asks_to_set("/a", "1"));
    story.write(zxid(1, 3), 4, set("/a", "1", 1));
    story.ask(1, 5, asks_to_set("/a", "2"));
    story.write(zxid(1, 4), 5, set("/a", "2", 2));
    story.event(1, zxid(1, 4), EventType::NodeDataChanged, "/a");
    story.fails("watches", "expected was");
}

#[test]
fn what_changed_meanwhile_is_told_when_watches_are_set_again() {
    let set_again = |is_told: bool| {
        let mut story = Story::with_watch("/a");
        story.client(ClientFact::Disconnected { conn: 1 });
        story.propose(N1, zxid(1, 3), 0, set("/a", "1", 1));
        story.apply(N1, zxid(1, 3));
        story.apply(N2, zxid(1, 3));
        story.connect(2, false);
        story.client(ClientFact::WatchesSet {
            conn: 2,
            xid: Xid(-8),
            seen: zxid(1, 2),
            watches: WatchSet {
                data: vec!["/a".into()],
                ..WatchSet::default()
            },
        });
        if is_told {
            story.event(2, Zxid(-1), EventType::NodeDataChanged, "/a");
        }
        story.reply(2, -8, zxid(1, 3), 0, Answer::Nothing);
        story
    };
    set_again(true).passes();
    set_again(false).fails("watches", "caught up with []");
}
