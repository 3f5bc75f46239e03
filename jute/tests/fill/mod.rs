//! Records filled by the rule of `testdata/GoldenRecords.java`: what a field holds follows from its
//! type and its place in its record.

use std::borrow::Cow;

use jute::{Buffer, Ustring, Vector, data, persistence, proto, quorum, txn};

/// A value by the rule.
pub(crate) trait Fill {
    /// `place` is the field's place in its record, from 1; `full` is false for the form with nulls.
    fn fill(place: i32, full: bool) -> Self;
}

/// An element of a vector by the rule, which is always full.
pub(crate) trait Element {
    fn element(place: i32, suffix: char) -> Self;
}

impl Fill for i32 {
    fn fill(place: i32, _full: bool) -> Self {
        100 + place
    }
}

impl Fill for i64 {
    fn fill(place: i32, _full: bool) -> Self {
        10_000_000_000 + Self::from(place)
    }
}

impl Fill for bool {
    fn fill(_place: i32, full: bool) -> Self {
        full
    }
}

impl Fill for Option<bool> {
    fn fill(_place: i32, full: bool) -> Self {
        Some(full)
    }
}

impl Fill for Ustring<'static> {
    fn fill(place: i32, full: bool) -> Self {
        full.then(|| Cow::Owned(format!("s{place}")))
    }
}

impl Fill for Buffer<'static> {
    fn fill(place: i32, full: bool) -> Self {
        full.then(|| format!("b{place}").leak().as_bytes())
    }
}

impl<T: Element> Fill for Vector<T> {
    fn fill(place: i32, full: bool) -> Self {
        full.then(|| vec![T::element(place, 'x'), T::element(place, 'y')])
    }
}

impl Element for Ustring<'static> {
    fn element(place: i32, suffix: char) -> Self {
        Some(Cow::Owned(format!("v{place}{suffix}")))
    }
}

macro_rules! fill_records {
    ($($record:ty { $($field:ident),* })*) => {
        $(
            impl Fill for $record {
                fn fill(_place: i32, full: bool) -> Self {
                    let mut place = 0;
                    Self { $($field: { place += 1; Fill::fill(place, full) },)* }
                }
            }

            impl Element for $record {
                fn element(place: i32, _suffix: char) -> Self {
                    Self::fill(place, true)
                }
            }
        )*
    };
}

