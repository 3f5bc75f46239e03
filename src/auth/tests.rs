//! The rules of `Policy` as tables: permission, lists fit to be stored, packets, enforcement.

use std::net::IpAddr;

use crate::auth::{
    AuthIds, AuthOptions, AuthOptionsError, AuthRefused, EnsembleNames, PermitMemo, Policy, Shown,
    X509Options,
};
use crate::base::{Acl, AclList, Identity, limits, perms};
use crate::proto::ErrorCode;

const U_P: &str = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
const SUPER_SECRET: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

fn peer() -> IpAddr {
    "10.1.2.3".parse().unwrap()
}

fn policy(change: impl FnOnce(&mut AuthOptions)) -> Policy {
    let mut options = AuthOptions::default();
    change(&mut options);
    Policy::new(&options).unwrap()
}

fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl {
        perms,
        id: Identity::new(scheme, id),
    }
}

fn with_digest(policy: &Policy, token: &str) -> AuthIds {
    let ids = Policy::initial(peer());
    let token = Some(token.as_bytes());
    policy
        .authenticate(&ids, "digest", &Shown::new(token, peer()))
        .unwrap()
}

#[test]
fn a_new_connection_is_its_address() {
    assert_eq!(*Policy::initial(peer()), [Identity::new("ip", "10.1.2.3")]);
}

#[test]
fn who_may_do_what() {
    let policy = policy(|_| {});
    let stranger = Policy::initial(peer());
    let user = with_digest(&policy, "u:p");
    let none: &[Acl] = &[];
    let table: [(&[Acl], i32, bool, bool); 12] = [
        // entries, wanted, a stranger may, the user u:p may
        (none, perms::ALL, true, true),
        (&[Acl::anyone(perms::ALL)], perms::READ, true, true),
        (&[Acl::anyone(perms::READ)], perms::WRITE, false, false),
        // One common bit is enough.
        (&[Acl::anyone(perms::READ)], 17, true, true),
        (&[Acl::anyone(0)], perms::ALL, false, false),
        (&[acl(31, "digest", U_P)], perms::WRITE, false, true),
        (&[acl(31, "digest", "u:other")], perms::WRITE, false, false),
        (&[acl(31, "ip", "10.0.0.0/8")], perms::WRITE, true, true),
        (&[acl(31, "ip", "11.0.0.0/8")], perms::WRITE, false, false),
        (&[acl(31, "world", "other")], perms::READ, false, false),
        // No scheme of that name, so nobody matches, not even one of the same text.
        (
            &[acl(31, "nonsense", "10.1.2.3")],
            perms::READ,
            false,
            false,
        ),
        (
            &[acl(1, "digest", U_P), Acl::anyone(perms::CREATE)],
            perms::CREATE,
            true,
            true,
        ),
    ];
    for (entries, wanted, stranger_may, user_may) in table {
        let ask = |ids: &[Identity]| policy.permits(ids, Some(entries), wanted);
        assert_eq!(
            ask(&stranger),
            stranger_may,
            "stranger {entries:?} {wanted}"
        );
        assert_eq!(ask(&user), user_may, "user {entries:?} {wanted}");
    }
    assert!(policy.permits(&stranger, None, perms::ALL));
}

/// QP-124.
#[test]
fn super_and_skip_acl_pass_every_list() {
    let closed = [acl(31, "digest", "nobody:x")];
    let with_super = policy(|options| options.super_digest = Some(SUPER_SECRET.to_owned()));
    let ids = with_digest(&with_super, "super:secret");
    let expected = [
        Identity::new("ip", "10.1.2.3"),
        Identity::new("super", ""),
        Identity::new("digest", SUPER_SECRET),
    ];
    assert_eq!(*ids, expected);
    assert!(with_super.permits(&ids, Some(&closed), perms::ADMIN));
    let not_super = with_digest(&with_super, "super:wrong");
    assert!(!with_super.permits(&not_super, Some(&closed), perms::ADMIN));

    let lax = policy(|options| options.skip_acl = true);
    assert!(lax.permits(&Policy::initial(peer()), Some(&closed), perms::ADMIN));
}

