//! The side of DIGEST-MD5 that is asked, as `DigestMD5Client` of the JDK does it.

use std::fmt::{self, Debug, Formatter};

use super::directives::{Directives, quoted};
use super::session_key::{NONCE_COUNT, Side, Transcript};
use super::{CHALLENGE_BYTES_MAX, Nonce, RESPONSE_BYTES_MAX, SaslError, Service};

/// Who one says to be, and how one shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// Without the password.
impl Debug for Credentials {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// One exchange, which an empty token opens.
#[derive(Debug)]
pub struct ClientExchange<'a> {
    service: Service,
    credentials: &'a Credentials,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was heard of the server.
    Start,
    /// The password was shown; this is what a server answers that knows it too.
    Responded { expected: String },
    /// The server has shown that it knows the password, or the exchange has failed.
    Over { is_complete: bool },
}

impl<'a> ClientExchange<'a> {
    pub fn new(service: Service, credentials: &'a Credentials) -> Self {
        Self {
            service,
            credentials,
            state: State::Start,
        }
    }

    /// Whether the server has shown that it knows the password.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Over { is_complete: true })
    }

    /// Takes a token of the server, and gives the next one; `None` when there is nothing more to say.
    /// `cnonce` is a fresh one.
    pub fn evaluate(&mut self, token: &[u8], cnonce: Nonce) -> Result<Option<Vec<u8>>, SaslError> {
        if token.len() > CHALLENGE_BYTES_MAX {
            return Err(SaslError::TooLong(token.len()));
        }
        let failed = State::Over { is_complete: false };
        match std::mem::replace(&mut self.state, failed) {
            State::Start => self.respond(token, &cnonce).map(Some),
            State::Responded { expected } => {
                let directives = Directives::parse(token, &["rspauth"])?;
                if directives.need("rspauth")? != expected.as_bytes() {
                    return Err(SaslError::Mismatched("rspauth"));
                }
                self.state = State::Over { is_complete: true };
                Ok(None)
            }
            State::Over { .. } => Err(SaslError::Over),
        }
    }

    fn respond(&mut self, challenge: &[u8], cnonce: &Nonce) -> Result<Vec<u8>, SaslError> {
        let directives = Directives::parse(challenge, KEYS)?;
        let has_charset = directives.get("charset").is_some();
        directives.expect("charset", "utf-8")?;
        directives.need("algorithm")?;
        directives.expect("algorithm", "md5-sess")?;
        let nonce = directives.need("nonce")?;
        let realm = String::from_utf8_lossy(directives.get("realm").unwrap_or_default());
        let offers = String::from_utf8_lossy(directives.get("qop").unwrap_or(b"auth"));
        let mut offers = offers.split([',', ' ', '\t', '\n']);
        if !offers.any(|offer| offer == "auth") {
            return Err(SaslError::Mismatched("qop"));
        }
        let Credentials { user, password } = self.credentials;
        let digest_uri = self.service.digest_uri();
        let transcript = Transcript {
            user,
            realm: &realm,
            password,
            nonce,
            cnonce: cnonce.as_bytes(),
            authzid: Some(user.as_bytes()),
            digest_uri: &digest_uri,
        };
        let mut response = Vec::new();
        if has_charset {
            response.extend(b"charset=utf-8,");
        }
        response.extend(b"username=");
        response.extend(quoted(user.as_bytes()));
        if !realm.is_empty() {
            response.extend(b",realm=");
            response.extend(quoted(realm.as_bytes()));
        }
        response.extend(b",nonce=");
        response.extend(quoted(nonce));
        response.extend(format!(",nc={NONCE_COUNT},cnonce=").bytes());
        response.extend(quoted(cnonce.as_bytes()));
        let value = transcript.response_value(Side::Client);
        let rest =
            format!(",digest-uri=\"{digest_uri}\",maxbuf=65536,response={value},qop=auth,authzid=");
        response.extend(rest.bytes());
        response.extend(quoted(user.as_bytes()));
        if response.len() > RESPONSE_BYTES_MAX {
            return Err(SaslError::TooLong(response.len()));
        }
        let expected = transcript.response_value(Side::Server);
        self.state = State::Responded { expected };
        Ok(response)
    }
}

const KEYS: &[&str] = &["realm", "nonce", "qop", "charset", "algorithm"];
