//! How clients log in by SASL: what comes of the tokens of one connection.

use std::collections::BTreeSet;

use super::names::KerberosName;
use super::{Acceptor, NameRules, Principal, SaslError, ServerStep};
use crate::auth::{AuthIds, Policy};
use crate::base::Identity;
use crate::proto::ErrorCode;

/// What the configuration says about clients that log in by SASL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslLogin {
    pub acceptor: Acceptor,
    /// `zookeeper.superUser` and `zookeeper.superUser.*`: names that pass every list.
    pub super_users: BTreeSet<String>,
    /// `zookeeper.allowSaslFailedClients`: who fails goes on as nobody, unless SASL is enforced.
    pub keeps_failed: bool,
    /// `zookeeper.kerberos.removeHostFromPrincipal` is not true.
    pub keeps_host: bool,
    /// `zookeeper.kerberos.removeRealmFromPrincipal` is not true.
    pub keeps_realm: bool,
    /// `zookeeper.security.auth_to_local`.
    pub rules: NameRules,
}

/// What becomes of a token, as `ZooKeeperServer.processSasl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslAnswer {
    /// Answered with this, perhaps null, and the connection goes on.
    Token(Option<Vec<u8>>),
    /// Answered with this, perhaps null, and the connection is somebody from here on.
    LoggedIn {
        token: Option<Vec<u8>>,
        ids: AuthIds,
    },
    /// Kept as nobody, with a null token.
    Kept(SaslError),
    /// Answered with this code and a null token, then closed.
    Refused(ErrorCode, SaslError),
    /// Closed without an answer: the name can be nobody's, or the connection is too many people.
    Closed(&'static str),
}

impl Policy {
    /// How clients show who they are; `None` where they cannot log in by SASL.
    pub fn sasl_acceptor(&self) -> Option<&Acceptor> {
        self.sasl_login().map(|login| &login.acceptor)
    }

    /// What comes of a step of an exchange with a client. `ids` is who the connection is so far.
    pub fn sasl_answer(&self, ids: &AuthIds, step: Result<ServerStep, SaslError>) -> SaslAnswer {
        let Some(login) = self.sasl_login() else {
            return SaslAnswer::Token(None);
        };
        match step {
            Ok(ServerStep::Challenge(token)) => SaslAnswer::Token(Some(token)),
            Ok(ServerStep::Done { answer, who }) => {
                let Some(name) = login.name_of(who) else {
                    return SaslAnswer::Closed("the name of the user is no Kerberos name");
                };
                let is_super = login.super_users.contains(&name) && !name.is_empty();
                let also = is_super.then(|| Identity::new("super", ""));
                let more = [Identity::new("sasl", &name)].into_iter().chain(also);
                match Self::with_ids(ids, more) {
                    Ok(ids) => SaslAnswer::LoggedIn { token: answer, ids },
                    Err(_) => SaslAnswer::Closed("the connection has too many identities"),
                }
            }
            Err(error) if self.enforces("sasl") => {
                SaslAnswer::Refused(ErrorCode::SessionClosedRequireSaslAuth, error)
            }
            Err(error) if login.keeps_failed => SaslAnswer::Kept(error),
            Err(error) => SaslAnswer::Refused(ErrorCode::AuthFailed, error),
        }
    }
}

impl SaslLogin {
    /// What a user is called, as `SaslServerCallbackHandler.handleAuthorizeCallback`: whom it wanted to
    /// act as counts only where its own name fits no rule.
    fn name_of(&self, who: Principal) -> Option<String> {
        let name = KerberosName::parse(&who.authentication_id)?;
        let local = name.local(&self.rules, self.keeps_host, self.keeps_realm);
        Some(local.unwrap_or(who.authorization_id))
    }
}
