//! Names of the scheme `x509`: which texts are one, as the constructor of Java's `X500Principal` has it.
//!
//! ```text
//! name = "" | part *("," part | ";" part)      part = pair *("+" pair)      pair = type "=" value
//! type = keyword in any case | ["OID."] number *("." number)
//! value = #hex pairs | quoted | characters, some behind a backslash
//! ```

/// Whether an entry of a list may have this id.
pub(super) fn is_valid_id(id: &str) -> bool {
    id.is_empty() || pairs(id).is_some_and(|pairs| pairs.iter().all(|pair| is_pair(pair)))
}

/// What stands between the separators; `None` if a quotation does not end.
fn pairs(name: &str) -> Option<Vec<&str>> {
    let mut pairs = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, c) in name.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' | ';' | '+' if !is_quoted => {
                pairs.push(name.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(name.get(start..)?);
    (!is_quoted && !is_escaped).then_some(pairs)
}

fn is_pair(pair: &str) -> bool {
    let Some((kind, value)) = pair.split_once('=') else {
        return false;
    };
    is_type(kind.trim()) && is_value(value.trim_start())
}

fn is_type(kind: &str) -> bool {
    if KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(kind))
    {
        return true;
    }
    let digits = match kind.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("OID.") => kind.get(4..).unwrap_or_default(),
        _ => kind,
    };
    let parts: Option<Vec<u32>> = digits.split('.').map(number).collect();
    match parts.as_deref() {
        Some([0 | 1, second, ..]) => *second < 40,
        Some([2, _, ..]) => true,
        _ => false,
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

fn is_value(value: &str) -> bool {
    if let Some(hex) = value.strip_prefix('#') {
        return is_encoded(hex.trim_end());
    }
    if let Some(rest) = value.strip_prefix('"') {
        return rest.trim_end().ends_with('"') && rest.matches('"').count() == 1;
    }
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if c.is_ascii_hexdigit() => {
                    if !chars.next().is_some_and(|c| c.is_ascii_hexdigit()) {
                        return false;
                    }
                }
                Some(c) if ESCAPED.contains(c) => {}
                _ => return false,
            },
            '<' | '>' | '"' => return false,
            _ => {}
        }
    }
    true
}

/// Whether the bytes are one value in DER: a tag, a length, as many bytes.
fn is_encoded(hex: &str) -> bool {
    let pairs = hex.as_bytes().chunks_exact(2);
    let is_even = pairs.remainder().is_empty();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    let Some([_, length, rest @ ..]) = bytes.as_deref().filter(|_| is_even) else {
        return false;
    };
    if *length < LONG_LENGTH {
        return usize::from(*length) == rest.len();
    }
    let Some((length, content)) = rest.split_at_checked(usize::from(length - LONG_LENGTH)) else {
        return false;
    };
    let length = length.iter().try_fold(0_usize, |sum, byte| {
        Some(sum.checked_mul(256)? + usize::from(*byte))
    });
    length == Some(content.len())
}

/// From here on the first byte of a length tells how many others there are.
const LONG_LENGTH: u8 = 0x80;

/// What may stand behind a backslash.
const ESCAPED: &str = ",+<>;\"\\=# ";

/// Those of `sun.security.x509.AVAKeyword`.
const KEYWORDS: [&str; 21] = [
    "CN",
    "C",
    "L",
    "S",
    "ST",
    "O",
    "OU",
    "T",
    "IP",
    "STREET",
    "DC",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "UID",
    "SERIALNUMBER",
];

#[cfg(test)]
mod tests {
    use super::is_valid_id;

    /// As `new X500Principal` of a JDK 17 takes or refuses them.
    #[test]
    fn names_are_those_that_java_takes() {
        for good in [
            "",
            "CN=alice",
            "cn=alice, OU=a b ,O=c",
            "CN=alice+UID=7,C=DE",
            "CN=a;O=b",
            "CN=\"a, b\",O=c",
            "CN=a\\, b",
            "CN=a\\2cb",
            "1.2.840.113549.1.9.1=#1603614062",
            "OID.2.5.4.3=x",
            "EMAILADDRESS=a@b",
            "CN=",
            "CN=a=b",
            "CN=\"a\" ",
            "CN=a\\ ",
            "CN=a\\#",
            "CN=#1e0400410042",
            "2.999=a",
            "IP=1",
            "DNQ=1",
        ] {
            assert!(is_valid_id(good), "{good}");
        }
        for bad in [
            "alice",
            "XX=alice",
            "CN=a,",
            "CN=a,b",
            "=a",
            "CN=\"a",
            "CN=#1",
            "CN=#xy",
            "CN=a<b",
            "CN=a\\",
            "CN=a\\x",
            "2=a",
            "  ",
            "CN=a>b",
            "CN=a\"b",
            "9.1=a",
            "1.40=a",
            "E=a",
            "SN=x",
            "CN=\"a\"b",
            "CN=a;",
            "CN=a+",
            "CN=a++O=b",
            "CN=\\",
            "anyone",
            "CN=#",
            "CN=#04",
            "CN=#zz00",
            "2.5.4.3.=a",
            "POSTALADDRESS=1",
        ] {
            assert!(!is_valid_id(bad), "{bad}");
        }
    }
}
