//! Requests that go to the writer, as owned values. Reads are decoded where they are executed and
//! borrow from their frame.
//!
//! Paths and flags are taken as they came: which rule of theirs is checked when, and with which
//! error, is part of the protocol and belongs to `prep`.

use bytes::Bytes;

use jute::proto as wire;
use jute::{Decode, DecodeError, Reader};

use crate::base::Acl;
use crate::proto::Op;

/// A request that needs its place in the order of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteRequest {
    Create(Create),
    Delete(Delete),
    SetData(SetData),
    SetAcl(SetAcl),
    Multi(Vec<MultiOp>),
    Reconfig(Reconfig),
    /// Takes its place behind earlier writes and echoes its path, which may be null.
    Sync {
        path: Option<Box<str>>,
    },
    CloseSession,
    /// A body that cannot be read. It is refused in its place, so that replies stay in order.
    Malformed,
}

/// `create`, `create2`, `createContainer` or `createTTL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Which of the four; in a multi, the one it was normalised to.
    pub op: Op,
    pub path: Box<str>,
    pub data: Option<Bytes>,
    /// `None` for a null list; entries with a null scheme or id have it empty.
    pub acl: Option<Vec<Acl>>,
    pub flags: i32,
    /// Milliseconds, -1 for all but `createTTL`.
    pub ttl: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    pub path: Box<str>,
    pub version: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetData {
    pub path: Box<str>,
    pub data: Option<Bytes>,
    pub version: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAcl {
    pub path: Box<str>,
    pub acl: Option<Vec<Acl>>,
    pub version: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub path: Box<str>,
    pub version: i32,
}

/// Membership changes; texts are checked by `prep`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconfig {
    pub joining: Option<Box<str>>,
    pub leaving: Option<Box<str>>,
    pub new_members: Option<Box<str>>,
    pub config_version: i64,
}

/// One part of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiOp {
    Create(Create),
    Delete(Delete),
    SetData(SetData),
    Check(Check),
}

impl WriteRequest {
    /// Reads the body of a request of class [`Write`](crate::proto::OpClass::Write) or
    /// [`Sync`](crate::proto::OpClass::Sync). Data of nodes keeps sharing `body`'s allocation.
    pub fn decode(op: Op, body: &Bytes) -> Self {
        let mut reader = Reader::new(body);
        match op {
            Op::Multi => decode_multi(body, &mut reader).map(Self::Multi),
            Op::CloseSession => Ok(Self::CloseSession),
            Op::Sync => wire::SyncRequest::decode(&mut reader).map(|sync| Self::Sync {
                path: sync.path.as_deref().map(Box::from),
            }),
            Op::Delete => decode_delete(&mut reader).map(Self::Delete),
            Op::SetData => decode_set_data(body, &mut reader).map(Self::SetData),
            Op::SetAcl => decode_set_acl(&mut reader).map(Self::SetAcl),
            Op::Reconfig => decode_reconfig(&mut reader).map(Self::Reconfig),
            _ => decode_create(op, body, &mut reader).map(Self::Create),
        }
        .unwrap_or(Self::Malformed)
    }
}

fn decode_create(op: Op, body: &Bytes, reader: &mut Reader<'_>) -> Result<Create, DecodeError> {
    let wire::CreateRequest {
        path,
        data,
        acl,
        flags,
    } = Decode::decode(reader)?;
    let ttl = if op == Op::CreateTtl {
        i64::decode(reader)?
    } else {
        -1
    };
    Ok(Create {
        op,
        path: required(path)?,
        data: shared(body, data),
        acl: acl.as_deref().map(owned_acl),
        flags,
        ttl,
    })
}

fn decode_delete(reader: &mut Reader<'_>) -> Result<Delete, DecodeError> {
    let wire::DeleteRequest { path, version } = Decode::decode(reader)?;
    Ok(Delete {
        path: required(path)?,
        version,
    })
}

fn decode_set_data(body: &Bytes, reader: &mut Reader<'_>) -> Result<SetData, DecodeError> {
    let wire::SetDataRequest {
        path,
        data,
        version,
    } = Decode::decode(reader)?;
    Ok(SetData {
        path: required(path)?,
        data: shared(body, data),
        version,
    })
}

fn decode_set_acl(reader: &mut Reader<'_>) -> Result<SetAcl, DecodeError> {
    let wire::SetAclRequest { path, acl, version } = Decode::decode(reader)?;
    Ok(SetAcl {
        path: required(path)?,
        acl: acl.as_deref().map(owned_acl),
        version,
    })
}

fn decode_reconfig(reader: &mut Reader<'_>) -> Result<Reconfig, DecodeError> {
    let request = wire::ReconfigRequest::decode(reader)?;
    Ok(Reconfig {
        joining: request.joining_servers.as_deref().map(Box::from),
        leaving: request.leaving_servers.as_deref().map(Box::from),
        new_members: request.new_members.as_deref().map(Box::from),
        config_version: request.cur_config_id,
    })
}

/// Reads the parts of a multi up to the first header that says done, whatever else it says.
///
/// Everything that makes Apache's `MultiOperationRecord` throw makes the whole request malformed:
/// an unknown part, a reading part, flags out of range, a null path or list in a creation.
fn decode_multi(body: &Bytes, reader: &mut Reader<'_>) -> Result<Vec<MultiOp>, DecodeError> {
    let mut ops = Vec::new();
    loop {
        let header = wire::MultiHeader::decode(reader)?;
        if header.done {
            return Ok(ops);
        }
        ops.push(match Op::from_number(header.op) {
            Some(op @ (Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl)) => {
                MultiOp::Create(normalised(decode_create(op, body, reader)?)?)
            }
            Some(Op::Delete) => MultiOp::Delete(decode_delete(reader)?),
            Some(Op::SetData) => MultiOp::SetData(decode_set_data(body, reader)?),
            Some(Op::Check) => {
                let wire::CheckVersionRequest { path, version } = Decode::decode(reader)?;
                MultiOp::Check(Check {
                    path: required(path)?,
                    version,
                })
            }
            _ => return Err(DecodeError::UnknownTag(header.op)),
        });
    }
}

/// What kind of creation a part of a multi is depends on its flags first, as `Op.Create` and
/// `Op.CreateTTL` decide it while they are read.
fn normalised(create: Create) -> Result<Create, DecodeError> {
    let Create { op, flags, .. } = create;
    if create.acl.is_none() || !(0..=6).contains(&flags) {
        return Err(DecodeError::BadLength(flags));
    }
    let has_ttl = matches!(flags, 5 | 6);
    let op = match op {
        _ if flags == 4 => Op::CreateContainer,
        Op::CreateTtl if has_ttl => Op::CreateTtl,
        Op::CreateTtl => Op::Create,
        _ if has_ttl => return Err(DecodeError::UnknownTag(flags)),
        other => other,
    };
    let ttl = if op == Op::CreateTtl { create.ttl } else { -1 };
    Ok(Create { op, ttl, ..create })
}

fn required(path: jute::Ustring<'_>) -> Result<Box<str>, DecodeError> {
    path.map(|text| text.into_owned().into_boxed_str())
        .ok_or(DecodeError::BadLength(-1))
}

fn shared(body: &Bytes, data: jute::Buffer<'_>) -> Option<Bytes> {
    data.map(|slice| body.slice_ref(slice))
}

fn owned_acl(acl: &[jute::data::Acl<'_>]) -> Vec<Acl> {
    acl.iter().map(Acl::from_record).collect()
}
