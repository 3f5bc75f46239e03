//! Packets: bytes as Apache sends them, round trips, and what is no packet.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::base::{Epoch, Identity, ServerId, SessionId, Xid, Zxid};
use crate::zab::{
    LearnerIdentity, LearnerKind, LearnerRequest, PROTOCOL_VERSION, ToLeader, ToLearner, packet_len,
};

const FIELD_MAX: usize = 1024 * 1024;

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn to_learner(packet: &ToLearner, hex: &str) {
    let expected = bytes(hex);
    assert_eq!(packet.to_bytes(), expected, "{packet:?}");
    assert_eq!(&ToLearner::decode(&expected).unwrap(), packet);
    assert_eq!(packet_len(&expected, FIELD_MAX), Ok(Some(expected.len())));
}

fn to_leader(packet: &ToLeader, hex: &str) {
    let expected = bytes(hex);
    assert_eq!(packet.to_bytes(), expected, "{packet:?}");
    assert_eq!(&ToLeader::decode(&expected).unwrap(), packet);
    assert_eq!(packet_len(&expected, FIELD_MAX), Ok(Some(expected.len())));
}

#[test]
fn what_a_leader_sends_qp_053() {
    let zxid = Zxid(0x1_0000_0003);
    // Nothing but a type and a zxid are 20 bytes.
    let ping = "00000005 0000000100000003 ffffffff ffffffff";
    assert_eq!(bytes(ping).len(), 20);
    to_learner(&ToLearner::Ping { zxid }, ping);
    to_learner(
        &ToLearner::LeaderInfo {
            epoch: Epoch(5),
            protocol_version: PROTOCOL_VERSION,
        },
        "00000011 0000000500000000 00000004 00010000 ffffffff",
    );
    to_learner(
        &ToLearner::Diff { zxid },
        "0000000d 0000000100000003 ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::Trunc { zxid },
        "0000000e 0000000100000003 ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::Snap { zxid },
        "0000000f 0000000100000003 ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::Commit { zxid },
        "00000004 0000000100000003 ffffffff ffffffff",
    );
}

#[test]
fn what_a_leader_sends_with_a_payload_qp_092_qp_105() {
    let zxid = Zxid(0x1_0000_0003);
    let payload = Bytes::from_static(b"abc");
    let leader = ServerId(2);
    to_learner(
        &ToLearner::Proposal {
            zxid,
            payload: payload.clone(),
        },
        "00000002 0000000100000003 00000003 616263 ffffffff",
    );
    to_learner(
        &ToLearner::Inform {
            zxid,
            payload: payload.clone(),
        },
        "00000008 0000000100000003 00000003 616263 ffffffff",
    );
    to_learner(
        &ToLearner::CommitAndActivate { zxid, leader },
        "00000009 0000000100000003 00000008 0000000000000002 ffffffff",
    );
    to_learner(
        &ToLearner::InformAndActivate {
            zxid,
            leader,
            payload: payload.clone(),
        },
        "00000013 0000000100000003 0000000b 0000000000000002 616263 ffffffff",
    );
    to_learner(
        &ToLearner::NewLeader {
            zxid: Zxid::start_of(Epoch(5)),
            config: Some(payload),
        },
        "0000000a 0000000500000000 00000003 616263 ffffffff",
    );
    to_learner(
        &ToLearner::NewLeader {
            zxid: Zxid::start_of(Epoch(5)),
            config: None,
        },
        "0000000a 0000000500000000 ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::UpToDate,
        "0000000c ffffffffffffffff ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::Sync,
        "00000007 0000000000000000 ffffffff ffffffff",
    );
    to_learner(
        &ToLearner::Revalidate {
            session: SessionId(0x0100_0000_0000_0007),
            is_valid: true,
        },
        "00000006 ffffffffffffffff 00000009 0100000000000007 01 ffffffff",
    );
}

