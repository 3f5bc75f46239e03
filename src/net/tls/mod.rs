//! TLS: who this server is, whom it trusts, and the handshakes at either end.
//!
//! ```text
//! TlsOptions -> material (key, certificates, trust) -> Sides, replaced by reload when files change
//! socket -> sniff -> Tls::accept  -> not revoked (revocation) -> name checked (verify) -> stream, and the
//! socket ---------> Tls::connect  -> the same ------------------------------------------> client's name
//! ```
//!
//! The handshake and the encryption are rustls's. In: options, sockets. Out: streams, or why there is
//! none. Invariants: a handshake takes limited time, and so does finding out whether certificates are
//! revoked, which is no part of it, as others are asked; nothing is read of a connection before
//! that; what does not pass costs its connection only; a store that cannot be read stops the start and changes nothing later on; a connection keeps what it
//! was made with. Nothing is resumed, so that whoever is no longer trusted is asked again.
//!
//! Not there, as rustls and `ring` do not have it: TLS before 1.2, CBC and DHE cipher suites, DSA keys,
//! the curve P-521, RSA keys below 2048 bits, certificates signed with SHA-1; and answers of OCSP
//! responders that come along with a handshake.

mod der;
mod ec_key;
mod jks;
mod material;
mod reload;
mod revocation;
mod sniff;
mod socket;
mod stream;
mod subject;
#[cfg(test)]
mod tests;
mod verify;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, InconsistentKeys, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use webpki::KeyUsage;

use crate::config::{
    ClientAuth, PeerTlsOptions, Revocation, StoreOptions, TlsOptions, TlsVersions, TlsWith,
};
use crate::quorum::Host;

pub use material::StoreError;
use reload::Seen;
use revocation::Refusal;
use sniff::{HEADER_BYTES, Sniffed};
pub(super) use socket::Socket;
pub(super) use stream::{PeerStream, Preceded};
use subject::Subject;
use verify::Trust;

/// Who this server is to others, and whom it trusts.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    /// The files as they were before they were read at the start.
    seen: Seen,
    current: RwLock<Arc<Sides>>,
}

/// What new connections are made with.
#[derive(Debug)]
struct Sides {
    /// `None` without a key.
    server: Option<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
    trust: Arc<Trust>,
}

