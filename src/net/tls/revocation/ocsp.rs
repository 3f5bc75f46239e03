//! The Online Certificate Status Protocol: what the responder that a certificate names says of it.
//!
//! In: a certificate and its issuer. Out: good or revoked, or why that cannot be said. Everything is as in
//! the JDK's `OCSPResponse.verify`: the answer must be signed by the issuer, or by someone whom the issuer has
//! certified for that; it must be about this certificate, and of now, up to clocks that differ. Of several
//! answers about the certificate the last counts; a revocation of the future is none yet.

use std::time::Duration;

use der::asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use rustls::pki_types::UnixTime;
use sha1::{Digest, Sha1};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, ExtendedKeyUsage, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, Extensions};

use super::asn1::{
    BasicResponse, CertId, CertStatus, HashAlgorithm, OcspRequest, OcspRequestContent,
    OcspResponse, PublicKey, ResponderId, ResponseData, ResponseStatus, Signed, SingleRequest,
    SingleResponse,
};
use super::responder::{self, NoAnswer};
use super::{Algorithms, Issuer, Link, Verdict, encoded_again, is_same_name, signature};
use crate::config::OcspOptions;

/// Why a responder decides nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecided {
    #[error("it names no OCSP responder")]
    NoResponder,
    #[error("no answer from {0}: {1}")]
    NoAnswer(String, NoAnswer),
    #[error("the answer of {0} cannot be used: {1}")]
    Unusable(String, Unusable),
    #[error("its encoding is wrong: {0}")]
    Encoding(#[from] der::Error),
    #[error("no random number can be had")]
    Random,
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("its encoding is wrong: {0}")]
    Encoding(#[from] der::Error),
    #[error("its status is {0:?}")]
    Status(ResponseStatus),
    #[error("it is of a kind that is not known: {0}")]
    Kind(ObjectIdentifier),
    #[error("it has an extension that is critical and not known: {0}")]
    Critical(ObjectIdentifier),
    #[error("it is about other certificates")]
    OtherCertificate,
    #[error("the certificate of whoever signed it is not there")]
    NoSigner,
    #[error("whoever signed it is not authorized to")]
    Unauthorized,
    #[error("its signature is wrong")]
    Signature,
    #[error("its nonce is that of another question")]
    Nonce,
    #[error("it is not of now")]
    Stale,
    #[error("the certificate is not known there")]
    Unknown,
}

/// Asks the responder that the certificate names, for as long as `options` allow.
pub(super) async fn ask(
    link: &Link,
    options: &OcspOptions,
    algorithms: Algorithms,
) -> Result<Verdict, Undecided> {
    let place = place(&link.certificate)?.ok_or(Undecided::NoResponder)?;
    let question = Question::about(link, options.sends_nonce)?;
    let bytes = match responder::ask(&place, &question.encoded()?, options).await {
        Ok(bytes) => bytes,
        Err(error) => return Err(Undecided::NoAnswer(place, error)),
    };
    let now = UnixTime::now();
    let judge = Judge {
        question: &question,
        issuer: &link.issuer,
        algorithms,
        now: Duration::from_secs(now.as_secs()),
        clock_skew: Duration::from_secs(options.clock_skew_s),
    };
    let verdict = judge.verdict(&bytes);
    verdict.map_err(|error| Undecided::Unusable(place, error))
}

/// Where the certificate says that its responder is: the first that it names.
fn place(certificate: &[u8]) -> Result<Option<String>, der::Error> {
    let certificate = CertificateInner::<Raw>::from_der(certificate)?;
    let content = certificate.tbs_certificate();
    let access = content.get_extension::<AuthorityInfoAccessSyntax>()?;
    let access = access.map_or(Vec::new(), |(_, access)| access.0);
    let mut responders = access
        .into_iter()
        .filter(|access| access.access_method == RESPONDER)
        .filter_map(|access| match access.access_location {
            GeneralName::UniformResourceIdentifier(place) => Some(place.to_string()),
            _ => None,
        });
    Ok(responders.next())
}

/// What a responder is asked.
pub(super) struct Question {
    pub(super) certificate: CertId,
    pub(super) nonce: Option<OctetString>,
}

