//! Stores as the JDK's `keytool` and OpenSSL write them, names as Java prints them, handshakes, and new
//! certificates at run time.
//!
//! `testdata`: a CA; a server's key and certificate from it, for localhost and 127.0.0.1, in each format;
//! stores that trust the CA; a DSA key. All passwords are `secret`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use x509_cert::der::Decode;
use x509_cert::name::Name;

use super::subject::{Subject, printed};
use super::{HandshakeError, PeerSecurity, PeerStream, Tls, material};
use crate::config::{
    CommandLine, Config, PeerTlsOptions, Property, StoreOptions, StorePassword, StoreType,
    TlsOptions,
};
use crate::quorum::Host;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/net/tls/testdata")
        .join(name)
}

/// TLS of an ensemble with these settings beside a key and trust.
pub(super) fn options(settings: &[(&str, &str)]) -> PeerTlsOptions {
    let (key, trust) = (testdata("server.p12"), testdata("trust.p12"));
    let (key, trust) = (key.display().to_string(), trust.display().to_string());
    let common = [
        ("ssl.quorum.keyStore.location", key.as_str()),
        ("ssl.quorum.keyStore.password", "secret"),
        ("ssl.quorum.trustStore.location", trust.as_str()),
        ("ssl.quorum.trustStore.password", "secret"),
        ("sslQuorum", "true"),
        ("initLimit", "5"),
        ("syncLimit", "5"),
        ("server.1", "a:1:2"),
        ("server.2", "b:1:2"),
    ];
    // A later one counts.
    let property = |(name, value): &(&str, &str)| Property {
        name: match name.starts_with("com.sun.") {
            true => (*name).to_owned(),
            false => format!("zookeeper.{name}"),
        },
        value: (*value).to_owned(),
    };
    let command_line = CommandLine {
        properties: common.iter().chain(settings).map(property).collect(),
        client_port: Some(0),
        data_dir: Some("data".to_owned()),
        ..CommandLine::default()
    };
    let read = Config::read_with(Path::new("zoo.cfg"), b"", &command_line, &|_| {
        Ok(b"1".to_vec())
    });
    let (config, _) = read.unwrap();
    config.ensemble.unwrap().tls.unwrap()
}

fn store(name: &str, password: &str) -> StoreOptions {
    let options = options(&[]).tls.key_store.unwrap();
    let text = |options: TlsOptions| options.key_store.unwrap().password;
    StoreOptions {
        path: testdata(name),
        password: text(self::options(&[("ssl.quorum.keyStore.password", password)]).tls),
        ..options
    }
}

#[test]
fn a_key_and_its_certificates_come_out_of_every_format() {
    let expected = material::identity(&store("server.p12", "secret")).unwrap();
    assert_eq!(expected.chain.len(), 2, "its own and that of the CA");
    for name in [
        "server.jks",
        "legacy.p12",
        "server.pem",
        "encrypted.pem",
        "pbes1.pem",
    ] {
        let found = material::identity(&store(name, "secret")).unwrap();
        assert_eq!(found.chain.first(), expected.chain.first(), "{name}");
        // OpenSSL leaves out or in what is optional.
        assert!(Tls::load(with_key(name)).is_ok(), "{name}");
        if !name.ends_with(".pem") {
            assert_eq!(found.key.secret_der(), expected.key.secret_der(), "{name}");
        }
    }
}

fn with_key(name: &str) -> TlsOptions {
    let mut options = options(&[]).tls;
    options.key_store = Some(store(name, "secret"));
    options
}

#[test]
fn trusted_are_certificates_that_are_entries_of_their_own() {
    let expected = material::trusted(&store("ca.pem", "")).unwrap();
    assert_eq!(expected.len(), 1);
    for name in ["trust.jks", "trust.p12"] {
        assert_eq!(
            material::trusted(&store(name, "secret")).unwrap(),
            expected,
            "{name}"
        );
    }
    // Beside the key the CA is an entry of its own there, and not here.
    assert_eq!(
        material::trusted(&store("server.p12", "secret")).unwrap(),
        expected
    );
    let none = material::trusted(&store("server.jks", "secret"))
        .unwrap_err()
        .to_string();
    assert!(
        none.ends_with(
            "there is no certificate to trust in it; a key's own certificates do not count"
        ),
        "{none}"
    );
}

