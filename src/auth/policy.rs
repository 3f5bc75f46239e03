//! The rules: who is let, which lists may be stored, what an authentication packet gives.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashSet;

use crate::auth::digest::{self, HashAlgorithm};
use crate::auth::ensemble::EnsembleNames;
use crate::auth::ip;
use crate::auth::key;
use crate::auth::options::{AuthOptions, AuthOptionsError, X509Options};
use crate::auth::sasl::SaslLogin;
use crate::auth::scheme::Scheme;
use crate::base::{Acl, AclList, Identity, limits, perms};
use crate::proto::ErrorCode;

/// The identities of a connection at one moment, without duplicates.
pub type AuthIds = Arc<[Identity]>;

/// What an authentication packet was refused for. The client is answered `AuthFailed`, unless it is to
/// look elsewhere, and the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthRefused {
    /// No such scheme, or it is switched off, or not one to authenticate with by packet.
    #[error("the scheme is not available")]
    SchemeNotAvailable,
    /// The scheme needs a token and there is none.
    #[error("the token is missing")]
    TokenMissing,
    /// See [`limits::IDENTITIES_PER_CONNECTION`], by number or by bytes.
    #[error("the connection has too many identities")]
    TooManyIdentities,
    /// No answer, which the client would take for final.
    #[error("the client looks for another ensemble")]
    OtherEnsemble,
    /// What was shown does not fit the node `/key`.
    #[error("the number is no multiple of the key")]
    WrongKey,
}

/// What a connection has to show when it authenticates.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// The packet's bytes, which may be null.
    pub token: Option<&'a [u8]>,
    /// The connection's address.
    pub peer: IpAddr,
    /// The name in the client's certificate, if the TLS handshake gave one.
    pub certificate: Option<&'a str>,
    /// The data of the node `/key`, if [`Policy::reads_key_node`].
    pub key_node: Option<Bytes>,
}

impl<'a> Shown<'a> {
    /// A packet from an address, and nothing else.
    pub fn new(token: Option<&'a [u8]>, peer: IpAddr) -> Self {
        Self {
            token,
            peer,
            certificate: None,
            key_node: None,
        }
    }
}

/// The rules of this server. Cheap to ask, never changes.
#[derive(Debug)]
pub struct Policy {
    skip_acl: bool,
    digest_enabled: bool,
    hash: HashAlgorithm,
    super_digest: Option<Box<str>>,
    x509: Option<X509Options>,
    ensemble: Option<EnsembleNames>,
    key_enabled: bool,
    sasl: Option<SaslLogin>,
    sasl_enabled: bool,
    /// An entry of a list that any SASL user fits.
    any_sasl_user: Option<Box<str>>,
    /// Schemes of which a connection must have one; `None` when anyone may make requests.
    enforced: Option<Vec<Box<str>>>,
    /// The list most nodes have, so that it is not allocated for each.
    open: AclList,
}

impl Policy {
    /// Refuses settings that Apache's server does not start with.
    pub fn new(options: &AuthOptions) -> Result<Self, AuthOptionsError> {
        let hash = HashAlgorithm::from_java_name(&options.digest_alg)
            .ok_or_else(|| AuthOptionsError::UnknownHash(options.digest_alg.clone()))?;
        let enforced = if options.session_require_client_sasl_auth {
            Some(vec![Box::from("sasl")])
        } else {
            let schemes = options.enforce_schemes.as_deref();
            schemes.map(|names| names.iter().map(|name| Box::from(name.trim())).collect())
        };
        let policy = Self {
            skip_acl: options.skip_acl,
            digest_enabled: options.digest_enabled,
            hash,
            super_digest: options.super_digest.as_deref().map(Box::from),
            x509: options.x509.clone(),
            ensemble: options.ensemble.clone(),
            key_enabled: options.key_enabled,
            sasl: options.sasl.clone(),
            sasl_enabled: options.sasl_enabled,
            any_sasl_user: options.any_sasl_user.as_deref().map(Box::from),
            enforced,
            open: Arc::from([Acl::anyone(perms::ALL)]),
        };
        if let Some(schemes) = &policy.enforced {
            if schemes.is_empty() {
                return Err(AuthOptionsError::NoSchemesToEnforce);
            }
            if let Some(name) = schemes.iter().find(|name| policy.scheme(name).is_none()) {
                return Err(AuthOptionsError::SchemeNotAvailable(name.to_string()));
            }
        }
        Ok(policy)
    }

