//! Whether certificates that are trusted have been revoked since.
//!
//! ```text
//! chain -> Trust::links -> Link ... -> ocsp, which asks the responder it names  -> good, or revoked
//!                                  \-> lists, which fetches the lists it names -> good, or revoked
//! ```
//!
//! In: each certificate of a chain but the trusted one, with who issued it, from the top down. Out:
//! nothing, or why the other end is not let in. As in the JDK's `RevocationChecker` without `SOFT_FAIL`,
//! what cannot be known is as bad as what is revoked. With `ssl.crl` alone the lists decide; with
//! `ssl.ocsp` the responder does, and where it says neither good nor revoked, the lists, whatever `ssl.crl`
//! is. Nothing is kept: each handshake asks anew.
//!
//! It takes at most a minute for a chain, beside the time that the handshake has; whoever is not known
//! to be good by then is not let in.

mod asn1;
mod lists;
mod ocsp;
mod responder;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use der::{Decode, Encode};
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, TrustAnchor,
};
use tokio::time::timeout;
use webpki::Cert;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::name::Name;

use crate::config::Revocation;
use crate::net::tls::der::{SEQUENCE, encoded};
use crate::net::tls::subject::{Subject, printed};
use asn1::PublicKey;

/// Why the other end is not let in.
#[derive(Debug, thiserror::Error)]
pub(in crate::net) enum Refusal {
    #[error("the certificate {0:?} is revoked")]
    Revoked(String),
    #[error("it cannot be known whether the certificate {name:?} is revoked: {reasons}")]
    Unknown { name: String, reasons: String },
    #[error("whether its certificates are revoked could not be found out in time")]
    TimedOut,
    #[error("{0}")]
    Untrusted(#[from] webpki::Error),
    #[error("{0}")]
    Encoding(#[from] der::Error),
}

/// What is known of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Revoked,
}

/// A certificate of a chain, and who issued it.
#[derive(Debug)]
pub(super) struct Link {
    certificate: CertificateDer<'static>,
    /// The content of its INTEGER.
    serial: Vec<u8>,
    /// Whether it issued another one of the chain.
    is_authority: bool,
    issuer: Issuer,
}

/// Whoever issued a certificate.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// A Name in DER.
    name: Vec<u8>,
    key: PublicKey,
    /// Whether its certificate lets it sign revocation lists.
    signs_lists: bool,
}

impl Link {
    pub(super) fn new(certificate: &Cert<'_>, is_authority: bool, issuer: Issuer) -> Self {
        Self {
            certificate: certificate.der().into_owned(),
            serial: certificate.serial().to_vec(),
            is_authority,
            issuer,
        }
    }
}

impl Issuer {
    /// One that is trusted.
    pub(super) fn trusted(anchor: &TrustAnchor<'_>) -> Result<Self, der::Error> {
        let key = encoded(SEQUENCE, &anchor.subject_public_key_info);
        Ok(Self {
            name: encoded(SEQUENCE, &anchor.subject),
            key: PublicKey::from_der(&key)?,
            signs_lists: true,
        })
    }

    /// One with a certificate of its own.
    pub(super) fn certified(certificate: &Cert<'_>) -> Result<Self, der::Error> {
        let content = CertificateInner::<Raw>::from_der(&certificate.der())?;
        let usage = content.tbs_certificate().get_extension::<KeyUsage>()?;
        let key: SubjectPublicKeyInfoDer<'_> = certificate.subject_public_key_info();
        Ok(Self {
            name: encoded(SEQUENCE, certificate.subject()),
            key: PublicKey::from_der(&key)?,
            signs_lists: usage.is_none_or(|(_, usage)| usage.crl_sign()),
        })
    }
}

/// What signatures are checked with.
type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// Asks about one certificate after the other, up to the first that is not good.
pub(super) async fn check(
    links: Vec<Link>,
    how: &Revocation,
    algorithms: Algorithms,
) -> Result<(), Refusal> {
    let check = async {
        for link in links {
            let name = Subject::read(&link.certificate)?.name;
            match verdict(link, how, algorithms).await {
                Ok(Verdict::Good) => {}
                Ok(Verdict::Revoked) => return Err(Refusal::Revoked(name)),
                Err(reasons) => return Err(Refusal::Unknown { name, reasons }),
            }
        }
        Ok(())
    };
    let checked = timeout(CHECK_TIMEOUT, check).await;
    checked.unwrap_or(Err(Refusal::TimedOut))
}

/// Or why there is none.
async fn verdict(link: Link, how: &Revocation, algorithms: Algorithms) -> Result<Verdict, String> {
    let mut reasons = String::new();
    match how {
        Revocation::Unchecked => return Ok(Verdict::Good),
        Revocation::Lists => {}
        Revocation::Responders(options) => match ocsp::ask(&link, options, algorithms).await {
            Ok(verdict) => return Ok(verdict),
            Err(error) => reasons = format!("{error}; "),
        },
    }
    let verdict = lists::look(link, algorithms).await;
    verdict.map_err(|error| format!("{reasons}{error}"))
}

/// Whether two names in DER are the same, whatever the types of their texts, and in which case they are
/// written; as far as can be told, as `X500Principal.equals`.
fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    let text = |name| Some(printed(&Name::from_der(name).ok()?).ok()?.to_lowercase());
    one == other || text(one).is_some_and(|text_of_one| Some(text_of_one) == text(other))
}

/// A value that was decoded, encoded again.
fn encoded_again(value: &impl Encode) -> Vec<u8> {
    value.to_der().unwrap_or_default()
}

/// For a whole chain. The JDK sets no such bound.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
