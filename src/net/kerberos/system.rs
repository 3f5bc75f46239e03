//! Security contexts of the system's Kerberos library, MIT's krb5, through `libgssapi`.
//!
//! Where the library finds its configuration, keytabs and tickets it reads from the environment, see
//! [`KerberosOptions`](crate::config::KerberosOptions). Credentials are asked for anew for each context: a
//! keytab that was replaced counts at once, and a ticket got by one is fetched again when half its life is over.
//! Names are taken as they are written, without a look at the DNS.

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};

use super::canonical_host;
use crate::auth::sasl::{Context, SaslError, ServiceKey};
use crate::config::KerberosLogin;

/// Whether there is a key for this service.
pub fn check(key: &ServiceKey) -> Result<(), SaslError> {
    credentials(Some(&key.principal), CredUsage::Accept).map(|_| ())
}

/// That of the Kerberos configuration: what a name without a realm is given.
pub fn default_realm() -> Option<String> {
    let name = name("nobody").ok()?;
    let full = name.canonicalize(Some(GSS_MECH_KRB5)).ok()?;
    let full = shown(&full).ok()?;
    full.split_once('@').map(|(_, realm)| realm.to_owned())
}

/// The side of a service that is dialled.
pub(super) fn accepting(principal: &str) -> Box<dyn Context> {
    Box::new(Accepting {
        principal: principal.to_owned(),
        context: None,
    })
}

/// The side that dials the service on `host`.
pub(super) fn initiating(login: &KerberosLogin, host: &str) -> Box<dyn Context> {
    Box::new(Initiating {
        login: login.clone(),
        host: host.to_owned(),
        context: None,
    })
}

struct Accepting {
    principal: String,
    /// Made by the first step.
    context: Option<ServerCtx>,
}

struct Initiating {
    login: KerberosLogin,
    host: String,
    /// Made by the first step.
    context: Option<ClientCtx>,
}

impl Initiating {
    fn begin(&self) -> Result<ClientCtx, SaslError> {
        let service = if self.login.canonicalizes_hosts {
            let unknown = |error| SaslError::Kerberos(format!("host {}: {error}", self.host));
            let host = canonical_host(&self.host).map_err(unknown)?;
            self.login.service_on(&host)
        } else {
            self.login.service_on(&self.host)
        };
        let own = credentials(self.login.principal.as_deref(), CredUsage::Initiate)?;
        // The server is not asked to show itself at once, as the JDK's does not: it does so by what it wraps.
        let flags = CtxFlags::GSS_C_INTEG_FLAG;
        let service = name(&service)?;
        Ok(ClientCtx::new(
            Some(own),
            service,
            flags,
            Some(GSS_MECH_KRB5),
        ))
    }
}

impl Context for Accepting {
    fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        let context = match &mut self.context {
            Some(context) => context,
            none => {
                let own = credentials(Some(&self.principal), CredUsage::Accept)?;
                none.insert(ServerCtx::new(Some(own)))
            }
        };
        let answer = context.step(token, None).map_err(failed)?;
        Ok(answer.map(|token| token.to_vec()))
    }

    fn is_established(&self) -> bool {
        is_complete(self.context.as_ref())
    }

    fn initiator(&self) -> Result<String, SaslError> {
        initiator(self.context.as_ref())
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        wrap(self.context.as_mut(), message)
    }

    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        unwrap(self.context.as_mut(), message)
    }
}

impl Context for Initiating {
    fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.begin()?,
        };
        let token = (!token.is_empty()).then_some(token);
        let answer = context.step(token, None).map_err(failed)?;
        self.context = Some(context);
        Ok(answer.map(|token| token.to_vec()))
    }

    fn is_established(&self) -> bool {
        is_complete(self.context.as_ref())
    }

    fn initiator(&self) -> Result<String, SaslError> {
        initiator(self.context.as_ref())
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        wrap(self.context.as_mut(), message)
    }

    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        unwrap(self.context.as_mut(), message)
    }
}

fn is_complete(context: Option<&impl SecurityContext>) -> bool {
    context.is_some_and(SecurityContext::is_complete)
}

fn initiator(context: Option<&impl SecurityContext>) -> Result<String, SaslError> {
    let name = context.ok_or(SaslError::Over)?.source_name();
    shown(&name.map_err(failed)?)
}

/// For all to read: what is said is no secret.
fn wrap(context: Option<&mut impl SecurityContext>, message: &[u8]) -> Result<Vec<u8>, SaslError> {
    let wrapped = context.ok_or(SaslError::Over)?.wrap(false, message);
    Ok(wrapped.map_err(failed)?.to_vec())
}

fn unwrap(
    context: Option<&mut impl SecurityContext>,
    message: &[u8],
) -> Result<Vec<u8>, SaslError> {
    let message = context.ok_or(SaslError::Over)?.unwrap(message);
    Ok(message.map_err(failed)?.to_vec())
}

fn credentials(principal: Option<&str>, usage: CredUsage) -> Result<Cred, SaslError> {
    let own = principal.map(name).transpose()?;
    let kerberos = OidSet::singleton(GSS_MECH_KRB5).map_err(failed)?;
    Cred::acquire(own.as_ref(), None, usage, Some(&kerberos)).map_err(failed)
}

fn name(principal: &str) -> Result<Name, SaslError> {
    Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)).map_err(failed)
}

fn shown(name: &Name) -> Result<String, SaslError> {
    let bytes = name.display_name().map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn failed(error: Error) -> SaslError {
    SaslError::Kerberos(error.to_string())
}