#[test]
fn lists_fit_to_be_stored() {
    let policy = policy(|_| {});
    let user = with_digest(&policy, "u:p");
    let table: [(&[Acl], &[Acl]); 5] = [
        (&[Acl::anyone(31)], &[Acl::anyone(31)]),
        // Exact duplicates go, order stays, bits are kept as given.
        (
            &[
                Acl::anyone(0),
                acl(99, "ip", "::1"),
                Acl::anyone(0),
                Acl::anyone(1),
            ],
            &[Acl::anyone(0), acl(99, "ip", "::1"), Acl::anyone(1)],
        ),
        (&[acl(31, "digest", "a:b:")], &[acl(31, "digest", "a:b:")]),
        // The id of an auth entry does not matter.
        (&[acl(3, "auth", "whatever")], &[acl(3, "digest", U_P)]),
        (
            &[acl(3, "auth", ""), acl(3, "auth", "x")],
            &[acl(3, "digest", U_P), acl(3, "digest", U_P)],
        ),
    ];
    for (given, stored) in table {
        let fixed = policy.fix_acl(&user, Some(given)).unwrap();
        assert_eq!(*fixed, *stored, "{given:?}");
    }
}

#[test]
fn lists_that_are_refused() {
    let policy = policy(|_| {});
    let stranger = Policy::initial(peer());
    let refused: [&[Acl]; 9] = [
        &[],
        &[acl(31, "nonsense", "x")],
        &[acl(31, "", "anyone")],
        &[acl(31, "world", "other")],
        &[acl(31, "super", "")],
        &[acl(31, "digest", "a")],
        &[acl(31, "ip", "1.2.3")],
        &[acl(31, "ip", "1.2.3.4/33")],
        // An address does not say who someone is.
        &[acl(31, "auth", "")],
    ];
    for given in refused {
        let result = policy.fix_acl(&stranger, Some(given));
        assert_eq!(result, Err(ErrorCode::InvalidAcl), "{given:?}");
    }
    assert_eq!(policy.fix_acl(&stranger, None), Err(ErrorCode::InvalidAcl));
}

#[test]
fn auth_expands_to_all_that_authenticated() {
    let policy = policy(|_| {});
    let one = with_digest(&policy, "u:p");
    let two = policy
        .authenticate(&one, "digest", &Shown::new(Some(b"super:secret"), peer()))
        .unwrap();
    let fixed = policy.fix_acl(&two, Some(&[acl(5, "auth", "")])).unwrap();
    let expected = [acl(5, "digest", U_P), acl(5, "digest", SUPER_SECRET)];
    assert_eq!(*fixed, expected);
}

#[test]
fn packets_add_identities_once() {
    let policy = policy(|_| {});
    let ids = with_digest(&policy, "u:p");
    let again = policy.authenticate(&ids, "digest", &Shown::new(Some(b"u:p"), peer()));
    assert_eq!(again.as_deref(), Ok(&*ids));
    // The address needs no token.
    let ip = policy.authenticate(&ids, "ip", &Shown::new(None, peer()));
    assert_eq!(ip.as_deref(), Ok(&*ids));
}

#[test]
fn packets_that_are_refused() {
    let policy = policy(|_| {});
    let ids = Policy::initial(peer());
    for scheme in ["world", "auth", "super", "sasl", "x509", "nonsense", ""] {
        let result = policy.authenticate(&ids, scheme, &Shown::new(Some(b"a:b"), peer()));
        assert_eq!(result, Err(AuthRefused::SchemeNotAvailable), "{scheme}");
    }
    let result = policy.authenticate(&ids, "digest", &Shown::new(None, peer()));
    assert_eq!(result, Err(AuthRefused::TokenMissing));
}

#[test]
fn digest_switched_off_is_no_scheme() {
    let policy = policy(|options| options.digest_enabled = false);
    let ids: AuthIds = [Identity::new("digest", U_P)].into();
    let entry = [acl(31, "digest", U_P)];
    assert!(!policy.permits(&ids, Some(&entry), perms::READ));
    assert!(policy.fix_acl(&ids, Some(&entry)).is_err());
    assert!(
        policy
            .authenticate(&ids, "digest", &Shown::new(Some(b"u:p"), peer()))
            .is_err()
    );
    assert_eq!(policy.who_am_i(&ids), [("digest", "")]);
}

