//! Whether another's certificate is to be trusted: the chain, which the handshake checks, and the name,
//! which is checked behind it, as only then it is known who is at the other end.
//!
//! The chain is the business of `webpki`. Beyond it, as in Java, a certificate that stands in the trust
//! store itself is trusted as it is. The rules for names are those of `ZKTrustManager`: first the
//! address, then the name, if it is known or may be looked up; a common name only counts for a
//! certificate without alternative names.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashSet;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use crate::net::tls::revocation::{Issuer, Link, Refusal};
use crate::net::tls::subject::Subject;

/// Whom this server trusts. Without any certificates it trusts nobody.
#[derive(Debug)]
pub(super) struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// The certificates themselves.
    certificates: HashSet<CertificateDer<'static>>,
    /// The names of the anchors, which tell the other end what is expected of it.
    names: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
    /// Whether a client has to show a certificate.
    is_needed: bool,
}

impl Trust {
    /// Trust in `certificates`; in those that cannot be an authority only as they are.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
        is_needed: bool,
    ) -> Self {
        let anchors: Vec<_> = certificates
            .iter()
            .filter_map(|certificate| Some(anchor_from_trusted_cert(certificate).ok()?.to_owned()))
            .collect();
        let names = anchors
            .iter()
            .map(|anchor| DistinguishedName::in_sequence(anchor.subject.as_ref()))
            .collect();
        Self {
            anchors,
            certificates: certificates.into_iter().collect(),
            names,
            algorithms,
            is_needed,
        }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        if self.certificates.contains(certificate) {
            return Ok(());
        }
        let end = EndEntityCert::try_from(certificate).map_err(refused)?;
        let path = self.path(&end, intermediates, now, usage);
        path.map(|_| ()).map_err(refused)
    }

    /// Each certificate of a chain that is trusted and who issued it, from the top down. None for one that
    /// stands in the trust store itself.
    pub(super) fn links(
        &self,
        chain: &[CertificateDer<'_>],
        usage: KeyUsage,
    ) -> Result<Vec<Link>, Refusal> {
        let Some((certificate, intermediates)) = chain.split_first() else {
            return Ok(Vec::new());
        };
        if self.certificates.contains(certificate) {
            return Ok(Vec::new());
        }
        let end = EndEntityCert::try_from(certificate)?;
        let path = self.path(&end, intermediates, UnixTime::now(), usage)?;
        let mut issuer = Issuer::trusted(path.anchor())?;
        let mut links = Vec::new();
        for certificate in path.intermediate_certificates().rev() {
            let next = Issuer::certified(certificate)?;
            let issuer = std::mem::replace(&mut issuer, next);
            links.push(Link::new(certificate, true, issuer));
        }
        links.push(Link::new(&end, false, issuer));
        Ok(links)
    }

    /// What signatures are checked with.
    pub(super) fn algorithms(&self) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
        self.algorithms.all
    }

    fn path<'p>(
        &'p self,
        end: &'p EndEntityCert<'p>,
        intermediates: &'p [CertificateDer<'p>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<VerifiedPath<'p>, webpki::Error> {
        let (algorithms, anchors) = (self.algorithms.all, &self.anchors);
        end.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None)
    }
}

/// The reason in the words that lead to the right alert.
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as Webpki;
    Error::InvalidCertificate(match error {
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => {
            CertificateError::BadEncoding
        }
        Webpki::CertExpired { .. } | Webpki::InvalidCertValidity => CertificateError::Expired,
        Webpki::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Webpki::UnknownIssuer => CertificateError::UnknownIssuer,
        Webpki::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    })
}

impl ClientCertVerifier for Trust {
    fn client_auth_mandatory(&self) -> bool {
        self.is_needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate is for this address.
pub(super) fn is_for_address(subject: &Subject, address: IpAddr) -> bool {
    if subject.has_alternatives() {
        return subject.addresses.contains(&address);
    }
    let name = subject.common_name.as_deref();
    name.is_some_and(|name| matches(&address.to_string(), name))
}

/// Whether a certificate is for this name.
pub(super) fn is_for_name(subject: &Subject, name: &str) -> bool {
    if subject.has_alternatives() {
        let mut names = subject.dns_names.iter();
        return names.any(|pattern| matches(name, pattern));
    }
    let pattern = subject.common_name.as_deref();
    pattern.is_some_and(|pattern| matches(name, pattern))
}

/// As `ZKHostnameVerifier.matchIdentityStrict`: case does not count, and one asterisk stands for any
/// part of a name without a dot.
fn matches(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.to_lowercase(), pattern.to_lowercase());
    let Some((prefix, suffix)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let rest = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(suffix));
    rest.is_some_and(|rest| !rest.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(common_name: &str, dns_names: &[&str], addresses: &[&str]) -> Subject {
        Subject {
            name: String::new(),
            common_name: Some(common_name.to_owned()),
            dns_names: dns_names.iter().map(|&name| name.to_owned()).collect(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    /// The cases of Apache's `ZKHostnameVerifierTest` that can be, and some more.
    #[test]
    fn a_name_is_held_against_the_alternatives_or_the_common_name() {
        let with_names = subject("foo.com", &["bar.com", "*.zoo.org"], &["10.0.0.1", "::1"]);
        for (name, expected) in [
            ("bar.com", true),
            ("BAR.com", true),
            ("a.bar.com", false),
            ("foo.com", false),
            ("a.zoo.org", true),
            ("a.b.zoo.org", false),
            ("zoo.org", false),
        ] {
            assert_eq!(is_for_name(&with_names, name), expected, "{name}");
        }
        for (address, expected) in [
            ("10.0.0.1", true),
            ("::1", true),
            ("10.0.0.2", false),
            ("127.0.0.1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_for_address(&with_names, address), expected, "{address}");
        }
        let without = subject("foo*.com", &[], &[]);
        assert!(is_for_name(&without, "foobar.com"));
        assert!(!is_for_name(&without, "foo.bar.com"));
        let by_address = subject("10.0.0.1", &[], &[]);
        assert!(is_for_address(&by_address, "10.0.0.1".parse().unwrap()));
        // An address does not match in place of a name, nor the other way round.
        let only_address = subject("foo.com", &[], &["10.0.0.1"]);
        assert!(!is_for_name(&only_address, "foo.com"));
        let only_name = subject("10.0.0.1", &["foo.com"], &[]);
        assert!(!is_for_address(&only_name, "10.0.0.1".parse().unwrap()));
    }
}
