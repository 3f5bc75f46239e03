//! What an applied or refused write answers, before it becomes bytes.

use std::borrow::Cow;

use bytes::{BufMut, Bytes};

use jute::data::Stat;
use jute::proto as wire;
use jute::{Encode, Ustring};

use crate::base::{Xid, Zxid};
use crate::proto::{ErrorCode, Op};

/// The body of a reply to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteReply {
    /// Header alone: `delete`, `closeSession`.
    Done,
    /// `create`.
    Path(Box<str>),
    /// `create2`, `createContainer`, `createTTL`.
    PathAndStat(Box<str>, Stat),
    /// `setData`, `setACL`.
    Stat(Stat),
    /// `reconfig`: the configuration and the node that has it.
    Data(Option<Bytes>, Stat),
    /// `sync`.
    Synced(Option<Box<str>>),
    /// `multi`, also when a part of it failed.
    Multi(Vec<MultiResult>),
    /// Refused; the header carries the code and there is no body.
    Error(ErrorCode),
}

/// The result of one part of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    Created(Box<str>),
    /// All creations but the plain one.
    CreatedWithStat(Box<str>, Stat),
    Deleted,
    DataSet(Stat),
    Checked,
    /// 0 for parts before the one that failed.
    Error(i32),
}

impl WriteReply {
    /// Whether the request failed for this reason, as a whole or in a part of it.
    pub fn says(&self, code: ErrorCode) -> bool {
        match self {
            Self::Error(found) => *found == code,
            Self::Multi(results) => results.contains(&MultiResult::Error(code.number())),
            _ => false,
        }
    }

    /// Appends the whole frame: length, header, body.
    pub fn encode_frame(&self, xid: Xid, zxid: Zxid, out: &mut impl BufMut) {
        let err = match self {
            Self::Error(code) => code.number(),
            _ => 0,
        };
        let header = wire::ReplyHeader {
            xid: xid.0,
            zxid: zxid.0,
            err,
        };
        frame_length(header.encoded_len() + self.body_len(), out);
        header.encode(out);
        self.encode_body(out);
    }

    fn body_len(&self) -> usize {
        match self {
            Self::Done | Self::Error(_) => 0,
            Self::Path(path) => text(path).encoded_len(),
            Self::PathAndStat(path, stat) => text(path).encoded_len() + stat.encoded_len(),
            Self::Stat(stat) => stat.encoded_len(),
            Self::Data(data, stat) => data.as_deref().encoded_len() + stat.encoded_len(),
            Self::Synced(path) => path.as_deref().map(Cow::Borrowed).encoded_len(),
            Self::Multi(results) => {
                let end = wire::MultiHeader::END.encoded_len();
                results.iter().map(MultiResult::encoded_len).sum::<usize>() + end
            }
        }
    }

    fn encode_body(&self, out: &mut impl BufMut) {
        match self {
            Self::Done | Self::Error(_) => {}
            Self::Path(path) => text(path).encode(out),
            Self::PathAndStat(path, stat) => {
                text(path).encode(out);
                stat.encode(out);
            }
            Self::Stat(stat) => stat.encode(out),
            Self::Data(data, stat) => {
                data.as_deref().encode(out);
                stat.encode(out);
            }
            Self::Synced(path) => path.as_deref().map(Cow::Borrowed).encode(out),
            Self::Multi(results) => {
                for result in results {
                    result.encode(out);
                }
                wire::MultiHeader::END.encode(out);
            }
        }
    }
}

impl Encode for MultiResult {
    fn encode(&self, out: &mut impl BufMut) {
        let (op, err) = match self {
            Self::Created(_) => (Op::Create, 0),
            Self::CreatedWithStat(..) => (Op::Create2, 0),
            Self::Deleted => (Op::Delete, 0),
            Self::DataSet(_) => (Op::SetData, 0),
            Self::Checked => (Op::Check, 0),
            Self::Error(code) => (Op::Error, *code),
        };
        wire::MultiHeader {
            op: op.number(),
            done: false,
            err,
        }
        .encode(out);
        match self {
            Self::Created(path) => text(path).encode(out),
            Self::CreatedWithStat(path, stat) => {
                text(path).encode(out);
                stat.encode(out);
            }
            Self::Deleted | Self::Checked => {}
            Self::DataSet(stat) => stat.encode(out),
            Self::Error(code) => wire::ErrorResponse { err: *code }.encode(out),
        }
    }

    fn encoded_len(&self) -> usize {
        let body = match self {
            Self::Created(path) => text(path).encoded_len(),
            Self::CreatedWithStat(path, stat) => text(path).encoded_len() + stat.encoded_len(),
            Self::Deleted | Self::Checked => 0,
            Self::DataSet(stat) => stat.encoded_len(),
            Self::Error(_) => 4,
        };
        wire::MultiHeader::END.encoded_len() + body
    }
}

/// Appends a reply that is a header and no body.
pub fn encode_header_frame(xid: Xid, zxid: Zxid, err: i32, out: &mut impl BufMut) {
    let header = wire::ReplyHeader {
        xid: xid.0,
        zxid: zxid.0,
        err,
    };
    frame_length(header.encoded_len(), out);
    header.encode(out);
}

/// Appends a reply with a record as its body.
pub fn encode_frame(xid: Xid, zxid: Zxid, body: &impl Encode, out: &mut impl BufMut) {
    encode_coded_frame(xid, zxid, 0, body, out);
}

/// Appends a reply that has a body although it may be an error: that of a SASL token.
pub fn encode_coded_frame(
    xid: Xid,
    zxid: Zxid,
    err: i32,
    body: &impl Encode,
    out: &mut impl BufMut,
) {
    let header = wire::ReplyHeader {
        xid: xid.0,
        zxid: zxid.0,
        err,
    };
    frame_length(header.encoded_len() + body.encoded_len(), out);
    header.encode(out);
    body.encode(out);
}

/// Appends the four bytes before a frame's payload.
pub fn frame_length(length: usize, out: &mut impl BufMut) {
    out.put_u32(u32::try_from(length).expect("replies are bounded by what nodes can hold"));
}

fn text(path: &str) -> Ustring<'_> {
    Some(Cow::Borrowed(path))
}