#[test]
fn the_name_of_another_ensemble_is_refused() {
    let ids = Policy::initial(peer());
    let says = |names: Option<EnsembleNames>, token: Option<&[u8]>| {
        let policy = policy(|options| options.ensemble = names);
        let result = policy.authenticate(&ids, "ensemble", &Shown::new(token, peer()));
        result.map(|after| assert_eq!(after, ids, "it makes nobody anyone"))
    };
    let foo_and_bar = EnsembleNames::These(["foo", "bar"].map(str::to_owned).into());
    let these = || Some(foo_and_bar.clone());
    assert_eq!(says(these(), Some(b"bar")), Ok(()));
    assert_eq!(says(these(), Some(b"")), Ok(()));
    assert_eq!(says(these(), None), Ok(()));
    let other = Err(AuthRefused::OtherEnsemble);
    for token in [b"ba".as_slice(), b"bar ", b"foo,bar", b"\xff"] {
        assert_eq!(says(these(), Some(token)), other);
    }
    assert_eq!(says(Some(EnsembleNames::Any), Some(b"goo")), Ok(()));
    assert_eq!(
        says(None, Some(b"foo")),
        Err(AuthRefused::SchemeNotAvailable)
    );
    let policy = policy(|options| options.ensemble = these());
    let entry = [acl(31, "ensemble", "foo")];
    assert!(
        policy.fix_acl(&ids, Some(&entry)).is_err(),
        "no list can name it"
    );
}

#[test]
fn enforcement_wants_a_listed_scheme() {
    let anyone = policy(|_| {});
    assert!(!anyone.refuses_unauthenticated(&Policy::initial(peer())));

    let enforced = policy(|options| options.enforce_schemes = Some(vec![" digest ".to_owned()]));
    assert!(enforced.refuses_unauthenticated(&Policy::initial(peer())));
    assert!(!enforced.refuses_unauthenticated(&with_digest(&enforced, "u:p")));
}

#[test]
fn settings_that_are_refused() {
    let refused = |change: fn(&mut AuthOptions)| {
        let mut options = AuthOptions::default();
        change(&mut options);
        Policy::new(&options).unwrap_err()
    };
    assert_eq!(
        refused(|options| options.enforce_schemes = Some(vec![])),
        AuthOptionsError::NoSchemesToEnforce
    );
    assert_eq!(
        refused(|options| options.enforce_schemes = Some(vec!["kerberos".to_owned()])),
        AuthOptionsError::SchemeNotAvailable("kerberos".to_owned())
    );
    assert_eq!(
        refused(|options| options.session_require_client_sasl_auth = true),
        AuthOptionsError::SchemeNotAvailable("sasl".to_owned())
    );
    assert_eq!(
        refused(|options| options.digest_alg = "MD6".to_owned()),
        AuthOptionsError::UnknownHash("MD6".to_owned())
    );
}

#[test]
fn who_am_i_tells_users_only() {
    let policy = policy(|options| options.super_digest = Some(SUPER_SECRET.to_owned()));
    let ids = with_digest(&policy, "super:secret");
    let expected = [("ip", "10.1.2.3"), ("super", ""), ("digest", "super")];
    assert_eq!(policy.who_am_i(&ids), expected);
}

