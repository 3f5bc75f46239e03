//! The client protocol as types: bytes become a [`Request`](request), a [`Reply`](reply) becomes
//! bytes, and a [`Txn`](txn::Txn) goes both ways. One table of operation codes, one of error codes.

pub mod error_code;
pub mod event;
pub mod op;
pub mod reply;
pub mod request;
pub mod txn;

pub use error_code::ErrorCode;
pub use event::{EventType, NodeEvent};
pub use op::{Op, OpClass};
pub use reply::{MultiResult, WriteReply};
pub use request::{MultiOp, WriteRequest};
pub use txn::{SubTxn, Txn, TxnRecord};
