//! Enforcement of quotas: a hard limit refuses a write, a soft one is written to the log.
//!
//! Usage is that of the committed tree, so writes in flight can overshoot a limit, and each part
//! of a multi is measured by itself.

use crate::base::WallMillis;
use crate::prep::step::Step;
use crate::proto::ErrorCode;

/// Keeps the log from being flooded by writes over a quota.
#[derive(Debug, Default)]
pub(super) struct QuotaLog {
    last: Option<WallMillis>,
    left_out: u64,
}

/// Between two lines about quotas, milliseconds.
const LOG_INTERVAL_MS: i64 = 60_000;

impl Step<'_> {
    /// Whether the deepest quota over `path` has room for data growing from `old_len` to `new_len`
    /// and for `more` nodes. Data of an unchanged length is not measured.
    pub(super) fn check_quota(
        &mut self,
        path: &str,
        new_len: usize,
        old_len: usize,
        more: i64,
    ) -> Result<(), ErrorCode> {
        if !self.options.enforce_quota {
            return Ok(());
        }
        let Some(quota) = self.tree.quota_for(path) else {
            return Ok(());
        };
        let (limits, usage) = (quota.limits, quota.usage);
        let growth = length(new_len) - length(old_len);
        let count = usage.count.saturating_add(more);
        let bytes = usage.bytes.saturating_add(growth);
        if more != 0 {
            self.measure(&quota.at, "count", count, limits.count, limits.count_hard)?;
        }
        if growth != 0 {
            self.measure(&quota.at, "bytes", bytes, limits.bytes, limits.bytes_hard)?;
        }
        Ok(())
    }

    fn measure(
        &mut self,
        at: &str,
        what: &'static str,
        usage: i64,
        soft: i64,
        hard: i64,
    ) -> Result<(), ErrorCode> {
        let is_hard = hard > -1;
        let limit = if is_hard { hard } else { soft };
        if limit < 0 || usage <= limit {
            return Ok(());
        }
        if let Some(left_out) = self.quota_log.line(self.time) {
            tracing::warn!(at, what, usage, limit, is_hard, left_out, "quota exceeded");
        }
        if is_hard {
            Err(ErrorCode::QuotaExceeded)
        } else {
            Ok(())
        }
    }
}

impl QuotaLog {
    /// Whether to write a line now; if so, how many were left out since the last.
    fn line(&mut self, now: WallMillis) -> Option<u64> {
        let is_due = |last: WallMillis| now.0.saturating_sub(last.0).abs() >= LOG_INTERVAL_MS;
        if self.last.is_none_or(is_due) {
            self.last = Some(now);
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("data fits into memory")
}
