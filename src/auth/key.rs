//! The scheme `key`, Apache's example of one that looks into the tree: who names a multiple of the number
//! in the node `/key` is in. As `KeyAuthenticationProvider`.

/// Whether a token fits the data of `/key`; anything does while there is none, so that it can be written.
pub(super) fn fits(key: Option<impl AsRef<[u8]>>, token: &[u8]) -> bool {
    let Some(key) = key else {
        return true;
    };
    match (number(key.as_ref()), number(token)) {
        (Some(0), Some(_)) => true,
        (Some(key), Some(shown)) => shown.wrapping_rem(key) == 0,
        _ => false,
    }
}

/// As `Integer.parseInt`, of ASCII digits.
fn number(text: &[u8]) -> Option<i32> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn multiples_fit() {
        let table = [
            (None, "nonsense", true),
            (Some("23"), "46", true),
            (Some("23"), "-23", true),
            (Some("23"), "45", false),
            (Some("0"), "45", true),
            (Some("-1"), "-2147483648", true),
            (Some("x"), "45", false),
            (Some("23"), "", false),
        ];
        for (key, token, expected) in table {
            assert_eq!(fits(key, token.as_bytes()), expected, "{key:?} {token}");
        }
    }
}