fill_records! {
    data::Id<'static> { scheme, id }
    data::Acl<'static> { perms, id }
    data::Stat {
        czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeral_owner, data_length,
        num_children, pzxid
    }
    data::StatPersisted {
        czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeral_owner, pzxid
    }
    data::ClientInfo<'static> { auth_scheme, user }
    proto::ConnectRequest<'static> {
        protocol_version, last_zxid_seen, time_out, session_id, passwd, read_only
    }
    proto::ConnectResponse<'static> { protocol_version, time_out, session_id, passwd, read_only }
    proto::SetWatches<'static> { relative_zxid, data_watches, exist_watches, child_watches }
    proto::SetWatches2<'static> {
        relative_zxid, data_watches, exist_watches, child_watches, persistent_watches,
        persistent_recursive_watches
    }
    proto::RequestHeader { xid, op }
    proto::MultiHeader { op, done, err }
    proto::AuthPacket<'static> { auth_type, scheme, auth }
    proto::ReplyHeader { xid, zxid, err }
    proto::GetDataRequest<'static> { path, watch }
    proto::SetDataRequest<'static> { path, data, version }
    proto::ReconfigRequest<'static> { joining_servers, leaving_servers, new_members, cur_config_id }
    proto::SetDataResponse { stat }
    proto::GetSaslRequest<'static> { token }
    proto::SetSaslRequest<'static> { token }
    proto::SetSaslResponse<'static> { token }
    proto::CreateRequest<'static> { path, data, acl, flags }
    proto::CreateTtlRequest<'static> { path, data, acl, flags, ttl }
    proto::DeleteRequest<'static> { path, version }
    proto::GetChildrenRequest<'static> { path, watch }
    proto::GetAllChildrenNumberRequest<'static> { path }
    proto::GetChildren2Request<'static> { path, watch }
    proto::CheckVersionRequest<'static> { path, version }
    proto::GetMaxChildrenRequest<'static> { path }
    proto::GetMaxChildrenResponse { max }
    proto::SetMaxChildrenRequest<'static> { path, max }
    proto::SyncRequest<'static> { path }
    proto::SyncResponse<'static> { path }
    proto::GetAclRequest<'static> { path }
    proto::SetAclRequest<'static> { path, acl, version }
    proto::SetAclResponse { stat }
    proto::AddWatchRequest<'static> { path, mode }
    proto::WatcherEvent<'static> { event_type, state, path }
    proto::ErrorResponse { err }
    proto::CreateResponse<'static> { path }
    proto::Create2Response<'static> { path, stat }
    proto::ExistsRequest<'static> { path, watch }
    proto::ExistsResponse { stat }
    proto::GetDataResponse<'static> { data, stat }
    proto::GetChildrenResponse<'static> { children }
    proto::GetAllChildrenNumberResponse { total_number }
    proto::GetChildren2Response<'static> { children, stat }
    proto::GetAclResponse<'static> { acl, stat }
    proto::CheckWatchesRequest<'static> { path, watcher_type }
    proto::RemoveWatchesRequest<'static> { path, watcher_type }
    proto::GetEphemeralsRequest<'static> { prefix_path }
    proto::GetEphemeralsResponse<'static> { ephemerals }
    proto::WhoAmIResponse<'static> { client_info }
    quorum::LearnerInfo { serverid, protocol_version, config_version }
    quorum::QuorumPacket<'static> { packet_type, zxid, data, authinfo }
    quorum::QuorumAuthPacket<'static> { magic, status, token }
    persistence::FileHeader { magic, version, dbid }
    txn::TxnDigest { version, tree_digest }
    txn::TxnHeader { client_id, cxid, zxid, time, txn_type }
    txn::CreateTxnV0<'static> { path, data, acl, ephemeral }
    txn::CreateTxn<'static> { path, data, acl, ephemeral, parent_cversion }
    txn::CreateTtlTxn<'static> { path, data, acl, parent_cversion, ttl }
    txn::CreateContainerTxn<'static> { path, data, acl, parent_cversion }
    txn::DeleteTxn<'static> { path }
    txn::SetDataTxn<'static> { path, data, version }
    txn::CheckVersionTxn<'static> { path, version }
    txn::SetAclTxn<'static> { path, acl, version }
    txn::SetMaxChildrenTxn<'static> { path, max }
    txn::CreateSessionTxn { time_out }
    txn::CloseSessionTxn<'static> { paths2_delete }
    txn::ErrorTxn { err }
    txn::Txn<'static> { txn_type, data }
    txn::MultiTxn<'static> { txns }
}

