//! Any bytes as what a client sends: cut into frames, the first read as a handshake, the others as
//! requests. What is taken moves on, and no frame is longer than allowed.
#![no_main]

use bytes::Bytes;
use gamekeeper::net::frames::{Head, LENGTH_BYTES, head};
use gamekeeper::proto::{Op, OpClass, WriteRequest};
use jute::proto::{ConnectRequest, RequestHeader};
use jute::{Decode, Reader};
use libfuzzer_sys::fuzz_target;

const CONTENT_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut is_first = true;
    while let Head::Frame(content) = head(rest, CONTENT_MAX) {
        assert!(content.len() <= CONTENT_MAX);
        rest = &rest[LENGTH_BYTES + content.len()..];
        if std::mem::take(&mut is_first) {
            let _ = ConnectRequest::from_slice(content);
            continue;
        }
        request(content);
    }
    if let Head::Partial(needed) = head(rest, CONTENT_MAX) {
        assert!(needed > rest.len() && needed <= LENGTH_BYTES + CONTENT_MAX);
    }
});

fn request(content: &[u8]) {
    let mut reader = Reader::new(content);
    let Ok(header) = RequestHeader::decode(&mut reader) else {
        return;
    };
    let op = Op::from_number(header.op);
    if let Some(op) = op.filter(|op| matches!(op.class(), OpClass::Write | OpClass::Sync)) {
        let _ = WriteRequest::decode(op, &Bytes::copy_from_slice(reader.rest()));
    }
}
