//! Notifications, frames and initial messages: bytes both ways, and hostile ones.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{
    base::{Epoch, ServerId, Zxid},
    election::{
        Ballot, Candidate, INITIAL_MESSAGE_BYTES_MAX, InitialMessage, InitialMessageError,
        Notification, NotificationError, PeerState, Received, Round, Vote, frame_length,
    },
    quorum::{Address, QuorumView, ViewRules},
};

fn view(text: &str) -> Arc<QuorumView> {
    Arc::new(QuorumView::parse(text, ViewRules::default()).unwrap())
}

fn notification() -> Notification {
    Notification {
        state: PeerState::Leading,
        vote: Vote {
            candidate: Candidate {
                epoch: Epoch(2),
                zxid: Zxid(0x1_0000_0000),
                leader: ServerId(1),
            },
            round: Round(7),
        },
        config: view("server.1=127.0.0.1:2888:3888\nserver.2=127.0.0.1:2889:3889\nversion=1f"),
    }
}

/// The fields one by one, as the layout says.
fn bytes(fields: &[&[u8]]) -> Vec<u8> {
    fields.concat()
}

#[test]
fn a_notification_byte_by_byte_qp_021_qp_024() {
    let config = b"server.1=127.0.0.1:2888:3888:participant\n\
        server.2=127.0.0.1:2889:3889:participant\nversion=1f";
    let expected = bytes(&[
        &2_i32.to_be_bytes(),
        &1_i64.to_be_bytes(),
        &0x1_0000_0000_i64.to_be_bytes(),
        &7_i64.to_be_bytes(),
        &2_i64.to_be_bytes(),
        &2_i32.to_be_bytes(),
        &i32::try_from(config.len()).unwrap().to_be_bytes(),
        config,
    ]);
    let ours = notification();
    assert_eq!(ours.encode(), expected);
    let received = Received::decode(&expected, false).unwrap();
    let ballot = Ballot {
        state: ours.state,
        vote: ours.vote,
        version: 2,
    };
    assert_eq!(received.ballot, ballot);
    assert_eq!(received.config.unwrap().to_string().as_bytes(), config);
    // Bytes behind the configuration are not looked at.
    let longer = bytes(&[&expected, b"more"]);
    assert_eq!(Received::decode(&longer, false).unwrap().ballot, ballot);
}

#[test]
fn generations_by_length_qp_022() {
    let whole = notification().encode();
    let decode = |length: usize| Received::decode(&whole[..length], false);
    let oldest = decode(28).unwrap();
    assert_eq!(oldest.ballot.vote.candidate.epoch, Epoch(1), "the zxid's");
    assert_eq!((oldest.ballot.version, oldest.config.is_none()), (0, true));
    let older = decode(40).unwrap();
    assert_eq!(older.ballot.vote.candidate.epoch, Epoch(2));
    assert_eq!(
        (older.ballot.version, older.config.is_none()),
        (0, true),
        "not read"
    );
    for length in (0..28).chain(29..40).chain(41..44) {
        assert_eq!(
            decode(length).unwrap_err(),
            NotificationError::Truncated(length)
        );
    }
    // A version without a configuration, in a message long enough to have its version read.
    let mut version_1 = whole[..44].to_vec();
    version_1[39] = 1;
    let received = Received::decode(&version_1, false).unwrap();
    assert_eq!(
        (received.ballot.version, received.config.is_none()),
        (1, true)
    );
}

#[test]
fn what_is_dropped_qp_023_qp_025() {
    let with_config = |length: i32, config: &[u8]| {
        let whole = notification().encode();
        let message = bytes(&[&whole[..40], &length.to_be_bytes(), config]);
        Received::decode(&message, false)
    };
    for (length, config) in [(-1, &b""[..]), (i32::MIN, b""), (i32::MAX, b"x"), (2, b"x")] {
        let error = with_config(length, config).unwrap_err();
        let total = 44 + config.len();
        assert_eq!(error, NotificationError::ConfigLength { length, total });
    }
    let with_text = |text: &[u8]| with_config(i32::try_from(text.len()).unwrap(), text);
    // What ends the receiving thread of an Apache server takes the vote with it.
    for text in [
        &b""[..],
        b"version=5",
        b"server.1=a:1:2:observer",
        b"server.x=a:1:2",
        b"server.1=a:1:2\nversion=no",
        b"server.1=a:1:2\ngroup.1=9",
    ] {
        let error = with_text(text).unwrap_err();
        assert!(matches!(error, NotificationError::Config(_)), "{error}");
    }
    // What it survives, the vote survives too: a newer release may write such a line.
    for text in [
        &b"server.1=a:1:2;2181;2281\nserver.2=b:1:2"[..],
        b"server.1=a:1:2|b:1:2\nserver.2=c:1:2",
        b"server.1=a:1:2\nserver.2=c:1:2\nfuture=1",
        b"\xff\xfe",
    ] {
        assert!(with_text(text).unwrap().config.is_none());
    }
    // One participant with observers stands alone only where our own configuration says so.
    let observed = with_text(b"server.1=a:1:2\nserver.2=b:1:2:observer").unwrap();
    assert_eq!(observed.config.unwrap().observers().count(), 1);
    let mut wrong_state = notification().encode().to_vec();
    for state in [4, 255] {
        wrong_state[3] = state;
        let error = Received::decode(&wrong_state, false).unwrap_err();
        assert_eq!(error, NotificationError::State(i32::from(state)));
    }
}