impl Question {
    /// The issuer is told by SHA-1, as all responders know it.
    pub(super) fn about(link: &Link, has_nonce: bool) -> Result<Self, Undecided> {
        let nonce = match has_nonce {
            true => {
                let mut nonce = [0; NONCE_BYTES];
                getrandom::fill(&mut nonce).map_err(|_| Undecided::Random)?;
                Some(OctetString::new(nonce)?)
            }
            false => None,
        };
        let certificate = CertId {
            hash: HashAlgorithm {
                algorithm: SHA1,
                parameters: Some(der::Any::null()),
            },
            issuer_name: OctetString::new(Sha1::digest(&link.issuer.name).as_slice())?,
            issuer_key: key_hash(&link.issuer.key)?,
            serial: Int::new(&link.serial)?,
        };
        Ok(Self { certificate, nonce })
    }

    pub(super) fn encoded(&self) -> Result<Vec<u8>, der::Error> {
        let nonce = |nonce: &OctetString| -> Result<Extensions, der::Error> {
            Ok(vec![Extension {
                extn_id: NONCE,
                critical: false,
                extn_value: OctetString::new(nonce.to_der()?)?,
            }])
        };
        let request = OcspRequest {
            content: OcspRequestContent {
                requests: vec![SingleRequest {
                    certificate: self.certificate.clone(),
                }],
                extensions: self.nonce.as_ref().map(nonce).transpose()?,
            },
        };
        request.to_der()
    }
}

/// Holds an answer against its question.
pub(super) struct Judge<'a> {
    pub(super) question: &'a Question,
    pub(super) issuer: &'a Issuer,
    pub(super) algorithms: Algorithms,
    /// Since 1970.
    pub(super) now: Duration,
    pub(super) clock_skew: Duration,
}