#[test]
fn what_a_learner_sends_first_qp_051_qp_052() {
    let info = |kind, info| ToLeader::Info {
        kind,
        accepted_epoch: Epoch(4),
        info,
    };
    let identity = LearnerIdentity {
        sid: ServerId(5),
        protocol_version: PROTOCOL_VERSION,
        config_version: 0,
    };
    to_leader(
        &info(LearnerKind::Follower, Some(identity)),
        "0000000b 0000000400000000 00000014 0000000000000005 00010000 0000000000000000 ffffffff",
    );
    to_leader(
        &info(LearnerKind::Observer, Some(identity)),
        "00000010 0000000400000000 00000014 0000000000000005 00010000 0000000000000000 ffffffff",
    );
    // From servers that say nothing of themselves, and from 3.4.
    to_leader(
        &info(LearnerKind::Follower, None),
        "0000000b 0000000400000000 ffffffff ffffffff",
    );
    let short = bytes("0000000b 0000000400000000 0000000c 0000000000000005 00010000 ffffffff");
    assert_eq!(
        ToLeader::decode(&short),
        Ok(info(LearnerKind::Follower, Some(identity)))
    );
}

#[test]
fn what_a_learner_sends_later_qp_055_qp_104_qp_105_qp_106() {
    let ack_epoch = |current_epoch| ToLeader::AckEpoch {
        last_zxid: Zxid(0x4_0000_0009),
        current_epoch,
    };
    to_leader(
        &ack_epoch(Some(Epoch(4))),
        "00000012 0000000400000009 00000004 00000004 ffffffff",
    );
    to_leader(
        &ack_epoch(None),
        "00000012 0000000400000009 00000004 ffffffff ffffffff",
    );
    let zxid = Zxid(0x5_0000_0001);
    to_leader(
        &ToLeader::Ack { zxid },
        "00000003 0000000500000001 ffffffff ffffffff",
    );
    to_leader(
        &ToLeader::Revalidate {
            session: SessionId(7),
            timeout_ms: 4000,
        },
        "00000006 ffffffffffffffff 0000000c 0000000000000007 00000fa0 ffffffff",
    );
    let ping = |touched| ToLeader::Ping { zxid, touched };
    // Without sessions the payload is empty, and not missing.
    to_leader(
        &ping(Vec::new()),
        "00000005 0000000500000001 00000000 ffffffff",
    );
    to_leader(
        &ping(vec![(SessionId(7), 4000), (SessionId(8), 6000)]),
        "00000005 0000000500000001 00000018 \
         0000000000000007 00000fa0 0000000000000008 00001770 ffffffff",
    );
    let request = |op, body: &'static [u8], ids: &[(&str, &str)]| {
        let ids = ids.iter().map(|(scheme, id)| Identity {
            scheme: (*scheme).into(),
            id: (*id).into(),
        });
        ToLeader::Request(LearnerRequest {
            session: SessionId(7),
            xid: Xid(3),
            op,
            body: Bytes::from_static(body),
            ids: ids.collect(),
        })
    };
    to_leader(
        &request(2, b"body", &[("ip", "::1"), ("world", "")]),
        "00000001 ffffffffffffffff 00000014 0000000000000007 00000003 00000002 626f6479 \
         00000002 00000002 6970 00000003 3a3a31 00000005 776f726c64 00000000",
    );
    // createSession has a timeout, closeSession nothing.
    to_leader(
        &request(-10, &[0, 0, 0x0f, 0xa0], &[]),
        "00000001 ffffffffffffffff 00000014 0000000000000007 00000003 fffffff6 00000fa0 00000000",
    );
    to_leader(
        &request(-11, b"", &[]),
        "00000001 ffffffffffffffff 00000010 0000000000000007 00000003 fffffff5 00000000",
    );
}

#[test]
fn types_of_newer_releases_are_passed_over() {
    let packet = bytes("00000063 0000000000000000 00000003 616263 ffffffff");
    let unknown = ToLearner::Unknown { number: 99 };
    assert_eq!(ToLearner::decode(&packet), Ok(unknown));
    assert_eq!(
        ToLeader::decode(&packet),
        Ok(ToLeader::Unknown { number: 99 })
    );
}