#[test]
fn frames_qp_010() {
    for good in [1, 44, 512 * 1024] {
        assert_eq!(frame_length(good).ok(), usize::try_from(good).ok());
    }
    for bad in [0, -1, i32::MIN, 512 * 1024 + 1, i32::MAX] {
        assert_eq!(frame_length(bad).unwrap_err().0, bad);
    }
}

fn initial_message(sid: i64, addresses: &[&str]) -> InitialMessage {
    let addresses = addresses.iter().map(|text| Address::parse(text).unwrap());
    InitialMessage {
        sid: ServerId(sid),
        addresses: addresses.collect(),
    }
}

fn initial_bytes(version: i64, sid: i64, length: i32, addresses: &[u8]) -> Vec<u8> {
    bytes(&[
        &version.to_be_bytes(),
        &sid.to_be_bytes(),
        &length.to_be_bytes(),
        addresses,
    ])
}

#[test]
fn an_initial_message_byte_by_byte_qp_001_qp_002() {
    let message = initial_message(3, &["zk3.example:3888", "[::1]:3889"]);
    let one = initial_bytes(-65536, 3, 16, b"zk3.example:3888");
    assert_eq!(message.encode(false), one);
    let text = b"zk3.example:3888|[0:0:0:0:0:0:0:1]:3889";
    let both = initial_bytes(-65535, 3, 39, text);
    assert_eq!(message.encode(true), both);
    let decoded = InitialMessage::decode(&both).unwrap();
    assert_eq!(decoded, Some((message, both.len())));
    // Either version may have several; what follows belongs to the next message.
    let more = bytes(&[&initial_bytes(-65536, 3, 7, b"a:1|b:2"), b"next"]);
    let (decoded, length) = InitialMessage::decode(&more).unwrap().unwrap();
    assert_eq!(decoded, initial_message(3, &["a:1", "b:2"]));
    assert_eq!(&more[length..], b"next");
}

#[test]
fn an_initial_message_in_pieces_qp_003() {
    let whole = initial_bytes(-65535, 3, 7, b"a:1|b:2");
    for end in 0..whole.len() {
        assert_eq!(InitialMessage::decode(&whole[..end]), Ok(None), "at {end}");
    }
    let bare = 2_i64.to_be_bytes();
    let expected = (initial_message(2, &[]), 8);
    assert_eq!(InitialMessage::decode(&bare), Ok(Some(expected)));
    assert_eq!(InitialMessage::decode(&bare[..7]), Ok(None));
}

#[test]
fn wildcards_are_no_place_to_dial_qp_005() {
    let sent = initial_message(3, &["0.0.0.0:3888", "[::]:3888", "zk3:3888"]);
    let (decoded, _) = InitialMessage::decode(&sent.encode(true)).unwrap().unwrap();
    assert_eq!(decoded, initial_message(3, &["zk3:3888"]));
}

#[test]
fn what_is_no_initial_message_qp_003() {
    for version in [-1, -65534, -65537, i64::MIN] {
        let bytes = initial_bytes(version, 3, 3, b"a:1");
        let error = InitialMessage::decode(&bytes).unwrap_err();
        assert_eq!(error, InitialMessageError::Version(version));
    }
    for length in [0, -1, 2049, i32::MAX, i32::MIN] {
        let bytes = initial_bytes(-65536, 3, length, b"a:1");
        let error = InitialMessage::decode(&bytes).unwrap_err();
        assert_eq!(error, InitialMessageError::Length(length));
    }
    for text in [
        &b"a"[..],
        b"a:1:2",
        b"a:x",
        b"a:65536",
        b":1",
        b"[::1",
        b"a:1||b:1",
        b"|",
    ] {
        let bytes = initial_bytes(-65536, 3, i32::try_from(text.len()).unwrap(), text);
        let error = InitialMessage::decode(&bytes).unwrap_err();
        assert!(
            matches!(error, InitialMessageError::Address(_)),
            "{text:?}: {error}"
        );
    }
    let bytes = initial_bytes(-65536, 3, 1, b"\xff");
    assert_eq!(
        InitialMessage::decode(&bytes),
        Err(InitialMessageError::NotUtf8)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_notification_or_an_error(
        noise: Vec<u8>,
        place in 0_usize..120,
        byte: u8,
        cut in 0_usize..140,
    ) {
        let _ = Received::decode(&noise, true);
        let mut message = notification().encode().to_vec();
        if let Some(victim) = message.get_mut(place) {
            *victim = byte;
        }
        message.truncate(cut);
        match Received::decode(&message, true) {
            Ok(received) => prop_assert!((0..4).contains(&received.ballot.state.to_wire())),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_an_initial_message_or_an_error(noise: Vec<u8>, text: Vec<u8>, length: i32) {
        for bytes in [noise, initial_bytes(-65536, 3, length % 100, &text)] {
            if let Ok(Some((_, length))) = InitialMessage::decode(&bytes) {
                prop_assert!(length <= bytes.len() && length <= INITIAL_MESSAGE_BYTES_MAX);
            }
        }
    }

    #[test]
    fn initial_messages_are_never_too_long(count in 0_usize..300) {
        let address = Address::parse("a-host-with-a-long-name.example:3888").unwrap();
        let message = InitialMessage { sid: ServerId(1), addresses: vec![address; count.max(1)] };
        let bytes = message.encode(true);
        prop_assert!(bytes.len() <= INITIAL_MESSAGE_BYTES_MAX);
        let (decoded, _) = InitialMessage::decode(&bytes).unwrap().unwrap();
        prop_assert!(decoded.addresses.len() <= message.addresses.len());
    }
}
