//! Module `org.apache.zookeeper.proto`: what clients and servers say to each other.

mod auth;
mod connect;
mod header;
mod read;
mod watch;
mod write;

pub use auth::{AuthPacket, GetSaslRequest, SetSaslRequest, SetSaslResponse};
pub use connect::{ConnectRequest, ConnectResponse};
pub use header::{ErrorResponse, MultiHeader, ReplyHeader, RequestHeader};
pub use read::{
    ExistsRequest, ExistsResponse, GetAclRequest, GetAclResponse, GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse, GetChildren2Request, GetChildren2Response, GetChildrenRequest,
    GetChildrenResponse, GetDataRequest, GetDataResponse, GetEphemeralsRequest,
    GetEphemeralsResponse, GetMaxChildrenRequest, GetMaxChildrenResponse, SyncRequest,
    SyncResponse, WhoAmIResponse,
};
pub use watch::{
    AddWatchRequest, CheckWatchesRequest, RemoveWatchesRequest, SetWatches, SetWatches2,
    WatcherEvent,
};
pub use write::{
    CheckVersionRequest, Create2Response, CreateRequest, CreateResponse, CreateTtlRequest,
    DeleteContainerRequest, DeleteRequest, ReconfigRequest, SetAclRequest, SetAclResponse,
    SetDataRequest, SetDataResponse, SetMaxChildrenRequest,
};
