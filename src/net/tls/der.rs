//! The little that is written in DER here.

use pkcs8::der::Encode;
use pkcs8::der::asn1::ObjectIdentifier;

/// Tag, length, content.
pub(super) fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let first = length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len() - 1);
    let length = length.get(first..).unwrap_or_default();
    let mut encoded = vec![tag];
    if content.len() >= LONG_LENGTH.into() {
        encoded.extend(u8::try_from(length.len()).map(|count| LONG_LENGTH | count));
    }
    encoded.extend(length);
    encoded.extend(content);
    encoded
}

/// A PKCS#12 archive around one encrypted PKCS#8 key, without a check over the whole.
///
/// ```text
/// PFX:      SEQUENCE { version 3, data { SEQUENCE of data { SEQUENCE of bag } } }
/// data:     SEQUENCE { type, [0] OCTET STRING }
/// bag:      SEQUENCE { type, [0] EncryptedPrivateKeyInfo }
/// ```
pub(super) fn archive_of(encrypted_key: &[u8]) -> Vec<u8> {
    let typed = |kind: ObjectIdentifier, content: &[u8]| {
        // The encoding of a constant.
        let kind = kind.to_der().unwrap_or_default();
        encoded(SEQUENCE, &[kind, encoded(CONTEXT_0, content)].concat())
    };
    let data = |content: &[u8]| typed(DATA, &encoded(OCTET_STRING, &encoded(SEQUENCE, content)));
    let bags = data(&typed(SHROUDED_KEY_BAG, encrypted_key));
    encoded(SEQUENCE, &[VERSION_3.to_vec(), data(&bags)].concat())
}

pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

/// The integer 3.
const VERSION_3: &[u8] = &[0x02, 0x01, 0x03];

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");

/// From here on the first byte of a length tells how many others there are.
const LONG_LENGTH: u8 = 0x80;
