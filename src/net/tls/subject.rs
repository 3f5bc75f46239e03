//! What a certificate says of whom it is: the name of its subject as Java prints it, and the names and
//! addresses it may answer to.

use std::fmt::Write as _;
use std::net::IpAddr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::{Name, RelativeDistinguishedName};

/// What a certificate says of whom it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// As `X500Principal.getName()` prints it: RFC 2253, the last part first.
    pub(super) name: String,
    /// The last common name in it, which is the first that is printed.
    pub(super) common_name: Option<String>,
    /// Its alternative names that are DNS names.
    pub(super) dns_names: Vec<String>,
    /// Those that are addresses.
    pub(super) addresses: Vec<IpAddr>,
}

impl Subject {
    /// Of a certificate in DER.
    pub(super) fn read(certificate: &[u8]) -> Result<Self, der::Error> {
        let certificate = CertificateInner::<Raw>::from_der(certificate)?;
        let content = certificate.tbs_certificate();
        let name = content.subject();
        let alternatives = content.get_extension::<SubjectAltName>()?;
        let alternatives = alternatives.map_or(Vec::new(), |(_, names)| names.0);
        let mut subject = Self {
            name: printed(name)?,
            common_name: common_name(name),
            dns_names: Vec::new(),
            addresses: Vec::new(),
        };
        for alternative in alternatives {
            match alternative {
                GeneralName::DnsName(name) => subject.dns_names.push(name.to_string()),
                GeneralName::IpAddress(bytes) => {
                    subject.addresses.extend(address(bytes.as_bytes()))
                }
                _ => {}
            }
        }
        Ok(subject)
    }

    /// Whether it has alternative names that count, and so no use of its common name.
    pub(super) fn has_alternatives(&self) -> bool {
        !self.dns_names.is_empty() || !self.addresses.is_empty()
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn common_name(name: &Name) -> Option<String> {
    let values = name.iter().filter(|part| part.oid == COMMON_NAME);
    let value = values.last()?;
    Some(String::from_utf8_lossy(value.value.value()).into_owned())
}

/// As `sun.security.x509.X500Name.getRFC2253Name`.
pub(super) fn printed(name: &Name) -> Result<String, der::Error> {
    let mut text = String::new();
    let parts: Vec<&RelativeDistinguishedName> = name.iter_rdn().collect();
    for (number, part) in parts.iter().rev().enumerate() {
        if number > 0 {
            text.push(',');
        }
        for (number, pair) in part.iter().enumerate() {
            if number > 0 {
                text.push('+');
            }
            print_pair(pair, &mut text)?;
        }
    }
    Ok(text)
}

/// As `sun.security.x509.AVA.toRFC2253String`: types with a keyword and a value that is a text are
/// printed as such, all else as numbers and bytes.
fn print_pair(pair: &AttributeTypeAndValue, text: &mut String) -> Result<(), der::Error> {
    let keyword = KEYWORDS.iter().find(|(oid, _)| *oid == pair.oid);
    match keyword {
        Some((_, keyword)) if is_text(pair.value.tag()) => {
            text.push_str(keyword);
            text.push('=');
            print_value(&String::from_utf8_lossy(pair.value.value()), text);
        }
        _ => {
            match keyword {
                Some((_, keyword)) => text.push_str(keyword),
                // Writing to a String cannot fail.
                None => drop(write!(text, "{}", pair.oid)),
            }
            text.push_str("=#");
            for byte in pair.value.to_der()? {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
    Ok(())
}

fn print_value(value: &str, text: &mut String) {
    let is_blank = |c: char| c == ' ' || c == '\r';
    let length = value.chars().count();
    let lead = value.chars().take_while(|c| is_blank(*c)).count();
    let trail = value.chars().rev().take_while(|c| is_blank(*c)).count();
    for (position, c) in value.chars().enumerate() {
        let is_outer = position < lead || position >= length - trail;
        match c {
            '\0' => text.push_str("\\00"),
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => text.extend(['\\', c]),
            c if is_outer => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
}

fn is_text(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::PrintableString
            | Tag::Utf8String
            | Tag::TeletexString
            | Tag::Ia5String
            | Tag::GeneralString
            | Tag::BmpString
    )
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Those that RFC 2253 has a keyword for, and Java no other.
const KEYWORDS: [(ObjectIdentifier, &str); 9] = [
    (COMMON_NAME, "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
    (
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
        "DC",
    ),
    (
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"),
        "UID",
    ),
];
