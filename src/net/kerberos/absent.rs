//! What stands in for the Kerberos library where a server is built without it: a context that fails. The
//! configuration asks for none.

use crate::auth::sasl::{Context, SaslError, ServiceKey};
use crate::config::KerberosLogin;

pub fn check(_: &ServiceKey) -> Result<(), SaslError> {
    Err(absent())
}

/// There is no Kerberos configuration.
pub fn default_realm() -> Option<String> {
    None
}

pub(super) fn accepting(_: &str) -> Box<dyn Context> {
    Box::new(Absent)
}

pub(super) fn initiating(_: &KerberosLogin, _: &str) -> Box<dyn Context> {
    Box::new(Absent)
}

struct Absent;

impl Context for Absent {
    fn step(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        Err(absent())
    }

    fn is_established(&self) -> bool {
        false
    }

    fn initiator(&self) -> Result<String, SaslError> {
        Err(absent())
    }

    fn wrap(&mut self, _: &[u8]) -> Result<Vec<u8>, SaslError> {
        Err(absent())
    }

    fn unwrap(&mut self, _: &[u8]) -> Result<Vec<u8>, SaslError> {
        Err(absent())
    }
}

fn absent() -> SaslError {
    SaslError::Kerberos("this server is built without Kerberos".to_owned())
}
