//! The grammar of values: what each kind of key accepts, as Apache's parser and the Java getters it
//! uses accept it.
//!
//! In: the trimmed text of a value. Out: a [`Parsed`] value, or what was expected. Where Java
//! silently falls back to the default for a number it cannot read, this reports an error; where
//! Java takes any odd text for `false`, so does this, with a word of warning.

use std::fmt::{self, Display, Formatter};

/// What a key accepts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A path; not empty.
    Path,
    /// `true` or `false` in any case, nothing else: the booleans `QuorumPeerConfig` reads itself.
    Strict,
    /// `Boolean.parseBoolean`: `true` in any case, anything else is false.
    Loose,
    /// Exactly one of two words; anything else leaves the default.
    Switch { on: &'static str, off: &'static str },
    /// `Integer.parseInt` or `Long.parseLong`: decimal with an optional sign.
    Decimal(Range),
    /// `Integer.getInteger` or `Long.getLong`: decimal, `0x`, `0X`, `#` or octal by a leading zero.
    Decoded(Range),
    /// A decimal fraction between two bounds.
    Fraction { min: f64, max: f64 },
    /// One of some words, in any case.
    Choice(&'static [&'static str]),
    /// Hours, or a number with one of the units ms, s, m, h, d.
    Period,
}

/// The bounds of a number, both inclusive, and the noun for error texts ("a whole number of ...").
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) noun: &'static str,
}

/// A value that its kind accepts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parsed {
    Text(String),
    Bool(bool),
    Int(i64),
    Fraction(f64),
}

/// How a text was taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    /// As meant.
    Plain(Parsed),
    /// Accepted as Apache accepts it, but it looks like a mistake; the text says how it was taken.
    Odd(Parsed, String),
    /// Nothing: Apache leaves the default; the text says so.
    Unset(String),
}

impl Kind {
    /// Reads a trimmed value; `Err` says what was expected.
    pub(super) fn read(self, text: &str) -> Result<Reading, String> {
        match self {
            Self::Text => Ok(Reading::Plain(Parsed::Text(text.to_owned()))),
            Self::Path if text.is_empty() || text.contains('\0') => Err(self.expected()),
            Self::Path => Ok(Reading::Plain(Parsed::Text(text.to_owned()))),
            Self::Strict => match word_bool(text) {
                Some(value) => Ok(Reading::Plain(Parsed::Bool(value))),
                None => Err(self.expected()),
            },
            Self::Loose => Ok(match word_bool(text) {
                Some(value) => Reading::Plain(Parsed::Bool(value)),
                None => Reading::Odd(
                    Parsed::Bool(false),
                    "neither true nor false; taken as false".to_owned(),
                ),
            }),
            Self::Switch { on, off } => Ok(if text == on {
                Reading::Plain(Parsed::Bool(true))
            } else if text == off {
                Reading::Plain(Parsed::Bool(false))
            } else {
                Reading::Unset(format!("neither {on} nor {off}; the default stays"))
            }),
            Self::Decimal(range) => self.number(decimal(text), range),
            Self::Decoded(range) => self.number(decoded(text), range),
            Self::Fraction { min, max } => match text.parse::<f64>() {
                Ok(value) if value >= min && value <= max => {
                    Ok(Reading::Plain(Parsed::Fraction(value)))
                }
                _ => Err(self.expected()),
            },
            Self::Choice(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text))
                .map(|word| Reading::Plain(Parsed::Text((*word).to_owned())))
                .ok_or_else(|| self.expected()),
            Self::Period => period_ms(text)
                .map(|ms| Reading::Plain(Parsed::Int(ms)))
                .ok_or_else(|| self.expected()),
        }
    }

    /// What a good value looks like, to stand after "expected".
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text => "any text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Strict | Self::Loose => "true or false".to_owned(),
            Self::Switch { on, off } => format!("{on} or {off}"),
            Self::Decimal(range) | Self::Decoded(range) => range.to_string(),
            Self::Fraction { min, max } if min == f64::MIN && max == f64::MAX => {
                "a decimal number".to_owned()
            }
            Self::Fraction { min, max } => format!("a decimal number from {min} to {max}"),
            Self::Choice(words) => match words.split_last() {
                Some((last, [])) => format!("{last:?}"),
                Some((last, before)) => {
                    let before: Vec<String> = before.iter().map(|w| format!("{w:?}")).collect();
                    format!("{} or {last:?}", before.join(", "))
                }
                None => "nothing".to_owned(),
            },
            Self::Period => {
                "a whole number of hours, or one with a unit: ms, s, m, h or d".to_owned()
            }
        }
    }

    fn number(self, number: Option<i64>, range: Range) -> Result<Reading, String> {
        match number {
            Some(n) if n > range.max => Err(range.bounds()),
            Some(n) if n >= range.min => Ok(Reading::Plain(Parsed::Int(n))),
            _ => Err(self.expected()),
        }
    }
}

impl Range {
    fn bounds(self) -> String {
        format!(
            "a whole number{}, from {} to {}",
            self.of_noun(),
            self.min,
            self.max
        )
    }

