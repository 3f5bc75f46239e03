//! The mechanism GSSAPI (RFC 4752), both sides of it, as `GssKrb5Client` and `GssKrb5Server` of the JDK do it.
//!
//! ```text
//! other side                        here: GssapiServer
//!    |------ token of the context ----->|   Context::step, perhaps several times
//!    |<----- token of the context ------|   if it has one to say
//!    |------ empty token -------------->|   only then
//!    |<----- wrapped: layers, size -----|
//!    |------ wrapped: layer, size, id ->|   and who the other side is: Principal
//!    |<----- null ----------------------|
//! ```
//!
//! In: tokens, and a security context that somebody else makes and that does the cryptography. Out: tokens,
//! and who was authenticated. A context may read files and talk to a KDC, so these calls may take their time.
//! There are no layers that protect what follows: `auth` is all that either side offers or takes.

use std::fmt::{self, Debug, Formatter};

use super::{Principal, SaslError, ServerStep};

/// One side of a security context of the GSS-API.
pub trait Context: Send {
    /// Takes a token of the other side, an empty one to begin with, and gives the next, if there is one.
    fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError>;

    /// Whether this side is sure of the other one.
    fn is_established(&self) -> bool;

    /// Who has begun, in full: `name[/host]@REALM`. Only of an established context.
    fn initiator(&self) -> Result<String, SaslError>;

    /// Protects a message against change. Only of an established context.
    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError>;

    /// Gives a message that the other side has wrapped, if it is unchanged. Only of an established context.
    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError>;
}

/// The side that is dialled. After a failure, too, it may be asked again, and fails.
pub struct GssapiServer {
    context: Box<dyn Context>,
    state: ServerState,
}

#[derive(Debug)]
enum ServerState {
    Establishing,
    /// The other side has to say nothing before it hears the offer.
    Established,
    Offered,
    Over,
}

/// The side that dials.
pub struct GssapiClient {
    context: Box<dyn Context>,
    state: ClientState,
}

#[derive(Debug)]
enum ClientState {
    Establishing,
    Established,
    Over { is_complete: bool },
}

impl Debug for GssapiServer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("GssapiServer")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Debug for GssapiClient {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("GssapiClient")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl GssapiServer {
    /// `context` is one that nothing was done with.
    pub fn new(context: Box<dyn Context>) -> Self {
        Self {
            context,
            state: ServerState::Establishing,
        }
    }

    /// Takes a token of the other side.
    pub fn evaluate(&mut self, token: &[u8]) -> Result<ServerStep, SaslError> {
        match std::mem::replace(&mut self.state, ServerState::Over) {
            ServerState::Establishing => {
                let answer = self.context.step(token)?;
                match (self.context.is_established(), answer) {
                    (true, None) => self.offer(),
                    (is_established, answer) => {
                        self.state = if is_established {
                            ServerState::Established
                        } else {
                            ServerState::Establishing
                        };
                        Ok(ServerStep::Challenge(answer.unwrap_or_default()))
                    }
                }
            }
            ServerState::Established if token.is_empty() => self.offer(),
            ServerState::Established => Err(SaslError::Malformed("nothing was to be said")),
            ServerState::Offered => self.conclude(token),
            ServerState::Over => Err(SaslError::Over),
        }
    }

    fn offer(&mut self) -> Result<ServerStep, SaslError> {
        let offer = self.context.wrap(&LAYER_AND_SIZE)?;
        self.state = ServerState::Offered;
        Ok(ServerStep::Challenge(offer))
    }

    fn conclude(&mut self, token: &[u8]) -> Result<ServerStep, SaslError> {
        let choice = self.context.unwrap(token)?;
        let authorization_id = match &*choice {
            [layer, _, _, _, id @ ..] if layer & AUTH != 0 => String::from_utf8_lossy(id),
            [_, _, _, _, ..] => return Err(SaslError::Mismatched("layer")),
            _ => return Err(SaslError::Malformed("expected a layer and a size")),
        };
        let authentication_id = self.context.initiator()?;
        let authorization_id = if authorization_id.is_empty() {
            authentication_id.clone()
        } else {
            authorization_id.into_owned()
        };
        Ok(ServerStep::Done {
            answer: None,
            who: Principal {
                authentication_id,
                authorization_id,
            },
        })
    }
}

impl GssapiClient {
    /// `context` is one that nothing was done with.
    pub fn new(context: Box<dyn Context>) -> Self {
        Self {
            context,
            state: ClientState::Establishing,
        }
    }

    /// Whether all is said: the server has then shown who it is.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, ClientState::Over { is_complete: true })
    }

    /// Takes a token of the server, an empty one to begin with, and gives the next one.
    pub fn evaluate(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        let failed = ClientState::Over { is_complete: false };
        match std::mem::replace(&mut self.state, failed) {
            ClientState::Establishing => {
                let answer = self.context.step(token)?;
                self.state = if self.context.is_established() {
                    ClientState::Established
                } else {
                    ClientState::Establishing
                };
                Ok(answer.unwrap_or_default())
            }
            ClientState::Established => {
                let offer = self.context.unwrap(token)?;
                match &*offer {
                    [layers, _, _, _] if layers & AUTH != 0 => {}
                    [_, _, _, _] => return Err(SaslError::Mismatched("layer")),
                    _ => return Err(SaslError::Malformed("expected layers and a size")),
                }
                // It acts as itself and says so, as the JDK's does.
                let mut choice = LAYER_AND_SIZE.to_vec();
                choice.extend(self.context.initiator()?.into_bytes());
                let choice = self.context.wrap(&choice)?;
                self.state = ClientState::Over { is_complete: true };
                Ok(choice)
            }
            ClientState::Over { .. } => Err(SaslError::Over),
        }
    }
}

