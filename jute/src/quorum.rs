//! Module `org.apache.zookeeper.server.quorum`: packets between peers.

use crate::data::Id;
use crate::record_macro::record;
use crate::{Buffer, Vector};

record! {
    /// What a learner says of itself in FOLLOWERINFO or OBSERVERINFO.
    pub struct LearnerInfo {
        serverid: i64,
        protocol_version: i32,
        config_version: i64,
    }
}

record! {
    /// Every packet on the quorum port.
    pub struct QuorumPacket<'a> {
        packet_type: i32,
        zxid: i64,
        data: Buffer<'a>,
        authinfo: Vector<Id<'a>>,
    }
}

record! {
    /// The SASL exchange between peers.
    pub struct QuorumAuthPacket<'a> {
        magic: i64,
        status: i32,
        token: Buffer<'a>,
    }
}
