//! Servers that lost their ensemble and serve reads: of Apache's, of ours, and ours left alone by
//! Apache's. Whom they take, what they refuse, and that nothing of it is ever seen by the others.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use compat_tests::{
    calls::{
        CLOSE_SESSION, CREATE, EPHEMERAL, GET_DATA, MULTI, PERSISTENT, PING, SET_DATA, SYNC, call,
        children, create, create_body, data_and_version, exists, set_data_body,
    },
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    network::Network,
    server::{
        Kind,
        Kind::{Apache, Ours},
        four_letter_word,
    },
    wire::{Body, Client, Session, connect_request},
};

const NOT_READ_ONLY: i32 = -119;
const ALONE: usize = 0;
const TIMEOUT_MS: i32 = 40_000;
const SHORT_TIMEOUT_MS: i32 = 1000;

fn options() -> EnsembleOptions {
    EnsembleOptions::new()
        .property("readonlymode.enabled", true)
        .config("localSessionsEnabled", true)
        .config("localSessionsUpgradingEnabled", true)
}

fn left_alone(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let mut ensemble = Ensemble::start(&kinds, &options());
    assert_eq!(isro(&ensemble), "rw");
    let (mut writer, global) = Client::open_session(ensemble.address(ALONE), TIMEOUT_MS);
    create(&mut writer, "/before", b"there", PERSISTENT);
    create(&mut writer, "/ephemeral", b"", EPHEMERAL);
    let (_, local) = Client::open_session(ensemble.address(ALONE), TIMEOUT_MS);
    ensemble.kill(1);
    ensemble.kill(2);
    writer.expect_close();
    await_read_only(&ensemble);

    what_operators_see(&ensemble);
    whom_it_takes(&ensemble, &global, &local);
    what_it_refuses(&ensemble);
    its_sessions_expire(&ensemble);

    let (mut client, session) = open(&ensemble).expect("it takes readers");
    let before = children(&mut client, "/");
    ensemble.restart(1);
    ensemble.restart(2);
    client.expect_close();
    ensemble.await_all();
    assert_eq!(isro(&ensemble), "rw");
    assert!(come_back(&ensemble, &session).is_some_and(|(_, answer)| answer.id == 0));
    let (mut client, back) = come_back(&ensemble, &global).expect("an answer");
    assert_eq!((back.id, back.read_only), (global.id, Some(0)));
    assert_eq!(children(&mut client, "/"), before, "nothing has changed");
    create(&mut client, "/after", b"", PERSISTENT);
    ensemble.await_same_zxid();
}

compat_tests::cases! {
    left_alone_of_apache: left_alone([Apache; 3]);
    left_alone_of_ours: left_alone([Ours; 3]);
    left_alone_by_apache: left_alone([Ours, Apache, Apache]);
    left_alone_by_ours: left_alone([Apache, Ours, Ours]);
}

/// A minority that is cut off serves what it has, while the others go on.
fn cut_off(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(network) = Network::new_or_skip(test, kinds.len()) else {
        return;
    };
    network.enter();
    let mut ensemble = Ensemble::start(&kinds, &options().network(&network));
    let (mut writer, _) = Client::open_session(ensemble.address(2), TIMEOUT_MS);
    create(&mut writer, "/node", b"old", PERSISTENT);
    ensemble.await_same_zxid();
    network.part(&[ALONE], &[1, 2]);
    await_read_only(&ensemble);
    let (mut reader, _) = open(&ensemble).expect("it takes readers");
    let set = call(&mut writer, SET_DATA, &set_data_body("/node", b"new"));
    assert_eq!(set.error, 0, "the majority goes on");
    assert_eq!(data_and_version(&mut reader, "/node").0, "old");
    let set = call(&mut reader, SET_DATA, &set_data_body("/node", b"lost"));
    assert_eq!(set.error, NOT_READ_ONLY);
    network.join(&[ALONE], &[1, 2]);
    reader.expect_close();
    ensemble.await_all();
    ensemble.await_same_zxid();
    let (mut reader, session) = open(&ensemble).expect("it takes everybody");
    assert_eq!(session.read_only, Some(0));
    assert_eq!(data_and_version(&mut reader, "/node").0, "new");
}

compat_tests::cases! {
    cut_off_of_apache: cut_off([Apache; 3]);
    cut_off_of_ours: cut_off([Ours; 3]);
    cut_off_from_apache: cut_off([Ours, Apache, Apache]);
}

fn what_operators_see(ensemble: &Ensemble) {
    let at = ensemble.address(ALONE);
    let ask = |word: &str| four_letter_word(at, word).expect("it is answered");
    for word in ["srvr", "stat"] {
        let answer = ask(word);
        let second = answer.lines().nth(1);
        assert_eq!(
            second,
            Some("READ-ONLY mode; serving only read-only clients")
        );
        assert!(answer.contains("\nMode: read-only\n"), "{answer}");
    }
    let conf = ask("conf");
    assert!(conf.ends_with("\npeerType=0\n"), "{conf}");
    let mntr = ask("mntr");
    assert!(mntr.contains("zk_server_state\tread-only\n"), "{mntr}");
    assert!(
        !mntr.contains("zk_quorum_size") && !mntr.contains("zk_peer_state"),
        "{mntr}"
    );
    let dump = ask("dump");
    assert!(
        dump.starts_with(
            "SessionTracker dump:\nLocal Session Sets (0)/(0):\nGlobal Sessions(1):\n"
        ),
        "{dump}"
    );
    assert_eq!(ask("ruok"), "imok");
}

