//! Key stores and trust stores as operators of Apache's server have them: files to a key with its
//! certificates, or to certificates to trust.
//!
//! In: where a store is, its password and its type. Out: [`Identity`] or the trusted certificates,
//! or an error that names the setting, the file and what is wrong with it. JKS and PKCS12 are told
//! apart by their first bytes and not by the type, as the JDK does since version 9. As in Java, only
//! certificates that are entries of their own are trusted, and of several keys the first is taken.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use p12_keystore::Pkcs12Archive;
use pkcs8::SecretDocument;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::{StoreOptions, StorePassword, StoreType};
use crate::net::tls::{der, jks};

/// A private key and the certificates that go with it, its own first.
pub(super) struct Identity {
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {path}: {reason}")]
pub struct StoreError {
    /// The setting that names the file, with its place.
    setting: String,
    path: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("cannot be read: {0}")]
    Read(io::Error),
    #[error("longer than {STORE_BYTES_MAX} bytes, which no store is")]
    TooLong,
    #[error("the password file {0} cannot be read: {1}")]
    PasswordFile(String, io::Error),
    #[error("the password is wrong or the file is damaged")]
    WrongPassword,
    #[error("the file is damaged: {0}")]
    Damaged(String),
    #[error(
        "cannot tell its type from the name; expected an end .jks, .pem or .p12, or the type in {0}"
    )]
    UnknownType(String),
    #[error("a BCFKS store cannot be read by this server; expected JKS, PKCS12 or PEM")]
    Bcfks,
    #[error("there is no private key in it")]
    NoKey,
    #[error("there is a private key without certificates in it")]
    NoCertificate,
    #[error("there is no certificate to trust in it; a key's own certificates do not count")]
    NothingToTrust,
    #[error("{0} is not supported; expected a PKCS#8 key, which begins with {PKCS8}")]
    KeyForm(&'static str),
    #[error("its encryption is not supported; expected PBES2, or PKCS#12's with triple DES or RC2")]
    Encryption,
}

/// Reads the key of a key store.
pub(super) fn identity(options: &StoreOptions) -> Result<Identity, StoreError> {
    let read = || {
        let (store, password) = open(options)?;
        match store {
            Store::Jks(bytes) => jks::identity(&bytes, &password),
            Store::Pkcs12(bytes) => pkcs12_identity(&bytes, &password),
            Store::Pem(bytes) => pem_identity(&bytes, &password),
        }
    };
    read().map_err(|reason| error(options, reason))
}

/// Reads the certificates of a trust store, at least one.
pub(super) fn trusted(options: &StoreOptions) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let read = || {
        let (store, password) = open(options)?;
        let certificates = match store {
            Store::Jks(bytes) => jks::trusted(&bytes, &password),
            Store::Pkcs12(bytes) => pkcs12_trusted(&bytes, &password),
            Store::Pem(bytes) => pem_certificates(&bytes),
        }?;
        match certificates.is_empty() {
            true => Err(Reason::NothingToTrust),
            false => Ok(certificates),
        }
    };
    read().map_err(|reason| error(options, reason))
}

/// As [`StoreError`], for a reason that shows when the store is put to use.
pub(super) fn unusable(options: &StoreOptions, reason: impl ToString) -> StoreError {
    error(options, Reason::Damaged(reason.to_string()))
}

fn error(options: &StoreOptions, reason: Reason) -> StoreError {
    StoreError {
        setting: options.setting.clone(),
        path: options.path.display().to_string(),
        reason,
    }
}

enum Store {
    Jks(Vec<u8>),
    Pkcs12(Vec<u8>),
    Pem(Vec<u8>),
}

fn open(options: &StoreOptions) -> Result<(Store, String), Reason> {
    let by_name = || StoreType::of_name(&options.path);
    let Some(kind) = options.kind.or_else(by_name) else {
        return Err(Reason::UnknownType(options.kind_key.to_owned()));
    };
    let password = password(&options.password)?;
    let bytes = read(&options.path)?;
    let store = match kind {
        StoreType::Bcfks => return Err(Reason::Bcfks),
        StoreType::Pem => Store::Pem(bytes),
        StoreType::Jks | StoreType::Pkcs12 if jks::is_jks(&bytes) => Store::Jks(bytes),
        StoreType::Jks | StoreType::Pkcs12 => Store::Pkcs12(bytes),
    };
    Ok((store, password))
}

