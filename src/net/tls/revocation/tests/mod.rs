//! Authorities, those whom they certify, and what responders answer about them.

mod handshakes;
mod judge;
mod responders;

use std::time::Duration;

use der::asn1::{BitString, GeneralizedTime, Int, Null, OctetString};
use der::{Any, Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    SerialNumber, SigningKey,
};
use rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::Extensions;

use super::asn1::{
    BasicResponse, CertId, CertStatus, OcspResponse, PublicKey, ResponderId, ResponseBytes,
    ResponseData, ResponseStatus, RevokedInfo, SingleResponse,
};
use super::ocsp::BASIC_RESPONSE;
use super::{Algorithms, Issuer, Link, encoded_again};

fn algorithms() -> Algorithms {
    let provider = rustls::crypto::ring::default_provider();
    provider.signature_verification_algorithms.all
}

/// Somebody with a key and certificates, who may certify others.
struct Party {
    certified: CertifiedIssuer<'static, KeyPair>,
    serial: Vec<u8>,
}

impl Party {
    fn root() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params("the root", 1, true, |_| ());
        Self {
            certified: CertifiedIssuer::self_signed(params, key).unwrap(),
            serial: vec![1],
        }
    }

    /// With a certificate that this one has made.
    fn certify(&self, name: &str, serial: u8, change: impl FnOnce(&mut CertificateParams)) -> Self {
        self.sign(params(name, serial, false, change), serial)
    }

    /// With one that lets it certify others.
    fn empower(&self, name: &str, serial: u8, change: impl FnOnce(&mut CertificateParams)) -> Self {
        self.sign(params(name, serial, true, change), serial)
    }

    fn sign(&self, params: CertificateParams, serial: u8) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            certified: CertifiedIssuer::signed_by(params, key, &self.certified).unwrap(),
            serial: vec![serial],
        }
    }

    fn certificate(&self) -> &CertificateDer<'static> {
        self.certified.der()
    }

    fn key(&self) -> &KeyPair {
        self.certified.key()
    }

    fn issuer(&self) -> Issuer {
        let certificate = CertificateInner::<Raw>::from_der(self.certificate()).unwrap();
        let content = certificate.tbs_certificate();
        let key = content.subject_public_key_info().to_der().unwrap();
        Issuer {
            name: content.subject().to_der().unwrap(),
            key: PublicKey::from_der(&key).unwrap(),
            signs_lists: true,
        }
    }

    /// The other's certificate as one that this one has issued.
    fn link(&self, other: &Self) -> Link {
        Link {
            certificate: other.certificate().clone(),
            serial: other.serial.clone(),
            is_authority: false,
            issuer: self.issuer(),
        }
    }

    /// As whom it says to have signed.
    fn by_name(&self) -> ResponderId {
        ResponderId::ByName(Any::from_der(&self.issuer().name).unwrap())
    }

    fn by_key(&self) -> ResponderId {
        ResponderId::ByKey(super::ocsp::key_hash(&self.issuer().key).unwrap())
    }
}

fn params(
    name: &str,
    serial: u8,
    is_authority: bool,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    change(&mut params);
    params
}

/// Names a responder.
fn access(place: &str) -> CustomExtension {
    let uri = Any::new(der::Tag::Ia5String, place.as_bytes()).unwrap();
    let responder = [
        &[6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1][..],
        &tagged(0x86, uri.value()),
    ];
    let content = tagged(0x30, &tagged(0x30, &responder.concat()));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    crate::net::tls::der::encoded(tag, content)
}

/// An answer to the question about one certificate.
struct Answer<'a> {
    status: ResponseStatus,
    about: Vec<(CertId, CertStatus)>,
    /// Seconds since 1970.
    this_update: u64,
    next_update: Option<u64>,
    id: ResponderId,
    signer: &'a Party,
    shown: Vec<&'a Party>,
    extensions: Option<Extensions>,
}

impl<'a> Answer<'a> {
    /// By the issuer itself, of this moment.
    fn new(issuer: &'a Party, about: CertId, status: CertStatus, now: u64) -> Self {
        Self {
            status: ResponseStatus::Successful,
            about: vec![(about, status)],
            this_update: now,
            next_update: None,
            id: issuer.by_key(),
            signer: issuer,
            shown: Vec::new(),
            extensions: None,
        }
    }

    fn encoded(self) -> Vec<u8> {
        let single = |(certificate, status)| SingleResponse {
            certificate,
            status,
            this_update: time(self.this_update),
            next_update: self.next_update.map(time),
            extensions: None,
        };
        let data = ResponseData {
            version: 0,
            responder: self.id,
            produced_at: time(self.this_update),
            responses: self.about.into_iter().map(single).collect(),
            extensions: self.extensions,
        };
        let content = data.to_der().unwrap();
        let signature = self.signer.key().sign(&content).unwrap();
        let shown = self.shown.iter();
        let shown: Vec<Any> = shown
            .map(|party| Any::from_der(party.certificate()).unwrap())
            .collect();
        let basic = BasicResponse {
            content: Any::from_der(&content).unwrap(),
            algorithm: Any::from_der(ECDSA_WITH_SHA256).unwrap(),
            signature: BitString::from_bytes(&signature).unwrap(),
            certificates: Some(shown).filter(|shown| !shown.is_empty()),
        };
        let response = OctetString::new(basic.to_der().unwrap()).unwrap();
        let bytes = ResponseBytes {
            kind: BASIC_RESPONSE,
            response,
        };
        let response = OcspResponse {
            status: self.status,
            bytes: (self.status == ResponseStatus::Successful).then_some(bytes),
        };
        response.to_der().unwrap()
    }
}

fn good() -> CertStatus {
    CertStatus::Good(Null)
}

fn unknown() -> CertStatus {
    CertStatus::Unknown(Null)
}

fn revoked(since: u64) -> CertStatus {
    CertStatus::Revoked(RevokedInfo {
        time: time(since),
        reason: None,
    })
}

fn time(seconds: u64) -> GeneralizedTime {
    GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).unwrap()
}

const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
