//! Requests that go to the writer, as owned values. Reads are decoded where they are executed and
//! borrow from their frame.
//!
//! Paths and flags are taken as they came: which rule of theirs is checked when, and with which
//! error, is part of the protocol and belongs to `prep`.

use bytes::Bytes;

use jute::proto as wire;
use jute::{Decode, DecodeError, Reader};

use crate::base::Acl;
use crate::proto::{ErrorCode, Op};

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
    /// A body that cannot be read or lacks its path. It is refused in its place, so that replies
    /// stay in order.
    Malformed {
        code: ErrorCode,
        /// Apache had a zxid for it before it found out, so the refusal uses one up.
        takes_zxid: bool,
    },
}

/// Why a body is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Unreadable,
    /// Readable, but with a null path, over which Apache's preparation trips.
    NullPath,
    /// A null list in a part of a multi, over which Apache trips while it reads.
    NullList,
}

impl From<DecodeError> for Flaw {
    fn from(_: DecodeError) -> Self {
        Self::Unreadable
    }
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
            Op::Sync => decode_sync(&mut reader),
            Op::Delete => decode_delete(&mut reader).map(Self::Delete),
            Op::SetData => decode_set_data(body, &mut reader).map(Self::SetData),
            Op::SetAcl => decode_set_acl(&mut reader).map(Self::SetAcl),
            Op::Reconfig => decode_reconfig(&mut reader).map(Self::Reconfig),
            _ => decode_create(op, body, &mut reader, true).map(Self::Create),
        }
        .unwrap_or_else(|flaw| Self::malformed(op, flaw))
    }

    fn malformed(op: Op, flaw: Flaw) -> Self {
        let code = match (op, flaw) {
            // These two check a null path like any text.
            (Op::SetData | Op::SetAcl, Flaw::NullPath) => ErrorCode::BadArguments,
            _ => ErrorCode::MarshallingError,
        };
        let takes_zxid = match flaw {
            // Only a multi has its zxid when its body turns out to be unreadable.
            Flaw::Unreadable => op == Op::Multi,
            Flaw::NullPath => true,
            Flaw::NullList => false,
        };
        Self::Malformed { code, takes_zxid }
    }
}

/// Whether a body is a list of writes to Apache's reader, which does not mind null paths.
pub(crate) fn reads_as_multi(body: &Bytes) -> bool {
    let decoded = decode_multi(body, &mut Reader::new(body));
    matches!(decoded, Ok(_) | Err(Flaw::NullPath))
}

fn decode_sync(reader: &mut Reader<'_>) -> Result<WriteRequest, Flaw> {
    let wire::SyncRequest { path } = Decode::decode(reader)?;
    Ok(WriteRequest::Sync {
        path: path.as_deref().map(Box::from),
    })
}

/// Whether a time to live is given if, and only if, the flags ask for one.
fn is_timely(flags: i32, ttl: i64) -> bool {
    (0..=6).contains(&flags) && matches!(flags, 5 | 6) == (ttl > 0)
}

/// A creation that `is_alone` is no part of a multi.
fn decode_create(
    op: Op,
    body: &Bytes,
    reader: &mut Reader<'_>,
    is_alone: bool,
) -> Result<Create, Flaw> {
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
    let path = match required(path) {
        // What is wrong with flags and time is noticed before the path is, and by `prep`.
        Err(_) if is_alone && !is_timely(flags, ttl) => Box::default(),
        path => path?,
    };
    Ok(Create {
        op,
        path,
        data: shared(body, data),
        acl: acl.as_deref().map(owned_acl),
        flags,
        ttl,
    })
}

fn decode_delete(reader: &mut Reader<'_>) -> Result<Delete, Flaw> {
    let wire::DeleteRequest { path, version } = Decode::decode(reader)?;
    Ok(Delete {
        path: required(path)?,
        version,
    })
}

