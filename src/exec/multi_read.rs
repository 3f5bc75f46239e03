//! `multiRead`: several `getData` and `getChildren` at one moment, each with its own result.

use bytes::{BufMut, Bytes, BytesMut};

use jute::proto as wire;
use jute::{Decode, Encode, Ustring};

use crate::auth::PermitMemo;
use crate::base::{AclList, Xid, limits, perms};
use crate::exec::nodes::ChildrenResponse;
use crate::exec::{ReadResult, Reader};
use crate::proto::request::reads_as_multi;
use crate::proto::{ErrorCode, Op};
use crate::tree::Node;

/// One part: its watch flag is read and ignored.
struct Part<'a> {
    op: Op,
    path: Ustring<'a>,
}

impl Reader<'_> {
    pub(super) fn multi_read(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let start = out.len();
        let parts = match decode_parts(body) {
            Some(parts) => parts,
            // Apache's server answers a good list of writes with an error and an empty list of
            // results, anything else that is wrong with an error alone.
            None if reads_as_multi(&Bytes::copy_from_slice(body)) => {
                self.encode_frame_of(xid, ErrorCode::MarshallingError.number(), &[], out);
                return Ok(());
            }
            None => return Err(ErrorCode::MarshallingError),
        };
        // A null path breaks off, with the results before it in the answer.
        let nulls = parts.iter().position(|part| part.path.is_none());
        let err = nulls.map_or(0, |_| ErrorCode::MarshallingError.number());
        let answered = parts.get(..nulls.unwrap_or(parts.len()));
        self.encode_frame_of(xid, err, answered.unwrap_or_default(), out);
        if out.len() - start > limits::MULTI_READ_REPLY_BYTES {
            out.truncate(start);
            return Err(ErrorCode::MarshallingError);
        }
        Ok(())
    }

    /// Appends a frame with a result for each part. It may end early once it is too long.
    fn encode_frame_of(&self, xid: Xid, err: i32, parts: &[Part<'_>], out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(0);
        let header = wire::ReplyHeader {
            xid: xid.0,
            zxid: self.db.last_zxid().0,
            err,
        };
        header.encode(out);
        let mut permits = PermitMemo::default();
        for part in parts {
            self.encode_result(part, &mut permits, out);
            if out.len() - start > limits::MULTI_READ_REPLY_BYTES {
                break;
            }
        }
        wire::MultiHeader::END.encode(out);
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        let (mut place, _) = out
            .get_mut(start..)
            .and_then(|frame| frame.split_at_mut_checked(4))
            .expect("the length was put there");
        place.put_u32(length);
    }

    fn encode_result(&self, part: &Part<'_>, permits: &mut PermitMemo, out: &mut BytesMut) {
        let header = |op: Op, err| wire::MultiHeader {
            op: op.number(),
            done: false,
            err,
        };
        match self.readable_by(permits, part.path.as_deref().unwrap_or_default()) {
            Ok(node) if part.op == Op::GetData => {
                header(part.op, 0).encode(out);
                node.data().encode(out);
                node.stat().encode(out);
            }
            Ok(node) => {
                header(part.op, 0).encode(out);
                ChildrenResponse { node, stat: None }.encode(out);
            }
            Err(code) => {
                header(Op::Error, code.number()).encode(out);
                wire::ErrorResponse { err: code.number() }.encode(out);
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// As [`Reader::readable`], for one who asks often.
    fn readable_by(&self, permits: &mut PermitMemo, path: &str) -> Result<Node<'a>, ErrorCode> {
        let node = self.db.tree.node(path).ok_or(ErrorCode::NoNode)?;
        let acl = node.acl();
        let ask = || {
            let acl = acl.map(AclList::as_ref);
            self.policy.permits(self.ids, acl, perms::READ)
        };
        if permits.answer(0, acl, ask) {
            Ok(node)
        } else {
            Err(ErrorCode::NoAuth)
        }
    }
}

/// The parts up to the first header that says done, if all of them read.
fn decode_parts(body: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = jute::Reader::new(body);
    let mut parts = Vec::new();
    loop {
        let header = wire::MultiHeader::decode(&mut reader).ok()?;
        if header.done {
            return Some(parts);
        }
        let op = Op::from_number(header.op)?;
        if !matches!(op, Op::GetData | Op::GetChildren) {
            return None;
        }
        let wire::GetDataRequest { path, watch: _ } = Decode::decode(&mut reader).ok()?;
        parts.push(Part { op, path });
    }
}
