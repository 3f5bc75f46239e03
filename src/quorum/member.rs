//! One server of the ensemble, as the value of its `server.N` line says.
//!
//! ```text
//! line    = part *( "|" part ) [ ";" client ]
//! part    = host ":" quorum-port ":" election-port [ ":" role ]
//! client  = [ host ":" ] port
//! ```
//!
//! In: the text, from a file, from a peer's notification or from a reconfiguration. Out: a
//! [`Member`], or a [`LineError`]; no text makes this panic. Printing is byte for byte what
//! `QuorumPeer.QuorumServer.toString` gives: parts in the order of their hosts, the role always.
//! Invariant: at least one part, sorted, no quorum or election address twice.

use std::fmt;

use thiserror::Error;

use super::address::{Address, AddressError, Bracketed, Host, excerpt, host_and_fields, port};

/// What a server does in the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// Votes in elections and acknowledges transactions.
    #[default]
    Participant,
    /// Learns, and serves clients; its word counts in no quorum.
    Observer,
}

impl Role {
    fn parse(text: &str) -> Result<Self, LineError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "participant" => Ok(Self::Participant),
            "observer" => Ok(Self::Observer),
            _ => Err(LineError::Role(excerpt(text))),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        })
    }
}

/// One way to reach a server: the same host for both ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    pub host: Host,
    /// Where it listens for learners while it leads.
    pub quorum_port: u16,
    /// Where it listens for votes.
    pub election_port: u16,
}

/// One server of the ensemble.
#[derive(Debug, Clone)]
pub struct Member {
    addresses: Vec<PeerAddress>,
    /// Whether it votes.
    pub role: Role,
    /// Where its clients connect, if the line says so.
    pub client: Option<Address>,
    /// The client address came from the static file's `clientPort`; it is not printed then.
    pub client_from_static: bool,
}

impl Member {
    /// Reads the value of a `server.N` line. Several parts are an error unless
    /// `multi_address_enabled`, as `multiAddress.enabled` demands.
    pub fn parse(line: &str, multi_address_enabled: bool) -> Result<Self, LineError> {
        let mut sections = java_split(line, ';');
        if sections.len() > 2 {
            return Err(LineError::Form(excerpt(line)));
        }
        let client = match sections.len() {
            2 => sections.pop().map(client_part).transpose()?,
            _ => None,
        };
        let parts = java_split(sections.first().copied().unwrap_or_default(), '|');
        if parts.is_empty() {
            return Err(LineError::Form(excerpt(line)));
        }
        if parts.len() > 1 && !multi_address_enabled {
            return Err(LineError::SeveralAddresses);
        }
        if parts.len() > ADDRESSES_MAX {
            return Err(LineError::TooMany);
        }
        let mut addresses = Vec::with_capacity(parts.len());
        let mut role = None;
        for part in parts {
            let (address, part_role) = peer_part(part).map_err(|error| error.about(line))?;
            if let Some(part_role) = part_role
                && *role.get_or_insert(part_role) != part_role
            {
                return Err(LineError::Roles);
            }
            addresses.push(address);
        }
        Self::new(addresses, role.unwrap_or_default(), client)
    }

    /// A server with these ways to reach it.
    pub fn new(
        mut addresses: Vec<PeerAddress>,
        role: Role,
        client: Option<Address>,
    ) -> Result<Self, LineError> {
        if addresses.is_empty() {
            return Err(LineError::Form(String::new()));
        }
        // By the text of the host, as Java prints them; the ports only make the order certain.
        addresses.sort_by_cached_key(|a| (a.host.to_string(), a.quorum_port, a.election_port));
        addresses.dedup();
        // Java keeps the two kinds of address in two sets and pairs them again by position when it
        // prints; with one address twice it would print a line it did not read, or fail.
        for (index, a) in addresses.iter().enumerate() {
            let twice = addresses.iter().skip(index + 1).any(|b| {
                let ports_shared =
                    a.quorum_port == b.quorum_port || a.election_port == b.election_port;
                a.host == b.host && ports_shared
            });
            if twice {
                return Err(LineError::Twice(a.host.to_string()));
            }
        }
        Ok(Self {
            addresses,
            role,
            client,
            client_from_static: false,
        })
    }

    /// Every way to reach it, sorted by host; at least one.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }

    /// Where it listens for learners while it leads.
    pub fn quorum_addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.addresses.iter().map(|part| Address {
            host: part.host.clone(),
            port: part.quorum_port,
        })
    }

    /// Where it listens for votes.
    pub fn election_addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.addresses.iter().map(|part| Address {
            host: part.host.clone(),
            port: part.election_port,
        })
    }

    /// Whether it votes.
    pub fn is_participant(&self) -> bool {
        self.role == Role::Participant
    }
}

/// As `QuorumPeer.QuorumServer.equals`: where the client address was written does not matter.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.addresses == other.addresses && self.role == other.role && self.client == other.client
    }
}

impl Eq for Member {}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.addresses.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            let (host, quorum) = (Bracketed(&part.host), part.quorum_port);
            write!(f, "{separator}{host}:{quorum}:{}", part.election_port)?;
        }
        write!(f, ":{}", self.role)?;
        match &self.client {
            Some(client) if !self.client_from_static => write!(f, ";{client}"),
            _ => Ok(()),
        }
    }
}

/// Why a text is no server line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    #[error("expected host:port:port[:role][|host:port:port[:role]...][;[host:]port], found {0:?}")]
    Form(String),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("expected the role participant or observer, found {0:?}")]
    Role(String),
    #[error("several addresses of one server have different roles")]
    Roles,
    #[error("the quorum port and the election port are both {0}, they must differ")]
    SamePorts(u16),
    #[error("the address of host {0} stands there twice")]
    Twice(String),
    #[error("several addresses of one server need multiAddress.enabled=true")]
    SeveralAddresses,
    #[error("more than {ADDRESSES_MAX} addresses of one server")]
    TooMany,
}

impl LineError {
    /// An error of form names the whole line, not the part of it.
    fn about(self, line: &str) -> Self {
        match self {
            Self::Form(_) => Self::Form(excerpt(line)),
            other => other,
        }
    }
}

fn peer_part(part: &str) -> Result<(PeerAddress, Option<Role>), LineError> {
    let (host, fields) = host_and_fields(part)?;
    let (quorum, election, role) = match fields.as_slice() {
        [quorum, election] => (quorum, election, None),
        [quorum, election, role] => (quorum, election, Some(role)),
        _ => return Err(LineError::Form(part.to_owned())),
    };
    let address = PeerAddress {
        host: Host::parse(host)?,
        quorum_port: port(quorum)?,
        election_port: port(election)?,
    };
    if address.quorum_port == address.election_port {
        return Err(LineError::SamePorts(address.quorum_port));
    }
    let role = role.map(|text| Role::parse(text)).transpose()?;
    Ok((address, role))
}

fn client_part(text: &str) -> Result<Address, LineError> {
    if !text.contains(':') {
        let (host, port) = (Host::ANY, port(text)?);
        return Ok(Address { host, port });
    }
    Ok(Address::parse(text)?)
}

/// Ways to reach one server; a line with more is refused. Apache has no bound.
const ADDRESSES_MAX: usize = 64;

/// As Java's `String.split`: what is empty at the end does not count.
fn java_split(text: &str, separator: char) -> Vec<&str> {
    let mut pieces: Vec<&str> = text.split(separator).collect();
    while pieces.last().is_some_and(|piece| piece.is_empty()) {
        pieces.pop();
    }
    pieces
}
