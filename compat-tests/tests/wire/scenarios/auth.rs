//! Identities: auth packets, ACL fix-up, enforcement, SASL that is not configured.

use compat_tests::wire::Body;

use crate::{
    conn::Conn,
    ops::{self, ALL, Acl, OPEN, READ, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("invalid_acls", &[192, 193], invalid_acls),
    Scenario::both("nulls_in_acls", &[193], nulls_in_acls),
    Scenario::both("valid_acls", &[196, 197], valid_acls),
    Scenario::both("auth_scheme_expands", &[194, 195], auth_scheme_expands),
    Scenario::both("digest_ids", &[198, 199, 210], digest_ids),
    Scenario::both("refused_auth_packets", &[200], refused_auth_packets),
    Scenario::both("ip_acls", &[201], ip_acls),
    Scenario::both(
        "sasl_without_configuration",
        &[208],
        sasl_without_configuration,
    ),
];

/// Where we differ on purpose.
pub(crate) const DEVIATIONS: &[Scenario] = &[Scenario::ours_only("null_ids", &[], null_ids)];

/// For a server with `enforce.auth.enabled` and the scheme digest.
pub(crate) const ENFORCED: &[Scenario] = &[Scenario::both("enforced_auth", &[207], enforced_auth)];

/// For a server that listens on the addresses of both families.
pub(crate) const OVER_V6: &[Scenario] =
    &[Scenario::both("ip_acls_over_v6", &[201], ip_acls_over_v6)];

/// For a server with `DigestAuthenticationProvider.digestAlg=SHA-256`.
pub(crate) const WITH_SHA256: &[Scenario] = &[Scenario::both("digest_sha256", &[], digest_sha256)];

/// For a server whose ensemble is called foo, bar or baz, with the provider that looks at it.
pub(crate) const WITH_ENSEMBLE_NAMES: &[Scenario] =
    &[Scenario::both("ensemble_names", &[], ensemble_names)];

/// For a server with `DigestAuthenticationProvider.enabled=false`.
pub(crate) const WITHOUT_DIGEST: &[Scenario] =
    &[Scenario::both("digest_disabled", &[], digest_disabled)];

/// For a server with `skipACL=yes`.
pub(crate) const SKIPPED: &[Scenario] = &[Scenario::both("skipped_acls", &[206], skipped_acls)];

/// For a server that knows the digest of `super:secret` as its super user.
pub(crate) const WITH_SUPER: &[Scenario] = &[Scenario::both("super_user", &[205, 133], super_user)];

fn invalid_acls(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let x = t.path("x");
    let wrong: [&[Acl<'_>]; 17] = [
        &[],
        &[(ALL, "nonsense", "x")],
        &[(ALL, "", "")],
        &[(ALL, "world", "someone")],
        &[(ALL, "world", "")],
        &[(ALL, "super", "x")],
        &[(ALL, "digest", "a")],
        &[(ALL, "digest", "a:")],
        &[(ALL, "digest", "a:b:c")],
        &[(ALL, "digest", "")],
        &[(ALL, "ip", "1.2.3")],
        &[(ALL, "ip", "1.2.3.4/33")],
        &[(ALL, "ip", "1.2.3.4/-1")],
        &[(ALL, "ip", "1.2.3.256")],
        &[(ALL, "ip", "host")],
        &[(ALL, "ip", "1::2::3")],
        &[(ALL, "world", "anyone"), (ALL, "sasl", "x")],
    ];
    for acl in wrong {
        conn.create_acl(&x, acl).fails(err::INVALID_ACL);
        conn.set_acl(&t.root(), acl, -1).fails(err::INVALID_ACL);
    }
    let null_list = Body::new().string(&x).buffer(b"").null().int(0);
    conn.call(op::CREATE, &null_list).fails(err::INVALID_ACL);
    let null_list = Body::new().string(&t.root()).null().int(-1);
    conn.call(op::SET_ACL, &null_list).fails(err::INVALID_ACL);
    conn.exists(&x).fails(err::NO_NODE);
}

fn nulls_in_acls(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for (name, scheme, id) in [
        (
            "null-scheme",
            Body::new().null(),
            Body::new().string("anyone"),
        ),
        ("null-both", Body::new().null(), Body::new().null()),
        (
            "unknown",
            Body::new().string("nonsense"),
            Body::new().null(),
        ),
        ("nobody", Body::new().string("auth"), Body::new().null()),
    ] {
        let acl = Body::new().int(1).int(ALL).append(&scheme).append(&id);
        invalid_everywhere(t, &mut conn, name, &acl);
    }
    conn.auth("digest", b"u:p").ok();
    let acl = Body::new().int(1).int(ALL).string("auth").null();
    let body = Body::new()
        .string(&t.path("x"))
        .buffer(b"")
        .append(&acl)
        .int(0);
    conn.call(op::CREATE, &body).ok();
    conn.get_acl(&t.path("x")).ok();
}

/// Apache trips over a null id of a scheme that it knows and says -5; a multi with one it refuses as
/// a whole. To us it is an ACL that is not valid, as the null scheme is to both.
fn null_ids(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for scheme in ["world", "digest", "ip"] {
        let acl = Body::new().int(1).int(ALL).string(scheme).null();
        invalid_everywhere(t, &mut conn, scheme, &acl);
    }
}

#[track_caller]
fn invalid_everywhere(t: &Target, conn: &mut Conn, name: &str, acl: &Body) {
    let body = Body::new()
        .string(&t.path(name))
        .buffer(b"")
        .append(acl)
        .int(0);
    conn.call(op::CREATE, &body).fails(err::INVALID_ACL);
    conn.call(op::CREATE_CONTAINER, &body)
        .fails(err::INVALID_ACL);
    let set = Body::new().string(&t.root()).append(acl).int(-1);
    conn.call(op::SET_ACL, &set).fails(err::INVALID_ACL);
    let reply = conn.multi(&[(op::CREATE, body)]).ok();
    assert_eq!(reply.multi_errors(), [err::INVALID_ACL]);
}

fn valid_acls(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let world = |perms| (perms, "world".to_owned(), "anyone".to_owned());
    let mut stored = |name: &str, acl: &[Acl<'_>]| {
        conn.create_acl(&t.path(name), &[acl, OPEN].concat()).ok();
        conn.get_acl(&t.path(name)).ok().acl()
    };
    let duplicates = &[
        (1, "world", "anyone"),
        (2, "ip", "1.2.3.4"),
        (1, "world", "anyone"),
    ];
    let ip = (2, "ip".to_owned(), "1.2.3.4".to_owned());
    assert_eq!(stored("dup", duplicates), [world(1), ip, world(ALL)]);
    let odd = &[
        (0, "world", "anyone"),
        (-1, "world", "anyone"),
        (1 << 20, "world", "anyone"),
    ];
    assert_eq!(
        stored("odd", odd),
        [world(0), world(-1), world(1 << 20), world(ALL)]
    );
    for (index, id) in ["a:b", ":b", "a:b:"].iter().enumerate() {
        assert_eq!(
            stored(&format!("digest{index}"), &[(1, "digest", id)])[0].2,
            *id
        );
    }
    for (index, id) in [
        "0.0.0.0/0",
        "10.1.2.3/32",
        "::1",
        "fe80::/10",
        "1:2:3:4:5:6:7:8/128",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(stored(&format!("ip{index}"), &[(1, "ip", id)])[0].2, *id);
    }
}

fn auth_scheme_expands(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create_acl(&t.path("x"), &[(ALL, "auth", "")])
        .fails(err::INVALID_ACL);
    conn.auth("digest", b"u:p").ok();
    conn.create_acl(&t.path("one"), &[(ALL, "auth", "ignored")])
        .ok();
    conn.get_acl(&t.path("one")).ok();
    conn.auth("digest", b"v:q").ok();
    conn.create_acl(&t.path("two"), &[(READ | ops::ADMIN, "auth", "")])
        .ok();
    // The order within the expansion is open, so the comparison is on the sorted list.
    let mut acl = conn.quietly(|conn| conn.get_acl(&t.path("two")).ok().acl());
    acl.sort();
    t.note(format!("{acl:?}"));
    assert_eq!(acl.len(), 2);
    assert!(
        acl.iter()
            .all(|(perms, scheme, _)| (*perms, scheme.as_str()) == (17, "digest"))
    );
    conn.set_acl(
        &t.path("two"),
        &[(ALL, "auth", ""), (READ, "world", "anyone")],
        -1,
    )
    .ok();
}

fn digest_ids(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let known = &[(ALL, "digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=")];
    conn.create_acl(&t.path("u"), known).ok();
    conn.get(&t.path("u")).fails(err::NO_AUTH);
    conn.auth("digest", b"u:wrong").ok();
    conn.get(&t.path("u")).fails(err::NO_AUTH);
    conn.auth("digest", b"u:p").ok();
    conn.get(&t.path("u")).ok();
    conn.auth("digest", b"v:q").ok();
    conn.get(&t.path("u")).ok();
    conn.create_acl(&t.path("mine"), &[(ALL, "auth", "")]).ok();
    for odd in [&b"nocolon"[..], b"", b"a:b:c", b":", b"\xff\xfe:x"] {
        conn.auth("digest", odd).ok();
    }
    let (mut again, _) = t.reattach(&conn.session().clone(), 40_000);
    again.get(&t.path("u")).fails(err::NO_AUTH);
    again.auth("digest", b"v:q").ok();
    again.get(&t.path("mine")).ok();
    again.get(&t.path("u")).fails(err::NO_AUTH);
}

fn digest_sha256(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.auth("digest", b"super:secret").ok();
    conn.create_acl(&t.path("x"), &[(ALL, "auth", "")]).ok();
    let acl = conn.get_acl(&t.path("x")).ok().acl();
    assert_eq!(
        acl[0].2,
        "super:WTA5ucCHTdJq645xIMibj8HviTPeB5mMuJ4/+v1dIEw="
    );
}

fn digest_disabled(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create_acl(&t.path("x"), &[(ALL, "digest", "a:b")])
        .fails(err::INVALID_ACL);
    conn.auth("digest", b"u:p").fails(err::AUTH_FAILED);
    conn.closed();
}

fn refused_auth_packets(t: &mut Target) {
    for scheme in ["nonsense", "world", "super", "auth", "sasl", ""] {
        let mut conn = t.conn();
        let reply = conn.auth(scheme, b"u:p").fails(err::AUTH_FAILED);
        assert_eq!((reply.xid, reply.zxid), (-4, 0), "{scheme}");
        conn.closed();
    }
    let mut conn = t.conn();
    conn.auth("ip", b"").ok();
    conn.send_as(-4, op::AUTH, &Body::new().int(0).int(50).raw(b"dig"));
    conn.closed();
}

fn ip_acls(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for (name, id, code) in [
        ("exact", "127.0.0.1", 0),
        ("net", "127.0.0.0/8", 0),
        ("odd-bits", "126.0.0.0/7", 0),
        ("all", "1.2.3.4/0", 0),
        ("other", "127.0.0.2", err::NO_AUTH),
        ("other-net", "127.0.0.0/32", err::NO_AUTH),
        ("ten", "10.0.0.0/8", err::NO_AUTH),
        ("v6", "::1", err::NO_AUTH),
        ("v6-all", "::/0", err::NO_AUTH),
    ] {
        conn.create_acl(&t.path(name), &[(READ, "ip", id)]).ok();
        conn.get(&t.path(name)).fails(code);
    }
}

fn ip_acls_over_v6(t: &mut Target) {
    let Some(mut conn) = t.conn_over_v6() else {
        t.note("this machine has no IPv6 loopback");
        return;
    };
    conn.create_mode(&t.root(), ops::PLAIN).ok();
    conn.who_am_i().ok();
    for (name, id, code) in [
        ("exact", "::1", 0),
        ("long", "0:0:0:0:0:0:0:1", 0),
        ("net", "::/64", 0),
        ("all", "::/0", 0),
        ("odd-bits", "::2/126", 0),
        ("other", "::2", err::NO_AUTH),
        ("other-net", "1::/16", err::NO_AUTH),
        ("v4", "127.0.0.1", err::NO_AUTH),
        ("v4-all", "0.0.0.0/0", err::NO_AUTH),
    ] {
        conn.create_acl(&t.path(name), &[(READ, "ip", id)]).ok();
        conn.get(&t.path(name)).fails(code);
    }
}

fn sasl_without_configuration(t: &mut Target) {
    let mut conn = t.conn();
    let reply = conn.call(op::SASL, &Body::new().buffer(b"token")).ok();
    assert_eq!((reply.zxid, reply.data()), (0, None));
    conn.exists("/").ok();
    let mut conn = t.conn();
    conn.send(op::SASL, &Body::new().null());
    conn.closed();
}

fn ensemble_names(t: &mut Target) {
    for name in [b"foo".as_slice(), b"bar", b"baz", b""] {
        let mut conn = t.conn();
        conn.auth("ensemble", name).ok();
        conn.call(op::WHO_AM_I, &Body::new()).ok();
        conn.ping().ok();
    }
    let mut conn = t.conn();
    let null = Body::new().int(0).string("ensemble").null();
    conn.send_as(-4, op::AUTH, &null);
    conn.reply().ok();
    let acl: &[Acl<'_>] = &[(ALL, "ensemble", "foo")];
    conn.create_acl(&t.root(), acl).fails(err::INVALID_ACL);
    for other in [b"goo".as_slice(), b" foo", b"foo,bar", b"\xff"] {
        let mut conn = t.conn();
        conn.send_as(
            -4,
            op::AUTH,
            &Body::new().int(0).string("ensemble").buffer(other),
        );
        conn.closed();
    }
}

fn enforced_auth(t: &mut Target) {
    let refused = |conn: &mut Conn, op: i32, body: &Body| {
        let reply = conn.call(op, body).fails(err::SESSION_CLOSED_REQUIRE_AUTH);
        assert_eq!((reply.zxid, reply.body.len()), (0, 0));
        conn.closed();
    };
    refused(&mut t.conn(), op::GET_DATA, &ops::path_watch("/", false));
    refused(
        &mut t.conn(),
        op::CREATE,
        &ops::create(&t.root(), b"", OPEN, 0),
    );
    refused(&mut t.conn(), op::PING, &Body::new());
    refused(&mut t.conn(), op::CLOSE_SESSION, &Body::new());
    refused(&mut t.conn(), 999, &Body::new());
    let mut conn = t.conn();
    conn.auth("ip", b"").ok();
    refused(&mut conn, op::GET_DATA, &ops::path_watch("/", false));

    let mut conn = t.conn();
    conn.auth("digest", b"u:p").ok();
    conn.create(&t.root(), b"").ok();
    conn.ping().ok();
    let (mut again, response) = t.reattach(&conn.session().clone(), 40_000);
    assert_eq!(response.id, conn.session().id, "connecting is not blocked");
    refused(&mut again, op::GET_DATA, &ops::path_watch("/", false));
}

fn skipped_acls(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create_acl(&t.path("closed"), &[(0, "world", "anyone")])
        .ok();
    conn.get(&t.path("closed")).ok();
    conn.set(&t.path("closed"), b"x", -1).ok();
    conn.create(&t.path("closed/child"), b"").ok();
    conn.delete(&t.path("closed/child"), -1).ok();
    conn.get_acl(&t.path("closed")).ok();
    conn.set_acl(&t.path("closed"), OPEN, -1).ok();
    conn.set("/zookeeper/config", b"", -1).ok();
    // What a list may contain is not a matter of permission.
    conn.create_acl(&t.path("no-list"), &[])
        .fails(err::INVALID_ACL);
}

fn super_user(t: &mut Target) {
    let mut owner = t.conn_at_root();
    owner.auth("digest", b"u:p").ok();
    owner
        .create_acl(&t.path("closed"), &[(ALL, "auth", "")])
        .ok();
    let mut conn = t.conn();
    conn.auth("digest", b"super:wrong").ok();
    conn.get(&t.path("closed")).fails(err::NO_AUTH);
    conn.auth("digest", b"super:secret").ok();
    conn.get(&t.path("closed")).ok();
    conn.set(&t.path("closed"), b"x", 0).ok();
    conn.set(&t.path("closed"), b"x", 0).fails(err::BAD_VERSION);
    conn.set_acl(&t.path("closed"), &[(0, "world", "anyone")], -1)
        .ok();
    conn.create(&t.path("closed/child"), b"").ok();
    conn.delete(&t.path("closed/child"), -1).ok();
    conn.set("/zookeeper/config", b"", -1).ok();
    let identities = conn.who_am_i().ok().identities();
    assert!(
        identities.contains(&("super".to_owned(), String::new())),
        "{identities:?}"
    );
    assert!(identities.contains(&("digest".to_owned(), "super".to_owned())));
}
