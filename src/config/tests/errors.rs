//! What a server does not start with, in the very words it says so.

use std::{fs, path::PathBuf};

use super::ZooCfg;
use crate::config::{CommandLine, Config};

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let file = ZooCfg::whole(
        "tickTime=abc\n# a comment\nstandaloneEnabled=yes\nsnapCount=1e5\nclientPort=65536\n\
         maxSessionTimeout = 99999999999\npreAllocSize=0x10\nautopurge.purgeInterval=soon\n\
         snapshot.compression.method=zstd\nconnection_throttle_drop_increase=2\n\\u12=3\ninitLimit=ten\n\
         DigestAuthenticationProvider.digestAlg=MD5\n",
    );
    assert_eq!(
        file.errors(&["-Dznode.container.maxPerMinute=0"]),
        [
            "zoo.cfg: dataDir is not set",
            "zoo.cfg:1: tickTime = \"abc\": expected a whole number of milliseconds, at least 1",
            "zoo.cfg:3: standaloneEnabled = \"yes\": expected true or false",
            "zoo.cfg:4: snapCount = \"1e5\": expected a whole number of transactions",
            "zoo.cfg:5: clientPort = \"65536\": expected a whole number, from 0 to 65535",
            "zoo.cfg:6: maxSessionTimeout = \"99999999999\": \
             expected a whole number of milliseconds, from -1 to 2147483647",
            "zoo.cfg:7: preAllocSize = \"0x10\": expected a whole number of KiB",
            "zoo.cfg:8: autopurge.purgeInterval = \"soon\": \
             expected a whole number of hours, or one with a unit: ms, s, m, h or d",
            "zoo.cfg:9: snapshot.compression.method = \"zstd\": expected \"gz\", \"snappy\" or \"\"",
            "zoo.cfg:10: connection_throttle_drop_increase = \"2\": expected a decimal number from 0 to 1",
            "zoo.cfg:11: expected four hexadecimal digits after \\u in \"\\\\u12=3\"",
            "zoo.cfg:12: initLimit = \"ten\": expected a whole number of ticks",
            "zoo.cfg:13: DigestAuthenticationProvider.digestAlg = \"MD5\": expected \"SHA1\", \
             \"SHA-1\", \"SHA\", \"SHA-224\", \"SHA-256\", \"SHA-384\", \"SHA-512\", \
             \"SHA-512/224\", \"SHA-512/256\", \"SHA224\", \"SHA256\", \"SHA384\", \"SHA512\", \
             \"SHA512/224\" or \"SHA512/256\"",
            "command line: znode.container.maxPerMinute = \"0\": expected a whole number of nodes, at least 1",
        ]
    );
}

#[test]
fn a_file_must_say_where_the_data_is_and_where_clients_connect() {
    let nothing = ZooCfg::whole("tickTime=2000\n");
    assert_eq!(
        nothing.errors(&[]),
        [
            "zoo.cfg: clientPort is not set: no client could connect",
            "zoo.cfg: dataDir is not set"
        ]
    );
    let (config, _) = nothing
        .load(&["--client-port=0", "--data-dir=./here"])
        .unwrap();
    assert_eq!(config.listen.address.as_ref().unwrap().port, 0);
    assert_eq!(config.storage.log_dir, PathBuf::from("./here"));
    assert_eq!(
        ZooCfg::whole("dataDir=/data\nclientPortAddress=127.0.0.1\n").errors(&[]),
        [
            "zoo.cfg:2: clientPortAddress = \"127.0.0.1\": clientPortAddress is set but clientPort is not set"
        ]
    );
    let empty = ZooCfg::whole("dataDir=\nclientPort=2181\n");
    assert_eq!(
        empty.errors(&[]),
        ["zoo.cfg:1: dataDir = \"\": expected a path"]
    );
}

#[test]
fn relations_between_values() {
    let crossed = ZooCfg::with("minSessionTimeout=9000\nmaxSessionTimeout=6000\n");
    assert_eq!(
        crossed.errors(&[]),
        ["zoo.cfg:3: minSessionTimeout = \"9000\": \
          minSessionTimeout must not be larger than maxSessionTimeout (9000 > 6000)"]
    );
    assert_eq!(
        ZooCfg::with("maxSessionTimeout=1000\n").errors(&[]),
        ["zoo.cfg:3: maxSessionTimeout = \"1000\": \
          minSessionTimeout must not be larger than maxSessionTimeout (6000 > 1000)"]
    );
    // A value that cannot be read is one error, not two.
    let unreadable = ZooCfg::with("minSessionTimeout=900000\nmaxSessionTimeout=x\n");
    assert_eq!(unreadable.errors(&[]).len(), 1);
    assert_eq!(
        ZooCfg::with("gamekeeper.client.unreadBytesMax=1000\n").errors(&[]),
        ["zoo.cfg:3: gamekeeper.client.unreadBytesMax = \"1000\": \
          expected at least jute.maxbuffer, which is 1048575"]
    );
    let large = ZooCfg::with("jute.maxbuffer=0x7fffffff\n").config();
    assert_eq!(large.wire.jute_max_buffer, 0x7fff_ffff);
    assert_eq!(large.wire.unread_bytes_max, 0x7fff_ffff);
    // Twenty ticks of any length still fit the protocol.
    let slow = ZooCfg::with("tickTime=2147483647\n").config();
    assert_eq!(
        (slow.session.timeout_min_ms, slow.session.timeout_max_ms),
        (0x7fff_ffff, 0x7fff_ffff)
    );
}

