//! The packets of the quorum port, typed: what a leader sends and what a learner sends, each payload
//! taken apart once.
//!
//! ```text
//! type int | zxid long | data buffer | authinfo vector of (scheme ustring, id ustring)
//! ```
//!
//! The stream has no outer length: [`packet_len`] tells where a packet ends. What follows a SNAP
//! packet is the snapshot's own stream and no packet. In: bytes from a peer, of which none makes
//! this panic or take memory out of proportion. Out: [`ToLearner`] and [`ToLeader`], and their bytes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use jute::data::Id;
use jute::quorum::{LearnerInfo, QuorumPacket};
use jute::{Decode, DecodeError, Encode, Reader};

use crate::base::{Epoch, Identity, ServerId, SessionId, Xid, Zxid};

/// The protocol version that both sides name: every release since 3.4.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// What a leader sends to a learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLearner {
    /// The epoch that is about to begin.
    LeaderInfo {
        epoch: Epoch,
        protocol_version: i32,
    },
    /// The learner's history is a prefix; the rest follows. The zxid is that of the last of it.
    Diff {
        zxid: Zxid,
    },
    /// The learner is to forget what lies behind this.
    Trunc {
        zxid: Zxid,
    },
    /// A snapshot of the whole state follows, outside the packets.
    Snap {
        zxid: Zxid,
    },
    Proposal {
        zxid: Zxid,
        payload: Bytes,
    },
    Commit {
        zxid: Zxid,
    },
    /// A reconfiguration is committed; the server that leads from here on.
    CommitAndActivate {
        zxid: Zxid,
        leader: ServerId,
    },
    /// A committed transaction, for observers.
    Inform {
        zxid: Zxid,
        payload: Bytes,
    },
    InformAndActivate {
        zxid: Zxid,
        leader: ServerId,
        payload: Bytes,
    },
    /// All history has been sent. The text is the leader's last seen configuration.
    NewLeader {
        zxid: Zxid,
        config: Option<Bytes>,
    },
    UpToDate,
    Ping {
        zxid: Zxid,
    },
    /// Whether a session that a client came back with is alive.
    Revalidate {
        session: SessionId,
        is_valid: bool,
    },
    /// The oldest sync request asked for by this learner is answered.
    Sync,
    /// A type that a newer release may know; passed over.
    Unknown {
        number: i32,
    },
}

/// What a learner sends to its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLeader {
    /// The first packet: who this is. `None` from servers that say nothing of themselves.
    Info {
        kind: LearnerKind,
        accepted_epoch: Epoch,
        info: Option<LearnerIdentity>,
    },
    /// The epoch is promised. `current_epoch` is `None` when it had been promised before.
    AckEpoch {
        last_zxid: Zxid,
        current_epoch: Option<Epoch>,
    },
    Ack {
        zxid: Zxid,
    },
    Request(LearnerRequest),
    /// The sessions that were heard of since the last ping, with their timeouts.
    Ping {
        zxid: Zxid,
        touched: Vec<(SessionId, i32)>,
    },
    Revalidate {
        session: SessionId,
        timeout_ms: i32,
    },
    /// A type that a newer release may know; passed over.
    Unknown {
        number: i32,
    },
}

/// What a learner is to its leader by its first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LearnerKind {
    /// Gets proposals and acknowledges them, whether or not that counts.
    Follower,
    /// Gets what is committed.
    Observer,
}

/// What a learner says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerIdentity {
    pub sid: ServerId,
    /// Below [`PROTOCOL_VERSION`] for releases before 3.4.
    pub protocol_version: i32,
    /// The version of its committed configuration; 0 from 3.4, which has none.
    pub config_version: i64,
}

/// A client's request that a learner passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerRequest {
    pub session: SessionId,
    pub xid: Xid,
    /// The operation's number, see [`Op`](crate::proto::Op); also of `createSession`,
    /// `closeSession` and `sync`.
    pub op: i32,
    /// The request as the client sent it, without its header.
    pub body: Bytes,
    /// The client's identities.
    pub ids: Arc<[Identity]>,
}

/// Why bytes are no packet; its link is closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PacketError {
    #[error("a packet cannot be read: {0}")]
    Undecodable(#[from] DecodeError),
    #[error("the payload of a packet of type {number} has {bytes} bytes, which it cannot have")]
    Payload { number: i32, bytes: usize },
    #[error("a packet lists {0} identities")]
    Identities(i32),
}

