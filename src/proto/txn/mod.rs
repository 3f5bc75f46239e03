//! Transactions as owned values, and their bytes as logs hold them and proposals carry them:
//! header, body, and optionally the digest of the tree afterwards.

use std::borrow::Cow;

use bytes::{BufMut, Bytes};

use jute::txn as wire;
use jute::{Decode, DecodeError, Encode, Reader, Ustring};

use crate::base::{Acl, AclList, SessionId, WallMillis, Xid, Zxid};
use crate::proto::Op;

/// A transaction with all that is written of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnRecord {
    pub session: SessionId,
    pub cxid: Xid,
    pub zxid: Zxid,
    /// When it was prepared; ctime and mtime of the nodes it touches.
    pub time: WallMillis,
    pub txn: Txn,
    /// Digest of the whole tree once this is applied; error transactions have none.
    pub digest: Option<u64>,
}

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Txn {
    CreateSession {
        timeout_ms: i32,
    },
    /// The ephemerals to delete; `None` when the writer listed none, then all of the session's go.
    CloseSession {
        paths: Option<Vec<Box<str>>>,
    },
    /// A write that was refused with this code: it uses up a zxid and changes nothing.
    Error {
        code: i32,
    },
    Create(CreateTxn),
    Delete {
        path: Box<str>,
    },
    DeleteContainer {
        path: Box<str>,
    },
    SetData(SetDataTxn),
    Reconfig(SetDataTxn),
    SetAcl {
        path: Box<str>,
        acl: Option<AclList>,
        version: i32,
    },
    /// All or nothing; with any [`SubTxn::Error`] in it, nothing.
    Multi(Vec<SubTxn>),
}

/// A creation of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTxn {
    pub kind: CreateKind,
    pub path: Box<str>,
    pub data: Option<Bytes>,
    /// `None` stands for a null list, which means anyone may do anything.
    pub acl: Option<AclList>,
    /// The parent's counter of created children afterwards; -1 means "one more".
    pub parent_cversion: i32,
}

/// The type of the creating transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateKind {
    /// Types 1 and 15: persistent, or owned by the session in the header.
    Plain {
        op_is_create2: bool,
        ephemeral: bool,
    },
    Container,
    Ttl {
        ttl_ms: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDataTxn {
    pub path: Box<str>,
    pub data: Option<Bytes>,
    /// The version that results.
    pub version: i32,
}

/// One part of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubTxn {
    Create(CreateTxn),
    Delete {
        path: Box<str>,
    },
    DeleteContainer {
        path: Box<str>,
    },
    SetData(SetDataTxn),
    Check {
        path: Box<str>,
        version: i32,
    },
    /// The multi failed. The body is kept as it came: Apache's servers pass on entries of this
    /// type whose body is that of the operation which was not executed.
    Error {
        body: Bytes,
    },
}

/// Version of the digest that this server writes and understands.
pub const DIGEST_VERSION: i32 = 2;

impl TxnRecord {
    /// The bytes of a log record's payload or a proposal.
    pub fn encode(&self, out: &mut impl BufMut) {
        self.header().encode(out);
        self.txn.encode_body(out);
        if let Some(digest) = self.digest {
            wire::TxnDigest {
                version: DIGEST_VERSION,
                tree_digest: digest.cast_signed(),
            }
            .encode(out);
        }
    }

    /// How many bytes [`TxnRecord::encode`] appends.
    pub fn encoded_len(&self) -> usize {
        let digest = if self.digest.is_some() { 12 } else { 0 };
        32 + self.txn.body_len() + digest
    }

    fn header(&self) -> wire::TxnHeader {
        wire::TxnHeader {
            client_id: self.session.0,
            cxid: self.cxid.0,
            zxid: self.zxid.0,
            time: self.time.0,
            txn_type: self.txn.type_number(),
        }
    }