/// Why a server cannot have TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("no version of TLS goes with the cipher suites: {0}")]
    Versions(rustls::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("the handshake was not over in time")]
    TimedOut,
    #[error("nothing came in time that would tell whether it has TLS")]
    Silent,
    #[error("it has no TLS")]
    Plain,
    #[error("what it begins with is neither TLS nor anything else")]
    Neither,
    #[error("this server has no key for TLS")]
    NoKey,
    #[error("the certificate {0:?} is not that of {1}")]
    OtherName(String, String),
    #[error("{0}")]
    Revoked(#[from] Refusal),
    #[error("its certificate cannot be read: {0}")]
    Certificate(#[from] x509_cert::der::Error),
    #[error("in fips-mode no certificate passes clientHostnameVerification")]
    FipsMode,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A client as it came through the handshake.
pub(super) struct AcceptedClient {
    pub(super) stream: server::TlsStream<Preceded>,
    /// The name in its certificate, if it showed one.
    pub(super) name: Option<String>,
}

/// A connection from a client by its first bytes.
pub(super) enum First {
    Plain(TcpStream),
    /// The header of its first record was taken.
    Tls(TcpStream, [u8; HEADER_BYTES]),
}

impl Tls {
    /// Reads the stores.
    pub fn load(options: TlsOptions) -> Result<Self, TlsError> {
        let seen = Seen::now(&options);
        let sides = Sides::load(&options)?;
        Ok(Self {
            options,
            seen,
            current: RwLock::new(Arc::new(sides)),
        })
    }

    /// What whoever dials in meets now; `None` without a key.
    pub fn server_side(&self) -> Option<Arc<ServerConfig>> {
        self.current.read().server.clone()
    }

    /// Tells TLS from plain text. Until then as much time may pass as for the handshake.
    pub(super) async fn tell(&self, mut stream: TcpStream) -> Result<First, HandshakeError> {
        match sniff::sniff(&mut stream, self.detection_timeout()).await? {
            // Whoever says nothing is not told to go; a plain connection has limits of its own.
            Sniffed::Plain | Sniffed::Silent => Ok(First::Plain(stream)),
            Sniffed::Tls(header) => Ok(First::Tls(stream, header)),
            Sniffed::Neither => Err(HandshakeError::Neither),
        }
    }

    /// The handshake with a client.
    pub(super) async fn accept_client(
        &self,
        stream: TcpStream,
        header: Option<[u8; HEADER_BYTES]>,
        peer: IpAddr,
    ) -> Result<AcceptedClient, HandshakeError> {
        let accepted = self.accept(stream, header, peer, CLIENT_HANDSHAKE).await;
        let (stream, subject) = accepted?;
        let name = subject.map(|subject| subject.name);
        Ok(AcceptedClient { stream, name })
    }

    /// The handshake may take as long as `limit`, and so may looking names up behind it.
    async fn accept(
        &self,
        stream: TcpStream,
        header: Option<[u8; HEADER_BYTES]>,
        peer: IpAddr,
        limit: Duration,
    ) -> Result<(server::TlsStream<Preceded>, Option<Subject>), HandshakeError> {
        let sides = self.current.read().clone();
        let config = sides.server.clone().ok_or(HandshakeError::NoKey)?;
        let stream = Preceded::new(stream, header);
        let handshake = TlsAcceptor::from(config).accept(stream);
        let stream = in_time(limit, handshake).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let subject = shown(chain)?;
        self.check_revocation(&sides, chain, KeyUsage::client_auth())
            .await?;
        if let (true, Some(subject)) = (self.options.verifies_clients, &subject) {
            match (self.options.fips_mode, self.options.with) {
                (true, TlsWith::Clients) => return Err(HandshakeError::FipsMode),
                (true, TlsWith::Servers) => {}
                (false, with) => {
                    // Apache's server takes all clients for local ones here.
                    let is_local = with == TlsWith::Clients && peer.is_loopback();
                    let name = is_local.then_some("localhost");
                    in_time(limit, self.check_name(subject, peer, name)).await?;
                }
            }
        }
        Ok((stream, subject))
    }

    /// The handshake with a server that was dialled. It may take as long as `limit`, and so may looking its
    /// name up behind it.
    async fn connect(
        &self,
        stream: TcpStream,
        host: &Host,
        peer: IpAddr,
        limit: Duration,
    ) -> Result<client::TlsStream<Preceded>, HandshakeError> {
        let sides = self.current.read().clone();
        let name = match host {
            Host::Name(name) => Some(name.as_ref()),
            Host::Ip(_) => None,
        };
        let sent = name.and_then(|name| ServerName::try_from(name).ok());
        let sent = sent.map_or_else(|| ServerName::from(peer), |name| name.to_owned());
        let connector = TlsConnector::from(sides.client.clone());
        let handshake = connector.connect(sent, Preceded::new(stream, None));
        let stream = in_time(limit, handshake).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let subject = shown(chain)?;
        self.check_revocation(&sides, chain, KeyUsage::server_auth())
            .await?;
        if self.options.verifies_servers
            && !self.options.fips_mode
            && let Some(subject) = &subject
        {
            in_time(limit, self.check_name(subject, peer, name)).await?;
        }
        Ok(stream)
    }

    /// Finds out whether a certificate of the chain is revoked, if that is asked for.
    async fn check_revocation(
        &self,
        sides: &Sides,
        chain: Option<&[CertificateDer<'_>]>,
        usage: KeyUsage,
    ) -> Result<(), HandshakeError> {
        let how = &self.options.revocation;
        let (Some(chain), true) = (chain, *how != Revocation::Unchecked) else {
            return Ok(());
        };
        let links = sides.trust.links(chain, usage)?;
        revocation::check(links, how, sides.trust.algorithms()).await?;
        Ok(())
    }

    /// As `ZKTrustManager.performHostVerification`: by the address, else by the name.
    async fn check_name(
        &self,
        subject: &Subject,
        peer: IpAddr,
        name: Option<&str>,
    ) -> Result<(), HandshakeError> {
        if verify::is_for_address(subject, peer) {
            return Ok(());
        }
        let name = match name {
            Some(name) => Some(name.to_owned()),
            None if self.options.looks_up_names => look_up(peer).await,
            None => None,
        };
        match name {
            Some(name) if verify::is_for_name(subject, &name) => Ok(()),
            name => {
                let who = name.map_or_else(|| peer.to_string(), |name| format!("{peer} or {name}"));
                Err(HandshakeError::OtherName(subject.name.clone(), who))
            }
        }
    }

    fn detection_timeout(&self) -> Duration {
        Duration::from_millis(self.options.detection_timeout_ms)
    }
}

/// What connections between servers are made with.
#[derive(Debug, Clone, Default)]
pub struct PeerSecurity(Option<Arc<PeerTls>>);

#[derive(Debug)]
struct PeerTls {
    tls: Arc<Tls>,
    dials: bool,
    takes_plain: bool,
}

impl PeerSecurity {
    /// TLS as the options have it.
    pub fn new(tls: Arc<Tls>, options: &PeerTlsOptions) -> Self {
        Self(Some(Arc::new(PeerTls {
            tls,
            dials: options.dials,
            takes_plain: options.takes_plain,
        })))
    }

    /// Reads the stores again whenever their files change, for as long as the future lives.
    pub async fn watch(self) {
        if let Some(security) = self.0 {
            security.tls.clone().watch().await;
        }
    }

    /// Whether it takes time to accept a connection.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What a server that has dialled in speaks; with TLS the handshake is over.
    pub(super) async fn accept(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<PeerStream, HandshakeError> {
        let Some(security) = &self.0 else {
            return Ok(PeerStream::Plain(stream));
        };
        let tls = &security.tls;
        let header = match sniff::sniff(&mut stream, tls.detection_timeout()).await? {
            Sniffed::Plain | Sniffed::Silent if security.takes_plain => {
                return Ok(PeerStream::Plain(stream));
            }
            Sniffed::Plain => return Err(HandshakeError::Plain),
            Sniffed::Silent => return Err(HandshakeError::Silent),
            Sniffed::Neither => return Err(HandshakeError::Neither),
            Sniffed::Tls(header) => header,
        };
        let (peer, limit) = (peer.ip().to_canonical(), tls.detection_timeout());
        let (stream, _) = tls.accept(stream, Some(header), peer, limit).await?;
        Ok(PeerStream::Tls(Box::new(stream.into())))
    }

    /// Goes on from a socket to what this server speaks, with a handshake that takes no longer than `limit`.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        host: &Host,
        limit: Duration,
    ) -> Result<PeerStream, HandshakeError> {
        match &self.0 {
            Some(security) if security.dials => {
                let peer = stream.peer_addr()?.ip().to_canonical();
                let stream = security.tls.connect(stream, host, peer, limit).await?;
                Ok(PeerStream::Tls(Box::new(stream.into())))
            }
            _ => Ok(PeerStream::Plain(stream)),
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Io(error) => error,
            HandshakeError::TimedOut => Self::new(io::ErrorKind::TimedOut, error.to_string()),
            other => Self::other(other.to_string()),
        }
    }
}

impl Sides {
    fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let mut provider = rustls::crypto::ring::default_provider();
        let offered = std::mem::take(&mut provider.cipher_suites);
        let suite = |name: &&str| offered.iter().find(|suite| name_of(**suite) == *name);
        provider.cipher_suites = options
            .cipher_suites
            .iter()
            .filter_map(suite)
            .copied()
            .collect();
        let provider = Arc::new(provider);
        let key = match &options.key_store {
            Some(store) => Some(Arc::new(certified_key(store, &provider)?)),
            None => None,
        };
        let trust = Arc::new(Trust::new(
            trusted(options)?,
            provider.signature_verification_algorithms,
            options.client_auth == ClientAuth::Need,
        ));
        let versions = versions(options.versions);
        Ok(Self {
            server: match &key {
                Some(key) => Some(server_side(options, &provider, &versions, &trust, key)?),
                None => None,
            },
            client: client_side(&provider, &versions, trust.clone(), key)?,
            trust,
        })
    }
}

fn server_side(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    trust: &Arc<Trust>,
    key: &Arc<SingleCertAndKey>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(TlsError::Versions)?;
    let builder = match options.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Want | ClientAuth::Need => builder.with_client_cert_verifier(trust.clone()),
    };
    let mut config = builder.with_cert_resolver(key.clone());
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client_side(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    trust: Arc<Trust>,
    key: Option<Arc<SingleCertAndKey>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(TlsError::Versions)?
        .dangerous()
        .with_custom_certificate_verifier(trust);
    let mut config = match key {
        Some(key) => builder.with_client_cert_resolver(key),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certified_key(
    store: &StoreOptions,
    provider: &CryptoProvider,
) -> Result<SingleCertAndKey, StoreError> {
    let identity = material::identity(store)?;
    let unusable = |reason: &dyn ToString| material::unusable(store, reason.to_string());
    let key = match identity.chain.first() {
        Some(own) => ec_key::completed(identity.key, own),
        None => identity.key,
    };
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| unusable(&KEY_EXPECTED))?;
    let certified = CertifiedKey::new(identity.chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(SingleCertAndKey::from(certified))
        }
        Err(error) => Err(unusable(&error)),
    }
}

fn trusted(options: &TlsOptions) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    match (&options.trust_store, options.with) {
        (Some(store), _) => material::trusted(store),
        (None, TlsWith::Clients) => Ok(Vec::new()),
        (None, TlsWith::Servers) => {
            let system = rustls_native_certs::load_native_certs();
            tracing::warn!(
                certificates = system.certs.len(),
                "ssl.quorum.trustStore.location is not set: servers are trusted as the system does"
            );
            Ok(system.certs)
        }
    }
}

/// Whom the other end says it is; `None` without a certificate.
fn shown(
    certificates: Option<&[CertificateDer<'_>]>,
) -> Result<Option<Subject>, x509_cert::der::Error> {
    let own = certificates.and_then(|chain| chain.first());
    own.map(|certificate| Subject::read(certificate))
        .transpose()
}

/// What a part of a handshake comes to, if it does within `limit`.
async fn in_time<T, E: Into<HandshakeError>>(
    limit: Duration,
    part: impl Future<Output = Result<T, E>>,
) -> Result<T, HandshakeError> {
    let done = timeout(limit, part).await;
    done.map_err(|_| HandshakeError::TimedOut)?
        .map_err(Into::into)
}

/// The name of an address, if it has one. The caller sets the time limit.
async fn look_up(address: IpAddr) -> Option<String> {
    let look_up = move || dns_lookup::lookup_addr(&address);
    tokio::task::spawn_blocking(look_up).await.ok()?.ok()
}

fn versions(versions: TlsVersions) -> Vec<&'static SupportedProtocolVersion> {
    let mut some = Vec::new();
    if versions.v1_3 {
        some.push(&rustls::version::TLS13);
    }
    if versions.v1_2 {
        some.push(&rustls::version::TLS12);
    }
    some
}

/// As Java and IANA call it: rustls has the version in the names of those of TLS 1.3.
fn name_of(suite: SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}

const KEY_EXPECTED: &str = "the key is of a kind that this server does not have; expected RSA of 2048 \
    bits or more, EC with the curve P-256 or P-384, or Ed25519";

/// As Netty's `SslHandler`.
const CLIENT_HANDSHAKE: Duration = Duration::from_secs(10);