/// Each names the setting with its place, the file, and what is wrong.
#[test]
fn what_cannot_be_read_is_said() {
    const WRONG: &str = "the password is wrong or the file is damaged";
    for (name, password, expected) in [
        ("server.jks", "wrong", WRONG),
        ("server.p12", "wrong", WRONG),
        ("legacy.p12", "", WRONG),
        ("encrypted.pem", "wrong", WRONG),
        ("trust.jks", "secret", "there is no private key in it"),
        ("trust.p12", "secret", "there is no private key in it"),
        ("ca.pem", "secret", "there is no private key in it"),
        (
            "sec1.pem",
            "secret",
            "a SEC1 key (EC PRIVATE KEY) is not supported; expected a PKCS#8 key, which begins \
             with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----",
        ),
        ("pbes1.pem", "wrong", WRONG),
        (
            "missing.pem",
            "",
            "cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let setting = "command line: zookeeper.ssl.quorum.keyStore.location";
        let expected = format!("{setting}: {}: {expected}", testdata(name).display());
        assert_eq!(identity_error(&store(name, password)), expected);
    }
}

fn identity_error(options: &StoreOptions) -> String {
    material::identity(options).err().unwrap().to_string()
}

#[test]
fn the_type_is_that_of_the_setting_or_of_the_name() {
    let dir = TempDir::new().unwrap();
    let odd = StoreOptions {
        path: dir.path().join("server.keys"),
        ..store("server.p12", "secret")
    };
    fs::copy(testdata("server.p12"), &odd.path).unwrap();
    let error = identity_error(&odd);
    assert!(
        error.ends_with("or the type in ssl.quorum.keyStore.type"),
        "{error}"
    );
    let typed = StoreOptions {
        kind: Some(StoreType::Jks),
        ..odd.clone()
    };
    assert!(
        material::identity(&typed).is_ok(),
        "the JDK reads either under either type"
    );
    let bcfks = StoreOptions {
        kind: Some(StoreType::Bcfks),
        ..odd
    };
    let error = identity_error(&bcfks);
    assert!(error.ends_with("expected JKS, PKCS12 or PEM"), "{error}");
    let dsa = Tls::load(with_key("dsa.p12")).unwrap_err().to_string();
    assert!(dsa.contains("expected RSA of 2048 bits or more"), "{dsa}");
}

#[test]
fn a_password_may_stand_in_a_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("password");
    for text in ["secret", "secret\n", "secret\r\n"] {
        fs::write(&file, text).unwrap();
        let options = StoreOptions {
            password: StorePassword::File(file.clone()),
            ..store("server.p12", "")
        };
        assert!(material::identity(&options).is_ok(), "{text:?}");
    }
}

/// Any bytes are a store or an error.
#[test]
fn damage_anywhere_is_an_error() {
    let dir = TempDir::new().unwrap();
    for name in ["server.jks", "server.p12", "server.pem", "encrypted.pem"] {
        let whole = fs::read(testdata(name)).unwrap();
        let options = StoreOptions {
            path: dir.path().join(name),
            ..store(name, "secret")
        };
        for end in (0..whole.len()).step_by(37) {
            fs::write(&options.path, &whole[..end]).unwrap();
            // A PEM file without its last certificate is one with fewer.
            let found = material::identity(&options);
            assert!(
                found.is_err() || name.ends_with(".pem"),
                "{name} up to {end}"
            );
        }
    }
}

