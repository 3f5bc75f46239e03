//! How Java prints things.

use crate::base::WallMillis;

/// `Date.toString` in UTC: `Sat Mar 14 09:27:20 UTC 2026`.
pub(super) fn date(at: WallMillis) -> String {
    let seconds = at.0.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], position: i64| {
        let position = usize::try_from(position).unwrap_or_default();
        names.get(position).copied().unwrap_or_default()
    };
    // 1970-01-01 was a Thursday.
    let weekday = name(&WEEKDAYS, (days + 4).rem_euclid(7));
    let month = name(&MONTHS, month - 1);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Year, month and day of a day counted from 1970-01-01. Eras of 400 years that begin in March put
/// the leap day last, so that the rest is plain division.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// An average as `AvgMinMaxCounter` gives it: at most four decimals, at least one.
pub(super) fn average(total: u64, count: u64) -> String {
    double(mean(total, count))
}

/// The same as a number.
pub(super) fn mean(total: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let value = total as f64 / count as f64;
    (value * 10_000.0).round() / 10_000.0
}

/// `Double.toString`, within the range of what is measured here.
pub(super) fn double(value: f64) -> String {
    format!("{value:?}")
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_399_999, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_773_480_440_000, "Sat Mar 14 09:27:20 UTC 2026"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ];
        for (millis, expected) in cases {
            assert_eq!(date(WallMillis(millis)), expected);
        }
    }

    #[test]
    fn averages() {
        assert_eq!(average(0, 0), "0.0");
        assert_eq!(average(4, 7), "0.5714");
        assert_eq!(average(24, 2), "12.0");
        assert_eq!(double(0.0), "0.0");
    }
}