#[test]
fn what_would_leave_the_server_less_safe_than_asked_for_is_refused() {
    let file = ZooCfg::with(
        "client.portUnification=true\nauthProvider.1=com.acme.Own\n\
         enforce.auth.enabled=true\nenforce.auth.schemes=digest,acme\n",
    );
    assert_eq!(
        file.errors(&[]),
        [
            "zoo.cfg:3: client.portUnification = \"true\": Keystore is required for SSL server: \
             ssl.keyStore.location",
            "zoo.cfg:4: authProvider.1 = \"com.acme.Own\": this authentication scheme is not \
             supported by this version; \
             expected org.apache.zookeeper.server.auth.DigestAuthenticationProvider or \
             org.apache.zookeeper.server.auth.IPAuthenticationProvider or \
             org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider or \
             org.apache.zookeeper.server.auth.SASLAuthenticationProvider or \
             org.apache.zookeeper.server.auth.X509AuthenticationProvider or \
             org.apache.zookeeper.server.auth.KeyAuthenticationProvider",
            "zoo.cfg:6: enforce.auth.schemes = \"digest,acme\": Authentication scheme acme is not \
             available; expected digest or ip or x509",
        ]
    );
    assert_eq!(
        ZooCfg::with("enforce.auth.enabled=true\n").errors(&[]),
        [
            "zoo.cfg:3: enforce.auth.enabled = \"true\": is true, so enforce.auth.schemes must name a scheme"
        ]
    );
    let no_digest = "enforce.auth.enabled=true\nenforce.auth.schemes=digest\nDigestAuthenticationProvider.enabled=false\n";
    assert_eq!(ZooCfg::with(no_digest).errors(&[]).len(), 1);
    // Asking for nothing is fine.
    let nothing = ZooCfg::with(
        "client.portUnification=false\nsslQuorum=true\nssl.quorum.keyStore.password=hush\n",
    );
    assert_eq!(nothing.warnings(&[]), Vec::<String>::new());
}

const STORES: &str = "ssl.keyStore.location=k.p12\nssl.trustStore.location=t.pem\n";