fn decode_set_data(body: &Bytes, reader: &mut Reader<'_>) -> Result<SetData, Flaw> {
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

fn decode_set_acl(reader: &mut Reader<'_>) -> Result<SetAcl, Flaw> {
    let wire::SetAclRequest { path, acl, version } = Decode::decode(reader)?;
    Ok(SetAcl {
        path: required(path)?,
        acl: acl.as_deref().map(owned_acl),
        version,
    })
}

fn decode_reconfig(reader: &mut Reader<'_>) -> Result<Reconfig, Flaw> {
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
/// an unknown part, a reading part, flags out of range, a null list in a creation, a null path.
fn decode_multi(body: &Bytes, reader: &mut Reader<'_>) -> Result<Vec<MultiOp>, Flaw> {
    let mut ops = Vec::new();
    let mut lacks_path = false;
    loop {
        let header = wire::MultiHeader::decode(reader)?;
        if header.done {
            break;
        }
        match decode_part(header.op, body, reader) {
            Ok(op) => ops.push(op),
            // Noticed when all parts have been read, so what is wrong with later ones counts more.
            Err(Flaw::NullPath) => lacks_path = true,
            Err(flaw) => return Err(flaw),
        }
    }
    if lacks_path {
        return Err(Flaw::NullPath);
    }
    Ok(ops)
}

fn decode_part(op: i32, body: &Bytes, reader: &mut Reader<'_>) -> Result<MultiOp, Flaw> {
    Ok(match Op::from_number(op) {
        Some(op @ (Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl)) => {
            MultiOp::Create(normalised(decode_create(op, body, reader, false)?)?)
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
        _ => return Err(Flaw::Unreadable),
    })
}

/// Which creation a part of a multi is depends on its flags too, as `Op.create` decides it while
/// the parts are read. A part of type createTTL is never malformed for its flags: what is wrong
/// with them becomes the result of that part.
fn normalised(create: Create) -> Result<Create, Flaw> {
    let flags = create.flags;
    let has_ttl = matches!(flags, 5 | 6);
    let op = match create.op {
        Op::CreateTtl if has_ttl => return Ok(create),
        Op::CreateTtl if flags != 4 => Op::Create,
        Op::CreateTtl => Op::CreateContainer,
        _ if has_ttl || !(0..=6).contains(&flags) => return Err(Flaw::Unreadable),
        _ if create.acl.is_none() => return Err(Flaw::NullList),
        _ if flags == 4 => Op::CreateContainer,
        other => other,
    };
    Ok(Create {
        op,
        ttl: -1,
        ..create
    })
}

fn required(path: jute::Ustring<'_>) -> Result<Box<str>, Flaw> {
    path.map(|text| text.into_owned().into_boxed_str())
        .ok_or(Flaw::NullPath)
}

fn shared(body: &Bytes, data: jute::Buffer<'_>) -> Option<Bytes> {
    data.map(|slice| body.slice_ref(slice))
}

fn owned_acl(acl: &[jute::data::Acl<'_>]) -> Vec<Acl> {
    acl.iter().map(Acl::from_record).collect()
}

#[cfg(test)]
mod tests {
    use jute::Encode;

    use super::*;

    fn part(op: i32, body: &impl Encode) -> Vec<u8> {
        [
            wire::MultiHeader {
                op,
                done: false,
                err: -1,
            }
            .to_vec(),
            body.to_vec(),
        ]
        .concat()
    }

    fn create_record(flags: i32) -> wire::CreateRequest<'static> {
        let acl = Some(vec![jute::data::Acl::default()]);
        wire::CreateRequest {
            path: Some("/a".into()),
            data: Some(b"x"),
            acl,
            flags,
        }
    }

    fn create(op: i32, flags: i32) -> Vec<u8> {
        part(op, &create_record(flags))
    }

    fn create_ttl(flags: i32) -> Vec<u8> {
        let wire::CreateRequest {
            path,
            data,
            acl,
            flags,
        } = create_record(flags);
        part(
            21,
            &wire::CreateTtlRequest {
                path,
                data,
                acl,
                flags,
                ttl: 9,
            },
        )
    }

    fn decoded(parts: &[Vec<u8>]) -> WriteRequest {
        let body = [parts.concat(), wire::MultiHeader::END.to_vec()].concat();
        WriteRequest::decode(Op::Multi, &Bytes::from(body))
    }

    #[test]
    fn parts_of_a_multi_are_the_creations_that_apache_makes_of_them() {
        let cases = [
            (create(1, 0), Op::Create, -1),
            (create(1, 3), Op::Create, -1),
            (create(15, 1), Op::Create2, -1),
            (create(1, 4), Op::CreateContainer, -1),
            (create(19, 0), Op::CreateContainer, -1),
            (create_ttl(5), Op::CreateTtl, 9),
            (create_ttl(4), Op::CreateContainer, -1),
            (create_ttl(0), Op::Create, -1),
            (create_ttl(77), Op::Create, -1),
        ];
        for (bytes, op, ttl) in cases {
            let WriteRequest::Multi(ops) = decoded(&[bytes]) else {
                panic!("{op:?} is readable")
            };
            let [MultiOp::Create(create)] = &ops[..] else {
                panic!("one creation: {ops:?}")
            };
            assert_eq!((create.op, create.ttl), (op, ttl));
        }
    }

    #[test]
    fn parts_that_apache_cannot_read_make_the_whole_multi_malformed() {
        let read = wire::GetDataRequest {
            path: Some("/a".into()),
            watch: false,
        };
        let null_acl = wire::CreateRequest {
            acl: None,
            ..create_record(0)
        };
        let cases = [
            create(1, 7),
            create(15, -1),
            create(1, 5),
            create(19, 6),
            part(1, &null_acl),
            part(4, &read),
            part(7, &wire::SetAclRequest::default()),
            part(20, &wire::DeleteRequest::default()),
            part(
                2,
                &wire::DeleteRequest {
                    path: None,
                    version: 0,
                },
            ),
            part(2, &5_i32),
        ];
        for bytes in cases {
            let takes_zxid = bytes != part(1, &null_acl);
            let code = ErrorCode::MarshallingError;
            assert_eq!(
                decoded(&[create(1, 0), bytes.clone()]),
                WriteRequest::Malformed { code, takes_zxid },
                "{bytes:?}"
            );
        }
        assert_eq!(decoded(&[]), WriteRequest::Multi(Vec::new()));
    }

    #[test]
    fn the_list_ends_at_the_first_header_that_says_done() {
        let end = wire::MultiHeader {
            op: 7,
            done: true,
            err: 3,
        }
        .to_vec();
        let WriteRequest::Multi(ops) = decoded(&[create(1, 0), end, create(1, 99)]) else {
            panic!("what follows the end is not read")
        };
        assert_eq!(ops.len(), 1);
    }

    #[test]
    fn data_is_shared_with_the_frame() {
        let frame = Bytes::from(
            wire::SetDataRequest {
                path: Some("/a".into()),
                data: Some(b"value"),
                version: 4,
            }
            .to_vec(),
        );
        let WriteRequest::SetData(set) = WriteRequest::decode(Op::SetData, &frame) else {
            panic!("readable")
        };
        let data = set.data.unwrap();
        assert_eq!(&data[..], b"value");
        assert!(frame.as_ptr_range().contains(&data.as_ptr()));
    }

    #[test]
    fn null_paths_take_a_zxid_and_bodies_that_end_early_do_not() {
        let malformed = |op: Op, body: Vec<u8>| match WriteRequest::decode(op, &Bytes::from(body)) {
            WriteRequest::Malformed { code, takes_zxid } => (code, takes_zxid),
            request => panic!("{op:?} is refused: {request:?}"),
        };
        let set = wire::SetDataRequest::default().to_vec();
        let delete = wire::DeleteRequest::default().to_vec();
        let create = wire::CreateRequest::default().to_vec();
        let (bad, marshalling) = (ErrorCode::BadArguments, ErrorCode::MarshallingError);
        assert_eq!(malformed(Op::SetData, set), (bad, true));
        assert_eq!(malformed(Op::Delete, delete), (marshalling, true));
        assert_eq!(malformed(Op::Create, create), (marshalling, true));
        for op in [
            Op::SetData,
            Op::SetAcl,
            Op::Delete,
            Op::Create,
            Op::CreateTtl,
        ] {
            assert_eq!(malformed(op, vec![0, 0]), (marshalling, false));
        }
        assert_eq!(malformed(Op::Multi, vec![0, 0]), (marshalling, true));
    }
}