/// Packets by their numbers.
mod number {
    pub(super) const REQUEST: i32 = 1;
    pub(super) const PROPOSAL: i32 = 2;
    pub(super) const ACK: i32 = 3;
    pub(super) const COMMIT: i32 = 4;
    pub(super) const PING: i32 = 5;
    pub(super) const REVALIDATE: i32 = 6;
    pub(super) const SYNC: i32 = 7;
    pub(super) const INFORM: i32 = 8;
    pub(super) const COMMIT_AND_ACTIVATE: i32 = 9;
    pub(super) const NEW_LEADER: i32 = 10;
    pub(super) const FOLLOWER_INFO: i32 = 11;
    pub(super) const UP_TO_DATE: i32 = 12;
    pub(super) const DIFF: i32 = 13;
    pub(super) const TRUNC: i32 = 14;
    pub(super) const SNAP: i32 = 15;
    pub(super) const OBSERVER_INFO: i32 = 16;
    pub(super) const LEADER_INFO: i32 = 17;
    pub(super) const ACK_EPOCH: i32 = 18;
    pub(super) const INFORM_AND_ACTIVATE: i32 = 19;
}

/// Type and zxid.
const HEAD_BYTES: usize = 12;

/// Identities one packet may list; a client of ours has far fewer.
const IDENTITIES_MAX: i32 = 4096;

/// The bytes of the packet at the start of `bytes`, `None` while that is not known or not all of it
/// is there. Payloads and texts longer than `field_max` are refused.
pub fn packet_len(bytes: &[u8], field_max: usize) -> Result<Option<usize>, PacketError> {
    let mut at = HEAD_BYTES;
    let Some(data) = field_end(bytes, at, field_max)? else {
        return Ok(None);
    };
    at = data;
    let Some(count) = int_at(bytes, at) else {
        return Ok(None);
    };
    at += 4;
    if count > IDENTITIES_MAX {
        return Err(PacketError::Identities(count));
    }
    for _ in 0..count.saturating_mul(2) {
        let Some(end) = field_end(bytes, at, field_max)? else {
            return Ok(None);
        };
        at = end;
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// Where the string or buffer that starts at `at` ends, `None` while its length is not there.
fn field_end(bytes: &[u8], at: usize, field_max: usize) -> Result<Option<usize>, PacketError> {
    let Some(length) = int_at(bytes, at) else {
        return Ok(None);
    };
    let start = at + 4;
    match usize::try_from(length) {
        Ok(length) if length <= field_max => Ok(Some(start + length)),
        Err(_) if length == -1 => Ok(Some(start)),
        _ => Err(DecodeError::BadLength(length).into()),
    }
}

fn int_at(bytes: &[u8], at: usize) -> Option<i32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(i32::from_be_bytes(*field))
}

impl ToLearner {
    /// Reads one whole packet. Payloads share its allocation.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let QuorumPacket {
            packet_type,
            zxid,
            data,
            ..
        } = QuorumPacket::from_slice(packet)?;
        let zxid = Zxid(zxid);
        let owned = |data: &[u8]| packet.slice_ref(data);
        let payload = data.map(owned).unwrap_or_default();
        Ok(match packet_type {
            number::LEADER_INFO => Self::LeaderInfo {
                epoch: zxid.epoch(),
                protocol_version: fixed(packet_type, &payload, i32::from_be_bytes)?,
            },
            number::DIFF => Self::Diff { zxid },
            number::TRUNC => Self::Trunc { zxid },
            number::SNAP => Self::Snap { zxid },
            number::PROPOSAL => Self::Proposal { zxid, payload },
            number::COMMIT => Self::Commit { zxid },
            number::COMMIT_AND_ACTIVATE => Self::CommitAndActivate {
                zxid,
                leader: ServerId(fixed(packet_type, &payload, i64::from_be_bytes)?),
            },
            number::INFORM => Self::Inform { zxid, payload },
            number::INFORM_AND_ACTIVATE => {
                let short = PacketError::Payload {
                    number: packet_type,
                    bytes: payload.len(),
                };
                let leader = payload.first_chunk().copied().ok_or(short)?;
                Self::InformAndActivate {
                    zxid,
                    leader: ServerId(i64::from_be_bytes(leader)),
                    payload: payload.slice(leader.len()..),
                }
            }
            number::NEW_LEADER => Self::NewLeader {
                zxid,
                config: data.map(owned),
            },
            number::UP_TO_DATE => Self::UpToDate,
            number::PING => Self::Ping { zxid },
            number::REVALIDATE => {
                let mut reader = Reader::new(&payload);
                let session = SessionId(i64::decode(&mut reader)?);
                let is_valid = bool::decode(&mut reader)?;
                Self::Revalidate { session, is_valid }
            }
            number::SYNC => Self::Sync,
            number => Self::Unknown { number },
        })
    }

    /// Appends the packet's bytes. [`ToLearner::Unknown`] has none.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::LeaderInfo {
                epoch,
                protocol_version,
            } => {
                let zxid = Zxid::start_of(*epoch);
                put(
                    out,
                    number::LEADER_INFO,
                    zxid,
                    Some(&protocol_version.to_be_bytes()),
                );
            }
            Self::Diff { zxid } => put(out, number::DIFF, *zxid, None),
            Self::Trunc { zxid } => put(out, number::TRUNC, *zxid, None),
            Self::Snap { zxid } => put(out, number::SNAP, *zxid, None),
            Self::Proposal { zxid, payload } => put(out, number::PROPOSAL, *zxid, Some(payload)),
            Self::Commit { zxid } => put(out, number::COMMIT, *zxid, None),
            Self::CommitAndActivate { zxid, leader } => {
                let leader = leader.0.to_be_bytes();
                put(out, number::COMMIT_AND_ACTIVATE, *zxid, Some(&leader));
            }
            Self::Inform { zxid, payload } => put(out, number::INFORM, *zxid, Some(payload)),
            Self::InformAndActivate {
                zxid,
                leader,
                payload,
            } => {
                let data = [&leader.0.to_be_bytes(), &payload[..]].concat();
                put(out, number::INFORM_AND_ACTIVATE, *zxid, Some(&data));
            }
            Self::NewLeader { zxid, config } => {
                put(out, number::NEW_LEADER, *zxid, config.as_deref());
            }
            Self::UpToDate => put(out, number::UP_TO_DATE, NO_ZXID, None),
            Self::Ping { zxid } => put(out, number::PING, *zxid, None),
            Self::Revalidate { session, is_valid } => {
                let mut data = Vec::with_capacity(9);
                session.0.encode(&mut data);
                is_valid.encode(&mut data);
                put(out, number::REVALIDATE, NO_ZXID, Some(&data));
            }
            Self::Sync => put(out, number::SYNC, Zxid::ZERO, None),
            Self::Unknown { .. } => {}
        }
    }

    /// The packet's bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }
}

