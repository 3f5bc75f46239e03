//! The grammar of Java `.properties` text, which `zoo.cfg` is written in.
//!
//! In: the bytes of a file. Out: its entries in the order written, each with the line its key
//! stands on; an entry with a broken `\uXXXX` escape comes out as [`Malformed`] and does not hide
//! the ones after it. Nothing is trimmed, merged or looked up here, and no input makes this panic.
//!
//! ```text
//! natural line   bytes up to \n, \r or \r\n
//! logical line   natural lines joined by an odd run of `\` at the end, without the blanks at the
//!                start of each one
//! comment        a line whose first byte is `#` or `!`; never continued
//! entry          key [blanks] [`=` | `:`] [blanks] value
//! escapes        \t \n \r \f \uXXXX; `\` before anything else gives that character
//! ```
//!
//! Bytes are ISO-8859-1, as `java.util.Properties.load(InputStream)` reads them: every byte is one
//! character.

use std::{fmt::Write as _, ops::Range};

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while_m_n},
    character::complete::one_of,
    combinator::{eof, opt},
};

/// One `key = value` with its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The natural line the key starts on, counted from 1.
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// An entry that holds a `\u` without four hexadecimal digits after it; Java refuses the whole file
/// for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The natural line the entry starts on, counted from 1.
    pub(super) line: usize,
    /// The logical line as written, for the message.
    pub(super) text: String,
}

/// Every entry of a `.properties` text, in order.
pub(super) fn parse(bytes: &[u8]) -> Vec<Result<Entry, Malformed>> {
    let (lines, _) = logical_lines(bytes);
    lines.iter().map(entry).collect()
}

/// The text without the entries whose key `is_unwanted`, all else to the byte, and `added` behind
/// it as an entry of its own. Entries that cannot be read stay.
pub(super) fn replaced(
    bytes: &[u8],
    is_unwanted: impl Fn(&str) -> bool,
    added: (&str, &str),
) -> Vec<u8> {
    let (lines, is_open) = logical_lines(bytes);
    let mut text = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    for line in &lines {
        if entry(line).is_ok_and(|entry| is_unwanted(entry.key.trim())) {
            text.extend_from_slice(bytes.get(copied..line.range.start).unwrap_or_default());
            copied = line.range.end;
        }
    }
    text.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    if !text.is_empty() && !text.ends_with(b"\n") && !text.ends_with(b"\r") {
        text.push(b'\n');
    }
    if is_open {
        // A continuation mark goes on into an empty line, and not into what is added.
        if text.ends_with(b"\r") {
            text.push(b'\n');
        }
        text.push(b'\n');
    }
    let (key, value) = added;
    text.extend_from_slice(key.as_bytes());
    text.push(b'=');
    text.extend_from_slice(escaped(value).as_bytes());
    text.push(b'\n');
    text
}

/// The text with `mask` in the place of the values whose key `is_secret`, all else to the byte.
pub(super) fn masked(bytes: &[u8], is_secret: impl Fn(&str) -> bool, mask: &str) -> Vec<u8> {
    let (lines, _) = logical_lines(bytes);
    let mut text = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    for line in &lines {
        let Some(entry) = entry(line).ok().filter(|entry| is_secret(&entry.key)) else {
            continue;
        };
        text.extend_from_slice(bytes.get(copied..line.range.start).unwrap_or_default());
        text.extend_from_slice(format!("{}={mask}\n", entry.key).as_bytes());
        copied = line.range.end;
    }
    text.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    text
}

/// A value that reads back as it is, whatever it holds.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (index, unit) in value.encode_utf16().enumerate() {
        match u8::try_from(unit) {
            Ok(b'\\') => text.push_str("\\\\"),
            Ok(b' ') if index == 0 => text.push_str("\\ "),
            Ok(byte @ b' '..=b'~') => text.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\u{unit:04x}")),
        }
    }
    text
}

/// A key with its value, continuations joined, escapes still in place.
struct LogicalLine {
    line: usize,
    /// Where it stands in the text, with its end.
    range: Range<usize>,
    content: Vec<u8>,
}