#[test]
fn lists_and_identities_have_bounds() {
    let policy = policy(|_| {});
    let mut ids = Policy::initial(peer());
    let token = |number: usize| format!("user{number}:p");
    for number in 1..limits::IDENTITIES_PER_CONNECTION {
        let token = token(number);
        ids = policy
            .authenticate(&ids, "digest", &Shown::new(Some(token.as_bytes()), peer()))
            .unwrap();
    }
    assert_eq!(ids.len(), limits::IDENTITIES_PER_CONNECTION);
    let again = policy.authenticate(&ids, "digest", &Shown::new(Some(b"user1:p"), peer()));
    assert_eq!(again.unwrap().len(), ids.len(), "it is known already");
    let more = policy.authenticate(&ids, "digest", &Shown::new(Some(b"more:p"), peer()));
    assert_eq!(more, Err(AuthRefused::TooManyIdentities));
    let long = format!("{}:p", "u".repeat(limits::IDENTITY_BYTES_PER_CONNECTION));
    let fresh = Policy::initial(peer());
    let long = policy.authenticate(&fresh, "digest", &Shown::new(Some(long.as_bytes()), peer()));
    assert_eq!(long, Err(AuthRefused::TooManyIdentities));

    let entry = |number| acl(31, "digest", &format!("u{number}:x"));
    let mut list: Vec<_> = (0..limits::ACL_ENTRIES).map(entry).collect();
    assert_eq!(policy.fix_acl(&ids, Some(&list)).unwrap()[..], list[..]);
    list.push(acl(31, "digest", "one:more"));
    let refused = Err(ErrorCode::InvalidAcl);
    assert_eq!(policy.fix_acl(&ids, Some(&list)), refused);
    // Each stands for all 127 users.
    let everyone: Vec<_> = (0..40).map(|perms| acl(perms, "auth", "")).collect();
    assert_eq!(policy.fix_acl(&ids, Some(&everyone)), refused);
    assert!(policy.fix_acl(&ids, Some(&everyone[..30])).is_ok());
}

#[test]
fn a_long_list_is_asked_once_for_each_who_asks() {
    let long: AclList = (0..17).map(|bits| acl(bits, "digest", "u:p")).collect();
    let short: AclList = long.iter().take(2).cloned().collect();
    let mut memo = PermitMemo::default();
    let mut asked = 0;
    for asker in [1, 2, 1, 2] {
        let answer = memo.answer(asker, Some(&long), || {
            asked += 1;
            asker == 1
        });
        assert_eq!(answer, asker == 1);
    }
    assert_eq!(asked, 2);
    for list in [Some(&short), None] {
        assert!(memo.answer(1, list, || true));
        assert!(!memo.answer(1, list, || false), "asked anew");
    }
}

#[test]
fn who_shows_a_certificate_is_its_name_and_perhaps_super() {
    let policy = Policy::new(&AuthOptions {
        x509: Some(X509Options {
            super_user: Some("CN=boss".to_owned()),
        }),
        ..AuthOptions::default()
    })
    .unwrap();
    let initial = Policy::initial(peer());
    let alice = policy.certify(&initial, "CN=alice").unwrap();
    let expected = [
        Identity::new("ip", "10.1.2.3"),
        Identity::new("x509", "CN=alice"),
    ];
    assert_eq!(*alice, expected);
    assert_eq!(policy.certify(&alice, "CN=alice").unwrap(), alice);
    let boss = policy.certify(&initial, "CN=boss").unwrap();
    let expected = [
        Identity::new("ip", "10.1.2.3"),
        Identity::new("super", "CN=boss"),
        Identity::new("x509", "CN=boss"),
    ];
    assert_eq!(*boss, expected);
    let entry = |id| vec![acl(perms::ALL, "x509", id)];
    let alices = entry("CN=alice");
    assert!(policy.permits(&alice, Some(&alices), perms::READ));
    assert!(policy.permits(&boss, Some(&alices), perms::READ));
    assert!(!policy.permits(&initial, Some(&alices), perms::READ));
    // Case counts, and so does the order.
    assert!(!policy.permits(&alice, Some(&entry("CN=Alice")), perms::READ));
    assert_eq!(*policy.fix_acl(&alice, Some(&alices)).unwrap(), *alices);
    let auth = [acl(perms::ALL, "auth", "")];
    assert_eq!(*policy.fix_acl(&alice, Some(&auth)).unwrap(), *alices);
    let refused = policy.fix_acl(&alice, Some(&entry("alice")));
    assert_eq!(refused.unwrap_err(), ErrorCode::InvalidAcl);
    assert_eq!(
        policy.who_am_i(&alice),
        [("ip", "10.1.2.3"), ("x509", "CN=alice")]
    );
}

#[test]
fn without_the_scheme_a_certificate_is_refused() {
    let policy = Policy::new(&AuthOptions::default()).unwrap();
    let refused = policy.certify(&Policy::initial(peer()), "CN=alice");
    assert_eq!(refused.unwrap_err(), AuthRefused::SchemeNotAvailable);
}
