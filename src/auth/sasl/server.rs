//! The side of DIGEST-MD5 that asks, as `DigestMD5Server` of the JDK does it.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

use super::directives::{Directives, quoted};
use super::session_key::{NONCE_COUNT, Side, Transcript};
use super::{Nonce, RESPONSE_BYTES_MAX, SaslError, Service};

/// Who may log in, with which password.
#[derive(Clone, PartialEq, Eq)]
pub struct Accounts {
    service: Service,
    passwords: BTreeMap<String, String>,
}

/// Who the other side has shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose password it knows.
    pub authentication_id: String,
    /// Whom it wants to act as: itself, unless it said otherwise.
    pub authorization_id: String,
}

/// One exchange. After a failure, too, it may be asked again, and fails.
#[derive(Debug, Default)]
pub struct ServerExchange {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Challenged(Nonce),
    Over,
}

/// What comes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerStep {
    /// To be sent; the next token answers it.
    Challenge(Vec<u8>),
    /// To be sent, perhaps null; the other side is this one.
    Done {
        answer: Option<Vec<u8>>,
        who: Principal,
    },
}

impl Accounts {
    pub fn new(service: Service, passwords: BTreeMap<String, String>) -> Self {
        Self { service, passwords }
    }
}

/// Without the passwords.
impl Debug for Accounts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("service", &self.service)
            .field("users", &self.passwords.keys())
            .finish()
    }
}

impl ServerExchange {
    /// Takes a token of the other side. `nonce` is a fresh one.
    pub fn evaluate(
        &mut self,
        accounts: &Accounts,
        token: &[u8],
        nonce: Nonce,
    ) -> Result<ServerStep, SaslError> {
        if token.len() > RESPONSE_BYTES_MAX {
            return Err(SaslError::TooLong(token.len()));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            // What a client may say first is for another kind of exchange, and passed over.
            State::Start => {
                let challenge = challenge(accounts.service, &nonce);
                self.state = State::Challenged(nonce);
                Ok(ServerStep::Challenge(challenge))
            }
            State::Challenged(nonce) => verify(accounts, &nonce, token),
            State::Over => Err(SaslError::Over),
        }
    }
}

fn challenge(service: Service, nonce: &Nonce) -> Vec<u8> {
    let mut challenge = b"realm=".to_vec();
    challenge.extend(quoted(service.server_name.as_bytes()));
    challenge.extend(b",nonce=");
    challenge.extend(quoted(nonce.as_bytes()));
    challenge.extend(b",charset=utf-8,algorithm=md5-sess");
    challenge
}

fn verify(accounts: &Accounts, nonce: &Nonce, token: &[u8]) -> Result<ServerStep, SaslError> {
    let directives = Directives::parse(token, KEYS)?;
    let service = accounts.service;
    directives.expect("charset", "utf-8")?;
    let user = String::from_utf8_lossy(directives.need("username")?).into_owned();
    directives.need("realm")?;
    directives.expect("realm", service.server_name)?;
    if directives.need("nonce")? != nonce.as_bytes() {
        return Err(SaslError::Mismatched("nonce"));
    }
    let cnonce = directives.need("cnonce")?;
    directives.expect("nc", NONCE_COUNT)?;
    directives.expect("qop", "auth")?;
    let uri = String::from_utf8_lossy(directives.need("digest-uri")?);
    if !uri.eq_ignore_ascii_case(&service.digest_uri()) {
        return Err(SaslError::Mismatched("digest-uri"));
    }
    let shown = directives.need("response")?;
    let authzid = directives.get("authzid");
    let transcript = Transcript {
        user: &user,
        realm: service.server_name,
        // Who is not there costs the same work as who shows a wrong password.
        password: accounts.passwords.get(&user).map_or("", String::as_str),
        nonce: nonce.as_bytes(),
        cnonce,
        authzid,
        digest_uri: &uri,
    };
    let is_shown = transcript.is_shown_by(Side::Client, shown);
    if !accounts.passwords.contains_key(&user) {
        return Err(SaslError::UnknownUser);
    }
    if !is_shown {
        return Err(SaslError::WrongPassword);
    }
    let answer = format!("rspauth={}", transcript.response_value(Side::Server));
    let authorization_id = match authzid {
        Some(other) => String::from_utf8_lossy(other).into_owned(),
        None => user.clone(),
    };
    Ok(ServerStep::Done {
        answer: Some(answer.into_bytes()),
        who: Principal {
            authentication_id: user,
            authorization_id,
        },
    })
}

const KEYS: &[&str] = &[
    "username",
    "realm",
    "nonce",
    "cnonce",
    "nc",
    "qop",
    "digest-uri",
    "response",
    "charset",
    "authzid",
];
