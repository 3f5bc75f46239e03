//! Revocation lists: those that certificates name, fetched when a certificate is shown.
//!
//! In: the certificates of a chain that is trusted. Out: their lists, for `verify` to look into. As in
//! the JDK with `PREFER_CRLS` and `NO_FALLBACK`: a certificate whose list cannot be had or is of the
//! past is refused like one that is on it. Lists come from `file:` and `http:`, in DER or PEM; one is
//! fetched for each handshake, so that what it says counts at once. It must have version 2, as
//! RFC 5280 asks; the JDK takes those of version 1 as well.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

/// The lists that the certificates name, as far as they can be had. Takes time; the caller limits it.
pub(super) async fn lists(chain: Vec<CertificateDer<'static>>) -> Vec<CertRevocationList<'static>> {
    let fetch = move || {
        chain
            .iter()
            .filter_map(|certificate| list_of(certificate))
            .collect()
    };
    tokio::task::spawn_blocking(fetch).await.unwrap_or_default()
}

/// From the first place that has one.
fn list_of(certificate: &[u8]) -> Option<CertRevocationList<'static>> {
    let places = places(certificate).unwrap_or_default();
    places.iter().find_map(|place| match fetch(place) {
        Ok(list) => Some(list),
        Err(error) => {
            tracing::warn!(place, "cannot have a revocation list: {error}");
            None
        }
    })
}

/// Where a certificate says that its list is.
fn places(certificate: &[u8]) -> Result<Vec<String>, x509_cert::der::Error> {
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
    let places = names.flatten().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(place) => Some(place.to_string()),
        _ => None,
    });
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
    Encoding(#[from] x509_cert::der::Error),
    #[error("{0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("{0}")]
    List(#[from] webpki::Error),
    #[error("the next was due long ago")]
    Stale,
}

fn fetch(place: &str) -> Result<CertRevocationList<'static>, NoList> {
    let bytes = if let Some(path) = place.strip_prefix("file:") {
        let mut bytes = Vec::new();
        let file = File::open(path.strip_prefix("//").unwrap_or(path))?;
        file.take(LIST_BYTES_MAX).read_to_end(&mut bytes)?;
        bytes
    } else if place.starts_with("http:") {
        let request = ureq::get(place)
            .config()
            .timeout_global(Some(FETCH_TIMEOUT));
        let mut response = request.build().call()?;
        let body = response.body_mut().with_config().limit(LIST_BYTES_MAX);
        body.read_to_vec()?
    } else {
        return Err(NoList::Scheme);
    };
    let list = match bytes.starts_with(b"-----") {
        true => CertificateRevocationListDer::from_pem_slice(&bytes)?,
        false => CertificateRevocationListDer::from(bytes),
    };
    if is_stale(&list)? {
        return Err(NoList::Stale);
    }
    Ok(OwnedCertRevocationList::from_der(&list)?.into())
}

/// Whether the next list is overdue by more than the JDK puts down to clocks that differ.
fn is_stale(list: &[u8]) -> Result<bool, x509_cert::der::Error> {
    let list = CertificateList::<Raw>::from_der(list)?;
    let Some(next) = list.tbs_cert_list.next_update else {
        return Ok(false);
    };
    let now = Duration::from_secs(UnixTime::now().as_secs());
    Ok(now > next.to_unix_duration() + CLOCK_SKEW)
}

const PLACES_MAX: usize = 8;
const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// As `sun.security.provider.certpath.RevocationChecker`.
const CLOCK_SKEW: Duration = Duration::from_mins(15);
