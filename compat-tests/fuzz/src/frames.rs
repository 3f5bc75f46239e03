//! Any bytes as the body of any request that goes to the writer.
#![no_main]

use bytes::Bytes;
use gamekeeper::proto::{Op, OpClass, WriteRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, body)) = data.split_first() else {
        return;
    };
    let op = Op::ALL[usize::from(kind) % Op::ALL.len()];
    if matches!(op.class(), OpClass::Write | OpClass::Sync) {
        let _ = WriteRequest::decode(op, &Bytes::copy_from_slice(body));
    }
});