    fn of_noun(self) -> String {
        match self.noun {
            "" => String::new(),
            noun => format!(" of {noun}"),
        }
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unbounded_above = self.max >= i64::from(i32::MAX);
        let unbounded_below = self.min <= i64::from(i32::MIN);
        match (unbounded_below, unbounded_above) {
            (_, false) => f.write_str(&self.bounds()),
            (true, true) => write!(f, "a whole number{}", self.of_noun()),
            (false, true) => write!(f, "a whole number{}, at least {}", self.of_noun(), self.min),
        }
    }
}

fn word_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// As `Long.parseLong` on ASCII digits.
fn decimal(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// As `Long.decode`: `[+-] (decimal | 0x hex | 0X hex | # hex | 0 octal)`.
fn decoded(text: &str) -> Option<i64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = ["0x", "0X", "#"]
        .iter()
        .find_map(|prefix| magnitude.strip_prefix(prefix));
    let (digits, radix) = match (hexadecimal, magnitude.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (magnitude, 10),
    };
    // A second sign would be taken by the integer parser below; Java refuses it.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Milliseconds of `autopurge.purgeInterval`. Bare digits are hours, as in 3.9; the units are those
/// of 3.10.
fn period_ms(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 5] = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
        .unwrap_or((text, 3_600_000));
    decimal(digits.trim_end())?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Parsed, Range, Reading, decoded, period_ms};

    #[test]
    fn decoded_numbers_are_those_of_java_long_decode() {
        let table: [(&str, Option<i64>); 22] = [
            ("0", Some(0)),
            ("10", Some(10)),
            ("-10", Some(-10)),
            ("+10", Some(10)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("#10", Some(16)),
            ("-0x10", Some(-16)),
            ("-#10", Some(-16)),
            ("010", Some(8)),
            ("-010", Some(-8)),
            ("00", Some(0)),
            ("08", None),
            ("0x", None),
            ("#", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("0x-1", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ];
        for (text, expected) in table {
            assert_eq!(decoded(text), expected, "of {text:?}");
        }
    }

    #[test]
    fn periods_are_hours_unless_they_say_otherwise() {
        let table: [(&str, Option<i64>); 12] = [
            ("0", Some(0)),
            ("1", Some(3_600_000)),
            ("-1", Some(-3_600_000)),
            ("30m", Some(1_800_000)),
            ("5s", Some(5000)),
            ("7ms", Some(7)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("m", None),
            ("1w", None),
            ("", None),
            ("9223372036854775807d", None),
        ];
        for (text, expected) in table {
            assert_eq!(period_ms(text), expected, "of {text:?}");
        }
    }

    #[test]
    fn booleans_are_strict_loose_or_a_switch() {
        let plain = |value| Ok(Reading::Plain(Parsed::Bool(value)));
        for text in ["true", "True", "TRUE"] {
            assert_eq!(Kind::Strict.read(text), plain(true));
            assert_eq!(Kind::Loose.read(text), plain(true));
        }
        assert_eq!(Kind::Strict.read("false"), plain(false));
        assert_eq!(Kind::Strict.read("yes"), Err("true or false".to_owned()));
        assert_eq!(Kind::Strict.read(""), Err("true or false".to_owned()));
        assert_eq!(Kind::Loose.read("FALSE"), plain(false));
        let odd = Reading::Odd(
            Parsed::Bool(false),
            "neither true nor false; taken as false".to_owned(),
        );
        assert_eq!(Kind::Loose.read("yes"), Ok(odd));
        let switch = Kind::Switch {
            on: "yes",
            off: "no",
        };
        assert_eq!(switch.read("yes"), plain(true));
        assert_eq!(switch.read("no"), plain(false));
        let unset = Reading::Unset("neither yes nor no; the default stays".to_owned());
        assert_eq!(switch.read("NO"), Ok(unset));
    }

    #[test]
    fn bounds_are_part_of_what_is_expected() {
        let range = |min, max| {
            Kind::Decimal(Range {
                min,
                max,
                noun: "milliseconds",
            })
        };
        let int = i64::from(i32::MAX);
        let table = [
            (
                range(1, int),
                "0",
                "a whole number of milliseconds, at least 1",
            ),
            (
                range(1, int),
                "2147483648",
                "a whole number of milliseconds, from 1 to 2147483647",
            ),
            (
                range(0, 9),
                "10",
                "a whole number of milliseconds, from 0 to 9",
            ),
            (
                range(i64::MIN, i64::MAX),
                "x",
                "a whole number of milliseconds",
            ),
            (
                Kind::Fraction { min: 0.0, max: 1.0 },
                "1.5",
                "a decimal number from 0 to 1",
            ),
            (
                Kind::Fraction { min: 0.0, max: 1.0 },
                "NaN",
                "a decimal number from 0 to 1",
            ),
            (
                Kind::Choice(&["gz", "snappy", ""]),
                "zip",
                r#""gz", "snappy" or """#,
            ),
            (
                Kind::Fraction {
                    min: f64::MIN,
                    max: f64::MAX,
                },
                "x",
                "a decimal number",
            ),
            (Kind::Choice(&["3"]), "1", r#""3""#),
            (Kind::Path, "", "a path"),
        ];
        for (kind, text, expected) in table {
            assert_eq!(kind.read(text), Err(expected.to_owned()), "of {text:?}");
        }
    }
}