/// No layer: what follows is not protected.
const AUTH: u8 = 1;

/// No layer, and the 65536 bytes that the JDK says it takes at a time where there is one.
const LAYER_AND_SIZE: [u8; 4] = [AUTH, 1, 0, 0];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A context that is established after `steps`; the client's speaks once, the server's in its last step
    /// only if it is mutual. It wraps by putting a mark in front.
    struct Play {
        steps: usize,
        is_mutual: bool,
        is_server: bool,
    }

    impl Context for Play {
        fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
            if self.is_server && token != b"hello" {
                return Err(SaslError::Kerberos("no token".to_owned()));
            }
            self.steps = self.steps.saturating_sub(1);
            let says = if self.is_server {
                self.is_mutual || self.steps > 0
            } else {
                token.is_empty()
            };
            Ok(says.then(|| b"hello".to_vec()))
        }

        fn is_established(&self) -> bool {
            self.steps == 0
        }

        fn initiator(&self) -> Result<String, SaslError> {
            Ok("bob@R".to_owned())
        }

        fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
            Ok([b"w", message].concat())
        }

        fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
            let unwrapped = message.strip_prefix(b"w").map(<[u8]>::to_vec);
            unwrapped.ok_or_else(|| SaslError::Kerberos("not wrapped".to_owned()))
        }
    }

    fn play(steps: usize, is_mutual: bool, is_server: bool) -> Box<Play> {
        Box::new(Play {
            steps,
            is_mutual,
            is_server,
        })
    }

    fn server(is_mutual: bool) -> GssapiServer {
        GssapiServer::new(play(1, is_mutual, true))
    }

    fn done(who: &str, acts_as: &str) -> ServerStep {
        ServerStep::Done {
            answer: None,
            who: Principal {
                authentication_id: who.to_owned(),
                authorization_id: acts_as.to_owned(),
            },
        }
    }

    fn challenge(token: &[u8]) -> Result<ServerStep, SaslError> {
        Ok(ServerStep::Challenge(token.to_vec()))
    }

    #[test]
    fn the_offer_follows_what_the_context_says() {
        let offer = b"w\x01\x01\x00\x00";
        let mut silent = server(false);
        assert_eq!(silent.evaluate(b"hello"), challenge(offer));
        let mut mutual = server(true);
        assert_eq!(mutual.evaluate(b"hello"), challenge(b"hello"));
        assert_eq!(mutual.evaluate(b""), challenge(offer));
        for mut server in [silent, mutual] {
            let step = server.evaluate(b"w\x01\0\0\0").unwrap();
            assert_eq!(step, done("bob@R", "bob@R"));
            assert_eq!(server.evaluate(b""), Err(SaslError::Over));
        }
        let mut slow = GssapiServer::new(play(2, true, true));
        assert_eq!(slow.evaluate(b"hello"), challenge(b"hello"));
        assert_eq!(slow.evaluate(b"hello"), challenge(b"hello"));
        assert_eq!(slow.evaluate(b""), challenge(offer));
    }

    #[test]
    fn who_chooses_says_a_layer_and_perhaps_whom_it_acts_as() {
        for (choice, expected) in [
            (&b"w\x01\xff\xff\xffann"[..], Ok(done("bob@R", "ann"))),
            (b"w\x03\0\0\0", Ok(done("bob@R", "bob@R"))),
            (b"w\x02\0\0\0", Err(SaslError::Mismatched("layer"))),
            (b"w\0\0\0\0ann", Err(SaslError::Mismatched("layer"))),
            (
                b"w\x01\0\0",
                Err(SaslError::Malformed("expected a layer and a size")),
            ),
            (
                b"\x01\0\0\0",
                Err(SaslError::Kerberos("not wrapped".to_owned())),
            ),
        ] {
            let mut server = server(false);
            server.evaluate(b"hello").unwrap();
            assert_eq!(server.evaluate(choice), expected, "{choice:?}");
            assert_eq!(server.evaluate(choice), Err(SaslError::Over));
        }
    }

    #[test]
    fn both_sides_come_to_an_end_together() {
        for (steps, is_mutual) in [(1, false), (2, true)] {
            let mut server = server(is_mutual);
            let mut client = GssapiClient::new(play(steps, is_mutual, false));
            let mut token = Vec::new();
            let who = loop {
                assert!(!client.is_complete());
                token = client.evaluate(&token).unwrap();
                match server.evaluate(&token).unwrap() {
                    ServerStep::Challenge(answer) => token = answer,
                    step => break step,
                }
            };
            assert!(client.is_complete());
            assert_eq!(who, done("bob@R", "bob@R"));
            assert_eq!(client.evaluate(b""), Err(SaslError::Over));
        }
    }

    #[test]
    fn a_server_that_offers_no_plain_layer_is_left() {
        for offer in [&b"w\x06\0\0\0"[..], b"w\x01\0\0", b"w\x01\0\0\0\0", b""] {
            let mut client = GssapiClient::new(play(1, false, false));
            client.evaluate(b"").unwrap();
            assert!(client.evaluate(offer).is_err(), "{offer:?}");
            assert!(!client.is_complete());
        }
    }

    proptest! {
        #[test]
        fn any_tokens_are_survived(tokens: Vec<Vec<u8>>, is_mutual: bool) {
            let mut server = server(is_mutual);
            let mut client = GssapiClient::new(play(1, is_mutual, false));
            for token in &tokens {
                let _ = server.evaluate(token);
                let _ = client.evaluate(token);
            }
        }
    }
}
