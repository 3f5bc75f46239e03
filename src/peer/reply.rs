//! What a client is answered once its write is applied.

use crate::proto::txn::{CreateKind, SubTxn};
use crate::proto::{ErrorCode, MultiResult, Txn, WriteReply};
use crate::tree::Outcome;

/// The reply to a transaction that a client asked for and that did `outcome`.
///
/// # Panics
/// When a transaction that was prepared here did not do what it was prepared for.
pub(super) fn of(txn: &Txn, outcome: Outcome) -> WriteReply {
    match (txn, outcome) {
        (Txn::Error { code }, _) => WriteReply::Error(known(*code)),
        (Txn::Create(create), Outcome::Created { path, stat }) => {
            if is_plain_create(create.kind) {
                WriteReply::Path(path)
            } else {
                WriteReply::PathAndStat(path, stat)
            }
        }
        (Txn::Delete { .. } | Txn::DeleteContainer { .. }, Outcome::Done) => WriteReply::Done,
        (Txn::SetData(_) | Txn::SetAcl { .. }, Outcome::Stat(stat)) => WriteReply::Stat(stat),
        (Txn::Multi(parts), Outcome::Multi(outcomes)) => {
            assert_eq!(parts.len(), outcomes.len(), "every part has its outcome");
            WriteReply::Multi(parts.iter().zip(outcomes).map(part).collect())
        }
        // The server's own, a container's deletion that came too late, has no one to answer.
        (txn, outcome) => panic!("{txn:?} was prepared and did {outcome:?}"),
    }
}

fn part((part, outcome): (&SubTxn, Outcome)) -> MultiResult {
    match (part, outcome) {
        (_, Outcome::Refused(code)) => MultiResult::Error(code),
        (SubTxn::Create(create), Outcome::Created { path, stat }) => {
            if is_plain_create(create.kind) {
                MultiResult::Created(path)
            } else {
                MultiResult::CreatedWithStat(path, stat)
            }
        }
        (SubTxn::Delete { .. }, Outcome::Done) => MultiResult::Deleted,
        (SubTxn::Check { .. }, Outcome::Done) => MultiResult::Checked,
        (SubTxn::SetData(_), Outcome::Stat(stat)) => MultiResult::DataSet(stat),
        (part, outcome) => panic!("{part:?} was prepared and did {outcome:?}"),
    }
}

fn is_plain_create(kind: CreateKind) -> bool {
    matches!(
        kind,
        CreateKind::Plain {
            op_is_create2: false,
            ..
        }
    )
}

fn known(code: i32) -> ErrorCode {
    ErrorCode::from_number(code).expect("prep refuses with codes of the table")
}