/// All of them, and whether the last is one that a continuation mark leaves open.
fn logical_lines(bytes: &[u8]) -> (Vec<LogicalLine>, bool) {
    let mut rest = bytes;
    let mut lines = Vec::new();
    let mut open: Option<LogicalLine> = None;
    let mut number = 0;
    while let Ok((after, natural)) = natural_line(rest) {
        let start = bytes.len() - rest.len();
        let end = bytes.len() - after.len();
        rest = after;
        number += 1;
        let natural = drop_blanks(natural);
        // Java tests for a comment whenever nothing of the logical line has been kept yet, so a
        // comment may also follow a line that holds nothing but a continuation mark.
        let nothing_kept = open.as_ref().is_none_or(|line| line.content.is_empty());
        if nothing_kept && (natural.is_empty() || matches!(natural.first(), Some(b'#' | b'!'))) {
            open = None;
            continue;
        }
        let mut logical = open.take().unwrap_or_else(|| LogicalLine {
            line: number,
            range: start..end,
            content: Vec::new(),
        });
        if logical.content.is_empty() {
            logical.line = number;
        }
        logical.range.end = end;
        match continued(natural) {
            Some(part) => {
                logical.content.extend_from_slice(part);
                open = Some(logical);
            }
            None => {
                logical.content.extend_from_slice(natural);
                lines.push(logical);
            }
        }
    }
    // A continuation mark at the end of the text continues into nothing; as in Java, that is an
    // entry even when empty.
    let is_open = open.is_some();
    lines.extend(open);
    (lines, is_open)
}

/// One natural line without its end; fails at the end of the text.
fn natural_line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    if input.is_empty() {
        return Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Eof,
        )));
    }
    let (rest, line) = take_while(|byte| !is_line_end(byte)).parse(input)?;
    let (rest, _) = alt((tag(&b"\r\n"[..]), tag(&b"\n"[..]), tag(&b"\r"[..]), eof)).parse(rest)?;
    Ok((rest, line))
}

/// The line without its continuation mark, if it ends in one: an odd number of backslashes.
fn continued(line: &[u8]) -> Option<&[u8]> {
    let backslashes = line.iter().rev().take_while(|&&byte| byte == b'\\').count();
    if backslashes % 2 == 1 {
        line.split_last().map(|(_, before)| before)
    } else {
        None
    }
}

fn entry(line: &LogicalLine) -> Result<Entry, Malformed> {
    let (key, value) = split(&line.content);
    match (unescape(key), unescape(value)) {
        (Some(key), Some(value)) => Ok(Entry {
            line: line.line,
            key,
            value,
        }),
        _ => Err(Malformed {
            line: line.line,
            text: line.content.iter().copied().map(char::from).collect(),
        }),
    }
}

/// Splits at the first unescaped `=`, `:` or blank; blanks around one separator belong to neither
/// side.
fn split(content: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = content
        .iter()
        .position(|&byte| {
            let ends = !escaped && (is_blank(byte) || byte == b'=' || byte == b':');
            escaped = byte == b'\\' && !escaped;
            ends
        })
        .unwrap_or(content.len());
    let (key, rest) = content.split_at(end);
    (key, after_separator(rest).map_or(rest, |(value, _)| value))
}

fn after_separator(input: &[u8]) -> IResult<&[u8], ()> {
    let (rest, _) = take_while(is_blank).parse(input)?;
    let (rest, _) = opt(one_of("=:")).parse(rest)?;
    let (rest, _) = take_while(is_blank).parse(rest)?;
    Ok((rest, ()))
}

