//! The `digest` scheme's hash: `user:password` becomes `user:base64(HASH(user:password))`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

/// A hash that `digestAlg` may name. All servers of an ensemble must use the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512T224,
    Sha512T256,
}

impl HashAlgorithm {
    /// By the name Java's security providers know it under, whatever its case.
    pub fn from_java_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "SHA" | "SHA1" | "SHA-1" => Self::Sha1,
            "SHA224" | "SHA-224" => Self::Sha224,
            "SHA256" | "SHA-256" => Self::Sha256,
            "SHA384" | "SHA-384" => Self::Sha384,
            "SHA512" | "SHA-512" => Self::Sha512,
            "SHA512/224" | "SHA-512/224" => Self::Sha512T224,
            "SHA512/256" | "SHA-512/256" => Self::Sha512T256,
            _ => return None,
        })
    }

    fn base64_of(self, text: &str) -> String {
        match self {
            Self::Sha1 => STANDARD.encode(Sha1::digest(text)),
            Self::Sha224 => STANDARD.encode(Sha224::digest(text)),
            Self::Sha256 => STANDARD.encode(Sha256::digest(text)),
            Self::Sha384 => STANDARD.encode(Sha384::digest(text)),
            Self::Sha512 => STANDARD.encode(Sha512::digest(text)),
            Self::Sha512T224 => STANDARD.encode(Sha512_224::digest(text)),
            Self::Sha512T256 => STANDARD.encode(Sha512_256::digest(text)),
        }
    }
}

/// The id that stands for what a client showed, as `DigestAuthenticationProvider.generateDigest`.
/// Bytes that are not UTF-8 were replaced before they are hashed, as by Java's `new String`.
pub(super) fn id_of(algorithm: HashAlgorithm, token: &[u8]) -> String {
    let shown = String::from_utf8_lossy(token);
    let user = shown.split(':').next().unwrap_or_default();
    format!("{user}:{}", algorithm.base64_of(&shown))
}

/// Whether an entry of a list may have this id: two parts around a colon, not counting empty ones
/// at the end, as Java's `split` does. What the second is, is not looked at.
pub(super) fn is_valid_id(id: &str) -> bool {
    let id = id.trim_end_matches(':');
    let mut parts = id.split(':');
    parts.next().is_some() && parts.next().is_some() && parts.next().is_none()
}

/// The part of an id that may be told: the user.
pub(super) fn user_of(id: &str) -> &str {
    id.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_apache_computes_them() {
        let sha1 = [
            ("u:p", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="),
            ("super:secret", "super:lK75jTNcA+U9vtVEw5vB51mj/w4="),
        ];
        for (shown, id) in sha1 {
            assert_eq!(id_of(HashAlgorithm::Sha1, shown.as_bytes()), id);
        }
        assert_eq!(
            id_of(HashAlgorithm::Sha256, b"super:secret"),
            "super:WTA5ucCHTdJq645xIMibj8HviTPeB5mMuJ4/+v1dIEw="
        );
    }

    #[test]
    fn any_bytes_have_an_id() {
        assert!(id_of(HashAlgorithm::Sha1, b"nocolon").starts_with("nocolon:"));
        assert!(id_of(HashAlgorithm::Sha1, b"").starts_with(':'));
        assert_eq!(
            id_of(HashAlgorithm::Sha1, b"\xff:p"),
            id_of(HashAlgorithm::Sha1, "\u{fffd}:p".as_bytes())
        );
    }

    #[test]
    fn algorithms_go_by_their_java_names() {
        for (name, expected) in [
            ("SHA1", Some(HashAlgorithm::Sha1)),
            ("sha-1", Some(HashAlgorithm::Sha1)),
            ("SHA-256", Some(HashAlgorithm::Sha256)),
            ("SHA-512/256", Some(HashAlgorithm::Sha512T256)),
            ("", None),
            ("CRC32", None),
        ] {
            assert_eq!(HashAlgorithm::from_java_name(name), expected, "{name}");
        }
        for (name, base64_len) in [
            ("SHA-224", 40),
            ("SHA-384", 64),
            ("SHA-512", 88),
            ("SHA-512/224", 40),
        ] {
            let algorithm = HashAlgorithm::from_java_name(name).unwrap();
            assert_eq!(algorithm.base64_of("x").len(), base64_len, "{name}");
        }
    }

    #[test]
    fn ids_in_lists() {
        for valid in ["a:b", ":b", "a:b:", "a:b::"] {
            assert!(is_valid_id(valid), "{valid}");
        }
        for invalid in ["", "a", "a:", ":", "a:b:c", "::b"] {
            assert!(!is_valid_id(invalid), "{invalid}");
        }
    }
}
