//! What the simulated clients ask and what they are answered: as values, which the checkers
//! understand, and as the bytes of the client protocol.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use jute::data::Stat;
use jute::proto as wire;
use jute::{Decode, DecodeError, Encode, Reader, Ustring, Vector};

use crate::base::{Acl, SessionId, Xid, Zxid, perms};
use crate::proto::Op;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asked {
    Create {
        path: Box<str>,
        data: Bytes,
        mode: CreateMode,
        /// `create2`, which answers with the stat.
        wants_stat: bool,
    },
    Delete {
        path: Box<str>,
        version: i32,
    },
    SetData {
        path: Box<str>,
        data: Bytes,
        version: i32,
    },
    /// Only as a part of a multi.
    Check {
        path: Box<str>,
        version: i32,
    },
    Multi(Vec<Self>),
    Sync {
        path: Box<str>,
    },
    CloseSession,
    Reconfigure {
        joining: Option<Box<str>>,
        leaving: Option<Box<str>>,
    },
    GetData {
        path: Box<str>,
        watch: bool,
    },
    Exists {
        path: Box<str>,
        watch: bool,
    },
    Children {
        path: Box<str>,
        watch: bool,
    },
    AddWatch {
        path: Box<str>,
        recursive: bool,
    },
    Ping,
}

/// The kind of a created node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreateMode {
    Persistent,
    Ephemeral,
    Sequential,
    EphemeralSequential,
}

/// All watches of a connection: what `setWatches2` sets again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct WatchSet {
    pub data: Vec<Box<str>>,
    /// Of nodes that were not there.
    pub exists: Vec<Box<str>>,
    pub children: Vec<Box<str>>,
    pub persistent: Vec<Box<str>>,
    pub recursive: Vec<Box<str>>,
}

/// What a reply says beside its header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    Nothing,
    Path(Box<str>),
    PathAndStat(Box<str>, Facts),
    Stat(Facts),
    Data(Bytes, Facts),
    /// In the order of their names.
    Names(Vec<Box<str>>),
    Multi(Vec<Part>),
}

/// The answer to one part of a multi.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    Created(Box<str>),
    Done,
    Stat(Facts),
    Error(i32),
}

/// What of a stat is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts {
    pub czxid: Zxid,
    pub mzxid: Zxid,
    pub pzxid: Zxid,
    pub version: i32,
    pub owner: SessionId,
}

impl CreateMode {
    pub fn flags(self) -> i32 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral => 1,
            Self::Sequential => 2,
            Self::EphemeralSequential => 3,
        }
    }

    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    pub fn is_sequential(self) -> bool {
        matches!(self, Self::Sequential | Self::EphemeralSequential)
    }
}

impl From<Stat> for Facts {
    fn from(stat: Stat) -> Self {
        Self {
            czxid: Zxid(stat.czxid),
            mzxid: Zxid(stat.mzxid),
            pzxid: Zxid(stat.pzxid),
            version: stat.version,
            owner: SessionId(stat.ephemeral_owner),
        }
    }
}

impl WatchSet {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Appends the frame that sets them again.
    pub fn encode_frame(&self, xid: Xid, seen: Zxid, out: &mut BytesMut) {
        let request = wire::SetWatches2 {
            relative_zxid: seen.0,
            data_watches: texts(&self.data),
            exist_watches: texts(&self.exists),
            child_watches: texts(&self.children),
            persistent_watches: texts(&self.persistent),
            persistent_recursive_watches: texts(&self.recursive),
        };
        encode_request(xid, Op::SetWatches2, &request, out);
    }
}