    /// What every connection is before it says anything.
    pub fn initial(peer: IpAddr) -> AuthIds {
        Arc::from([Identity::new("ip", &ip::text_of(peer))])
    }

    /// Whether lists are not checked at all.
    pub fn skips_acl(&self) -> bool {
        self.skip_acl
    }

    /// Whether `ids` may do something that takes any of the bits in `wanted` on a node with `acl`,
    /// as `ZooKeeperServer.checkACL`. No list and an empty one are open to all.
    pub fn permits(&self, ids: &[Identity], acl: Option<&[Acl]>, wanted: i32) -> bool {
        let entries = acl.unwrap_or_default();
        self.skip_acl
            || entries.is_empty()
            || entries
                .iter()
                .any(|entry| entry.perms & wanted != 0 && self.fits(ids, &entry.id))
            || ids.iter().any(|id| &*id.scheme == "super")
    }

    fn fits(&self, ids: &[Identity], entry: &Identity) -> bool {
        if is_anyone(entry) {
            return true;
        }
        let Some(scheme) = self.scheme(&entry.scheme) else {
            return false;
        };
        let is_any = scheme == Scheme::Sasl && self.any_sasl_user.as_ref() == Some(&entry.id);
        ids.iter().any(|id| {
            let is_passing = || is_any || self.is_x509_super(scheme, &id.id);
            id.scheme == entry.scheme && (scheme.matches(&id.id, &entry.id) || is_passing())
        })
    }

    fn is_x509_super(&self, scheme: Scheme, id: &str) -> bool {
        let options = self.x509.as_ref().filter(|_| scheme == Scheme::X509);
        options.is_some_and(|options| options.super_user.as_deref() == Some(id))
    }

    /// The identities of a connection whose client has shown a certificate with this name, as
    /// `X509AuthenticationProvider.handleAuthentication`. That the certificate is trusted and the
    /// client's own was seen before.
    pub fn certify(&self, ids: &AuthIds, name: &str) -> Result<AuthIds, AuthRefused> {
        let scheme = self.scheme("x509").ok_or(AuthRefused::SchemeNotAvailable)?;
        let is_super = self.is_x509_super(scheme, name);
        let also = is_super.then(|| Identity::new("super", name));
        joined(ids, also.into_iter().chain([Identity::new("x509", name)]))
    }

    /// The list to store for the one a client gave: exact duplicates dropped, `auth` replaced by
    /// who the client is, every id checked, as `PrepRequestProcessor.fixupACL`.
    pub fn fix_acl(&self, ids: &[Identity], acl: Option<&[Acl]>) -> Result<AclList, ErrorCode> {
        let given = acl.unwrap_or_default();
        if *given == *self.open {
            return Ok(self.open.clone());
        }
        if given.len() > limits::ACL_ENTRIES {
            return Err(ErrorCode::InvalidAcl);
        }
        let mut fixed = Vec::with_capacity(given.len());
        let mut seen = HashSet::with_capacity(given.len());
        for entry in given.iter().filter(|entry| seen.insert(*entry)) {
            if is_anyone(&entry.id) {
                fixed.push(entry.clone());
            } else if &*entry.id.scheme == "auth" {
                self.expand_auth(ids, entry.perms, &mut fixed)?;
            } else {
                let scheme = self.scheme(&entry.id.scheme);
                if !scheme.is_some_and(|scheme| scheme.is_valid_id(&entry.id.id)) {
                    return Err(ErrorCode::InvalidAcl);
                }
                fixed.push(entry.clone());
            }
            if fixed.len() > limits::ACL_ENTRIES {
                return Err(ErrorCode::InvalidAcl);
            }
        }
        if fixed.is_empty() {
            return Err(ErrorCode::InvalidAcl);
        }
        Ok(fixed.into())
    }

    fn expand_auth(
        &self,
        ids: &[Identity],
        perms: i32,
        fixed: &mut Vec<Acl>,
    ) -> Result<(), ErrorCode> {
        let before = fixed.len();
        for id in ids {
            if self
                .scheme(&id.scheme)
                .is_some_and(Scheme::is_authenticating)
            {
                fixed.push(Acl {
                    perms,
                    id: id.clone(),
                });
            }
        }
        if fixed.len() == before {
            return Err(ErrorCode::InvalidAcl);
        }
        Ok(())
    }

