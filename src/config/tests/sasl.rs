//! SASL: the settings and the JAAS file together.

use crate::auth::sasl::{Accounts, Service};
use crate::config::tests::ZooCfg;

const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
const PROVIDER: &str =
    "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n";

/// A zoo.cfg of `text` beside a `jaas.conf`, which it names on its line 3.
fn with_jaas(jaas: &str, text: &str) -> ZooCfg {
    let file = ZooCfg::with("");
    let path = file.dir.path().join("jaas.conf");
    file.write("jaas.conf", jaas);
    let path = path.display();
    file.append(&format!("java.security.auth.login.config={path}\n{text}"));
    file
}

fn accounts(users: &[(&str, &str)]) -> Accounts {
    let users = users.iter();
    let users = users.map(|(user, password)| ((*user).to_owned(), (*password).to_owned()));
    Accounts::new(Service::CLIENTS, users.collect())
}

#[test]
fn who_may_log_in_stands_in_a_section() {
    let jaas = format!(
        "Server {{ {MODULE} required user_bob=x user_super=s debug=\"true\"; {MODULE} optional user_bob=y; }};\n\
         Other {{ {MODULE} required user_ann=z; }}; Client {{ com.sun.security.auth.module.Krb5LoginModule required; }};"
    );
    let login = |text: &str| with_jaas(&jaas, text).config().auth.sasl;
    let default = login("").unwrap();
    assert_eq!(default.accounts, accounts(&[("bob", "y"), ("super", "s")]));
    assert!(default.keeps_host && default.keeps_realm && !default.keeps_failed);
    let super_password = "SASLAuthenticationProvider.superPassword=t\n";
    let other = login(super_password).unwrap();
    assert_eq!(other.accounts, accounts(&[("bob", "y"), ("super", "t")]));
    let section = "sasl.serverconfig=Other\n";
    let other = login(&format!("{section}{super_password}")).unwrap();
    assert_eq!(other.accounts, accounts(&[("ann", "z")]));
    let missing = with_jaas(&jaas, "sasl.serverconfig=Nobody\n");
    let (config, warnings) = missing.load(&[]).unwrap();
    assert_eq!(config.auth.sasl, None);
    assert_eq!(
        warnings,
        ["zoo.cfg:4: sasl.serverconfig = \"Nobody\": \
          there is no such section in the JAAS file: clients cannot log in by SASL"]
    );
    // Without a section for clients nobody asked for one.
    assert_eq!(with_jaas("", "").load(&[]).unwrap().1, Vec::<String>::new());
}

#[test]
fn the_file_may_be_named_as_java_takes_it() {
    let file = with_jaas(&format!("Server {{ {MODULE} required; }};"), "");
    for prefix in ["", "=", "file:", "=file:"] {
        let path = file.dir.path().join("jaas.conf");
        let argument = format!(
            "-Djava.security.auth.login.config={prefix}{}",
            path.display()
        );
        let other = ZooCfg::with("");
        let (config, _) = other.load(&[&argument]).unwrap();
        assert!(config.auth.sasl.is_some(), "{argument}");
    }
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_its_line() {
    let kerberos = "com.sun.security.auth.module.Krb5LoginModule";
    for (jaas, said) in [
        (
            "\nServer {\n x".to_owned(),
            "jaas.conf:3: expected required, requisite, sufficient or optional, and the file ends"
                .to_owned(),
        ),
        (
            format!("Server {{\n {kerberos} required\n useKeyTab=true; }};"),
            format!("jaas.conf:2: Kerberos is not supported by this version; expected {MODULE}"),
        ),
        (
            "Server {\n\n own.Module required; };".to_owned(),
            format!("jaas.conf:3: expected {MODULE}, found own.Module"),
        ),
    ] {
        assert_eq!(with_jaas(&jaas, "").errors(&[]), [said]);
    }
    let lost = ZooCfg::with("java.security.auth.login.config=/no/such/file\n").errors(&[]);
    assert_eq!(lost.len(), 1);
    assert!(
        lost[0].starts_with(
            "zoo.cfg:3: java.security.auth.login.config = \"/no/such/file\": cannot be read: "
        ),
        "{lost:?}"
    );
}

#[test]
fn sasl_can_be_demanded_of_clients() {
    let demanded = "sessionRequireClientSASLAuth=true\n";
    let sasl = Some(["sasl".to_owned()].into());
    let config = ZooCfg::with(&format!("{demanded}{PROVIDER}")).config();
    assert_eq!(config.auth.enforced_schemes, sasl);
    // It stands for all that the other two say.
    let others = "enforce.auth.enabled=true\nenforce.auth.schemes=nonsense\n";
    let config = ZooCfg::with(&format!("{demanded}{PROVIDER}{others}")).config();
    assert_eq!(config.auth.enforced_schemes, sasl);
    let others = "enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n";
    let config = ZooCfg::with(&format!("{PROVIDER}{others}")).config();
    assert_eq!(config.auth.enforced_schemes, sasl);
    assert_eq!(
        ZooCfg::with(demanded).errors(&[]),
        [
            "zoo.cfg:3: sessionRequireClientSASLAuth = \"true\": expected \
          authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider beside it"
        ]
    );
}