fn whom_it_takes(ensemble: &Ensemble, global: &Session, local: &Session) {
    let at = ensemble.address(ALONE);
    for read_only in [None, Some(false)] {
        let mut client = Client::connect(at);
        client.send_frame(connect_request(0, TIMEOUT_MS, 0, Some(&[0; 16]), read_only).bytes());
        client.expect_close();
    }
    let mut ahead = Client::connect(at);
    ahead.send_frame(connect_request(i64::MAX, TIMEOUT_MS, 0, Some(&[0; 16]), Some(true)).bytes());
    ahead.expect_close();
    assert!(
        come_back(ensemble, global).is_none(),
        "it is for others to say whether it lives"
    );
    let (_, answer) = come_back(ensemble, local).expect("an answer");
    assert_eq!(
        (answer.id, answer.timeout_ms, answer.read_only),
        (0, 0, Some(1))
    );
    let (client, session) = open(ensemble).expect("it takes readers");
    assert_eq!(
        (session.read_only, session.timeout_ms),
        (Some(1), TIMEOUT_MS)
    );
    drop(client);
    let (mut client, answer) = come_back(ensemble, &session).expect("an answer");
    assert_eq!(answer, session);
    let closed = call(&mut client, CLOSE_SESSION, &Body::new());
    assert_eq!(closed.error, 0);
    client.expect_close();
    let (_, answer) = come_back(ensemble, &session).expect("an answer");
    assert_eq!(answer.id, 0, "it is closed");
}

fn what_it_refuses(ensemble: &Ensemble) {
    let (mut client, _) = open(ensemble).expect("it takes readers");
    let last = call(&mut client, PING, &Body::new()).zxid;
    let end = Body::new().int(-1).boolean(true).int(-1);
    let refused = [
        (CREATE, create_body("/x", b"", PERSISTENT)),
        (15, create_body("/x", b"", EPHEMERAL)),
        (19, create_body("/x", b"", 4)),
        (21, create_body("/x", b"", 5).long(1)),
        (2, Body::new().string("/before").int(-1)),
        (SET_DATA, set_data_body("/before", b"x")),
        (7, Body::new().string("/before").int(0).int(-1)),
        (SYNC, Body::new().string("/")),
        (MULTI, end),
        (16, Body::new()),
        // What it says is not looked at.
        (CREATE, Body::new()),
    ];
    for (op, body) in refused {
        let reply = call(&mut client, op, &body);
        let answer = (reply.error, reply.zxid, reply.body.as_slice());
        assert_eq!(answer, (NOT_READ_ONLY, last, &[][..]), "operation {op}");
    }
    assert_eq!(
        data_and_version(&mut client, "/before"),
        ("there".into(), 0)
    );
    assert!(
        exists(&mut client, "/ephemeral"),
        "its session is not ended here"
    );
    // A watch may be left.
    let reply = call(
        &mut client,
        GET_DATA,
        &Body::new().string("/before").boolean(true),
    );
    assert_eq!(reply.error, 0);
    assert!(!exists(&mut client, "/x"));
}

fn its_sessions_expire(ensemble: &Ensemble) {
    let (mut client, session) =
        connect(ensemble, SHORT_TIMEOUT_MS, 0, &[0; 16]).expect("it takes readers");
    client.expect_close();
    ensemble.await_forgotten(ALONE, &session);
    let (_, answer) = come_back(ensemble, &session).expect("an answer");
    assert_eq!(answer.id, 0);
}

fn await_read_only(ensemble: &Ensemble) {
    eventually("it serves reads", ENSEMBLE_PATIENCE, || {
        let answer = four_letter_word(ensemble.address(ALONE), "isro").ok()?;
        (answer == "ro").then_some(())
    });
}

fn isro(ensemble: &Ensemble) -> String {
    four_letter_word(ensemble.address(ALONE), "isro").expect("isro is answered")
}

/// A client that makes do with reads. `None` when it is let go without a word.
fn open(ensemble: &Ensemble) -> Option<(Client, Session)> {
    connect(ensemble, TIMEOUT_MS, 0, &[0; 16])
}

fn come_back(ensemble: &Ensemble, session: &Session) -> Option<(Client, Session)> {
    connect(ensemble, session.timeout_ms, session.id, &session.password)
}

fn connect(
    ensemble: &Ensemble,
    timeout_ms: i32,
    id: i64,
    password: &[u8],
) -> Option<(Client, Session)> {
    use compat_tests::wire::Inbound;
    let mut client = Client::connect(ensemble.address(ALONE));
    client.send_frame(connect_request(0, timeout_ms, id, Some(password), Some(true)).bytes());
    match client.read_frame() {
        Inbound::Frame(frame) => {
            let session = Session::decode(&frame).expect("a ConnectResponse");
            Some((client, session))
        }
        Inbound::Closed => None,
        Inbound::Silent => panic!("a connect request is not answered"),
    }
}