    /// Reads a payload. What follows a digest is ignored; a digest of another version counts as
    /// none. Data keeps sharing `payload`'s allocation. `field_max` bounds strings and buffers.
    pub fn decode(payload: &Bytes, field_max: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::with_field_max(payload, field_max);
        let header = wire::TxnHeader::decode(&mut reader)?;
        let txn = Txn::decode_body(header.txn_type, payload, &mut reader)?;
        let digest = wire::TxnDigest::decode(&mut reader)
            .ok()
            .filter(|digest| digest.version == DIGEST_VERSION)
            .map(|digest| digest.tree_digest.cast_unsigned());
        Ok(Self {
            session: SessionId(header.client_id),
            cxid: Xid(header.cxid),
            zxid: Zxid(header.zxid),
            time: WallMillis(header.time),
            txn,
            digest,
        })
    }
}

impl Txn {
    /// The type in the header.
    pub fn type_number(&self) -> i32 {
        match self {
            Self::CreateSession { .. } => Op::CreateSession,
            Self::CloseSession { .. } => Op::CloseSession,
            Self::Error { .. } => Op::Error,
            Self::Create(create) => create.kind.op(),
            Self::Delete { .. } => Op::Delete,
            Self::DeleteContainer { .. } => Op::DeleteContainer,
            Self::SetData(_) => Op::SetData,
            Self::Reconfig(_) => Op::Reconfig,
            Self::SetAcl { .. } => Op::SetAcl,
            Self::Multi(_) => Op::Multi,
        }
        .number()
    }

    fn encode_body(&self, out: &mut impl BufMut) {
        match self {
            Self::CreateSession { timeout_ms } => {
                wire::CreateSessionTxn {
                    time_out: *timeout_ms,
                }
                .encode(out);
            }
            Self::CloseSession { paths } => {
                if paths.is_some() {
                    close_session_record(paths.as_deref()).encode(out);
                }
            }
            Self::Error { code } => wire::ErrorTxn { err: *code }.encode(out),
            Self::Create(create) => create.encode_body(out),
            Self::Delete { path } | Self::DeleteContainer { path } => text(path).encode(out),
            Self::SetData(set) | Self::Reconfig(set) => set.record().encode(out),
            Self::SetAcl { path, acl, version } => {
                wire::SetAclTxn {
                    path: text(path),
                    acl: acl_records(acl),
                    version: *version,
                }
                .encode(out);
            }
            Self::Multi(parts) => {
                out.put_i32(count_field(parts.len()));
                for part in parts {
                    part.encode(out);
                }
            }
        }
    }

    pub(crate) fn body_len(&self) -> usize {
        match self {
            Self::CreateSession { .. } | Self::Error { .. } => 4,
            Self::CloseSession { paths: None } => 0,
            Self::CloseSession { paths } => close_session_record(paths.as_deref()).encoded_len(),
            Self::Create(create) => create.body_len(),
            Self::Delete { path } | Self::DeleteContainer { path } => 4 + path.len(),
            Self::SetData(set) | Self::Reconfig(set) => set.record().encoded_len(),
            Self::SetAcl { path, acl, .. } => 8 + path.len() + acl_records(acl).encoded_len(),
            Self::Multi(parts) => 4 + parts.iter().map(|part| 8 + part.body_len()).sum::<usize>(),
        }
    }

    fn decode_body(
        number: i32,
        payload: &Bytes,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        Ok(
            match Op::from_number(number).ok_or(DecodeError::UnknownTag(number))? {
                Op::CreateSession => Self::CreateSession {
                    timeout_ms: wire::CreateSessionTxn::decode(reader)?.time_out,
                },
                Op::CloseSession => Self::CloseSession {
                    paths: decode_closed_paths(reader)?,
                },
                Op::Error => Self::Error {
                    code: wire::ErrorTxn::decode(reader)?.err,
                },
                op @ (Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl) => {
                    Self::Create(CreateTxn::decode(op, payload, reader)?)
                }
                Op::Delete => Self::Delete {
                    path: decode_path(reader)?,
                },
                Op::DeleteContainer => Self::DeleteContainer {
                    path: decode_path(reader)?,
                },
                Op::SetData => Self::SetData(SetDataTxn::decode(payload, reader)?),
                Op::Reconfig => Self::Reconfig(SetDataTxn::decode(payload, reader)?),
                Op::SetAcl => {
                    let wire::SetAclTxn { path, acl, version } = Decode::decode(reader)?;
                    Self::SetAcl {
                        path: owned(path),
                        acl: owned_acl(acl),
                        version,
                    }
                }
                Op::Multi => {
                    let parts = wire::MultiTxn::decode(reader)?.txns.unwrap_or_default();
                    let parts = parts.iter().map(|part| SubTxn::decode(part, payload));
                    Self::Multi(parts.collect::<Result<_, _>>()?)
                }
                _ => return Err(DecodeError::UnknownTag(number)),
            },
        )
    }
}

