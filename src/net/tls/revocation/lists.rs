//! Revocation lists: the one that a certificate names, fetched when the certificate is shown.
//!
//! In: a certificate and its issuer. Out: good or revoked, or why no list can tell. As in the JDK, a list
//! must be signed by the issuer and not be of the past, and a revocation of the future is none yet. Lists come
//! from `file:` and `http:`, in DER or PEM; one is fetched for each handshake, so that what it says counts at
//! once. It must have version 2, as RFC 5280 asks; the JDK takes those of version 1 as well.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use der::oid::AssociatedOid as _;
use der::{Decode, Encode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{CrlDistributionPoints, IssuingDistributionPoint};

use super::asn1::Signed;
use super::{Algorithms, Link, Verdict, is_same_name, signature};

/// What the list that the certificate names says of it.
pub(super) async fn look(link: Link, algorithms: Algorithms) -> Result<Verdict, Undecided> {
    let look = move || look_now(&link, algorithms);
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or(Err(Undecided::NoList))
}

/// By the first list that can tell.
fn look_now(link: &Link, algorithms: Algorithms) -> Result<Verdict, Undecided> {
    let places = places(&link.certificate)?;
    let mut failure = Undecided::NoPlace;
    for place in &places {
        match verdict(link, place, &places, algorithms) {
            Ok(verdict) => return Ok(verdict),
            Err(error) => {
                tracing::warn!(place, "cannot have a revocation list: {error}");
                failure = Undecided::NoList;
            }
        }
    }
    Err(failure)
}

/// Why no list decides.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecided {
    #[error("it names no revocation list")]
    NoPlace,
    #[error("none of the revocation lists that it names can be had")]
    NoList,
    #[error("its encoding is wrong: {0}")]
    Encoding(#[from] der::Error),
}

/// Where a certificate says that its list is.
fn places(certificate: &[u8]) -> Result<Vec<String>, der::Error> {
    let certificate = CertificateInner::<Raw>::from_der(certificate)?;
    let points = certificate
        .tbs_certificate()
        .get_extension::<CrlDistributionPoints>()?;
    let points = points.map_or(Vec::new(), |(_, points)| points.0);
    let names = points
        .into_iter()
        .filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        });
    let places = names.flatten().filter_map(|name| place_of(&name));
    Ok(places.take(PLACES_MAX).collect())
}

/// Why a place has no list.
#[derive(Debug, thiserror::Error)]
enum NoList {
    #[error("expected file: or http:")]
    Scheme,
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] ureq::Error),
    #[error("{0}")]
    Encoding(#[from] der::Error),
    #[error("{0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("{0}")]
    List(#[from] webpki::Error),
    #[error("the next was due long ago")]
    Stale,
    #[error("it is not about this certificate")]
    OtherScope,
    #[error("it is not signed by the issuer of the certificate")]
    Signature,
}

fn verdict(
    link: &Link,
    place: &str,
    places: &[String],
    algorithms: Algorithms,
) -> Result<Verdict, NoList> {
    let bytes = fetch(place)?;
    let bytes = match bytes.starts_with(b"-----") {
        true => CertificateRevocationListDer::from_pem_slice(&bytes)?,
        false => CertificateRevocationListDer::from(bytes),
    };
    let now = UnixTime::now();
    check(&bytes, link, places, now)?;
    let signed = Signed::from_der(&bytes)?;
    let issuer = &link.issuer;
    if !issuer.signs_lists || !signature::is_of(&issuer.key, &signed, algorithms) {
        return Err(NoList::Signature);
    }
    let list: CertRevocationList<'_> = OwnedCertRevocationList::from_der(&bytes)?.into();
    let found = list.find_serial(&link.serial)?;
    let is_revoked = found.is_some_and(|entry| entry.revocation_date.as_secs() <= now.as_secs());
    Ok(match is_revoked {
        true => Verdict::Revoked,
        false => Verdict::Good,
    })
}

/// Whether a list is about this certificate, and not overdue by more than the JDK puts down to clocks that
/// differ.
fn check(list: &[u8], link: &Link, places: &[String], now: UnixTime) -> Result<(), NoList> {
    let list = CertificateList::<Raw>::from_der(list)?.tbs_cert_list;
    let now = Duration::from_secs(now.as_secs());
    if let Some(next) = list.next_update
        && now > next.to_unix_duration() + CLOCK_SKEW
    {
        return Err(NoList::Stale);
    }
    if !is_same_name(&list.issuer.to_der()?, &link.issuer.name) {
        return Err(NoList::OtherScope);
    }
    let extensions = list.crl_extensions.unwrap_or_default();
    let mut extensions = extensions.iter();
    let scope = extensions.find(|extension| extension.extn_id == IssuingDistributionPoint::OID);
    let Some(scope) = scope else {
        return Ok(());
    };
    let scope = IssuingDistributionPoint::from_der(scope.extn_value.as_bytes())?;
    let is_of_kind = match link.is_authority {
        true => !scope.only_contains_user_certs,
        false => !scope.only_contains_ca_certs,
    };
    let is_place = match scope.distribution_point {
        Some(DistributionPointName::FullName(names)) => {
            let mut own = names.iter().filter_map(place_of);
            own.any(|own| places.contains(&own))
        }
        Some(_) => false,
        None => true,
    };
    let is_partial = scope.indirect_crl
        || scope.only_contains_attribute_certs
        || scope.only_some_reasons.is_some();
    match is_of_kind && is_place && !is_partial {
        true => Ok(()),
        false => Err(NoList::OtherScope),
    }
}

fn place_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(place) => Some(place.to_string()),
        _ => None,
    }
}

fn fetch(place: &str) -> Result<Vec<u8>, NoList> {
    let mut bytes = Vec::new();
    if let Some(path) = place.strip_prefix("file:") {
        let file = File::open(path.strip_prefix("//").unwrap_or(path))?;
        file.take(LIST_BYTES_MAX).read_to_end(&mut bytes)?;
    } else if place.starts_with("http:") {
        let request = ureq::get(place)
            .config()
            .timeout_global(Some(FETCH_TIMEOUT));
        let mut response = request.build().call()?;
        let body = response.body_mut().with_config().limit(LIST_BYTES_MAX);
        bytes = body.read_to_vec()?;
    } else {
        return Err(NoList::Scheme);
    }
    Ok(bytes)
}

const PLACES_MAX: usize = 8;
const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// As `sun.security.provider.certpath.RevocationChecker`.
const CLOCK_SKEW: Duration = Duration::from_mins(15);
