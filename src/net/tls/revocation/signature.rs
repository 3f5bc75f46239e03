//! Signatures under what authorities say of certificates.

use der::{Any, Encode};
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::alg_id::RSA_ENCRYPTION;

use super::Algorithms;
use super::asn1::{PublicKey, Signed};

/// Whether `content` was signed by the owner of `key`.
pub(super) fn is_of(key: &PublicKey, signed: &Signed, algorithms: Algorithms) -> bool {
    let Ok(content) = signed.content.to_der() else {
        return false;
    };
    let (algorithm, signature) = (signed.algorithm.value(), signed.signature.raw_bytes());
    let mut fitting = algorithms.iter().filter(|known| {
        known.public_key_alg_id().as_ref() == key.algorithm.value()
            && known.signature_alg_id().as_ref() == algorithm
    });
    let bits = key.bits.raw_bytes();
    fitting.any(|known| known.verify_signature(bits, &content, signature).is_ok())
}

/// The same for the answer of a responder, which the JDK also takes with RSA and SHA-1: what is signed
/// there is of the signer's making.
pub(super) fn is_of_responder(key: &PublicKey, signed: &Signed, algorithms: Algorithms) -> bool {
    if !is_sha1_with_rsa(&signed.algorithm) || key.algorithm.value() != RSA_ENCRYPTION.as_ref() {
        return is_of(key, signed, algorithms);
    }
    let bits = key.bits.raw_bytes();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, bits);
    let content = signed.content.to_der().unwrap_or_default();
    key.verify(&content, signed.signature.raw_bytes()).is_ok()
}

fn is_sha1_with_rsa(algorithm: &Any) -> bool {
    [SHA1_WITH_RSA, SHA1_WITH_RSA_AND_NULL].contains(&algorithm.value())
}

/// The object identifier 1.2.840.113549.1.1.5, without parameters and with them.
const SHA1_WITH_RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05";
const SHA1_WITH_RSA_AND_NULL: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";
