//! Golden records of Apache, and what goes out comes back.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::*;

/// The two records of a log that a fresh Apache server wrote: a session, then `/a` with `hi`.
const CREATE_SESSION: &str = "01000030ccaf000000000000000000000000000\
    1000001a1ffa664a1fffffff600007530000000020000000051c6d660";
const CREATE: &str = "01000030ccaf0000000000010000000000000002000001a1ffa664ad00000001\
    000000022f61000000026869000000010000001f00000005776f726c6400000006616e796f6e65\
    00000000010000000200000000d4305bd8";

fn bytes(hex: &str) -> Bytes {
    let digit = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn decode(payload: &Bytes) -> Result<TxnRecord, DecodeError> {
    TxnRecord::decode(payload, 1 << 20)
}

fn encode(record: &TxnRecord) -> Bytes {
    let mut out = Vec::new();
    record.encode(&mut out);
    assert_eq!(record.encoded_len(), out.len());
    Bytes::from(out)
}

#[test]
fn apaches_records_decode_and_encode_to_the_same_bytes() {
    let session = decode(&bytes(CREATE_SESSION)).unwrap();
    assert_eq!(session.txn, Txn::CreateSession { timeout_ms: 30_000 });
    assert_eq!((session.zxid, session.digest), (Zxid(1), Some(0x51c6_d660)));
    assert_eq!(encode(&session), bytes(CREATE_SESSION));

    let create = decode(&bytes(CREATE)).unwrap();
    let Txn::Create(txn) = &create.txn else {
        panic!("a creation")
    };
    assert_eq!((&*txn.path, txn.data.as_deref()), ("/a", Some(&b"hi"[..])));
    assert_eq!(txn.acl.as_deref(), Some(&[Acl::anyone(31)][..]));
    assert_eq!(encode(&create), bytes(CREATE));
}

#[test]
fn a_creation_of_before_3_4_has_no_parent_version() {
    let whole = bytes(CREATE);
    let version_0 = whole.slice(..whole.len() - 16);
    let Txn::Create(txn) = decode(&version_0).unwrap().txn else {
        panic!("a creation")
    };
    assert_eq!(txn.parent_cversion, -1);
}

/// QP-153.
#[test]
fn close_session_has_a_list_or_none_and_a_digest_or_none() {
    let header = |txn: Txn, digest| TxnRecord {
        session: SessionId(7),
        cxid: Xid(1),
        zxid: Zxid(2),
        time: WallMillis(3),
        txn,
        digest,
    };
    for paths in [None, Some(vec![]), Some(vec!["/e".into(), "/f".into()])] {
        for digest in [None, Some(5)] {
            let record = header(
                Txn::CloseSession {
                    paths: paths.clone(),
                },
                digest,
            );
            assert_eq!(decode(&encode(&record)), Ok(record));
        }
    }
}

#[test]
fn an_error_inside_a_multi_keeps_whatever_body_it_has() {
    let entry = "ffffffff0000000a000000022f6100000001";
    // The header is 32 bytes: 28 of ids and times, then type 14.
    let mut fixed = vec![0; 28];
    fixed.extend_from_slice(&14_i32.to_be_bytes());
    fixed.extend_from_slice(&1_i32.to_be_bytes());
    fixed.extend_from_slice(&bytes(entry));
    let record = decode(&Bytes::from(fixed.clone())).unwrap();
    let Txn::Multi(parts) = &record.txn else {
        panic!("a multi")
    };
    assert!(matches!(&parts[..], [SubTxn::Error { body }] if body.len() == 10));
    assert_eq!(encode(&record), fixed);
}

#[test]
fn unknown_types_are_refused_and_trailing_bytes_are_not() {
    let mut payload = bytes(CREATE).to_vec();
    payload.extend_from_slice(b"more");
    assert!(decode(&Bytes::from(payload.clone())).is_ok());
    payload[31] = 99;
    assert_eq!(
        decode(&Bytes::from(payload.clone())),
        Err(DecodeError::UnknownTag(99))
    );
    payload[31] = 13;
    assert_eq!(
        decode(&Bytes::from(payload)),
        Err(DecodeError::UnknownTag(13))
    );
}

fn path() -> impl Strategy<Value = Box<str>> {
    "/[a-z/]{0,12}".prop_map(String::into_boxed_str)
}

fn data() -> impl Strategy<Value = Option<Bytes>> {
    any::<Option<Vec<u8>>>().prop_map(|data| data.map(Bytes::from))
}

fn acl() -> impl Strategy<Value = Option<AclList>> {
    prop_oneof![
        Just(None),
        Just(Some(AclList::from([Acl::anyone(31)]))),
        Just(Some(AclList::from([Acl::anyone(1), Acl::anyone(77)]))),
    ]
}

fn create() -> impl Strategy<Value = CreateTxn> {
    let kind = prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(op_is_create2, ephemeral)| {
            CreateKind::Plain {
                op_is_create2,
                ephemeral,
            }
        }),
        Just(CreateKind::Container),
        any::<i64>().prop_map(|ttl_ms| CreateKind::Ttl { ttl_ms }),
    ];
    (kind, path(), data(), acl(), any::<i32>()).prop_map(
        |(kind, path, data, acl, parent_cversion)| CreateTxn {
            kind,
            path,
            data,
            acl,
            parent_cversion,
        },
    )
}

fn set_data() -> impl Strategy<Value = SetDataTxn> {
    (path(), data(), any::<i32>()).prop_map(|(path, data, version)| SetDataTxn {
        path,
        data,
        version,
    })
}

fn sub_txn() -> impl Strategy<Value = SubTxn> {
    prop_oneof![
        create().prop_map(SubTxn::Create),
        path().prop_map(|path| SubTxn::Delete { path }),
        set_data().prop_map(SubTxn::SetData),
        (path(), any::<i32>()).prop_map(|(path, version)| SubTxn::Check { path, version }),
        any::<i32>().prop_map(SubTxn::error),
    ]
}

fn txn() -> impl Strategy<Value = Txn> {
    prop_oneof![
        create().prop_map(Txn::Create),
        set_data().prop_map(Txn::SetData),
        set_data().prop_map(Txn::Reconfig),
        path().prop_map(|path| Txn::DeleteContainer { path }),
        any::<i32>().prop_map(|code| Txn::Error { code }),
        (path(), acl(), any::<i32>()).prop_map(|(path, acl, version)| Txn::SetAcl {
            path,
            acl,
            version
        }),
        proptest::collection::vec(sub_txn(), 0..5).prop_map(Txn::Multi),
    ]
}

proptest! {
    #[test]
    fn transactions_survive_both_ways(txn in txn(), digest in any::<Option<u64>>()) {
        let record = TxnRecord {
            session: SessionId(-5),
            cxid: Xid(6),
            zxid: Zxid(0x1_0000_0007),
            time: WallMillis(8),
            txn,
            digest,
        };
        assert_eq!(decode(&encode(&record)), Ok(record));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(payload in any::<Vec<u8>>(), number in -12..25_i32) {
        let mut whole = vec![0; 28];
        whole.extend_from_slice(&number.to_be_bytes());
        whole.extend_from_slice(&payload);
        let _ = decode(&Bytes::from(whole));
    }
}