impl ToLeader {
    /// Reads one whole packet. Payloads share its allocation.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let QuorumPacket {
            packet_type,
            zxid,
            data,
            authinfo,
        } = QuorumPacket::from_slice(packet)?;
        let zxid = Zxid(zxid);
        let payload = data.unwrap_or_default();
        Ok(match packet_type {
            number::FOLLOWER_INFO | number::OBSERVER_INFO => Self::Info {
                kind: match packet_type {
                    number::OBSERVER_INFO => LearnerKind::Observer,
                    _ => LearnerKind::Follower,
                },
                accepted_epoch: zxid.epoch(),
                info: data.map(learner_identity).transpose()?,
            },
            number::ACK_EPOCH => {
                let epoch = fixed(packet_type, payload, i32::from_be_bytes)?;
                let current_epoch = (epoch != ALREADY_PROMISED).then(|| Epoch(epoch.into()));
                Self::AckEpoch {
                    last_zxid: zxid,
                    current_epoch,
                }
            }
            number::ACK => Self::Ack { zxid },
            number::REQUEST => {
                let mut reader = Reader::new(payload);
                let session = SessionId(i64::decode(&mut reader)?);
                let xid = Xid(i32::decode(&mut reader)?);
                let op = i32::decode(&mut reader)?;
                let body = packet.slice_ref(reader.rest());
                let ids = authinfo.unwrap_or_default().iter().map(identity).collect();
                Self::Request(LearnerRequest {
                    session,
                    xid,
                    op,
                    body,
                    ids,
                })
            }
            number::PING => Self::Ping {
                zxid,
                touched: touched(payload),
            },
            number::REVALIDATE => {
                let mut reader = Reader::new(payload);
                let session = SessionId(i64::decode(&mut reader)?);
                let timeout_ms = i32::decode(&mut reader)?;
                Self::Revalidate {
                    session,
                    timeout_ms,
                }
            }
            number => Self::Unknown { number },
        })
    }

    /// Appends the packet's bytes. [`ToLeader::Unknown`] has none.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Info {
                kind,
                accepted_epoch,
                info,
            } => {
                let number = match kind {
                    LearnerKind::Follower => number::FOLLOWER_INFO,
                    LearnerKind::Observer => number::OBSERVER_INFO,
                };
                let data = info.map(|info| {
                    let LearnerIdentity {
                        sid,
                        protocol_version,
                        config_version,
                    } = info;
                    LearnerInfo {
                        serverid: sid.0,
                        protocol_version,
                        config_version,
                    }
                    .to_vec()
                });
                put(
                    out,
                    number,
                    Zxid::start_of(*accepted_epoch),
                    data.as_deref(),
                );
            }
            Self::AckEpoch {
                last_zxid,
                current_epoch,
            } => {
                // An epoch is the upper half of a zxid, so it fits.
                let epoch = current_epoch.and_then(|epoch| i32::try_from(epoch.0).ok());
                let data = epoch.unwrap_or(ALREADY_PROMISED).to_be_bytes();
                put(out, number::ACK_EPOCH, *last_zxid, Some(&data));
            }
            Self::Ack { zxid } => put(out, number::ACK, *zxid, None),
            Self::Request(request) => request.encode(out),
            Self::Ping { zxid, touched } => {
                let mut data = Vec::with_capacity(TOUCHED_BYTES * touched.len());
                for (session, timeout_ms) in touched {
                    session.0.encode(&mut data);
                    timeout_ms.encode(&mut data);
                }
                put(out, number::PING, *zxid, Some(&data));
            }
            Self::Revalidate {
                session,
                timeout_ms,
            } => {
                let mut data = Vec::with_capacity(TOUCHED_BYTES);
                session.0.encode(&mut data);
                timeout_ms.encode(&mut data);
                put(out, number::REVALIDATE, NO_ZXID, Some(&data));
            }
            Self::Unknown { .. } => {}
        }
    }

    /// The packet's bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    /// What Apache calls the packet.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Info {
                kind: LearnerKind::Follower,
                ..
            } => "FOLLOWERINFO",
            Self::Info {
                kind: LearnerKind::Observer,
                ..
            } => "OBSERVERINFO",
            Self::AckEpoch { .. } => "ACKEPOCH",
            Self::Ack { .. } => "ACK",
            Self::Request(_) => "REQUEST",
            Self::Ping { .. } => "PING",
            Self::Revalidate { .. } => "REVALIDATE",
            Self::Unknown { .. } => "a packet of an unknown type",
        }
    }
}