/// What a JDK 17 prints for `new X500Principal(der).getName()`.
#[test]
fn names_are_printed_as_java_prints_them() {
    for (der, expected) in [
        ("3000", ""),
        (
            "3028310a3008060355040a130179310a3008060355040b130178310e300c06035504031305616c696365",
            "CN=alice,OU=x,O=y",
        ),
        (
            "3081b031133011060a0992268993f22c64011916036f726731143012060a0992268993f22c640119160461636d65310f300d060355040913064d61696e2031310b3009060355040613024445310a30080603550408130142310f300d060355040713064265726c696e31133011060355040a130a41636d652c20496e632e311b3008060355040b130152300f060a0992268993f22c640101130137311630140603550403130d416c696365204578616d706c65",
            "CN=Alice Example,OU=R+UID=7,O=Acme\\, Inc.,L=Berlin,ST=B,C=DE,STREET=Main 1,DC=acme,DC=org",
        ),
        (
            "3027310d300b060355040313046d61696c3116301406092a864886f70d01090116076140622e6f7267",
            "1.2.840.113549.1.9.1=#16076140622e6f7267,CN=mail",
        ),
        (
            "301b3119301706035504031310206c65616420616e6420747261696c20",
            "CN=\\ lead and trail\\ ",
        ),
        ("3010310e300c06035504030c052368617368", "CN=\\#hash"),
        (
            "3032310a3008060355040313016e310a3008060355042a130147310b3009060355040c13024472310b3009060355040513023132",
            "2.5.4.5=#13023132,2.5.4.12=#13024472,2.5.4.42=#130147,CN=n",
        ),
        (
            "3019310a3008060355040313017a310b300906032a030404024142",
            "1.2.3.4=#04024142,CN=z",
        ),
        ("3010310e300c06035504031305612c622b63", "CN=a\\,b\\+c"),
        ("300f310d300b06035504031e0400410042", "CN=\\00A\\00B"),
        ("300b3109300706035504031300", "CN="),
        ("300d310b3009060355040303020001", "CN=#03020001"),
    ] {
        let bytes: Vec<u8> = (0..der.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&der[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(printed(&Name::from_der(&bytes).unwrap()).unwrap(), expected);
    }
}

#[test]
fn a_certificate_tells_its_names() {
    let identity = material::identity(&store("server.p12", "secret")).unwrap();
    let subject = Subject::read(&identity.chain[0]).unwrap();
    let expected = Subject {
        name: "CN=server,O=Gamekeeper".to_owned(),
        common_name: Some("server".to_owned()),
        dns_names: vec!["localhost".to_owned()],
        addresses: vec![IpAddr::from([127, 0, 0, 1])],
    };
    assert_eq!(subject, expected);
}

/// One end dials with TLS or without, the other takes what its options say.
pub(super) async fn meet(
    dialling: &PeerSecurity,
    accepting: &PeerSecurity,
) -> (
    Result<PeerStream, HandshakeError>,
    Result<PeerStream, HandshakeError>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let dial = async {
        let stream = TcpStream::connect(at).await.unwrap();
        let mut stream = dialling
            .connect(
                stream,
                &Host::Name("localhost".into()),
                Duration::from_secs(10),
            )
            .await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        Ok(stream)
    };
    let accept = async {
        let (stream, peer) = listener.accept().await.unwrap();
        let mut stream = accepting.accept(stream, peer).await?;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        assert_eq!(&hello, b"hello");
        Ok(stream)
    };
    tokio::join!(dial, accept)
}

fn security(settings: &[(&str, &str)]) -> PeerSecurity {
    let options = options(settings);
    let tls = Arc::new(Tls::load(options.tls.clone()).unwrap());
    PeerSecurity::new(tls, &options)
}

#[tokio::test]
async fn servers_meet_with_the_same_security_and_on_a_unified_port_with_either() {
    let plain = PeerSecurity::default();
    let tls = security(&[]);
    let old = security(&[("ssl.quorum.protocol", "TLSv1.2")]);
    let unified = security(&[("portUnification", "true")]);
    for (dialling, accepting) in [
        (&plain, &plain),
        (&tls, &tls),
        (&old, &tls),
        (&tls, &old),
        (&plain, &unified),
        (&tls, &unified),
        (&unified, &tls),
    ] {
        let (dialled, accepted) = meet(dialling, accepting).await;
        let is_tls = |stream: &PeerStream| matches!(stream, PeerStream::Tls(_));
        assert_eq!(is_tls(&dialled.unwrap()), is_tls(&accepted.unwrap()));
    }
    let (_, accepted) = meet(&plain, &tls).await;
    assert!(matches!(accepted, Err(HandshakeError::Plain)));
}

#[tokio::test]
async fn names_are_looked_at_unless_it_is_not_asked_for() {
    let strict = security(&[("fips-mode", "false")]);
    let (dialled, accepted) = meet(&strict, &strict).await;
    assert!(dialled.is_ok() && accepted.is_ok());
    let subject = Subject {
        name: "CN=other".to_owned(),
        common_name: Some("other".to_owned()),
        dns_names: vec!["other.example".to_owned()],
        addresses: Vec::new(),
    };
    let tls = Tls::load(options(&[("ssl.quorum.allowReverseDnsLookup", "false")]).tls).unwrap();
    let local = IpAddr::from([127, 0, 0, 1]);
    let error = tls.check_name(&subject, local, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate \"CN=other\" is not that of 127.0.0.1"
    );
    let error = tls
        .check_name(&subject, local, Some("zk1"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate \"CN=other\" is not that of 127.0.0.1 or zk1"
    );
    tls.check_name(&subject, local, Some("other.example"))
        .await
        .unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let tls = security(&[("ssl.quorum.handshakeDetectionTimeoutMillis", "1")]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dialled = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    assert!(matches!(
        tls.accept(stream, peer).await,
        Err(HandshakeError::Silent)
    ));
    assert_eq!(dialled.read(&mut [0; 1]).await.unwrap(), 0);
}

/// By a swap of a link above it, as where secrets are mounted, and by a file in place of the other.
#[tokio::test]
async fn a_new_store_is_for_new_connections_and_a_broken_one_for_none() {
    let dir = TempDir::new().unwrap();
    for (name, file) in [("one", "server.p12"), ("two", "server.jks")] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::copy(testdata(file), dir.path().join(name).join("store.p12")).unwrap();
    }
    let (data, next) = (dir.path().join("..data"), dir.path().join("..next"));
    std::os::unix::fs::symlink("one", &data).unwrap();
    let mut options = options(&[("sslQuorumReloadCertFiles", "true")]).tls;
    let key_store = options.key_store.as_mut().unwrap();
    key_store.path = data.join("store.p12");
    let tls = Tls::load(options).unwrap();
    let first = tls.current.read().clone();
    let seen = tls.look(&tls.seen);
    assert!(
        Arc::ptr_eq(&first, &*tls.current.read()),
        "nothing has changed"
    );
    std::os::unix::fs::symlink("two", &next).unwrap();
    fs::rename(&next, &data).unwrap();
    let seen = tls.look(&seen);
    let second = tls.current.read().clone();
    assert!(!Arc::ptr_eq(&first, &second), "another file is there");
    fs::write(dir.path().join("two/store.p12"), "no store").unwrap();
    let seen = tls.look(&seen);
    assert!(
        Arc::ptr_eq(&second, &*tls.current.read()),
        "it cannot be read"
    );
    assert_eq!(tls.look(&seen), seen);
}

#[tokio::test]
async fn nobody_waits_for_a_socket_with_tls() {
    let tls = security(&[]);
    let (dialled, accepted) = meet(&tls, &tls).await;
    let (writing, reading) = (
        super::Socket::from(dialled.unwrap()),
        super::Socket::from(accepted.unwrap()),
    );
    let chunk = vec![7; 100_000];
    let mut written = 0;
    // More than the buffers of both take.
    let blocked = loop {
        match writing.try_write(&chunk) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(blocked.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(
        writing.try_flush().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let mut received = bytes::BytesMut::new();
    let receive = async {
        while received.len() < written {
            match reading.try_read_buf(&mut received) {
                Ok(0) => panic!("it goes on"),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let _ = writing.try_flush();
                    tokio::time::timeout(Duration::from_secs(1), reading.readable())
                        .await
                        .ok();
                }
                other => drop(other.unwrap()),
            }
        }
    };
    receive.await;
    assert!(received.iter().all(|byte| *byte == 7));
    writing.try_flush().unwrap();
    writing.end();
    let end = async {
        loop {
            match reading.try_read_buf(&mut received) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    reading.readable().await.unwrap();
                }
                other => break other.unwrap(),
            }
        }
    };
    assert_eq!(end.await, 0);
}
