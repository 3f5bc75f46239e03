//! What a client is answered once its write is applied.

use crate::peer::pipeline::Asked;
use crate::proto::txn::{CreateKind, SubTxn};
use crate::proto::{ErrorCode, MultiResult, Txn, WriteReply};
use crate::tree::Outcome;

impl Asked {
    /// The reply under the name that its client is to hear.
    pub(super) fn named(self, reply: WriteReply) -> WriteReply {
        match (reply, self.refused_as) {
            (WriteReply::Error(_), Some(code)) => WriteReply::Error(code),
            (reply, _) => reply,
        }
    }
}

/// The reply to a transaction that a client asked for and that did `outcome`.
///
/// # Panics
/// When a transaction did what transactions of its kind do not do.
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
        // Only where the state is not what the transaction's author had.
        (_, Outcome::Refused(code)) => WriteReply::Error(known(code)),
        (Txn::Reconfig(set), Outcome::Stat(stat)) => WriteReply::Data(set.data.clone(), stat),
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
        (SubTxn::Delete { .. } | SubTxn::DeleteContainer { .. }, Outcome::Done) => {
            MultiResult::Deleted
        }
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

/// A leader of another release may refuse with a code that is not in the table.
fn known(code: i32) -> ErrorCode {
    ErrorCode::from_number(code).unwrap_or(ErrorCode::RuntimeInconsistency)
}