impl CreateTxn {
    fn encode_body(&self, out: &mut impl BufMut) {
        text(&self.path).encode(out);
        self.data.as_deref().encode(out);
        acl_records(&self.acl).encode(out);
        match self.kind {
            CreateKind::Plain { ephemeral, .. } => {
                ephemeral.encode(out);
                self.parent_cversion.encode(out);
            }
            CreateKind::Container => self.parent_cversion.encode(out),
            CreateKind::Ttl { ttl_ms } => {
                self.parent_cversion.encode(out);
                ttl_ms.encode(out);
            }
        }
    }

    pub(crate) fn body_len(&self) -> usize {
        let kind = match self.kind {
            CreateKind::Plain { .. } => 1,
            CreateKind::Container => 0,
            CreateKind::Ttl { .. } => 8,
        };
        let acl = acl_records(&self.acl).encoded_len();
        8 + self.path.len() + self.data.as_deref().encoded_len() + acl + kind
    }

    fn decode(op: Op, payload: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, path, data, acl, parent_cversion) = match op {
            Op::CreateContainer => {
                let wire::CreateContainerTxn {
                    path,
                    data,
                    acl,
                    parent_cversion,
                } = Decode::decode(reader)?;
                (CreateKind::Container, path, data, acl, parent_cversion)
            }
            Op::CreateTtl => {
                let wire::CreateTtlTxn {
                    path,
                    data,
                    acl,
                    parent_cversion,
                    ttl,
                } = Decode::decode(reader)?;
                (
                    CreateKind::Ttl { ttl_ms: ttl },
                    path,
                    data,
                    acl,
                    parent_cversion,
                )
            }
            _ => {
                let record = wire::CreateTxn::decode_any_version(reader)?;
                let wire::CreateTxn {
                    path,
                    data,
                    acl,
                    ephemeral,
                    parent_cversion,
                } = record;
                let kind = CreateKind::Plain {
                    op_is_create2: op == Op::Create2,
                    ephemeral,
                };
                (kind, path, data, acl, parent_cversion)
            }
        };
        Ok(Self {
            kind,
            path: owned(path),
            data: data.map(|slice| payload.slice_ref(slice)),
            acl: owned_acl(acl),
            parent_cversion,
        })
    }
}

impl CreateKind {
    /// The operation whose number the transaction has.
    pub fn op(self) -> Op {
        match self {
            Self::Plain {
                op_is_create2: false,
                ..
            } => Op::Create,
            Self::Plain {
                op_is_create2: true,
                ..
            } => Op::Create2,
            Self::Container => Op::CreateContainer,
            Self::Ttl { .. } => Op::CreateTtl,
        }
    }
}

impl SetDataTxn {
    fn record(&self) -> wire::SetDataTxn<'_> {
        wire::SetDataTxn {
            path: text(&self.path),
            data: self.data.as_deref(),
            version: self.version,
        }
    }

    fn decode(payload: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wire::SetDataTxn {
            path,
            data,
            version,
        } = Decode::decode(reader)?;
        Ok(Self {
            path: owned(path),
            data: data.map(|slice| payload.slice_ref(slice)),
            version,
        })
    }
}

impl SubTxn {
    /// The failing part, or one that was not reached.
    pub fn error(code: i32) -> Self {
        Self::Error {
            body: Bytes::copy_from_slice(&code.to_be_bytes()),
        }
    }

    fn op(&self) -> Op {
        match self {
            Self::Create(create) => create.kind.op(),
            Self::Delete { .. } => Op::Delete,
            Self::DeleteContainer { .. } => Op::DeleteContainer,
            Self::SetData(_) => Op::SetData,
            Self::Check { .. } => Op::Check,
            Self::Error { .. } => Op::Error,
        }
    }