    /// The identities of a connection after an authentication packet: what it had and what it shows.
    pub fn authenticate(
        &self,
        ids: &AuthIds,
        scheme: &str,
        shown: &Shown<'_>,
    ) -> Result<AuthIds, AuthRefused> {
        let token = shown.token;
        match self.scheme(scheme).ok_or(AuthRefused::SchemeNotAvailable)? {
            Scheme::Ip => joined(ids, [Identity::new("ip", &ip::text_of(shown.peer))]),
            Scheme::Digest => {
                let token = token.ok_or(AuthRefused::TokenMissing)?;
                let shown = digest::id_of(self.hash, token);
                let is_super = self.super_digest.as_deref() == Some(shown.as_str());
                let also = is_super.then(|| Identity::new("super", ""));
                let identity = Identity::new("digest", &shown);
                joined(ids, also.into_iter().chain([identity]))
            }
            // Its token says nothing: the certificate does.
            Scheme::X509 => match shown.certificate {
                Some(name) => self.certify(ids, name),
                None => Err(AuthRefused::SchemeNotAvailable),
            },
            Scheme::Ensemble => {
                let names = self.ensemble.as_ref();
                let is_ours = names.is_some_and(|names| names.has(token.unwrap_or_default()));
                is_ours
                    .then(|| ids.clone())
                    .ok_or(AuthRefused::OtherEnsemble)
            }
            // It has an operation of its own.
            Scheme::Sasl => Err(AuthRefused::SchemeNotAvailable),
            Scheme::Key => {
                let fits = key::fits(
                    shown.key_node.as_ref(),
                    token.ok_or(AuthRefused::TokenMissing)?,
                );
                let ids = fits.then(|| joined(ids, [Identity::new("key", "")]));
                ids.unwrap_or(Err(AuthRefused::WrongKey))
            }
        }
    }

    /// Whether this scheme looks into the tree.
    pub fn reads_key_node(&self, scheme: &str) -> bool {
        self.scheme(scheme) == Some(Scheme::Key)
    }

    /// The identities of a connection that is also `more`.
    pub(super) fn with_ids(
        ids: &AuthIds,
        more: impl IntoIterator<Item = Identity>,
    ) -> Result<AuthIds, AuthRefused> {
        joined(ids, more)
    }

    /// How clients log in by SASL, if they can.
    pub(super) fn sasl_login(&self) -> Option<&SaslLogin> {
        self.sasl.as_ref()
    }

    /// Whether this scheme is one of those that a connection must have one of.
    pub(super) fn enforces(&self, scheme: &str) -> bool {
        let enforced = self.enforced.as_deref().unwrap_or_default();
        enforced.iter().any(|name| &**name == scheme)
    }

    /// Whether requests of a connection with these identities are refused, all but those that
    /// authenticate.
    pub fn refuses_unauthenticated(&self, ids: &[Identity]) -> bool {
        self.enforced.as_deref().is_some_and(|schemes| {
            let is_listed = |id: &Identity| schemes.contains(&id.scheme);
            !ids.iter().any(is_listed)
        })
    }

    /// Scheme and user of each identity; a scheme without users of its own has an empty one.
    pub fn who_am_i<'a>(&self, ids: &'a [Identity]) -> Vec<(&'a str, &'a str)> {
        let tell = |id: &'a Identity| {
            let scheme = self.scheme(&id.scheme);
            let user = scheme.map_or("", |scheme| scheme.user_of(&id.id));
            (&*id.scheme, user)
        };
        ids.iter().map(tell).collect()
    }

    /// The scheme of this name, if this server has it switched on.
    fn scheme(&self, name: &str) -> Option<Scheme> {
        Scheme::from_name(name).filter(|scheme| match scheme {
            Scheme::Ip => true,
            Scheme::Digest => self.digest_enabled,
            Scheme::X509 => self.x509.is_some(),
            Scheme::Ensemble => self.ensemble.is_some(),
            Scheme::Sasl => self.sasl_enabled,
            Scheme::Key => self.key_enabled,
        })
    }
}

fn is_anyone(id: &Identity) -> bool {
    &*id.scheme == "world" && &*id.id == "anyone"
}

fn joined(ids: &AuthIds, more: impl IntoIterator<Item = Identity>) -> Result<AuthIds, AuthRefused> {
    let mut all = ids.to_vec();
    for id in more {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    if all.len() == ids.len() {
        return Ok(ids.clone());
    }
    let lengths = all.iter().map(|id| id.scheme.len() + id.id.len());
    let is_too_much = all.len() > limits::IDENTITIES_PER_CONNECTION
        || lengths.sum::<usize>() > limits::IDENTITY_BYTES_PER_CONNECTION;
    if is_too_much {
        return Err(AuthRefused::TooManyIdentities);
    }
    Ok(all.into())
}
