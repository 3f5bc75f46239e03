//! Exchanges of the JDK, word for word, and what must not pass.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::directives::Directives;
use super::{
    Acceptor, Accounts, ClientExchange, Credentials, NameRules, Nonce, Principal,
    RESPONSE_BYTES_MAX, SaslError, ServerExchange, ServerStep, Service,
};
use crate::auth::{AuthOptions, Policy, SaslAnswer, SaslLogin};
use crate::base::Identity;
use crate::proto::ErrorCode;

/// What the JDK's two sides said to each other.
struct Recorded {
    service: Service,
    user: &'static str,
    password: &'static str,
    authzid: &'static str,
    challenge: &'static str,
    response: &'static str,
    answer: &'static str,
}

fn recorded() -> Vec<Recorded> {
    let text = include_str!("testdata/exchanges.txt");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let exchanges = lines.chunks(8).map(|lines| Recorded {
        service: match lines[0] {
            "zookeeper" => Service::CLIENTS,
            _ => Service::SERVERS,
        },
        user: lines[2],
        password: lines[3],
        authzid: lines[4],
        challenge: lines[5],
        response: lines[6],
        answer: lines[7],
    });
    let exchanges: Vec<_> = exchanges.collect();
    assert_eq!(exchanges.len(), 5);
    exchanges
}

impl Recorded {
    fn accounts(&self) -> Accounts {
        accounts(self.service, &[(self.user, self.password)])
    }

    fn nonce(&self) -> Nonce {
        nonce_of(self.challenge, "nonce")
    }

    fn credentials(&self) -> Credentials {
        credentials(self.user, self.password)
    }

    /// A server that has asked.
    fn challenged(&self) -> ServerExchange {
        let mut server = ServerExchange::default();
        server
            .evaluate(&self.accounts(), b"", self.nonce())
            .unwrap();
        server
    }

    fn evaluate(&self, response: &str) -> Result<ServerStep, SaslError> {
        let mut server = self.challenged();
        server.evaluate(&self.accounts(), response.as_bytes(), other_nonce())
    }
}

