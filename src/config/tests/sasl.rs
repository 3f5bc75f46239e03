//! SASL: the settings and the JAAS file together.

use crate::auth::sasl::{Acceptor, Accounts, NameRules, Service};
use crate::config::PeerLogin;
use crate::config::tests::ZooCfg;

const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
const KERBEROS: &str = "com.sun.security.auth.module.Krb5LoginModule";
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

fn accounts(users: &[(&str, &str)]) -> Acceptor {
    let users = users.iter();
    let users = users.map(|(user, password)| ((*user).to_owned(), (*password).to_owned()));
    Acceptor::Digest(Accounts::new(Service::CLIENTS, users.collect()))
}

#[test]
fn who_may_log_in_stands_in_a_section() {
    let jaas = format!(
        "Server {{ {MODULE} required user_bob=x user_super=s debug=\"true\"; {MODULE} optional user_bob=y; }};\n\
         Other {{ {MODULE} required user_ann=z; }}; Client {{ {KERBEROS} required; }};"
    );
    let login = |text: &str| with_jaas(&jaas, text).config().auth.sasl;
    let default = login("").unwrap();
    assert_eq!(default.acceptor, accounts(&[("bob", "y"), ("super", "s")]));
    assert!(default.keeps_host && default.keeps_realm && !default.keeps_failed);
    let super_password = "SASLAuthenticationProvider.superPassword=t\n";
    let other = login(super_password).unwrap();
    assert_eq!(other.acceptor, accounts(&[("bob", "y"), ("super", "t")]));
    let section = "sasl.serverconfig=Other\n";
    let other = login(&format!("{section}{super_password}")).unwrap();
    assert_eq!(other.acceptor, accounts(&[("ann", "z")]));
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
    let without = format!(
        "jaas.conf:2: expected {MODULE}, as this server is built without Kerberos; \
         `cargo build --release --features gssapi` makes one with it"
    );
    let with = "jaas.conf:2: expected the option principal as service/host or service/host@REALM";
    let is_built = cfg!(feature = "gssapi");
    let kerberos = if is_built { with.to_owned() } else { without };
    for (jaas, said) in [
        (
            "\nServer {\n x".to_owned(),
            "jaas.conf:3: expected required, requisite, sufficient or optional, and the file ends"
                .to_owned(),
        ),
        (
            format!("Server {{\n {KERBEROS} required\n useKeyTab=true; }};"),
            kerberos,
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

const PEERS: &str = "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n";
const ENABLED: &str = "quorum.auth.enableSasl=true\n";
const DEMANDED: &str = "quorum.auth.learnerRequireSasl=true\nquorum.auth.serverRequireSasl=true\n";

const LOGS_IN: &str = "quorum.auth.learnerRequireSasl=true\nfips-mode=false\n";

/// A member with this JAAS file and, behind 7 other lines, `text`.
fn member(jaas: &str, text: &str) -> ZooCfg {
    let file = ZooCfg::member(PEERS);
    file.write("jaas.conf", jaas);
    let path = file.dir.path().join("jaas.conf");
    let path = path.display();
    file.append(&format!("{text}java.security.auth.login.config={path}\n"));
    file
}

#[test]
fn servers_log_in_to_each_other() {
    let jaas = format!(
        "QuorumServer {{ {MODULE} required user_test=\"x\"; }};\n\
         QuorumLearner {{ {MODULE} required username=\"test\" password=\"y\"; }};"
    );
    let sasl = |text: &str| member(&jaas, text).config().ensemble.unwrap().sasl;
    assert_eq!(sasl(""), None);
    let optional = sasl(ENABLED).unwrap();
    assert!(!optional.is_demanded && optional.login.is_none());
    let users = [("test".to_owned(), "x".to_owned())];
    let accounts = Accounts::new(Service::SERVERS, users.into());
    assert_eq!(optional.acceptor, Acceptor::Digest(accounts));
    assert_eq!(
        optional.hosts,
        ["zk1", "zk2", "zk3"].map(ToOwned::to_owned).into()
    );
    let demanded = sasl(&format!("{ENABLED}{DEMANDED}fips-mode=false\n")).unwrap();
    assert!(demanded.is_demanded);
    let Some(PeerLogin::Digest(credentials)) = demanded.login else {
        panic!("it logs in by DIGEST-MD5");
    };
    assert_eq!((&*credentials.user, &*credentials.password), ("test", "y"));
}

#[test]
fn what_keeps_servers_from_logging_in_is_an_error() {
    let learner = format!("QuorumLearner {{ {MODULE} required username=a password=b; }};\n");
    let server = format!("QuorumServer {{ {MODULE} required user_a=b; }};\n");
    let both = format!("{learner}{server}");
    let needs = |key: &str, other: &str| {
        format!(
            "zoo.cfg:8: quorum.auth.{key} = \"true\": expected quorum.auth.{other} to be true as well"
        )
    };
    let table = [
        (&*both, "quorum.auth.serverRequireSasl=true\n", needs("serverRequireSasl", "enableSasl")),
        (&*both, "quorum.auth.learnerRequireSasl=true\n", needs("learnerRequireSasl", "enableSasl")),
        (
            &*both,
            "quorum.auth.serverRequireSasl=true\nquorum.auth.enableSasl=true\n",
            needs("serverRequireSasl", "learnerRequireSasl"),
        ),
        (
            &*both,
            "quorum.auth.learnerRequireSasl=true\nquorum.auth.enableSasl=true\n",
            "zoo.cfg:8: quorum.auth.learnerRequireSasl = \"true\": expected fips-mode=false beside it: \
             DIGEST-MD5, which the JAAS file asks for, is refused in FIPS mode".to_owned(),
        ),
        (&*server, ENABLED, "jaas.conf: expected a section QuorumLearner for quorum.auth.learner.saslLoginContext".to_owned()),
        (&*learner, ENABLED, "jaas.conf: expected a section QuorumServer for quorum.auth.server.saslLoginContext".to_owned()),
        (
            &format!("{server}\nQuorumLearner {{ {MODULE} required username=a; }};"),
            &format!("{ENABLED}{LOGS_IN}"),
            "jaas.conf:3: expected the options username and password".to_owned(),
        ),
    ];
    for (jaas, text, said) in table {
        assert_eq!(member(jaas, text).errors(&[]), [said], "{text}");
    }
    assert_eq!(
        ZooCfg::member(&format!("{PEERS}{ENABLED}")).errors(&[]),
        ["zoo.cfg:7: quorum.auth.enableSasl = \"true\": \
          expected java.security.auth.login.config to name a JAAS file"]
    );
    // As Apache's, a server of its own looks at these too.
    let alone = ZooCfg::with("quorum.auth.serverRequireSasl=true\n");
    assert_eq!(alone.errors(&[]).len(), 1);
}

#[test]
fn names_are_mapped_by_rules() {
    let jaas = format!("Server {{ {MODULE} required; }};");
    let rules = |text: &str| with_jaas(&jaas, text).config().auth.sasl.unwrap().rules;
    assert_eq!(rules(""), NameRules::default());
    let written = "RULE:[1:$1]s/a/b/";
    let set = rules(&format!("security.auth_to_local={written}\n"));
    assert_eq!(set, NameRules::parse(written).unwrap());
    let wrong = with_jaas(&jaas, "security.auth_to_local=RULE:[1:$2]\n").errors(&[]);
    let said = "zoo.cfg:4: security.auth_to_local = \"RULE:[1:$2]\": \
                expected $0 to $1 in \"$2\", for names of 1 components";
    assert_eq!(wrong, [said]);
}

#[test]
fn the_kerberos_configuration_has_to_be_there() {
    let lost = ZooCfg::with("java.security.krb5.conf=/no/such/file\n").errors(&[]);
    assert_eq!(lost.len(), 1);
    let said = "zoo.cfg:3: java.security.krb5.conf = \"/no/such/file\": cannot be read: ";
    assert!(lost[0].starts_with(said), "{lost:?}");
}

#[cfg(feature = "gssapi")]
mod kerberos {
    use super::*;
    use crate::auth::sasl::ServiceKey;

    fn section(name: &str, principal: &str, keytab: &str) -> String {
        format!(
            "{name} {{ {KERBEROS} required useKeyTab=true storeKey=true keyTab=\"{keytab}\" \
             principal=\"{principal}\"; }};\n"
        )
    }

    fn key(principal: &str, keytab: &str) -> Acceptor {
        Acceptor::Kerberos(ServiceKey {
            principal: principal.to_owned(),
            keytab: Some(keytab.to_owned()),
        })
    }

    #[test]
    fn clients_log_in_by_tickets() {
        let server = section("Server", "zookeeper/zk1@R", "/k");
        let config = with_jaas(&server, "").config();
        assert_eq!(
            config.auth.sasl.unwrap().acceptor,
            key("zookeeper/zk1@R", "/k")
        );
        let keytab = ("KRB5_KTNAME", "FILE:/k".to_owned());
        assert_eq!(config.kerberos.variables, [keytab].into());
        // What stands beside it is not asked, as there.
        let both = server.replace("};", &format!("{MODULE} optional user_bob=x; }};"));
        let config = with_jaas(&both, "").config();
        assert_eq!(
            config.auth.sasl.unwrap().acceptor,
            key("zookeeper/zk1@R", "/k")
        );
    }

    #[test]
    fn servers_log_in_by_tickets_whatever_fips_says() {
        let server = section("QuorumServer", "zkquorum/zk1@R", "/k");
        let learner = section("QuorumLearner", "learner/zk1@R", "/l");
        let text = format!("{ENABLED}{DEMANDED}");
        let file = member(&format!("{server}{learner}"), &text);
        file.append("quorum.auth.kerberos.servicePrincipal=zkquorum/_HOST\nserver.realm=S\n");
        let config = file.config();
        let sasl = config.ensemble.unwrap().sasl.unwrap();
        assert_eq!(sasl.acceptor, key("zkquorum/zk1@R", "/k"));
        let Some(PeerLogin::Kerberos(login)) = sasl.login else {
            panic!("it logs in by Kerberos");
        };
        assert_eq!(login.service_on("zk2"), "zkquorum/zk2@S");
        let names: Vec<_> = config.kerberos.variables.into_keys().collect();
        assert_eq!(names, ["KRB5CCNAME", "KRB5_CLIENT_KTNAME", "KRB5_KTNAME"]);
    }

    #[test]
    fn there_is_one_keytab_for_all_services() {
        let server = section("Server", "zookeeper/zk1@R", "/k");
        let peers = section("QuorumServer", "zkquorum/zk1@R", "/other");
        let learner = section("QuorumLearner", "learner/zk1@R", "/l");
        let file = member(&format!("{server}{learner}{peers}"), ENABLED);
        let said = "jaas.conf:3: expected the keyTab that section Server has: the Kerberos library \
                    takes one for all services of a process";
        assert_eq!(file.errors(&[]), [said]);
    }
}
