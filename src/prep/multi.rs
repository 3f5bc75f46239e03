//! `multi`: all parts or none, under one zxid and time.

use crate::prep::step::Step;
use crate::proto::txn::SubTxn;
use crate::proto::{ErrorCode, MultiOp, Txn};

impl Step<'_> {
    /// Each part sees what those before it will have done. After the first that is refused, the
    /// others are not looked at, and the overlay is as it was.
    pub(super) fn multi(&mut self, ops: Vec<MultiOp>) -> Txn {
        self.overlay.begin();
        let mut has_failed = false;
        let mut parts = Vec::with_capacity(ops.len());
        for op in ops {
            if has_failed {
                let code = ErrorCode::RuntimeInconsistency;
                parts.push(SubTxn::error(code.number()));
                continue;
            }
            parts.push(self.part(op).unwrap_or_else(|code| {
                has_failed = true;
                SubTxn::error(code.number())
            }));
        }
        if has_failed {
            self.overlay.roll_back();
        } else {
            self.overlay.keep();
        }
        Txn::Multi(parts)
    }

    fn part(&mut self, op: MultiOp) -> Result<SubTxn, ErrorCode> {
        let part = match op {
            // It takes its room itself.
            MultiOp::Create(create) => return self.create(create).map(SubTxn::Create),
            MultiOp::Delete(delete) => {
                let path = delete.path.clone();
                self.delete(delete).map(|_| SubTxn::Delete { path })?
            }
            MultiOp::SetData(set) => self.set_data(set).map(SubTxn::SetData)?,
            MultiOp::Check(check) => self.check(check)?,
        };
        self.take_room(part.body_len())?;
        Ok(part)
    }
}