#[test]
fn short_payloads_are_refused() {
    for hex in [
        // LEADERINFO, COMMITANDACTIVATE, INFORMANDACTIVATE, REVALIDATE.
        "00000011 0000000500000000 00000003 000100 ffffffff",
        "00000009 0000000500000000 ffffffff ffffffff",
        "00000013 0000000500000000 00000007 00000000000000 ffffffff",
        "00000006 0000000500000000 00000008 0000000000000007 ffffffff",
    ] {
        assert!(ToLearner::decode(&bytes(hex)).is_err(), "{hex}");
    }
    for hex in [
        // FOLLOWERINFO, ACKEPOCH, REQUEST, REVALIDATE.
        "0000000b 0000000400000000 00000008 0000000000000005 ffffffff",
        "00000012 0000000400000009 ffffffff ffffffff",
        "00000001 ffffffffffffffff 0000000c 0000000000000007 00000003 ffffffff",
        "00000006 ffffffffffffffff 00000008 0000000000000007 ffffffff",
    ] {
        assert!(ToLeader::decode(&bytes(hex)).is_err(), "{hex}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_before_their_bytes_are_there() {
    let head = "00000002 0000000100000003";
    for rest in [
        "00100001",                   // a payload longer than the limit
        "fffffffe",                   // a negative length
        "ffffffff 00001001",          // too many identities
        "ffffffff 00000001 80000000", // a scheme of a negative length
        "ffffffff 00000001 00100001", // a scheme longer than the limit
    ] {
        let packet = bytes(&format!("{head} {rest}"));
        assert!(packet_len(&packet, FIELD_MAX).is_err(), "{rest}");
    }
    let longest = bytes(&format!("{head} 00100000"));
    assert_eq!(packet_len(&longest, FIELD_MAX), Ok(None));
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from)
}

fn zxid() -> impl Strategy<Value = Zxid> {
    any::<i64>().prop_map(Zxid)
}

/// One that a zxid has room for.
fn epoch() -> impl Strategy<Value = Epoch> {
    (0..=i64::from(i32::MAX)).prop_map(Epoch)
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<i64>().prop_map(SessionId)
}

fn any_to_learner() -> impl Strategy<Value = ToLearner> {
    let server = || any::<i64>().prop_map(ServerId);
    prop_oneof![
        (epoch(), any::<i32>()).prop_map(|(epoch, protocol_version)| ToLearner::LeaderInfo {
            epoch,
            protocol_version
        }),
        zxid().prop_map(|zxid| ToLearner::Diff { zxid }),
        zxid().prop_map(|zxid| ToLearner::Trunc { zxid }),
        zxid().prop_map(|zxid| ToLearner::Snap { zxid }),
        zxid().prop_map(|zxid| ToLearner::Commit { zxid }),
        zxid().prop_map(|zxid| ToLearner::Ping { zxid }),
        (zxid(), payload()).prop_map(|(zxid, payload)| ToLearner::Proposal { zxid, payload }),
        (zxid(), payload()).prop_map(|(zxid, payload)| ToLearner::Inform { zxid, payload }),
        (zxid(), server()).prop_map(|(zxid, leader)| ToLearner::CommitAndActivate { zxid, leader }),
        (zxid(), server(), payload()).prop_map(|(zxid, leader, payload)| {
            ToLearner::InformAndActivate {
                zxid,
                leader,
                payload,
            }
        }),
        (zxid(), prop::option::of(payload()))
            .prop_map(|(zxid, config)| ToLearner::NewLeader { zxid, config }),
        Just(ToLearner::UpToDate),
        Just(ToLearner::Sync),
        (session(), any::<bool>())
            .prop_map(|(session, is_valid)| ToLearner::Revalidate { session, is_valid }),
    ]
}

fn any_to_leader() -> impl Strategy<Value = ToLeader> {
    let kind = prop_oneof![Just(LearnerKind::Follower), Just(LearnerKind::Observer)];
    let identity = (any::<i64>(), any::<i32>(), any::<i64>()).prop_map(|identity| {
        let (sid, protocol_version, config_version) = identity;
        LearnerIdentity {
            sid: ServerId(sid),
            protocol_version,
            config_version,
        }
    });
    let touched = prop::collection::vec((session(), any::<i32>()), 0..8);
    let ids = prop::collection::vec((".{0,8}", ".{0,8}"), 0..4);
    let request = (session(), any::<i32>(), any::<i32>(), payload(), ids);
    prop_oneof![
        (kind, epoch(), prop::option::of(identity)).prop_map(|(kind, accepted_epoch, info)| {
            ToLeader::Info {
                kind,
                accepted_epoch,
                info,
            }
        }),
        (zxid(), prop::option::of(epoch())).prop_map(|(last_zxid, current_epoch)| {
            ToLeader::AckEpoch {
                last_zxid,
                current_epoch,
            }
        }),
        zxid().prop_map(|zxid| ToLeader::Ack { zxid }),
        (zxid(), touched).prop_map(|(zxid, touched)| ToLeader::Ping { zxid, touched }),
        (session(), any::<i32>()).prop_map(|(session, timeout_ms)| ToLeader::Revalidate {
            session,
            timeout_ms
        }),
        request.prop_map(|(session, xid, op, body, ids)| {
            let ids = ids.into_iter().map(|(scheme, id)| Identity {
                scheme: scheme.into(),
                id: id.into(),
            });
            ToLeader::Request(LearnerRequest {
                session,
                xid: Xid(xid),
                op,
                body,
                ids: ids.collect(),
            })
        }),
    ]
}

/// The length is known with the last byte and not before, whatever follows.
fn check_length(packet: &Bytes) {
    for end in 0..packet.len() {
        assert_eq!(
            packet_len(&packet[..end], FIELD_MAX),
            Ok(None),
            "{end} of {packet:?}"
        );
    }
    let followed = [packet, &b"\xff\xff\xff\xff"[..]].concat();
    assert_eq!(packet_len(packet, FIELD_MAX), Ok(Some(packet.len())));
    assert_eq!(packet_len(&followed, FIELD_MAX), Ok(Some(packet.len())));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_leaders_packets_come_back(packet in any_to_learner()) {
        let bytes = packet.to_bytes();
        check_length(&bytes);
        prop_assert_eq!(ToLearner::decode(&bytes).unwrap(), packet);
    }

    #[test]
    fn a_learners_packets_come_back(packet in any_to_leader()) {
        let bytes = packet.to_bytes();
        check_length(&bytes);
        prop_assert_eq!(ToLeader::decode(&bytes).unwrap(), packet);
    }

    /// Bytes with a type that there is, and any bytes at all.
    #[test]
    fn no_bytes_panic(
        number in 0..24_i32,
        noise in prop::collection::vec(any::<u8>(), 0..80),
        tail in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), 0..40_u8], 0..80),
    ) {
        let typed = [&number.to_be_bytes()[..], &tail].concat();
        for bytes in [Bytes::from(noise), Bytes::from(tail), Bytes::from(typed)] {
            let length = packet_len(&bytes, FIELD_MAX);
            if let Ok(Some(length)) = length {
                prop_assert!(length <= bytes.len());
            }
            // Either gives a packet or says why not.
            let _ = ToLearner::decode(&bytes);
            let _ = ToLeader::decode(&bytes);
        }
    }

    /// A packet with a byte changed is read as something, or refused.
    #[test]
    fn no_damage_panics(packet in any_to_leader(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = packet.to_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let bytes = Bytes::from(bytes);
        if packet_len(&bytes, FIELD_MAX) == Ok(Some(bytes.len())) {
            let _ = ToLeader::decode(&bytes);
            let _ = ToLearner::decode(&bytes);
        }
    }
}