#[test]
fn what_tls_cannot_be_is_said_and_what_it_will_not_have_is_left_out() {
    for (lines, error) in [
        ("ssl.protocol=TLSv1.1", "expected TLSv1.2 or TLSv1.3"),
        (
            "ssl.enabledProtocols=TLSv1,SSLv3",
            "expected TLSv1.2 or TLSv1.3, or both",
        ),
        (
            "ssl.ciphersuites=TLS_RSA_WITH_AES_128_CBC_SHA",
            "expected some of TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
             TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\
             TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256,\
             TLS_CHACHA20_POLY1305_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,\
             TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
        (
            "ssl.clientAuth=maybe",
            "expected \"need\", \"want\", \"none\" or \"\"",
        ),
        (
            "ssl.keyStore.type=ODF",
            "expected \"JKS\", \"PEM\", \"PKCS12\", \"BCFKS\" or \"\"",
        ),
        ("ssl.authProvider=own", "expected \"x509\""),
        (
            "ssl.context.supplier.class=a.B",
            "this server has no Java classes",
        ),
        (
            "secureClientPortAddress=%",
            "expected a host name or an address",
        ),
    ] {
        let file = ZooCfg::with(&format!("secureClientPort=2281\n{STORES}{lines}\n"));
        let (key, value) = lines.split_once('=').unwrap();
        let expected = format!("zoo.cfg:6: {key} = \"{value}\": {error}");
        let errors = file.errors(&[]);
        assert!(
            errors.len() == 1 && (errors[0] == expected || key.ends_with("Address")),
            "{errors:?}"
        );
    }
    let some = "ssl.enabledProtocols=TLSv1.1, TLSv1.2\nssl.ciphersuites=TLS_X,TLS_AES_128_GCM_SHA256\n\
        ssl.handshakeDetectionTimeoutMillis=0\n";
    let file = ZooCfg::with(&format!("secureClientPort=2281\n{STORES}{some}"));
    assert_eq!(
        file.warnings(&[]),
        [
            "zoo.cfg:6: ssl.enabledProtocols = \"TLSv1.1, TLSv1.2\": not offered by this server: TLSv1.1",
            "zoo.cfg:7: ssl.ciphersuites = \"TLS_X,TLS_AES_128_GCM_SHA256\": \
             not offered by this server: TLS_X",
            "zoo.cfg:8: ssl.handshakeDetectionTimeoutMillis = \"0\": less than 1; the default of 5000 stays",
        ]
    );
}

#[test]
fn a_port_with_tls_may_be_the_only_one() {
    let file = ZooCfg::whole(format!("dataDir=/data\nsecureClientPort=2281\n{STORES}"));
    let (config, warnings) = file.load(&[]).unwrap();
    assert_eq!((config.listen.address, warnings), (None, Vec::new()));
    assert_eq!(config.listen.secure_address.unwrap().port, 2281);
    let address = ZooCfg::with("secureClientPortAddress=127.0.0.1\n");
    assert_eq!(
        address.errors(&[]),
        ["zoo.cfg:3: secureClientPortAddress = \"127.0.0.1\": \
          secureClientPortAddress is set but secureClientPort is not set"]
    );
    let open = ZooCfg::with("secureClientPort=2281\nssl.keyStore.location=k.p12\n");
    assert_eq!(
        open.warnings(&[]),
        [
            "zoo.cfg:3: secureClientPort = \"2281\": no client can connect: certificates are needed, \
          and without ssl.trustStore.location none is trusted"
        ]
    );
}

#[test]
fn hostile_text_stays_on_its_line() {
    let file = ZooCfg::whole(b"dataDir=/data\nclientPort=2\\u001b[2J\\n181\xff\nbad\\u0007key=1\n");
    let rejection = file.load(&[]).unwrap_err();
    assert_eq!(
        file.shorten(&rejection.to_string()),
        "warning: zoo.cfg:3: bad\\u{7}key: unknown key, ignored\n\
         error: zoo.cfg:2: clientPort = \"2\\u{1b}[2J\\n181\u{ff}\": expected a whole number, from 0 to 65535\n"
    );
    let long = format!("clientPort={}\n", "9".repeat(100_000));
    let errors = ZooCfg::whole(long).errors(&["--data-dir=/data"]);
    assert!(errors[0].len() < 300, "{}", errors[0].len());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let command_line = |path: PathBuf| CommandLine {
        config_file: Some(path),
        ..CommandLine::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let absent = Config::load(&command_line(dir.path().join("absent.cfg"))).unwrap_err();
    assert!(
        absent.errors[0]
            .to_string()
            .contains("absent.cfg: cannot be read: "),
        "{absent}"
    );
    assert!(Config::load(&command_line(dir.path().to_owned())).is_err());
    let big = dir.path().join("big.cfg");
    fs::write(&big, "#".repeat(1024 * 1024 + 1)).unwrap();
    let big = Config::load(&command_line(big)).unwrap_err();
    assert!(
        big.errors[0]
            .to_string()
            .contains("longer than 1048576 bytes"),
        "{big}"
    );
}

#[test]
fn where_the_admin_server_is() {
    let file = ZooCfg::with("admin.commandURL=commands\nadmin.serverAddress=a b\n");
    assert_eq!(
        file.errors(&[]),
        [
            "zoo.cfg:3: admin.commandURL = \"commands\": expected a path that begins with / and does not end with it",
            "zoo.cfg:4: admin.serverAddress = \"a b\": expected an address or a host name",
        ]
    );
    let off = ZooCfg::with("admin.enableServer=false\n").config();
    assert_eq!(off.admin, None);
    let encrypted = ZooCfg::with("admin.forceHttps=true\nssl.quorum.trustStore.location=t.p12\n");
    assert_eq!(
        encrypted.errors(&[]),
        [
            "zoo.cfg:3: admin.forceHttps = \"true\": HTTPS of the AdminServer needs \
             ssl.quorum.keyStore.location"
        ]
    );
    let off = ZooCfg::with("admin.forceHttps=true\nadmin.enableServer=false\n").config();
    assert_eq!(off.admin, None);
    let plain = ZooCfg::with("admin.needClientAuth=true\n");
    let (plain, warnings) = plain.load(&[]).unwrap();
    assert_eq!(plain.admin.unwrap().tls, None);
    assert_eq!(
        warnings,
        [
            "zoo.cfg:3: admin.needClientAuth = \"true\": no effect without admin.forceHttps or \
             admin.portUnification"
        ]
    );
}
