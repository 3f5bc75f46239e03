//! EC keys as Java writes them: without the public key, which `ring` wants to have in them and which
//! stands in the certificate as well.
//!
//! ```text
//! PKCS#8:       SEQUENCE { version, algorithm, OCTET STRING { ECPrivateKey } }
//! ECPrivateKey: SEQUENCE { version, OCTET STRING, [0] parameters optional, [1] BIT STRING optional }
//! ```

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{Decode, Encode, Reader, SliceReader};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::certificate::{CertificateInner, Raw};

use crate::net::tls::der::{OCTET_STRING, SEQUENCE, encoded};

/// The key with the certificate's public key in it; any other key as it is.
pub(super) fn completed(
    key: PrivateKeyDer<'static>,
    certificate: &CertificateDer<'_>,
) -> PrivateKeyDer<'static> {
    match complete(key.secret_der(), certificate) {
        Some(completed) => PrivatePkcs8KeyDer::from(completed).into(),
        None => key,
    }
}

/// `None` if there is nothing to do, or what is wrong shows when the key is used.
fn complete(key: &[u8], certificate: &[u8]) -> Option<Vec<u8>> {
    let info = PrivateKeyInfoRef::from_der(key).ok()?;
    let content = AnyRef::from_der(info.private_key.as_bytes()).ok()?.value();
    if info.algorithm.oid != EC || has_public_key(content)? {
        return None;
    }
    let certificate = CertificateInner::<Raw>::from_der(certificate).ok()?;
    let public = certificate.tbs_certificate().subject_public_key_info();
    let unused_bits = [0];
    let bits = [&unused_bits, public.subject_public_key.as_bytes()?].concat();
    let ec_key = [content, &encoded(PUBLIC_KEY, &encoded(BIT_STRING, &bits))].concat();
    let algorithm = info.algorithm.to_der().ok()?;
    let key = encoded(OCTET_STRING, &encoded(SEQUENCE, &ec_key));
    Some(encoded(SEQUENCE, &[VERSION, &algorithm, &key].concat()))
}

fn has_public_key(content: &[u8]) -> Option<bool> {
    let mut reader = SliceReader::new(content).ok()?;
    while !reader.is_finished() {
        let is_public_key = reader.peek_byte() == Some(PUBLIC_KEY);
        AnyRef::decode(&mut reader).ok()?;
        if is_public_key {
            return Some(true);
        }
    }
    Some(false)
}

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The integer 0.
const VERSION: &[u8] = &[0x02, 0x01, 0x00];
const BIT_STRING: u8 = 0x03;
const PUBLIC_KEY: u8 = 0xa1;