/// Calls `$check!("ApacheName", OurType)` for every record.
macro_rules! for_each_record {
    ($check:ident) => {
        $check!("Id", jute::data::Id<'_>);
        $check!("ACL", jute::data::Acl<'_>);
        $check!("Stat", jute::data::Stat);
        $check!("StatPersisted", jute::data::StatPersisted);
        $check!("ClientInfo", jute::data::ClientInfo<'_>);
        $check!("ConnectRequest", jute::proto::ConnectRequest<'_>);
        $check!("ConnectResponse", jute::proto::ConnectResponse<'_>);
        $check!("SetWatches", jute::proto::SetWatches<'_>);
        $check!("SetWatches2", jute::proto::SetWatches2<'_>);
        $check!("RequestHeader", jute::proto::RequestHeader);
        $check!("MultiHeader", jute::proto::MultiHeader);
        $check!("AuthPacket", jute::proto::AuthPacket<'_>);
        $check!("ReplyHeader", jute::proto::ReplyHeader);
        $check!("GetDataRequest", jute::proto::GetDataRequest<'_>);
        $check!("SetDataRequest", jute::proto::SetDataRequest<'_>);
        $check!("ReconfigRequest", jute::proto::ReconfigRequest<'_>);
        $check!("SetDataResponse", jute::proto::SetDataResponse);
        $check!("GetSASLRequest", jute::proto::GetSaslRequest<'_>);
        $check!("SetSASLRequest", jute::proto::SetSaslRequest<'_>);
        $check!("SetSASLResponse", jute::proto::SetSaslResponse<'_>);
        $check!("CreateRequest", jute::proto::CreateRequest<'_>);
        $check!("CreateTTLRequest", jute::proto::CreateTtlRequest<'_>);
        $check!("DeleteRequest", jute::proto::DeleteRequest<'_>);
        $check!("GetChildrenRequest", jute::proto::GetChildrenRequest<'_>);
        $check!(
            "GetAllChildrenNumberRequest",
            jute::proto::GetAllChildrenNumberRequest<'_>
        );
        $check!("GetChildren2Request", jute::proto::GetChildren2Request<'_>);
        $check!("CheckVersionRequest", jute::proto::CheckVersionRequest<'_>);
        $check!(
            "GetMaxChildrenRequest",
            jute::proto::GetMaxChildrenRequest<'_>
        );
        $check!(
            "GetMaxChildrenResponse",
            jute::proto::GetMaxChildrenResponse
        );
        $check!(
            "SetMaxChildrenRequest",
            jute::proto::SetMaxChildrenRequest<'_>
        );
        $check!("SyncRequest", jute::proto::SyncRequest<'_>);
        $check!("SyncResponse", jute::proto::SyncResponse<'_>);
        $check!("GetACLRequest", jute::proto::GetAclRequest<'_>);
        $check!("SetACLRequest", jute::proto::SetAclRequest<'_>);
        $check!("SetACLResponse", jute::proto::SetAclResponse);
        $check!("AddWatchRequest", jute::proto::AddWatchRequest<'_>);
        $check!("WatcherEvent", jute::proto::WatcherEvent<'_>);
        $check!("ErrorResponse", jute::proto::ErrorResponse);
        $check!("CreateResponse", jute::proto::CreateResponse<'_>);
        $check!("Create2Response", jute::proto::Create2Response<'_>);
        $check!("ExistsRequest", jute::proto::ExistsRequest<'_>);
        $check!("ExistsResponse", jute::proto::ExistsResponse);
        $check!("GetDataResponse", jute::proto::GetDataResponse<'_>);
        $check!("GetChildrenResponse", jute::proto::GetChildrenResponse<'_>);
        $check!(
            "GetAllChildrenNumberResponse",
            jute::proto::GetAllChildrenNumberResponse
        );
        $check!(
            "GetChildren2Response",
            jute::proto::GetChildren2Response<'_>
        );
        $check!("GetACLResponse", jute::proto::GetAclResponse<'_>);
        $check!("CheckWatchesRequest", jute::proto::CheckWatchesRequest<'_>);
        $check!(
            "RemoveWatchesRequest",
            jute::proto::RemoveWatchesRequest<'_>
        );
        $check!(
            "GetEphemeralsRequest",
            jute::proto::GetEphemeralsRequest<'_>
        );
        $check!(
            "GetEphemeralsResponse",
            jute::proto::GetEphemeralsResponse<'_>
        );
        $check!("WhoAmIResponse", jute::proto::WhoAmIResponse<'_>);
        $check!("LearnerInfo", jute::quorum::LearnerInfo);
        $check!("QuorumPacket", jute::quorum::QuorumPacket<'_>);
        $check!("QuorumAuthPacket", jute::quorum::QuorumAuthPacket<'_>);
        $check!("FileHeader", jute::persistence::FileHeader);
        $check!("TxnDigest", jute::txn::TxnDigest);
        $check!("TxnHeader", jute::txn::TxnHeader);
        $check!("CreateTxnV0", jute::txn::CreateTxnV0<'_>);
        $check!("CreateTxn", jute::txn::CreateTxn<'_>);
        $check!("CreateTTLTxn", jute::txn::CreateTtlTxn<'_>);
        $check!("CreateContainerTxn", jute::txn::CreateContainerTxn<'_>);
        $check!("DeleteTxn", jute::txn::DeleteTxn<'_>);
        $check!("SetDataTxn", jute::txn::SetDataTxn<'_>);
        $check!("CheckVersionTxn", jute::txn::CheckVersionTxn<'_>);
        $check!("SetACLTxn", jute::txn::SetAclTxn<'_>);
        $check!("SetMaxChildrenTxn", jute::txn::SetMaxChildrenTxn<'_>);
        $check!("CreateSessionTxn", jute::txn::CreateSessionTxn);
        $check!("CloseSessionTxn", jute::txn::CloseSessionTxn<'_>);
        $check!("ErrorTxn", jute::txn::ErrorTxn);
        $check!("Txn", jute::txn::Txn<'_>);
        $check!("MultiTxn", jute::txn::MultiTxn<'_>);
    };
}

pub(crate) use for_each_record;
