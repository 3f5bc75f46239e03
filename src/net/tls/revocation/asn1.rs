//! The records of RFC 6960, and what is signed.

use der::asn1::{BitString, GeneralizedTime, Int, Null, ObjectIdentifier, OctetString};
use der::{Any, Choice, Enumerated, Sequence};
use x509_cert::ext::Extensions;

/// A certificate, a revocation list: what is signed, by which algorithm, and the signature.
#[derive(Debug, Sequence)]
pub(super) struct Signed {
    pub(super) content: Any,
    pub(super) algorithm: Any,
    pub(super) signature: BitString,
}

/// A SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct PublicKey {
    pub(super) algorithm: Any,
    pub(super) bits: BitString,
}

/// What a responder is asked.
#[derive(Debug, Sequence)]
pub(super) struct OcspRequest {
    pub(super) content: OcspRequestContent,
}

/// Of the first version, by nobody in particular.
#[derive(Debug, Sequence)]
pub(super) struct OcspRequestContent {
    pub(super) requests: Vec<SingleRequest>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

/// About one certificate.
#[derive(Debug, Sequence)]
pub(super) struct SingleRequest {
    pub(super) certificate: CertId,
}

/// Which certificate.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct CertId {
    pub(super) hash: HashAlgorithm,
    pub(super) issuer_name: OctetString,
    pub(super) issuer_key: OctetString,
    pub(super) serial: Int,
}

/// By what the issuer's name and key are hashed.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct HashAlgorithm {
    pub(super) algorithm: ObjectIdentifier,
    pub(super) parameters: Option<Any>,
}

/// What a responder answers.
#[derive(Debug, Sequence)]
pub(super) struct OcspResponse {
    pub(super) status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) bytes: Option<ResponseBytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Debug, Sequence)]
pub(super) struct ResponseBytes {
    pub(super) kind: ObjectIdentifier,
    pub(super) response: OctetString,
}

/// The one kind of answer there is. The first three are [`Signed`].
#[derive(Debug, Sequence)]
pub(super) struct BasicResponse {
    pub(super) content: Any,
    pub(super) algorithm: Any,
    pub(super) signature: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) certificates: Option<Vec<Any>>,
}

#[derive(Debug, Sequence)]
pub(super) struct ResponseData {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "version_1")]
    pub(super) version: u8,
    pub(super) responder: ResponderId,
    pub(super) produced_at: GeneralizedTime,
    pub(super) responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

fn version_1() -> u8 {
    0
}

#[derive(Debug, Choice)]
pub(super) enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Any),
    /// By the SHA-1 of its key.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Debug, Sequence)]
pub(super) struct SingleResponse {
    pub(super) certificate: CertId,
    pub(super) status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Debug, Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Debug, Sequence)]
pub(super) struct RevokedInfo {
    pub(super) time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) reason: Option<Any>,
}
