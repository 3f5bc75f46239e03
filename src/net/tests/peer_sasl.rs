//! Logins between servers, over a pipe.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};

use super::{PATIENCE, SASL_IN_PROGRESS, sasl};
use crate::auth::sasl::{Acceptor, Credentials, SaslError, ServiceKey};
use crate::config::{KerberosLogin, PeerLogin, PeerSaslOptions, Tickets};
use crate::net::peer_sasl::{NotLoggedIn, admit, log_in};

/// Whom one logs in to; by DIGEST-MD5 it does not matter.
const HOST: &str = "localhost";

/// What ends a login that failed, as Apache has it.
const FAILED: &[u8] = b"\x5f\x24\x35\x01\x35\x01\xed\xcc\xff\xff\xff\xff\0\0\0\0";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn credentials(user: &str, password: &str) -> PeerLogin {
    PeerLogin::Digest(Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// What comes of a login at either end, and what was left of what the first said behind it.
fn both(
    is_demanded: bool,
    credentials: &PeerLogin,
) -> (Result<(), NotLoggedIn>, Result<(), NotLoggedIn>, Vec<u8>) {
    runtime().block_on(async {
        let (mut near, mut far) = duplex(8192);
        let mut received = BytesMut::from(&b""[..]);
        let options = sasl(is_demanded);
        let dials = async {
            let outcome = log_in(&mut near, credentials, HOST, PATIENCE).await;
            near.write_all(b"and more").await.unwrap();
            drop(near);
            outcome
        };
        let is_dialled = admit(&mut far, &mut received, &options, PATIENCE);
        let (dialled, admitted) = tokio::join!(dials, is_dialled);
        far.read_buf(&mut received).await.unwrap();
        (dialled, admitted, received.to_vec())
    })
}

/// What becomes of a server that says this and then falls silent or goes, and what it is answered.
fn says(
    is_demanded: bool,
    said: &[u8],
    goes: bool,
) -> (Result<(), NotLoggedIn>, Vec<u8>, BytesMut) {
    runtime().block_on(async {
        let (mut near, mut far) = duplex(64 * 1024);
        near.write_all(said).await.unwrap();
        let mut received = BytesMut::new();
        let limit = if goes {
            near.shutdown().await.unwrap();
            PATIENCE
        } else {
            Duration::from_millis(1)
        };
        let admitted = admit(&mut far, &mut received, &sasl(is_demanded), limit).await;
        drop(far);
        (admitted, rest(near).await, received)
    })
}

async fn rest(mut stream: DuplexStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    rest
}

#[test]
fn who_knows_the_password_is_let_in() {
    for is_demanded in [true, false] {
        let (dialled, admitted, rest) = both(is_demanded, &credentials("test", "mypassword"));
        assert!(matches!((dialled, admitted), (Ok(()), Ok(()))));
        assert_eq!(rest, b"and more");
    }
}

#[test]
fn who_does_not_is_not_where_it_is_demanded() {
    for (user, password) in [("test", "invalid"), ("nobody", "mypassword")] {
        let (dialled, admitted, _) = both(true, &credentials(user, password));
        assert!(matches!(dialled, Err(NotLoggedIn::Refused)));
        let error = SaslError::WrongPassword;
        let error = if user == "nobody" {
            SaslError::UnknownUser
        } else {
            error
        };
        assert!(matches!(admitted, Err(NotLoggedIn::Failed(found)) if found == error));
        let (dialled, admitted, rest) = both(false, &credentials(user, password));
        assert!(matches!(dialled, Err(NotLoggedIn::Refused)));
        assert!(matches!(admitted, Ok(())));
        assert_eq!(rest, b"and more");
    }
}

#[test]
fn who_does_not_try_goes_on_where_it_is_not_demanded() {
    let said = b"a notification";
    let (admitted, answered, received) = says(false, said, false);
    assert!(admitted.is_ok());
    assert_eq!((&*answered, &*received), (&b""[..], &said[..]));
    let (admitted, answered, _) = says(true, said, false);
    assert!(matches!(admitted, Err(NotLoggedIn::NotTried)));
    assert_eq!(answered, b"");
    // One that only knocked has gone already.
    assert!(says(false, b"", true).0.is_ok());
    assert!(matches!(says(true, b"", true).0, Err(NotLoggedIn::Io(_))));
    for silent in [&b""[..], b"7 bytes", SASL_IN_PROGRESS] {
        assert!(says(false, silent, false).0.is_ok());
        let admitted = says(true, silent, false).0;
        assert!(matches!(admitted, Err(NotLoggedIn::Overdue)));
    }
}

#[test]
fn what_is_no_login_is_answered_so() {
    let token = |length: &[u8; 4]| [SASL_IN_PROGRESS, length].concat();
    for said in [
        // The null token, more than there may be, nonsense where the response should be.
        token(b"\xff\xff\xff\xff"),
        token(b"\0\0\x10\x01"),
        token(b"\x7f\xff\xff\xff"),
        [token(b"\0\0\0\0"), token(b"\0\0\0\x01"), b"x".to_vec()].concat(),
    ] {
        let (admitted, answered, _) = says(true, &said, true);
        let is_refused = matches!(
            admitted,
            Err(NotLoggedIn::Failed(_) | NotLoggedIn::Malformed)
        );
        assert!(is_refused, "{said:?}");
        assert!(answered.ends_with(FAILED), "{said:?}");
    }
}

#[test]
fn a_server_that_answers_no_login_is_left() {
    type Expected = fn(&NotLoggedIn) -> bool;
    let answers: [(&[u8], Expected); 4] = [
        (FAILED, |reason| matches!(reason, NotLoggedIn::Refused)),
        (b"0123456789abcdef", |reason| {
            matches!(reason, NotLoggedIn::Malformed)
        }),
        (b"", |reason| matches!(reason, NotLoggedIn::Io(_))),
        // It says that all is well, and knows no password.
        (
            b"\x5f\x24\x35\x01\x35\x01\xed\xcc\0\0\0\x01\0\0\0\0",
            |reason| matches!(reason, NotLoggedIn::Failed(SaslError::Missing(_))),
        ),
    ];
    for (answer, is_expected) in answers {
        let outcome = runtime().block_on(async {
            let (mut near, mut far) = duplex(8192);
            far.write_all(answer).await.unwrap();
            far.shutdown().await.unwrap();
            let outcome = log_in(&mut near, &credentials("test", "x"), HOST, PATIENCE).await;
            drop(near);
            let first = [SASL_IN_PROGRESS, b"\0\0\0\0"].concat();
            assert_eq!(rest(far).await, first, "it says what Apache's says");
            outcome
        });
        let reason = outcome.unwrap_err();
        assert!(is_expected(&reason), "{answer:?}: {reason}");
    }
}

/// No Kerberos is there, or none that could: it costs that login.
#[test]
fn a_login_by_kerberos_that_cannot_be_is_refused() {
    let no_key = ServiceKey {
        principal: "zkquorum/nowhere.invalid@NOWHERE.INVALID".to_owned(),
        keytab: None,
    };
    let options = PeerSaslOptions {
        acceptor: Acceptor::Kerberos(no_key),
        ..sasl(true)
    };
    let answered = runtime().block_on(async {
        let (mut near, mut far) = duplex(8192);
        let said = [SASL_IN_PROGRESS, b"\0\0\0\x03abc"].concat();
        near.write_all(&said).await.unwrap();
        let mut received = BytesMut::new();
        let admitted = admit(&mut far, &mut received, &options, PATIENCE).await;
        let is_refused = matches!(admitted, Err(NotLoggedIn::Failed(SaslError::Kerberos(_))));
        assert!(is_refused, "{admitted:?}");
        drop(far);
        rest(near).await
    });
    assert_eq!(answered, FAILED);

    let login = PeerLogin::Kerberos(KerberosLogin {
        principal: Some("nobody@NOWHERE.INVALID".to_owned()),
        tickets: Tickets::default(),
        service: "zkquorum/_HOST".to_owned(),
        realm: None,
        canonicalizes_hosts: false,
    });
    let said = runtime().block_on(async {
        let (mut near, far) = duplex(8192);
        let outcome = log_in(&mut near, &login, HOST, PATIENCE).await;
        let has_failed = matches!(outcome, Err(NotLoggedIn::Failed(SaslError::Kerberos(_))));
        assert!(has_failed, "{outcome:?}");
        drop(near);
        rest(far).await
    });
    assert_eq!(said, b"", "without a ticket there is nothing to say");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(tail: Vec<u8>, begins in 0..3) {
        let first = [SASL_IN_PROGRESS, b"\0\0\0\0"].concat();
        let begin: &[u8] = match begins {
            0 => b"",
            1 => SASL_IN_PROGRESS,
            _ => &first,
        };
        let said = [begin, &tail].concat();
        prop_assert!(says(true, &said, true).0.is_err());
        prop_assert!(says(false, &said, true).0.is_ok());
    }
}
