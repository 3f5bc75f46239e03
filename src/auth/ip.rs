//! The `ip` scheme: addresses and prefixes as `IPAuthenticationProvider` reads and prints them.
//!
//! Not the standard library's grammar: Apache takes no zone, no embedded IPv4 form, and leading
//! zeros in decimal parts; it prints IPv6 with all eight groups.

use std::net::IpAddr;

/// An address with how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    V4(u32, u32),
    V6(u128, u32),
}

/// Whether an entry of a list may have this id.
pub(super) fn is_valid_id(id: &str) -> bool {
    parse_prefix(id).is_some()
}

/// Whether a caller at `address` is within `expression`.
pub(super) fn matches(address: &str, expression: &str) -> bool {
    match (parse_address(address), parse_prefix(expression)) {
        (Some(Prefix::V4(caller, _)), Some(Prefix::V4(entry, bits))) => {
            (caller ^ entry).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (Some(Prefix::V6(caller, _)), Some(Prefix::V6(entry, bits))) => {
            (caller ^ entry).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// As Java's `getHostAddress`: IPv6 with all groups and no leading zeros, and an IPv4 address that
/// came over an IPv6 socket as what it is.
pub(super) fn text_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{g:x}:{h:x}")
        }
    }
}

fn parse_prefix(text: &str) -> Option<Prefix> {
    let Some((address, bits)) = text.split_once('/') else {
        return parse_address(text);
    };
    let bits = u32::try_from(bits.parse::<i32>().ok()?).ok()?;
    match parse_address(address)? {
        Prefix::V4(address, all) => (bits <= all).then_some(Prefix::V4(address, bits)),
        Prefix::V6(address, all) => (bits <= all).then_some(Prefix::V6(address, bits)),
    }
}

fn parse_address(text: &str) -> Option<Prefix> {
    if text.contains(':') {
        parse_v6(text).map(|address| Prefix::V6(address, 128))
    } else {
        parse_v4(text).map(|address| Prefix::V4(address, 32))
    }
}

fn parse_v4(text: &str) -> Option<u32> {
    let mut parts = 0;
    let mut address = 0;
    for part in text.split('.') {
        let byte = u8::try_from(part.parse::<i32>().ok()?).ok()?;
        address = (address << 8) | u32::from(byte);
        parts += 1;
        if parts > 4 {
            return None;
        }
    }
    (parts == 4).then_some(address)
}

fn parse_v6(text: &str) -> Option<u128> {
    let mut halves = text.split("::");
    let (before, after) = (halves.next()?, halves.next());
    if halves.next().is_some() {
        return None;
    }
    let Some(after) = after else {
        let (address, groups) = parse_groups(before)?;
        return (groups == 8).then_some(address);
    };
    let (high, groups_before) = parse_groups(before)?;
    let (low, groups_after) = parse_groups(after)?;
    if groups_before + groups_after > 7 {
        return None;
    }
    Some(high.checked_shl(128 - 16 * groups_before).unwrap_or(0) | low)
}

/// The groups between colons as one number, and how many there are; none in an empty text.
fn parse_groups(text: &str) -> Option<(u128, u32)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let mut address = 0;
    let mut groups = 0;
    for group in text.split(':') {
        let is_hex = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(1..=4).contains(&group.len()) || groups == 8 {
            return None;
        }
        address = (address << 16) | u128::from_str_radix(group, 16).ok()?;
        groups += 1;
    }
    Some((address, groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_lists() {
        let valid = [
            "1.2.3.4",
            "0.0.0.0",
            "255.255.255.255/32",
            "10.0.0.0/8",
            "1.2.3.4/0",
            "010.0.0.1",
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "fe80::1:2/64",
            "1:2:3:4:5:6:7::",
            "::/0",
            "FFFF::/128",
        ];
        for id in valid {
            assert!(is_valid_id(id), "{id}");
        }
        let invalid = [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.-1",
            "a.b.c.d",
            "1.2.3.4/33",
            "1.2.3.4/-1",
            "1.2.3.4/",
            "1.2.3.4/8/8",
            "1..3.4",
            "localhost",
            ":",
            ":::",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            "1:2:3:4:5:6:7::8",
            "12345::",
            "g::",
            "::1%eth0",
            "::ffff:1.2.3.4",
            "::1/129",
            "1:",
            ":1",
        ];
        for id in invalid {
            assert!(!is_valid_id(id), "{id}");
        }
    }

    #[test]
    fn callers_within_prefixes() {
        let within = [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.0/30"),
            ("10.1.2.3", "0.0.0.0/0"),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::/32"),
            ("2001:db8:0:0:0:0:0:1", "::/0"),
        ];
        for (caller, entry) in within {
            assert!(matches(caller, entry), "{caller} {entry}");
        }
        let outside = [
            ("10.1.2.3", "10.1.2.4"),
            ("10.1.2.3", "11.0.0.0/8"),
            ("10.1.2.4", "10.1.2.0/30"),
            ("10.1.2.3", "::/0"),
            ("0:0:0:0:0:0:0:1", "0.0.0.0/0"),
            ("2001:db9:0:0:0:0:0:1", "2001:db8::/32"),
            ("10.1.2.3", "nonsense"),
        ];
        for (caller, entry) in outside {
            assert!(!matches(caller, entry), "{caller} {entry}");
        }
    }

    #[test]
    fn addresses_print_as_java_prints_them() {
        for (address, text) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("2001:db8::a:0", "2001:db8:0:0:0:0:a:0"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(text_of(address.parse().unwrap()), text);
        }
    }
}
