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
use libgssapi::util::Buf;

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
    let principal = principal.to_owned();
    Side::boxed(move || {
        let own = credentials(Some(&principal), CredUsage::Accept)?;
        Ok(ServerCtx::new(Some(own)))
    })
}

/// The side that dials the service on `host`.
pub(super) fn initiating(login: &KerberosLogin, host: &str) -> Box<dyn Context> {
    let (login, host) = (login.clone(), host.to_owned());
    Side::boxed(move || {
        let service = if login.canonicalizes_hosts {
            let unknown = |error| SaslError::Kerberos(format!("host {host}: {error}"));
            login.service_on(&canonical_host(&host).map_err(unknown)?)
        } else {
            login.service_on(&host)
        };
        let own = credentials(login.principal.as_deref(), CredUsage::Initiate)?;
        // The server is not asked to show itself at once, as the JDK's does not: it does so by what it wraps.
        let flags = CtxFlags::GSS_C_INTEG_FLAG;
        let (service, kerberos) = (name(&service)?, Some(GSS_MECH_KRB5));
        Ok(ClientCtx::new(Some(own), service, flags, kerberos))
    })
}

/// Either side of a context. It begins with the first step, since what that takes has its time.
struct Side<C> {
    begin: Box<dyn Fn() -> Result<C, SaslError> + Send>,
    context: Option<C>,
}

/// What the two sides of the library do not have in common.
trait Steps: SecurityContext + Send {
    fn take(&mut self, token: &[u8]) -> Result<Option<Buf>, Error>;
}

impl Steps for ServerCtx {
    fn take(&mut self, token: &[u8]) -> Result<Option<Buf>, Error> {
        self.step(token, None)
    }
}

impl Steps for ClientCtx {
    fn take(&mut self, token: &[u8]) -> Result<Option<Buf>, Error> {
        self.step((!token.is_empty()).then_some(token), None)
    }
}

impl<C: Steps + 'static> Side<C> {
    fn boxed(begin: impl Fn() -> Result<C, SaslError> + Send + 'static) -> Box<dyn Context> {
        Box::new(Self {
            begin: Box::new(begin),
            context: None,
        })
    }

    fn begun(&mut self) -> Result<&mut C, SaslError> {
        self.context.as_mut().ok_or(SaslError::Over)
    }
}

impl<C: Steps + 'static> Context for Side<C> {
    fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert((self.begin)()?),
        };
        let answer = context.take(token).map_err(failed)?;
        Ok(answer.map(|token| token.to_vec()))
    }

    fn is_established(&self) -> bool {
        self.context.as_ref().is_some_and(C::is_complete)
    }

    fn initiator(&self) -> Result<String, SaslError> {
        let context = self.context.as_ref().ok_or(SaslError::Over)?;
        shown(&context.source_name().map_err(failed)?)
    }

    /// For all to read: what is said is no secret.
    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        let wrapped = self.begun()?.wrap(false, message);
        Ok(wrapped.map_err(failed)?.to_vec())
    }

    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        let message = self.begun()?.unwrap(message);
        Ok(message.map_err(failed)?.to_vec())
    }
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