/// The content of a file without the one line end that an editor leaves behind it.
fn password(password: &StorePassword) -> Result<String, Reason> {
    match password {
        StorePassword::Text(secret) => Ok(secret.reveal().to_owned()),
        StorePassword::File(path) => {
            let unreadable = |error| Reason::PasswordFile(path.display().to_string(), error);
            let mut text = String::new();
            let file = File::open(path).map_err(unreadable)?;
            file.take(PASSWORD_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(unreadable)?;
            let stripped = text.strip_suffix('\n').unwrap_or(&text);
            Ok(stripped.strip_suffix('\r').unwrap_or(stripped).to_owned())
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Reason::Read)?;
    file.take(STORE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(Reason::Read)?;
    match bytes.len() as u64 <= STORE_BYTES_MAX {
        true => Ok(bytes),
        false => Err(Reason::TooLong),
    }
}

/// The files a store is made of, which a change of the store changes.
pub(super) fn files(options: &StoreOptions) -> Vec<PathBuf> {
    let mut files = vec![options.path.clone()];
    if let StorePassword::File(path) = &options.password {
        files.push(path.clone());
    }
    files
}

fn archive(bytes: &[u8], password: &str) -> Result<Pkcs12Archive, Reason> {
    use p12_keystore::error::Error;
    Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => Reason::WrongPassword,
        Error::UnsupportedEncryptionScheme => Reason::Encryption,
        other => Reason::Damaged(other.to_string()),
    })
}

fn pkcs12_identity(bytes: &[u8], password: &str) -> Result<Identity, Reason> {
    let archive = archive(bytes, password)?;
    let key = archive.keys.first().ok_or(Reason::NoKey)?;
    let is_own = |id: &[u8]| {
        key.local_key_id
            .as_ref()
            .is_some_and(|own| own.as_ref() == id)
    };
    let own = archive
        .certs
        .iter()
        .find(|bag| bag.local_key_id.as_deref().is_some_and(is_own));
    let mut last = own.ok_or(Reason::NoCertificate)?;
    let mut chain = vec![CertificateDer::from(last.cert.as_der().to_vec())];
    // Those of the issuers need not be in order. A name may stand for several; a chain ends where it
    // would come round.
    while last.cert.issuer() != last.cert.subject() && chain.len() < CHAIN_MAX {
        let is_issuer = |name: &str| name == last.cert.issuer();
        let issuer = archive.certs.iter().find(|bag| {
            is_issuer(bag.cert.subject()) && chain.iter().all(|have| **have != *bag.cert.as_der())
        });
        let Some(issuer) = issuer else { break };
        chain.push(CertificateDer::from(issuer.cert.as_der().to_vec()));
        last = issuer;
    }
    let key = PrivatePkcs8KeyDer::from(key.key.as_der().to_vec());
    Ok(Identity {
        key: key.into(),
        chain,
    })
}

fn pkcs12_trusted(bytes: &[u8], password: &str) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let archive = archive(bytes, password)?;
    let trusted = archive.certs.iter().filter(|bag| bag.trusted);
    Ok(trusted
        .map(|bag| CertificateDer::from(bag.cert.as_der().to_vec()))
        .collect())
}

fn pem_certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Reason> {
    CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| Reason::Damaged(error.to_string()))
}

/// The key and the certificates may be in any order, and the chain begins with the first.
fn pem_identity(bytes: &[u8], password: &str) -> Result<Identity, Reason> {
    let chain = pem_certificates(bytes)?;
    let key = pem_key(bytes, password)?;
    match chain.is_empty() {
        true => Err(Reason::NoCertificate),
        false => Ok(Identity {
            key: key.into(),
            chain,
        }),
    }
}

fn pem_key(bytes: &[u8], password: &str) -> Result<PrivatePkcs8KeyDer<'static>, Reason> {
    type Section = (SectionKind, Vec<u8>);
    let damaged = |error: &dyn ToString| Reason::Damaged(error.to_string());
    for section in Section::pem_slice_iter(bytes) {
        match section.map_err(|error| damaged(&error))? {
            (SectionKind::PrivateKey, der) => return Ok(der.into()),
            (SectionKind::RsaPrivateKey, _) => {
                return Err(Reason::KeyForm("a PKCS#1 key (RSA PRIVATE KEY)"));
            }
            (SectionKind::EcPrivateKey, _) => {
                return Err(Reason::KeyForm("a SEC1 key (EC PRIVATE KEY)"));
            }
            _ => {}
        }
    }
    // The reader of sections knows no encrypted keys; that of PKCS#12 has all their encryptions.
    let text = String::from_utf8_lossy(bytes);
    let label = "ENCRYPTED PRIVATE KEY";
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let found = text
        .find(&begin)
        .and_then(|from| Some((from, text.get(from..)?.find(&end)? + end.len())));
    let Some(pem) = found.and_then(|(from, length)| text.get(from..from + length)) else {
        return Err(Reason::NoKey);
    };
    let (_, document) = SecretDocument::from_pem(pem).map_err(|error| damaged(&error))?;
    let archive = archive(&der::archive_of(document.as_bytes()), password)?;
    let key = archive.keys.first().ok_or(Reason::NoKey)?;
    Ok(key.key.as_der().to_vec().into())
}

const PKCS8: &str = "-----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Longer than any store, also one of all the world's authorities.
const STORE_BYTES_MAX: u64 = 16 * 1024 * 1024;

const PASSWORD_BYTES_MAX: u64 = 64 * 1024;

/// Certificates from a key's own to its root.
const CHAIN_MAX: usize = 16;