impl Asked {
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Delete { .. }
                | Self::SetData { .. }
                | Self::Multi(_)
                | Self::CloseSession
                | Self::Reconfigure { .. }
        )
    }

    pub fn op(&self) -> Op {
        match self {
            Self::Create {
                wants_stat: true, ..
            } => Op::Create2,
            Self::Create { .. } => Op::Create,
            Self::Delete { .. } => Op::Delete,
            Self::SetData { .. } => Op::SetData,
            Self::Check { .. } => Op::Check,
            Self::Multi(_) => Op::Multi,
            Self::Sync { .. } => Op::Sync,
            Self::CloseSession => Op::CloseSession,
            Self::Reconfigure { .. } => Op::Reconfig,
            Self::GetData { .. } => Op::GetData,
            Self::Exists { .. } => Op::Exists,
            Self::Children { .. } => Op::GetChildren,
            Self::AddWatch { .. } => Op::AddWatch,
            Self::Ping => Op::Ping,
        }
    }

    /// Appends the request's frame.
    pub fn encode_frame(&self, xid: Xid, out: &mut BytesMut) {
        let mut body = Vec::new();
        self.encode_body(&mut body);
        encode_request(xid, self.op(), &Raw(&body), out);
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create {
                path, data, mode, ..
            } => wire::CreateRequest {
                path: text(path),
                data: Some(data),
                acl: Some(vec![Acl::anyone(perms::ALL).as_record()]),
                flags: mode.flags(),
            }
            .encode(out),
            Self::Delete { path, version } => wire::DeleteRequest {
                path: text(path),
                version: *version,
            }
            .encode(out),
            Self::SetData {
                path,
                data,
                version,
            } => wire::SetDataRequest {
                path: text(path),
                data: Some(data),
                version: *version,
            }
            .encode(out),
            Self::Check { path, version } => wire::CheckVersionRequest {
                path: text(path),
                version: *version,
            }
            .encode(out),
            Self::Multi(parts) => {
                for part in parts {
                    wire::MultiHeader {
                        op: part.op().number(),
                        done: false,
                        err: -1,
                    }
                    .encode(out);
                    part.encode_body(out);
                }
                wire::MultiHeader::END.encode(out);
            }
            Self::Sync { path } => wire::SyncRequest { path: text(path) }.encode(out),
            Self::GetData { path, watch } => wire::GetDataRequest {
                path: text(path),
                watch: *watch,
            }
            .encode(out),
            Self::Exists { path, watch } => wire::ExistsRequest {
                path: text(path),
                watch: *watch,
            }
            .encode(out),
            Self::Children { path, watch } => wire::GetChildrenRequest {
                path: text(path),
                watch: *watch,
            }
            .encode(out),
            Self::AddWatch { path, recursive } => wire::AddWatchRequest {
                path: text(path),
                mode: i32::from(*recursive),
            }
            .encode(out),
            Self::Reconfigure { joining, leaving } => {
                encode_reconfig(joining.as_deref(), leaving.as_deref(), out);
            }
            Self::CloseSession | Self::Ping => {}
        }
    }

    /// Reads what a reply without an error says.
    pub fn decode_answer(&self, body: &[u8]) -> Result<Answer, DecodeError> {
        let mut reader = Reader::new(body);
        Ok(match self {
            Self::Create {
                wants_stat: true, ..
            } => {
                let wire::Create2Response { path, stat } = Decode::decode(&mut reader)?;
                Answer::PathAndStat(owned(path), stat.into())
            }
            Self::Create { .. } => {
                let wire::CreateResponse { path } = Decode::decode(&mut reader)?;
                Answer::Path(owned(path))
            }
            Self::SetData { .. } | Self::Exists { .. } => {
                Answer::Stat(wire::SetDataResponse::decode(&mut reader)?.stat.into())
            }
            Self::Multi(_) => Answer::Multi(decode_parts(&mut reader)?),
            Self::GetData { .. } | Self::Reconfigure { .. } => {
                let wire::GetDataResponse { data, stat } = Decode::decode(&mut reader)?;
                let data = Bytes::copy_from_slice(data.unwrap_or_default());
                Answer::Data(data, stat.into())
            }
            Self::Children { .. } => {
                let wire::GetChildrenResponse { children } = Decode::decode(&mut reader)?;
                let names = children.unwrap_or_default().into_iter();
                let mut names: Vec<Box<str>> = names.map(owned).collect();
                names.sort_unstable();
                Answer::Names(names)
            }
            _ => Answer::Nothing,
        })
    }
}

/// Whatever configuration there is.
fn encode_reconfig(joining: Option<&str>, leaving: Option<&str>, out: &mut Vec<u8>) {
    let request = wire::ReconfigRequest {
        joining_servers: joining.map(Cow::Borrowed),
        leaving_servers: leaving.map(Cow::Borrowed),
        new_members: None,
        cur_config_id: -1,
    };
    request.encode(out);
}

/// A body that is bytes already.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }
}

fn encode_request(xid: Xid, op: Op, body: &impl Encode, out: &mut BytesMut) {
    let header = wire::RequestHeader {
        xid: xid.0,
        op: op.number(),
    };
    crate::proto::reply::frame_length(header.encoded_len() + body.encoded_len(), out);
    header.encode(out);
    body.encode(out);
}

fn decode_parts(reader: &mut Reader<'_>) -> Result<Vec<Part>, DecodeError> {
    let mut parts = Vec::new();
    loop {
        let header = wire::MultiHeader::decode(reader)?;
        if header.done {
            return Ok(parts);
        }
        parts.push(match Op::from_number(header.op) {
            Some(Op::Create) => {
                let wire::CreateResponse { path } = Decode::decode(reader)?;
                Part::Created(owned(path))
            }
            Some(Op::SetData) => Part::Stat(wire::SetDataResponse::decode(reader)?.stat.into()),
            Some(Op::Delete | Op::Check) => Part::Done,
            Some(Op::Error) => Part::Error(wire::ErrorResponse::decode(reader)?.err),
            _ => return Err(DecodeError::UnknownTag(header.op)),
        });
    }
}

fn text(path: &str) -> Ustring<'_> {
    Some(Cow::Borrowed(path))
}

fn texts(paths: &[Box<str>]) -> Vector<Ustring<'_>> {
    Some(paths.iter().map(|path| text(path)).collect())
}

fn owned(path: Ustring<'_>) -> Box<str> {
    Box::from(path.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{MultiResult, WriteReply, WriteRequest};

    #[test]
    fn requests_are_read_as_they_were_meant() {
        let set = Asked::SetData {
            path: "/a".into(),
            data: Bytes::from_static(b"x"),
            version: 3,
        };
        let check = Asked::Check {
            path: "/b".into(),
            version: 1,
        };
        let mut body = Vec::new();
        Asked::Multi(vec![check, set]).encode_body(&mut body);
        let WriteRequest::Multi(parts) = WriteRequest::decode(Op::Multi, &body.into()) else {
            panic!("no multi");
        };
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn answers_are_read_back() {
        let reply = WriteReply::Multi(vec![
            MultiResult::Created("/a".into()),
            MultiResult::Checked,
            MultiResult::DataSet(Stat {
                version: 4,
                ..Stat::default()
            }),
            MultiResult::Error(-101),
        ]);
        let mut frame = Vec::new();
        reply.encode_frame(Xid(1), Zxid(9), &mut frame);
        let answer = Asked::Multi(Vec::new()).decode_answer(&frame[20..]);
        let Ok(Answer::Multi(parts)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(parts[0], Part::Created("/a".into()));
        assert_eq!(parts[1], Part::Done);
        assert!(matches!(parts[2], Part::Stat(Facts { version: 4, .. })));
        assert_eq!(parts[3], Part::Error(-101));
    }
}
