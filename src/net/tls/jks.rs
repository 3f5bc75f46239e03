//! JKS, the JDK's own format of a key store up to Java 8, as `sun.security.provider.JavaKeyStore`
//! writes it.
//!
//! ```text
//! u32 0xfeedfeed | u32 version 1 or 2 | u32 entries | entry ... | SHA-1 of all of it
//! entry: u32 1 | utf alias | u64 date | u32 length, encrypted key | u32 certificates | certificate ...
//!        u32 2 | utf alias | u64 date | certificate
//! certificate: utf type (version 2 only) | u32 length, DER
//! ```
//!
//! A `utf` is a length of two bytes and as many. The digest at the end begins with the password, two
//! bytes a character, and a fixed phrase, so a wrong password and damage look alike. A key is a PKCS#8
//! `EncryptedPrivateKeyInfo` whose data is a salt, the key under a stream of SHA-1, and a check.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode, Reader as _, SliceReader};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha1::{Digest, Sha1};

use crate::net::tls::material::{Identity, Reason};

type Certificates = Vec<CertificateDer<'static>>;

pub(super) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The first key with its certificates.
pub(super) fn identity(bytes: &[u8], password: &str) -> Result<Identity, Reason> {
    let mut keys = entries(bytes, password)?.into_iter().filter_map(|entry| {
        let key = entry.key?;
        Some((key, entry.certificates))
    });
    let (protected, chain) = keys.next().ok_or(Reason::NoKey)?;
    if chain.is_empty() {
        return Err(Reason::NoCertificate);
    }
    let key = PrivatePkcs8KeyDer::from(reveal(&protected, password)?);
    Ok(Identity {
        key: key.into(),
        chain,
    })
}

/// The certificates that are entries of their own.
pub(super) fn trusted(bytes: &[u8], password: &str) -> Result<Certificates, Reason> {
    let entries = entries(bytes, password)?.into_iter();
    let trusted = entries.filter(|entry| entry.key.is_none());
    Ok(trusted.flat_map(|entry| entry.certificates).collect())
}

struct Entry {
    /// Encrypted; none for a trusted certificate.
    key: Option<Vec<u8>>,
    certificates: Certificates,
}

fn entries(bytes: &[u8], password: &str) -> Result<Vec<Entry>, Reason> {
    let (content, digest) = bytes
        .split_last_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let mut hash = Sha1::new_with_prefix(password_bytes(password));
    hash.update(PHRASE);
    hash.update(content);
    if *hash.finalize() != *digest {
        return Err(Reason::WrongPassword);
    }
    let mut reader = Reader(content);
    reader.take(MAGIC.len())?;
    let version = reader.u32()?;
    if !(1..=2).contains(&version) {
        return Err(Reason::Damaged(format!(
            "its version is {version}, expected 1 or 2"
        )));
    }
    let count = reader.u32()?;
    (0..count).map(|_| reader.entry(version)).collect()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Reason> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*taken))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Reason> {
        let length = usize::try_from(self.u32()?).map_err(|_| cut_short())?;
        self.take(length)
    }

    fn utf(&mut self) -> Result<&'a [u8], Reason> {
        let (length, rest) = self.0.split_first_chunk().ok_or_else(cut_short)?;
        self.0 = rest;
        self.take(u16::from_be_bytes(*length).into())
    }

    fn entry(&mut self, version: u32) -> Result<Entry, Reason> {
        let tag = self.u32()?;
        self.utf()?;
        self.take(DATE_BYTES)?;
        let (key, count) = match tag {
            1 => (Some(self.bytes()?.to_vec()), self.u32()?),
            2 => (None, 1),
            tag => return Err(Reason::Damaged(format!("an entry of kind {tag}"))),
        };
        let certificates = (0..count)
            .map(|_| self.certificate(version))
            .collect::<Result<_, _>>()?;
        Ok(Entry { key, certificates })
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, Reason> {
        if version == 2 {
            self.utf()?;
        }
        Ok(CertificateDer::from(self.bytes()?.to_vec()))
    }
}

/// Takes the protection off a key, as `sun.security.provider.KeyProtector.recover` does.
fn reveal(protected: &[u8], password: &str) -> Result<Vec<u8>, Reason> {
    let data = protected_data(protected).map_err(|error| Reason::Damaged(error.to_string()))?;
    let (salt, rest) = data
        .split_first_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let (hidden, check) = rest
        .split_last_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let password = password_bytes(password);
    let mut key = Vec::with_capacity(hidden.len());
    let mut mask = *salt;
    for block in hidden.chunks(DIGEST_BYTES) {
        let mut hash = Sha1::new_with_prefix(&password);
        hash.update(mask);
        mask = hash.finalize().into();
        key.extend(block.iter().zip(mask).map(|(hidden, mask)| hidden ^ mask));
    }
    let mut hash = Sha1::new_with_prefix(&password);
    hash.update(&key);
    if *hash.finalize() != *check {
        return Err(Reason::WrongPassword);
    }
    PrivateKeyInfoRef::from_der(&key).map_err(|error| Reason::Damaged(error.to_string()))?;
    Ok(key)
}

/// The data of an `EncryptedPrivateKeyInfo` under the JDK's own algorithm.
fn protected_data(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|reader| {
        reader.sequence(|reader| {
            let algorithm = ObjectIdentifier::decode(reader)?;
            if algorithm != PROTECTION {
                return Err(der::ErrorKind::OidUnknown { oid: algorithm }.into());
            }
            reader.read_slice(reader.remaining_len()).map(|_| ())
        })?;
        <&OctetStringRef>::decode(reader).map(OctetStringRef::as_bytes)
    })
}

fn password_bytes(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn cut_short() -> Reason {
    Reason::Damaged("it ends too early".to_owned())
}

const MAGIC: [u8; 4] = 0xfeed_feed_u32.to_be_bytes();
const DIGEST_BYTES: usize = 20;
const DATE_BYTES: usize = 8;

/// What `JavaKeyStore` puts into the digest.
const PHRASE: &[u8] = b"Mighty Aphrodite";

const PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");