fn accounts(service: Service, users: &[(&str, &str)]) -> Accounts {
    let users = users.iter();
    let passwords: BTreeMap<_, _> = users
        .map(|(user, password)| ((*user).to_owned(), (*password).to_owned()))
        .collect();
    Accounts::new(service, passwords)
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

fn nonce_of(token: &str, key: &str) -> Nonce {
    let directives = Directives::parse(token.as_bytes(), &[key]).unwrap();
    Nonce::from_text(str::from_utf8(directives.get(key).unwrap()).unwrap())
}

fn other_nonce() -> Nonce {
    Nonce::from_random([7; Nonce::RANDOM_BYTES])
}

#[test]
fn a_server_says_what_the_jdks_says() {
    for exchange in recorded() {
        let accounts = exchange.accounts();
        let mut server = ServerExchange::default();
        let step = server.evaluate(&accounts, b"", exchange.nonce());
        let challenge = exchange.challenge.as_bytes().to_vec();
        assert_eq!(step, Ok(ServerStep::Challenge(challenge)));
        let response = exchange.response.as_bytes();
        let done = ServerStep::Done {
            answer: Some(exchange.answer.as_bytes().to_vec()),
            who: Principal {
                authentication_id: exchange.user.to_owned(),
                authorization_id: exchange.user.to_owned(),
            },
        };
        assert_eq!(
            server.evaluate(&accounts, response, other_nonce()),
            Ok(done)
        );
        // A replay finds the exchange over, and any other one with another nonce.
        let replay = server.evaluate(&accounts, response, other_nonce());
        assert_eq!(replay, Err(SaslError::Over));
        let mut other = ServerExchange::default();
        other.evaluate(&accounts, b"", other_nonce()).unwrap();
        let replay = other.evaluate(&accounts, response, other_nonce());
        assert_eq!(replay, Err(SaslError::Mismatched("nonce")));
    }
}

#[test]
fn a_client_says_what_the_jdks_says() {
    for exchange in recorded() {
        // Ours always says whom it wants to act as.
        if exchange.authzid.is_empty() {
            continue;
        }
        let credentials = exchange.credentials();
        let mut client = ClientExchange::new(exchange.service, &credentials);
        let cnonce = nonce_of(exchange.response, "cnonce");
        let response = client.evaluate(exchange.challenge.as_bytes(), cnonce);
        let response = String::from_utf8(response.unwrap().unwrap()).unwrap();
        assert_eq!(response, exchange.response);
        assert!(!client.is_complete());
        let end = client.evaluate(exchange.answer.as_bytes(), other_nonce());
        assert_eq!(end, Ok(None));
        assert!(client.is_complete());
        assert_eq!(client.evaluate(b"", other_nonce()), Err(SaslError::Over));
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let exchange = &recorded()[1];
    let credentials = exchange.credentials();
    for (answer, error) in [
        (
            "rspauth=00000000000000000000000000000000",
            SaslError::Mismatched("rspauth"),
        ),
        ("", SaslError::Missing("rspauth")),
    ] {
        let mut client = ClientExchange::new(exchange.service, &credentials);
        client
            .evaluate(exchange.challenge.as_bytes(), other_nonce())
            .unwrap();
        let end = client.evaluate(answer.as_bytes(), other_nonce());
        assert_eq!(end, Err(error));
        assert!(!client.is_complete());
    }
}

#[test]
fn challenges_that_a_client_does_not_answer() {
    let table = [
        ("", SaslError::Missing("algorithm")),
        ("algorithm=md5-sess", SaslError::Missing("nonce")),
        (
            "algorithm=md5,nonce=\"x\"",
            SaslError::Mismatched("algorithm"),
        ),
        (
            "algorithm=md5-sess,nonce=\"x\",charset=latin1",
            SaslError::Mismatched("charset"),
        ),
        (
            "algorithm=md5-sess,nonce=\"x\",qop=\"auth-int,auth-conf\"",
            SaslError::Mismatched("qop"),
        ),
        (
            "realm=\"a\",realm=\"b\",algorithm=md5-sess,nonce=\"x\"",
            SaslError::Malformed("a directive comes twice"),
        ),
    ];
    let credentials = credentials("test", "secret");
    for (challenge, error) in table {
        let mut client = ClientExchange::new(Service::SERVERS, &credentials);
        let response = client.evaluate(challenge.as_bytes(), other_nonce());
        assert_eq!(response, Err(error), "{challenge}");
    }
    let mut client = ClientExchange::new(Service::SERVERS, &credentials);
    let long = vec![b' '; super::CHALLENGE_BYTES_MAX + 1];
    let response = client.evaluate(&long, other_nonce());
    assert_eq!(response, Err(SaslError::TooLong(long.len())));
}

#[test]
fn responses_that_do_not_pass() {
    let exchange = &recorded()[0];
    let missing = SaslError::Missing;
    let table = [
        (
            "username=\"super\"",
            "username=\"nobody\"",
            SaslError::UnknownUser,
        ),
        ("username=\"super\",", "", missing("username")),
        ("realm=\"zk-sasl-md5\",", "", missing("realm")),
        ("realm=\"zk-", "realm=\"kz-", SaslError::Mismatched("realm")),
        ("nc=00000001", "nc=00000002", SaslError::Mismatched("nc")),
        ("qop=auth", "qop=auth-int", SaslError::Mismatched("qop")),
        (
            "charset=utf-8",
            "charset=x",
            SaslError::Mismatched("charset"),
        ),
        (
            "digest-uri=\"zoo",
            "digest-uri=\"oo",
            SaslError::Mismatched("digest-uri"),
        ),
        ("cnonce=\"", "cnonce=\"x", SaslError::WrongPassword),
        ("response=", "response=0", SaslError::WrongPassword),
        (
            "authzid=\"super\"",
            "authzid=\"admin\"",
            SaslError::WrongPassword,
        ),
        ("response=", "x=y,resp=", missing("response")),
        (
            "qop=auth",
            "qop=auth,qop=auth",
            SaslError::Malformed("a directive comes twice"),
        ),
    ];
    for (from, to, error) in table {
        assert!(exchange.response.contains(from), "{from}");
        let response = exchange.response.replace(from, to);
        assert_eq!(exchange.evaluate(&response), Err(error), "{to}");
    }
    let wrong = accounts(exchange.service, &[(exchange.user, "other")]);
    let response = exchange.response.as_bytes();
    let step = exchange
        .challenged()
        .evaluate(&wrong, response, other_nonce());
    assert_eq!(step, Err(SaslError::WrongPassword));
    let long = " ".repeat(RESPONSE_BYTES_MAX + 1);
    let step = exchange.evaluate(&long);
    assert_eq!(step, Err(SaslError::TooLong(long.len())));
    // The digest URI may be in other letters, as to the JDK's; it is hashed as it was said.
    let uri = exchange
        .response
        .replace("digest-uri=\"zoo", "digest-uri=\"Zoo");
    assert_eq!(exchange.evaluate(&uri), Err(SaslError::WrongPassword));
}

#[test]
fn tokens_are_read_as_the_jdk_reads_them() {
    let read = |token: &str| {
        let found = Directives::parse(token.as_bytes(), &["a", "b"])?;
        let value = |key| {
            found
                .get(key)
                .map(|value| String::from_utf8_lossy(value).into_owned())
        };
        Ok::<_, SaslError>((value("a"), value("b")))
    };
    let both = |a: &str, b: &str| Ok((Some(a.to_owned()), Some(b.to_owned())));
    for (token, expected) in [
        ("a=1,b=2", both("1", "2")),
        (" , a = 1 ,, b =\"2\" ,", both("1", "2")),
        ("A=1 B=\"x,\\\"y\\\\\"", both("1", "x,\"y\\")),
        ("a=,b=\"\"", both("", "")),
        ("c=3,a=1,c=4,b=2", both("1", "2")),
    ] {
        assert_eq!(read(token), expected, "{token}");
    }
    for token in [
        "a", "a=", "=1", "a b", "a=\"1", "a=\"1\\", "a=\"1\"x", "a=1,a=2", "a,b=1",
    ] {
        assert!(
            matches!(read(token), Err(SaslError::Malformed(_))),
            "{token}"
        );
    }
}

#[test]
fn neither_accounts_nor_credentials_tell_passwords() {
    let shown = format!(
        "{:?} {:?}",
        accounts(Service::CLIENTS, &[("bob", "hush")]),
        credentials("bob", "hush")
    );
    assert!(shown.contains("bob") && !shown.contains("hush"), "{shown}");
}

/// What a client that shows these gets from a server with such rules, token by token.
fn log_in(change: impl FnOnce(&mut AuthOptions), user: &str, password: &str) -> Vec<SaslAnswer> {
    let users = [("bob", "x"), ("super", "s"), ("a@R@S", "x"), ("ann@R", "x")];
    let known = accounts(Service::CLIENTS, &users);
    let mut options = AuthOptions {
        sasl_enabled: true,
        sasl: Some(SaslLogin {
            acceptor: Acceptor::Digest(known.clone()),
            super_users: ["super".to_owned()].into(),
            keeps_failed: false,
            keeps_host: true,
            keeps_realm: true,
            rules: NameRules::default(),
        }),
        ..AuthOptions::default()
    };
    change(&mut options);
    let policy = Policy::new(&options).unwrap();
    let ids = Policy::initial("10.1.2.3".parse().unwrap());
    let credentials = credentials(user, password);
    let mut client = ClientExchange::new(Service::CLIENTS, &credentials);
    let mut server = ServerExchange::default();
    let mut answers = Vec::new();
    let mut token = Vec::new();
    for _ in 0..3 {
        let step = server.evaluate(&known, &token, other_nonce());
        let answer = policy.sasl_answer(&ids, step);
        answers.push(answer.clone());
        match answer {
            SaslAnswer::Token(Some(challenge)) => {
                token = client.evaluate(&challenge, other_nonce()).unwrap().unwrap();
            }
            // It tries the same again.
            SaslAnswer::Kept(_) => {}
            _ => break,
        }
    }
    answers
}

#[test]
fn who_logs_in_is_somebody() {
    let last = |user, password| log_in(|_| {}, user, password).pop().unwrap();
    let sasl = |name: &str| Identity::new("sasl", name);
    let ip = Identity::new("ip", "10.1.2.3");
    let SaslAnswer::LoggedIn { ids, token } = last("bob", "x") else {
        panic!("bob logs in");
    };
    assert_eq!(*ids, [ip.clone(), sasl("bob")]);
    assert!(token.unwrap().starts_with(b"rspauth="));
    let SaslAnswer::LoggedIn { ids, .. } = last("super", "s") else {
        panic!("super logs in");
    };
    assert_eq!(
        *ids,
        [ip.clone(), sasl("super"), Identity::new("super", "")]
    );
    let SaslAnswer::LoggedIn { ids, .. } = last("ann@R", "x") else {
        panic!("a name of a realm without a rule stays");
    };
    assert_eq!(*ids, [ip, sasl("ann@R")]);
    let closed = "the name of the user is no Kerberos name";
    assert_eq!(last("a@R@S", "x"), SaslAnswer::Closed(closed));
}

/// CP-208, CP-209.
#[test]
fn who_fails_is_refused_or_kept() {
    let wrong = SaslError::WrongPassword;
    let failed = SaslAnswer::Refused(ErrorCode::AuthFailed, wrong.clone());
    assert_eq!(log_in(|_| {}, "bob", "y").pop(), Some(failed));

    let keep = |options: &mut AuthOptions| options.sasl.as_mut().unwrap().keeps_failed = true;
    let kept = log_in(keep, "bob", "y");
    let over = SaslAnswer::Kept(SaslError::Over);
    assert_eq!(kept[1..], [SaslAnswer::Kept(wrong.clone()), over]);

    let demand = |options: &mut AuthOptions| {
        keep(options);
        options.session_require_client_sasl_auth = true;
    };
    let code = ErrorCode::SessionClosedRequireSaslAuth;
    let demanded = log_in(demand, "bob", "y").pop();
    assert_eq!(demanded, Some(SaslAnswer::Refused(code, wrong)));

    let without = log_in(|options| options.sasl = None, "bob", "x");
    assert_eq!(without, [SaslAnswer::Token(None)]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_let_nobody_in(tokens: Vec<Vec<u8>>) {
        let accounts = accounts(Service::CLIENTS, &[("bob", "x")]);
        let credentials = credentials("bob", "x");
        let mut server = ServerExchange::default();
        let mut client = ClientExchange::new(Service::CLIENTS, &credentials);
        for token in &tokens {
            let step = server.evaluate(&accounts, token, other_nonce());
            let is_in = matches!(step, Ok(ServerStep::Done { .. }));
            prop_assert!(!is_in);
            let _ = client.evaluate(token, other_nonce());
            prop_assert!(!client.is_complete());
        }
    }

    #[test]
    fn any_mix_of_special_bytes_is_survived(token in "[a=,\"\\\\ \t]{0,40}") {
        let keys = ["a"];
        if let Ok(directives) = Directives::parse(token.as_bytes(), &keys) {
            prop_assert!(directives.get("a").is_none_or(|value| value.len() < token.len()));
        }
    }

    #[test]
    fn both_sides_agree_exactly_if_they_share_the_password(
        user in "\\PC{1,20}", password in "\\PC{0,20}", other in "\\PC{0,20}", random: [u8; 30]
    ) {
        let credentials = credentials(&user, &password);
        for known in [&password, &other] {
            let accounts = accounts(Service::SERVERS, &[(&user, known)]);
            let mut server = ServerExchange::default();
            let mut client = ClientExchange::new(Service::SERVERS, &credentials);
            let nonce = Nonce::from_random(random);
            let ServerStep::Challenge(token) = server.evaluate(&accounts, b"", nonce).unwrap() else {
                panic!("a challenge comes first");
            };
            let token = client.evaluate(&token, other_nonce()).unwrap().unwrap();
            match server.evaluate(&accounts, &token, other_nonce()) {
                Ok(ServerStep::Done { answer, who }) => {
                    prop_assert_eq!(known, &password);
                    prop_assert_eq!(&who.authentication_id, &user);
                    let answer = answer.unwrap();
                    prop_assert_eq!(client.evaluate(&answer, other_nonce()), Ok(None));
                }
                step => {
                    prop_assert_ne!(known, &password);
                    prop_assert_eq!(step, Err(SaslError::WrongPassword));
                }
            }
        }
    }
}