    fn encode(&self, out: &mut impl BufMut) {
        out.put_i32(self.op().number());
        out.put_i32(count_field(self.body_len()));
        match self {
            Self::Create(create) => create.encode_body(out),
            Self::Delete { path } | Self::DeleteContainer { path } => text(path).encode(out),
            Self::SetData(set) => set.record().encode(out),
            Self::Check { path, version } => {
                text(path).encode(out);
                version.encode(out);
            }
            Self::Error { body } => out.put_slice(body),
        }
    }

    pub(crate) fn body_len(&self) -> usize {
        match self {
            Self::Create(create) => create.body_len(),
            Self::Delete { path } | Self::DeleteContainer { path } => 4 + path.len(),
            Self::SetData(set) => set.record().encoded_len(),
            Self::Check { path, .. } => 8 + path.len(),
            Self::Error { body } => body.len(),
        }
    }

    fn decode(part: &wire::Txn<'_>, payload: &Bytes) -> Result<Self, DecodeError> {
        let body = part.data.unwrap_or_default();
        let mut reader = Reader::new(body);
        let unknown = DecodeError::UnknownTag(part.txn_type);
        Ok(match Op::from_number(part.txn_type).ok_or(unknown)? {
            op @ (Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl) => {
                Self::Create(CreateTxn::decode(op, payload, &mut reader)?)
            }
            Op::Delete => Self::Delete {
                path: decode_path(&mut reader)?,
            },
            Op::DeleteContainer => Self::DeleteContainer {
                path: decode_path(&mut reader)?,
            },
            Op::SetData => Self::SetData(SetDataTxn::decode(payload, &mut reader)?),
            Op::Check => {
                let wire::CheckVersionTxn { path, version } = Decode::decode(&mut reader)?;
                Self::Check {
                    path: owned(path),
                    version,
                }
            }
            Op::Error => Self::Error {
                body: payload.slice_ref(body),
            },
            _ => return Err(unknown),
        })
    }
}

/// Reads the list of a closeSession, which may be missing.
///
/// A writer with `closeSessionTxn` off and digests on leaves a bare digest here. Its 12 bytes that
/// start with the version 2 are told from a list of two paths, which needs 16 at least.
fn decode_closed_paths(reader: &mut Reader<'_>) -> Result<Option<Vec<Box<str>>>, DecodeError> {
    let is_bare_digest =
        reader.remaining() == 12 && reader.rest().starts_with(&DIGEST_VERSION.to_be_bytes());
    if reader.remaining() == 0 || is_bare_digest {
        return Ok(None);
    }
    let record = wire::CloseSessionTxn::decode(reader)?;
    Ok(record
        .paths2_delete
        .map(|paths| paths.into_iter().map(owned).collect()))
}

fn close_session_record(paths: Option<&[Box<str>]>) -> wire::CloseSessionTxn<'_> {
    wire::CloseSessionTxn {
        paths2_delete: paths.map(|paths| paths.iter().map(|path| text(path)).collect()),
    }
}

fn decode_path(reader: &mut Reader<'_>) -> Result<Box<str>, DecodeError> {
    Ok(owned(wire::DeleteTxn::decode(reader)?.path))
}

fn text(path: &str) -> Ustring<'_> {
    Some(Cow::Borrowed(path))
}

/// No server writes a null path; one in a damaged file reads as empty, which names no node.
fn owned(path: Ustring<'_>) -> Box<str> {
    path.unwrap_or_default().into_owned().into_boxed_str()
}

fn owned_acl(acl: jute::Vector<jute::data::Acl<'_>>) -> Option<AclList> {
    acl.map(|entries| entries.iter().map(Acl::from_record).collect())
}

fn acl_records(acl: &Option<AclList>) -> jute::Vector<jute::data::Acl<'_>> {
    acl.as_ref()
        .map(|entries| entries.iter().map(Acl::as_record).collect())
}

fn count_field(count: usize) -> i32 {
    i32::try_from(count).expect("a transaction is bounded by the frame it came in")
}

#[cfg(test)]
mod tests;