impl Judge<'_> {
    /// What any bytes say of the certificate.
    pub(super) fn verdict(&self, response: &[u8]) -> Result<Verdict, Unusable> {
        let response = OcspResponse::from_der(response)?;
        let bytes = match (response.status, response.bytes) {
            (ResponseStatus::Successful, Some(bytes)) => bytes,
            (status, _) => return Err(Unusable::Status(status)),
        };
        if bytes.kind != BASIC_RESPONSE {
            return Err(Unusable::Kind(bytes.kind));
        }
        let basic = BasicResponse::from_der(bytes.response.as_bytes())?;
        let data: ResponseData = basic.content.decode_as()?;
        let singles = data.responses.iter().map(|single| &single.extensions);
        for extensions in singles.chain([&data.extensions]) {
            refuse_critical(extensions)?;
        }
        let mut about = data.responses.iter().rev();
        let about = about.find(|single| self.is_asked_for(&single.certificate));
        let about = about.ok_or(Unusable::OtherCertificate)?;
        let shown: Vec<Vec<u8>> = basic
            .certificates
            .iter()
            .flatten()
            .map(|certificate| certificate.to_der())
            .collect::<Result<_, _>>()?;
        let key = self.signer(&data.responder, &shown)?;
        let signed = Signed {
            content: basic.content,
            algorithm: basic.algorithm,
            signature: basic.signature,
        };
        if !signature::is_of_responder(&key, &signed, self.algorithms) {
            return Err(Unusable::Signature);
        }
        self.check_nonce(&data.extensions)?;
        if !data.responses.iter().all(|single| self.is_of_now(single)) {
            return Err(Unusable::Stale);
        }
        match &about.status {
            CertStatus::Good(_) => Ok(Verdict::Good),
            CertStatus::Revoked(revoked) if revoked.time.to_unix_duration() <= self.now => {
                Ok(Verdict::Revoked)
            }
            CertStatus::Revoked(_) => Ok(Verdict::Good),
            CertStatus::Unknown(_) => Err(Unusable::Unknown),
        }
    }

    fn is_asked_for(&self, certificate: &CertId) -> bool {
        let asked = &self.question.certificate;
        let parameters = &certificate.hash.parameters;
        let has_none = parameters.as_ref().is_none_or(|some| some.is_null());
        asked.hash.algorithm == certificate.hash.algorithm
            && has_none
            && asked.issuer_name == certificate.issuer_name
            && asked.issuer_key == certificate.issuer_key
            && asked.serial == certificate.serial
    }

    /// The key of whoever says to have signed, if the issuer lets it sign: its own, or that of a certificate
    /// which it has made for that. The first certificate that fits counts, of those `shown` with the answer.
    fn signer(&self, id: &ResponderId, shown: &[Vec<u8>]) -> Result<PublicKey, Unusable> {
        let issuer = self.issuer;
        for bytes in shown {
            let certificate = CertificateInner::<Raw>::from_der(bytes)?;
            let content = certificate.tbs_certificate();
            let name = content.subject().to_der()?;
            let key = PublicKey::from_der(&content.subject_public_key_info().to_der()?)?;
            let key_id = content.get_extension::<SubjectKeyIdentifier>()?;
            let key_id = key_id.map(|(_, id)| id.0);
            if !is_signer(id, &name, &key, key_id.as_ref())? {
                continue;
            }
            if key == issuer.key && is_same_name(&name, &issuer.name) {
                return Ok(key);
            }
            self.check_delegate(&certificate, bytes)?;
            return Ok(key);
        }
        match is_signer(id, &issuer.name, &issuer.key, None)? {
            true => Ok(issuer.key.clone()),
            false => Err(Unusable::NoSigner),
        }
    }

    /// Whether the issuer has made this certificate for someone to sign answers in its place. Whether it was
    /// revoked is not asked, as in the JDK.
    fn check_delegate(
        &self,
        certificate: &CertificateInner<Raw>,
        bytes: &[u8],
    ) -> Result<(), Unusable> {
        let content = certificate.tbs_certificate();
        if !is_same_name(&content.issuer().to_der()?, &self.issuer.name) {
            return Err(Unusable::Unauthorized);
        }
        let usage = content.get_extension::<ExtendedKeyUsage>()?;
        let is_for_this = usage.is_some_and(|(_, usage)| usage.0.contains(&SIGNS_RESPONSES));
        let validity = content.validity();
        let is_valid = validity.not_before.to_unix_duration() <= self.now
            && self.now <= validity.not_after.to_unix_duration();
        let signed = Signed::from_der(bytes)?;
        let is_authorized =
            is_for_this && is_valid && signature::is_of(&self.issuer.key, &signed, self.algorithms);
        is_authorized.then_some(()).ok_or(Unusable::Unauthorized)
    }

    /// A responder need not know of it.
    fn check_nonce(&self, extensions: &Option<Extensions>) -> Result<(), Unusable> {
        let found = extensions.iter().flatten();
        let mut found = found.filter(|extension| extension.extn_id == NONCE);
        match (&self.question.nonce, found.next()) {
            (Some(asked), Some(found)) if encoded_again(asked) != found.extn_value.as_bytes() => {
                Err(Unusable::Nonce)
            }
            _ => Ok(()),
        }
    }

    fn is_of_now(&self, single: &SingleResponse) -> bool {
        let since_1970 = |time: &GeneralizedTime| time.to_unix_duration();
        let until = single.next_update.as_ref().unwrap_or(&single.this_update);
        since_1970(&single.this_update) <= self.now + self.clock_skew
            && self.now <= since_1970(until) + self.clock_skew
    }
}

fn is_signer(
    id: &ResponderId,
    name: &[u8],
    key: &PublicKey,
    key_id: Option<&OctetString>,
) -> Result<bool, der::Error> {
    Ok(match id {
        ResponderId::ByName(id) => is_same_name(&id.to_der()?, name),
        ResponderId::ByKey(id) => key_id == Some(id) || key_hash(key)? == *id,
    })
}

fn refuse_critical(extensions: &Option<Extensions>) -> Result<(), Unusable> {
    let mut critical = extensions.iter().flatten();
    match critical.find(|extension| extension.critical) {
        Some(extension) => Err(Unusable::Critical(extension.extn_id)),
        None => Ok(()),
    }
}

pub(super) fn key_hash(key: &PublicKey) -> Result<OctetString, der::Error> {
    OctetString::new(Sha1::digest(key.bits.raw_bytes()).as_slice())
}

const RESPONDER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
pub(super) const BASIC_RESPONSE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
pub(super) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const SIGNS_RESPONSES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// As `RevocationChecker.DEFAULT_NONCE_BYTES`.
const NONCE_BYTES: usize = 16;
