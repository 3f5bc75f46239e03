//! Transactions and the records that nest deepest, from any bytes: refused or round-tripped.
//!
//! The first byte picks what the rest is read as.
#![no_main]

use bytes::Bytes;
use gamekeeper::proto::{Txn, TxnRecord};
use jute::{Decode, Encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, body)) = data.split_first() else {
        return;
    };
    match kind % 6 {
        0 => transaction(body),
        1 => round_trip::<jute::proto::ConnectRequest<'_>>(body),
        2 => round_trip::<jute::proto::SetWatches2<'_>>(body),
        3 => round_trip::<jute::proto::GetAclResponse<'_>>(body),
        4 => round_trip::<jute::quorum::QuorumPacket<'_>>(body),
        _ => round_trip::<jute::txn::MultiTxn<'_>>(body),
    }
});

fn round_trip<'a, T: Decode<'a> + Encode>(bytes: &'a [u8]) {
    if let Ok(value) = T::from_slice(bytes) {
        assert_eq!(value.to_vec().len(), value.encoded_len());
    }
}

fn transaction(bytes: &[u8]) {
    let Ok(record) = TxnRecord::decode(&Bytes::copy_from_slice(bytes), 1 << 20) else {
        return;
    };
    // Two empty paths, which name no node, look like a bare digest: see `decode_closed_paths`.
    if let Txn::CloseSession { paths: Some(paths) } = &record.txn
        && paths.iter().any(|path| path.is_empty())
    {
        return;
    }
    let mut encoded = Vec::new();
    record.encode(&mut encoded);
    assert_eq!(encoded.len(), record.encoded_len());
    let again = TxnRecord::decode(&Bytes::from(encoded), usize::MAX);
    assert_eq!(again.as_ref(), Ok(&record));
}