impl LearnerRequest {
    fn encode(&self, out: &mut BytesMut) {
        let mut data = Vec::with_capacity(16 + self.body.len());
        self.session.0.encode(&mut data);
        self.xid.0.encode(&mut data);
        self.op.encode(&mut data);
        data.put_slice(&self.body);
        let ids = self.ids.iter().map(|identity| Id {
            scheme: Some(Cow::Borrowed(&identity.scheme)),
            id: Some(Cow::Borrowed(&identity.id)),
        });
        QuorumPacket {
            packet_type: number::REQUEST,
            zxid: NO_ZXID.0,
            data: Some(&data),
            authinfo: Some(ids.collect()),
        }
        .encode(out);
    }
}

/// The zxid of packets that speak of no transaction.
const NO_ZXID: Zxid = Zxid(-1);
/// The epoch in an ACKEPOCH of a learner that had promised this epoch before.
const ALREADY_PROMISED: i32 = -1;
/// A session and its timeout.
const TOUCHED_BYTES: usize = 12;

fn put(out: &mut BytesMut, packet_type: i32, zxid: Zxid, data: Option<&[u8]>) {
    QuorumPacket {
        packet_type,
        zxid: zxid.0,
        data,
        authinfo: None,
    }
    .encode(out);
}

fn fixed<const N: usize, T>(
    number: i32,
    payload: &[u8],
    read: impl FnOnce([u8; N]) -> T,
) -> Result<T, PacketError> {
    let bytes = payload.len();
    let field = payload.first_chunk().copied();
    field
        .map(read)
        .ok_or(PacketError::Payload { number, bytes })
}

/// 3.4 sends the first two fields only.
fn learner_identity(payload: &[u8]) -> Result<LearnerIdentity, PacketError> {
    let mut reader = Reader::new(payload);
    let sid = ServerId(i64::decode(&mut reader)?);
    let protocol_version = i32::decode(&mut reader)?;
    let config_version = i64::decode(&mut reader).unwrap_or(0);
    Ok(LearnerIdentity {
        sid,
        protocol_version,
        config_version,
    })
}

/// Whole entries; what follows the last of them is none, as Apache reads it.
fn touched(payload: &[u8]) -> Vec<(SessionId, i32)> {
    let mut reader = Reader::new(payload);
    let mut touched = Vec::with_capacity(payload.len() / TOUCHED_BYTES);
    while let (Ok(session), Ok(timeout_ms)) = (i64::decode(&mut reader), i32::decode(&mut reader)) {
        touched.push((SessionId(session), timeout_ms));
    }
    touched
}

fn identity(id: &Id<'_>) -> Identity {
    let text = |field: &jute::Ustring<'_>| Box::from(field.as_deref().unwrap_or_default());
    Identity {
        scheme: text(&id.scheme),
        id: text(&id.id),
    }
}
