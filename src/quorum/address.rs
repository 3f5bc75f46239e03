//! Hosts with ports as server lines and initial messages write them.
//!
//! A name stays a name: looking it up is the driver's work at each dial, so that a changed DNS
//! entry is seen. A literal address prints as Java prints it, an IPv6 one with all eight groups.
//!
//! ```text
//! host-and-fields = ( "[" IPv6 "]" | host ) *( ":" field )
//! ```

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use thiserror::Error;

/// A host as written: an address, or a name to look up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name, or an IPv6 address with its zone.
    Name(Box<str>),
}

impl Host {
    /// The wildcard of IPv4, which a client part without a host means.
    pub const ANY: Self = Self::Ip(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));

    /// Reads a host without brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        if let Some((ip, zone)) = text.split_once('%')
            && let Ok(ip) = ip.parse::<Ipv6Addr>()
            && !zone.is_empty()
            && zone.chars().all(is_name_char)
        {
            let ip = Self::Ip(IpAddr::V6(ip));
            return Ok(Self::Name(format!("{ip}%{zone}").into()));
        }
        if text.is_empty() || !text.chars().all(is_name_char) {
            return Err(AddressError::Host(excerpt(text)));
        }
        Ok(Self::Name(text.into()))
    }

    /// Whether this stands for every address of the machine it is on.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Ip(ip) if ip.is_unspecified())
    }
}

/// As `InetSocketAddress.getHostString` gives it, without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => {
                let groups = ip.segments().map(|group| format!("{group:x}"));
                f.write_str(&groups.join(":"))
            }
        }
    }
}

/// A host with one port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: Host,
    pub port: u16,
}

impl Address {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match host_and_fields(text)? {
            (host, fields) if fields.len() == 1 => Ok(Self {
                host: Host::parse(host)?,
                port: fields.first().map_or(Ok(0), |field| port(field))?,
            }),
            _ => Err(AddressError::Form(excerpt(text))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

/// A host as it stands before a port: an IPv6 address in brackets.
pub(super) struct Bracketed<'a>(pub(super) &'a Host);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.to_string();
        if host.contains(':') {
            write!(f, "[{host}]")
        } else {
            f.write_str(&host)
        }
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("expected host:port, found {0:?}")]
    Form(String),
    #[error("expected a host, found {0:?}")]
    Host(String),
    #[error("expected a port from 0 to 65535, found {0:?}")]
    Port(String),
    #[error("{0:?} starts with '[' and has no matching \"]:\"")]
    Bracket(String),
}

/// The host, without brackets, and what stands between the colons after it. As Java's `split`,
/// empty fields at the end do not count.
pub(super) fn host_and_fields(text: &str) -> Result<(&str, Vec<&str>), AddressError> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => inside
            .split_once("]:")
            .ok_or_else(|| AddressError::Bracket(excerpt(text)))?,
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let mut fields: Vec<&str> = rest.split(':').collect();
    while fields.last().is_some_and(|field| field.is_empty()) {
        fields.pop();
    }
    Ok((host, fields))
}

pub(super) fn port(text: &str) -> Result<u16, AddressError> {
    text.parse().map_err(|_| AddressError::Port(excerpt(text)))
}

/// The beginning of an outside text, short enough for a message.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}
