//! The grammar of DIGEST-MD5 tokens: `key=value` and `key="value"` with commas between them.
//!
//! As lenient as the JDK's parser where that is (blanks for commas, empty elements, keys in any case),
//! and as strict: a key that is known may come once.

use super::SaslError;

/// The directives of one token that were asked for, by key.
#[derive(Debug)]
pub(super) struct Directives<'k> {
    found: Vec<(&'k str, Vec<u8>)>,
}

impl<'k> Directives<'k> {
    /// Reads a token; keys that are not among `keys` are passed over.
    pub(super) fn parse(token: &[u8], keys: &[&'k str]) -> Result<Self, SaslError> {
        let mut found: Vec<(&'k str, Vec<u8>)> = Vec::new();
        let mut rest = token;
        loop {
            rest = skip(rest, |byte| is_blank(byte) || byte == b',');
            if rest.is_empty() {
                return Ok(Self { found });
            }
            let (key, after) = key(rest)?;
            let (value, after) = value(after)?;
            rest = after;
            let known = keys
                .iter()
                .find(|known| known.as_bytes().eq_ignore_ascii_case(key));
            let Some(known) = known else {
                continue;
            };
            if found.iter().any(|(earlier, _)| earlier == known) {
                return Err(SaslError::Malformed("a directive comes twice"));
            }
            found.push((known, value));
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let found = self.found.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| &**value)
    }

    pub(super) fn need(&self, key: &'static str) -> Result<&[u8], SaslError> {
        self.get(key).ok_or(SaslError::Missing(key))
    }

    /// A value that must be this one if it is there at all.
    pub(super) fn expect(&self, key: &'static str, expected: &str) -> Result<(), SaslError> {
        match self.get(key) {
            Some(value) if value != expected.as_bytes() => Err(SaslError::Mismatched(key)),
            _ => Ok(()),
        }
    }
}

/// A value between quotes, what has to be escaped within them escaped.
pub(super) fn quoted(value: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(value.len() + 2);
    quoted.push(b'"');
    for byte in value {
        let is_special = matches!(byte, b'"' | b'\\' | 127);
        let is_control = *byte < b' ' && !matches!(byte, b'\r' | b'\n' | b'\t');
        if is_special || is_control {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

/// A key, and what follows its `=`.
fn key(input: &[u8]) -> Result<(&[u8], &[u8]), SaslError> {
    let end = input
        .iter()
        .position(|&byte| is_blank(byte) || matches!(byte, b'=' | b','));
    let Some((key, after)) = end.and_then(|end| input.split_at_checked(end)) else {
        return Err(SaslError::Malformed("a key without a value"));
    };
    match skip(after, is_blank).split_first() {
        Some((b'=', value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(SaslError::Malformed("expected = after a key")),
    }
}

/// A value without its quotes and escapes, and what follows it.
fn value(input: &[u8]) -> Result<(Vec<u8>, &[u8]), SaslError> {
    let input = skip(input, is_blank);
    match input.split_first() {
        None => Err(SaslError::Malformed("a key without a value")),
        Some((b'"', quoted)) => quoted_value(quoted),
        Some(_) => {
            let ends = |&byte: &u8| is_blank(byte) || byte == b',';
            let end = input.iter().position(ends).unwrap_or(input.len());
            let (value, after) = input.split_at_checked(end).unwrap_or((input, &[]));
            Ok((value.to_vec(), after))
        }
    }
}

fn quoted_value(input: &[u8]) -> Result<(Vec<u8>, &[u8]), SaslError> {
    let mut value = Vec::new();
    let mut rest = input;
    loop {
        rest = match rest {
            [b'"', after @ ..] => match after.first() {
                Some(&byte) if !is_blank(byte) && byte != b',' => {
                    return Err(SaslError::Malformed(
                        "expected a comma after a quoted value",
                    ));
                }
                _ => return Ok((value, after)),
            },
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                value.push(*byte);
                after
            }
            [] => return Err(SaslError::Malformed("a quoted value that does not end")),
        };
    }
}

fn skip(input: &[u8], is_skipped: impl Fn(u8) -> bool) -> &[u8] {
    let count = input.iter().take_while(|&&byte| is_skipped(byte)).count();
    input.get(count..).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