/// Resolves the escapes; `None` for a broken `\u`. Java's characters are UTF-16 units, so a
/// surrogate pair written as two escapes is one character here, and a lone surrogate becomes
/// U+FFFD.
fn unescape(mut text: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    while let Some((&byte, rest)) = text.split_first() {
        text = rest;
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        let Some((&escaped, rest)) = text.split_first() else {
            break;
        };
        text = rest;
        match escaped {
            b't' => units.push(u16::from(b'\t')),
            b'n' => units.push(u16::from(b'\n')),
            b'r' => units.push(u16::from(b'\r')),
            b'f' => units.push(FORM_FEED),
            b'u' => {
                let (rest, unit) = hexadecimal_unit(text)?;
                text = rest;
                units.push(unit);
            }
            other => units.push(u16::from(other)),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

fn hexadecimal_unit(input: &[u8]) -> Option<(&[u8], u16)> {
    let four: IResult<&[u8], &[u8]> =
        take_while_m_n(4, 4, |byte: u8| byte.is_ascii_hexdigit()).parse(input);
    let (rest, digits) = four.ok()?;
    let digits = str::from_utf8(digits).ok()?;
    Some((rest, u16::from_str_radix(digits, 16).ok()?))
}

fn drop_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    line.split_at(blanks).1
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

const FORM_FEED: u16 = 0x0c;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, Malformed, parse};

    /// `text` gives exactly these entries.
    fn check(text: &[u8], expected: &[(usize, &str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, key, value)| {
                Ok(Entry {
                    line: *line,
                    key: (*key).to_owned(),
                    value: (*value).to_owned(),
                })
            })
            .collect();
        assert_eq!(
            parse(text),
            expected,
            "of {:?}",
            String::from_utf8_lossy(text)
        );
    }

    #[test]
    fn separators() {
        check(b"a=b", &[(1, "a", "b")]);
        check(b"a:b", &[(1, "a", "b")]);
        check(b"a b", &[(1, "a", "b")]);
        check(b"a\tb", &[(1, "a", "b")]);
        check(b"a\x0cb", &[(1, "a", "b")]);
        check(b"a = b", &[(1, "a", "b")]);
        check(b"  a  :  b  ", &[(1, "a", "b  ")]);
        check(b"a==b", &[(1, "a", "=b")]);
        check(b"a=:b", &[(1, "a", ":b")]);
        check(b"a = = b", &[(1, "a", "= b")]);
        check(b"a b=c", &[(1, "a", "b=c")]);
        check(b"a", &[(1, "a", "")]);
        check(b"a=", &[(1, "a", "")]);
        check(b"=b", &[(1, "", "b")]);
        check(b":", &[(1, "", "")]);
        check(
            b"server.1=h:2888:3888;2181",
            &[(1, "server.1", "h:2888:3888;2181")],
        );
    }

    #[test]
    fn escapes() {
        check(br"a\=b=c", &[(1, "a=b", "c")]);
        check(br"a\:b\ c=d", &[(1, "a:b c", "d")]);
        check(br"a=\t\n\r\f\\\q\=", &[(1, "a", "\t\n\r\x0c\\q=")]);
        check(br"\u0061\u00e9=\u20AC", &[(1, "a\u{e9}", "\u{20ac}")]);
        check(br"a=\ud83d\ude00", &[(1, "a", "\u{1f600}")]);
        check(br"a=\ud83d!", &[(1, "a", "\u{fffd}!")]);
        check(br"a=\\u0041", &[(1, "a", r"\u0041")]);
        check(br"\#a=b", &[(1, "#a", "b")]);
    }

    #[test]
    fn bytes_are_latin_1() {
        check(b"a=\xe9\xff\x80", &[(1, "a", "\u{e9}\u{ff}\u{80}")]);
        check("a=\u{e9}".as_bytes(), &[(1, "a", "\u{c3}\u{a9}")]);
        check(b"\xef\xbb\xbfa=b", &[(1, "\u{ef}\u{bb}\u{bf}a", "b")]);
        check(b"a\0b=c\0", &[(1, "a\0b", "c\0")]);
    }

    #[test]
    fn lines_and_comments() {
        check(b"", &[]);
        check(b"\n\r\n\r", &[]);
        check(b"   \n\t\n", &[]);
        check(
            b"a=1\nb=2\rc=3\r\nd=4",
            &[(1, "a", "1"), (2, "b", "2"), (3, "c", "3"), (4, "d", "4")],
        );
        check(
            b"# a=1\n ! b=2\nc=3 # not a comment",
            &[(3, "c", "3 # not a comment")],
        );
        check(b"# no continuation \\\na=1", &[(2, "a", "1")]);
    }

    #[test]
    fn continuations() {
        check(b"a=1\\\n   2", &[(1, "a", "12")]);
        check(b"a=1\\\r\n2\\\r3\nb=4", &[(1, "a", "123"), (4, "b", "4")]);
        check(b"a=1\\\\\nb=2", &[(1, "a", "1\\"), (2, "b", "2")]);
        check(b"a=1\\\n\nb=2", &[(1, "a", "1"), (3, "b", "2")]);
        check(b"a=1\\\n# 2", &[(1, "a", "1# 2")]);
        check(b"a\\\n=1", &[(1, "a", "1")]);
        check(b"a=1\\", &[(1, "a", "1")]);
        check(b"\\", &[(1, "", "")]);
        check(b"a=1\n\\\n", &[(1, "a", "1"), (2, "", "")]);
        check(b"\\\n# still a comment\na=1", &[(3, "a", "1")]);
        check(b"\\\na=1", &[(2, "a", "1")]);
        check(b"\\\n\n\\\n  a=1", &[(4, "a", "1")]);
    }

    #[test]
    fn a_broken_escape_spoils_its_entry_only() {
        let broken = |line, text: &str| {
            Err(Malformed {
                line,
                text: text.to_owned(),
            })
        };
        for text in [r"a=\u12", r"a=\u12g4", r"\uD8=1", r"a=\u"] {
            assert_eq!(parse(text.as_bytes()), [broken(1, text)]);
        }
        let entries = parse(b"a=1\nb=\\u00\nc=3");
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1], broken(2, r"b=\u00"));
        assert!(entries[0].is_ok() && entries[2].is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_give_entries_with_lines_that_rise(bytes: Vec<u8>) {
            let entries = parse(&bytes).into_iter();
            let lines = entries.map(|entry| entry.map_or_else(|bad| bad.line, |good| good.line));
            prop_assert!(lines.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn any_mix_of_special_bytes_gives_entries(
            bytes in "[\\\\=: \t\n\r#!au0-9\u{c}]{0,40}"
        ) {
            let newlines = bytes.bytes().filter(|b| matches!(b, b'\n' | b'\r')).count();
            prop_assert!(parse(bytes.as_bytes()).len() <= newlines + 1);
        }
    }
}
