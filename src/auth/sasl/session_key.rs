//! Nonces and the hashes over all that both sides of a DIGEST-MD5 exchange know.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// What makes an exchange unlike any other: 30 random bytes as base64, as the JDK's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    pub const RANDOM_BYTES: usize = 30;

    /// From bytes that nobody can foresee.
    pub fn from_random(bytes: [u8; Self::RANDOM_BYTES]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    #[cfg(test)]
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Everything that goes into the response value of RFC 2831, 2.1.2.1, with `qop=auth` and the first use
/// of the nonce.
pub(super) struct Transcript<'a> {
    pub(super) user: &'a str,
    pub(super) realm: &'a str,
    pub(super) password: &'a str,
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a [u8],
    pub(super) authzid: Option<&'a [u8]>,
    pub(super) digest_uri: &'a str,
}

/// Whose hash it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Client,
    Server,
}

/// How often the nonce was used: always the first time, subsequent authentication is not offered.
pub(super) const NONCE_COUNT: &str = "00000001";

impl Transcript<'_> {
    /// 32 hexadecimal digits.
    pub(super) fn response_value(&self, side: Side) -> String {
        let mut secret = Md5::new();
        for (index, part) in [self.user, self.realm, self.password].iter().enumerate() {
            if index > 0 {
                secret.update(b":");
            }
            secret.update(latin_1_or_utf_8(part));
        }
        let mut a1 = Md5::new();
        a1.update(secret.finalize());
        for part in [self.nonce, self.cnonce].into_iter().chain(self.authzid) {
            a1.update(b":");
            a1.update(part);
        }
        let mut a2 = Md5::new();
        if let Side::Client = side {
            a2.update(b"AUTHENTICATE");
        }
        a2.update(b":");
        a2.update(self.digest_uri);
        let mut value = Md5::new();
        value.update(hexadecimal(&a1.finalize()));
        for part in [self.nonce, NONCE_COUNT.as_bytes(), self.cnonce, b"auth"] {
            value.update(b":");
            value.update(part);
        }
        value.update(b":");
        value.update(hexadecimal(&a2.finalize()));
        hexadecimal(&value.finalize())
    }

    /// Whether the other side knows the password. Takes as long whatever it showed.
    pub(super) fn is_shown_by(&self, side: Side, shown: &[u8]) -> bool {
        self.response_value(side).as_bytes().ct_eq(shown).into()
    }
}

/// Text is hashed as ISO-8859-1 if that has all its characters (RFC 2831, 2.1.2.1), as
/// `DigestMD5Base.stringToByte_8859_1`.
fn latin_1_or_utf_8(text: &str) -> Vec<u8> {
    let latin_1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    latin_1.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
