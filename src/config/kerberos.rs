//! Kerberos: what a section of the JAAS file with `Krb5LoginModule` says, and what the system's Kerberos
//! library has to be told.
//!
//! In: options of a module, settings. Out: the service that this server is ([`ServiceKey`]), the login where
//! it dials others ([`KerberosLogin`]), and the environment that the library reads ([`KerberosOptions`]). What
//! would fail at each login is an error here. Options that mean nothing to that library (`debug`, `doNotPrompt`,
//! `refreshKrb5Config`, ...) are passed over, and so are `useTicketCache` and `isInitiator` of a service: it
//! needs its key alone, where Java's module fetches a ticket at the start.

use std::collections::BTreeMap;

use super::jaas::Module;
use crate::auth::sasl::ServiceKey;

/// As whom to log in where this server dials, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KerberosLogin {
    /// `None`: as the ticket cache says.
    pub principal: Option<String>,
    /// Where the tickets come from.
    pub tickets: Tickets,
    /// `quorum.auth.kerberos.servicePrincipal`.
    pub service: String,
    /// The realm of services whose name has none: `zookeeper.server.realm`, or the principal's own. `None`:
    /// the Kerberos configuration's default.
    pub realm: Option<String>,
    /// `kerberos.canonicalizeHostNames`: `_HOST` stands for what the DNS calls a host.
    pub canonicalizes_hosts: bool,
}

/// Where a login's tickets come from. Of either the library's default if it is not named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tickets {
    /// `useKeyTab`, and the path of the file by `keyTab`.
    pub keytab: Option<Option<String>>,
    /// `useTicketCache`, and the path of the file by `ticketCache`. Without one tickets are kept in memory.
    pub cache: Option<Option<String>>,
}

/// What the Kerberos library reads from the environment of its process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KerberosOptions {
    /// Variables and what they have to be.
    pub variables: BTreeMap<&'static str, String>,
}

impl KerberosOptions {
    /// `configuration` is `java.security.krb5.conf`.
    pub(super) fn new(
        configuration: Option<String>,
        key: Option<&ServiceKey>,
        login: Option<&KerberosLogin>,
    ) -> Self {
        let file = |path: &String| format!("FILE:{path}");
        let service_keytab = key.and_then(|key| key.keytab.as_ref());
        let tickets = login.map(|login| &login.tickets);
        let login_keytab = tickets.and_then(|it| it.keytab.as_ref()?.as_ref());
        let cache = tickets.and_then(|tickets| match &tickets.cache {
            Some(path) => path.as_ref().map(file),
            None => Some("MEMORY:gamekeeper".to_owned()),
        });
        let variables = [
            ("KRB5_CONFIG", configuration),
            ("KRB5_KTNAME", service_keytab.map(file)),
            ("KRB5_CLIENT_KTNAME", login_keytab.map(file)),
            ("KRB5CCNAME", cache),
        ];
        let variables = variables.into_iter();
        Self {
            variables: variables
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        }
    }
}

impl KerberosLogin {
    /// What a server on `host` is called, as `SecurityUtils.getServerPrincipal`: `_HOST` stands for it if it is
    /// all that stands behind the `/`.
    pub fn service_on(&self, host: &str) -> String {
        let mut service = match self.service.split_once('/') {
            Some((service, "_HOST")) => format!("{service}/{}", host.to_lowercase()),
            _ => self.service.clone(),
        };
        if let (false, Some(realm)) = (service.contains('@'), &self.realm) {
            service.push('@');
            service.push_str(realm);
        }
        service
    }

    /// What is wrong, or the login.
    pub(super) fn of(
        module: &Module,
        service: String,
        realm: Option<String>,
        canonicalizes_hosts: bool,
    ) -> Result<Self, String> {
        let keytab = is_on(module, "useKeyTab").then(|| path(module, "keyTab"));
        let cache = is_on(module, "useTicketCache").then(|| path(module, "ticketCache"));
        if keytab.is_none() && cache.is_none() {
            return Err("expected useKeyTab=true or useTicketCache=true: nobody is there to be asked for a password".to_owned());
        }
        if option(module, "isInitiator").is_some_and(|value| !is_true(value)) {
            return Err("expected isInitiator=true: this server begins these logins".to_owned());
        }
        let principal = option(module, "principal").map(ToOwned::to_owned);
        if principal.is_none() && cache.is_none() {
            return Err("expected the option principal".to_owned());
        }
        let own_realm = principal.as_deref().and_then(|name| name.split_once('@'));
        let own_realm = own_realm.map(|(_, realm)| realm.to_owned());
        Ok(Self {
            principal,
            tickets: Tickets { keytab, cache },
            service,
            realm: realm.or(own_realm),
            canonicalizes_hosts,
        })
    }
}

/// The service that a module describes, or what is wrong with it.
pub(super) fn service_key(module: &Module) -> Result<ServiceKey, String> {
    let principal = option(module, "principal").unwrap_or_default();
    let (service, host) = principal.split_once('/').unwrap_or_default();
    if service.is_empty() || host.is_empty() || host.starts_with('@') {
        return Err(
            "expected the option principal as service/host or service/host@REALM".to_owned(),
        );
    }
    for key in ["useKeyTab", "storeKey"] {
        if !is_on(module, key) {
            return Err(format!(
                "expected {key}=true: a service takes its key from a keytab"
            ));
        }
    }
    Ok(ServiceKey {
        principal: principal.to_owned(),
        keytab: path(module, "keyTab"),
    })
}

fn option<'a>(module: &'a Module, key: &str) -> Option<&'a str> {
    let mut options = module.options.iter().rev();
    let found = options.find(|(known, _)| known == key);
    found.map(|(_, value)| value.as_str())
}

/// As the JDK reads the options of that module.
fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

fn is_on(module: &Module, key: &str) -> bool {
    option(module, key).is_some_and(is_true)
}

/// A file's path without the mark of its kind, which may stand before it.
fn path(module: &Module, key: &str) -> Option<String> {
    let written = option(module, key)?;
    let path = match written.split_at_checked(FILE.len()) {
        Some((kind, path)) if kind.eq_ignore_ascii_case(FILE) => path,
        _ => written,
    };
    Some(path.to_owned())
}

const FILE: &str = "FILE:";

#[cfg(test)]
mod tests {
    use super::*;

    fn module(options: &[(&str, &str)]) -> Module {
        let options = options.iter();
        Module {
            class: "com.sun.security.auth.module.Krb5LoginModule".to_owned(),
            line: 1,
            options: options
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    const KEYTAB: (&str, &str) = ("useKeyTab", "true");

    fn login(options: &[(&str, &str)]) -> Result<KerberosLogin, String> {
        let service = "zkquorum/_HOST".to_owned();
        KerberosLogin::of(&module(options), service, None, false)
    }

    #[test]
    fn a_service_has_a_name_and_a_key() {
        let store = ("storeKey", "TRUE");
        let name = ("principal", "zookeeper/zk1.example.com@EXAMPLE.COM");
        let keytab = ("keyTab", "file:/etc/zk.keytab");
        let key = service_key(&module(&[KEYTAB, store, name, keytab, ("debug", "true")]));
        let expected = ServiceKey {
            principal: name.1.to_owned(),
            keytab: Some("/etc/zk.keytab".to_owned()),
        };
        assert_eq!(key, Ok(expected));
        let key = service_key(&module(&[KEYTAB, store, ("principal", "zookeeper/zk1")]));
        assert_eq!(key.map(|key| key.keytab), Ok(None));
        for (options, said) in [
            (&[KEYTAB, store][..], "expected the option principal"),
            (
                &[KEYTAB, store, ("principal", "zookeeper")],
                "expected the option principal",
            ),
            (
                &[KEYTAB, store, ("principal", "zookeeper/@R")],
                "expected the option principal",
            ),
            (&[KEYTAB, name], "expected storeKey=true"),
            (
                &[store, name, ("useKeyTab", "yes")],
                "expected useKeyTab=true",
            ),
        ] {
            let error = service_key(&module(options)).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn a_login_has_tickets_from_somewhere() {
        let name = ("principal", "learner/zk1@EXAMPLE.COM");
        let by_keytab = login(&[KEYTAB, name, ("keyTab", "k")]).unwrap();
        let tickets = Tickets {
            keytab: Some(Some("k".to_owned())),
            cache: None,
        };
        assert_eq!(by_keytab.tickets, tickets);
        let cache = ("useTicketCache", "true");
        let by_cache = login(&[cache, ("ticketCache", "/tmp/c")]).unwrap();
        assert_eq!((by_cache.principal, by_cache.realm), (None, None));
        assert_eq!(by_cache.tickets.cache, Some(Some("/tmp/c".to_owned())));
        for (options, said) in [
            (&[name][..], "expected useKeyTab=true or"),
            (&[KEYTAB], "expected the option principal"),
            (
                &[KEYTAB, name, ("isInitiator", "false")],
                "expected isInitiator=true",
            ),
        ] {
            let error = login(options).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn a_service_is_found_by_its_host() {
        let name = ("principal", "learner/zk1@EXAMPLE.COM");
        let at = |service: &str, realm: Option<&str>, host: &str| {
            let realm = realm.map(ToOwned::to_owned);
            let module = module(&[KEYTAB, name]);
            let login = KerberosLogin::of(&module, service.to_owned(), realm, false);
            login.unwrap().service_on(host)
        };
        for (service, realm, expected) in [
            ("zkquorum/_HOST", None, "zkquorum/zk2@EXAMPLE.COM"),
            ("zkquorum/_HOST", Some("OTHER"), "zkquorum/zk2@OTHER"),
            ("zkquorum/localhost", None, "zkquorum/localhost@EXAMPLE.COM"),
            // As there: only what stands alone is replaced.
            ("zkquorum/_HOST@R", None, "zkquorum/_HOST@R"),
            ("zkquorum", None, "zkquorum@EXAMPLE.COM"),
        ] {
            assert_eq!(at(service, realm, "ZK2"), expected, "{service}");
        }
    }

    #[test]
    fn the_library_is_told_by_its_environment() {
        let variables = |key: Option<&ServiceKey>, login: Option<&KerberosLogin>| {
            let configuration = Some("/etc/zk/krb5.conf".to_owned());
            let options = KerberosOptions::new(configuration, key, login);
            let variables = options.variables.into_iter();
            let variables: Vec<_> = variables
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            variables.join(" ")
        };
        let conf = "KRB5_CONFIG=/etc/zk/krb5.conf";
        assert_eq!(variables(None, None), conf);
        let key = ServiceKey {
            principal: "zookeeper/zk1".to_owned(),
            keytab: Some("/k".to_owned()),
        };
        let name = ("principal", "learner/zk1@R");
        let cache = ("useTicketCache", "true");
        let by_keytab = login(&[KEYTAB, name, ("keyTab", "/l")]).unwrap();
        let by_cache = login(&[cache, ("ticketCache", "/c")]).unwrap();
        let by_default = login(&[KEYTAB, cache, name]).unwrap();
        assert_eq!(
            variables(Some(&key), Some(&by_keytab)),
            format!(
                "KRB5CCNAME=MEMORY:gamekeeper KRB5_CLIENT_KTNAME=FILE:/l {conf} KRB5_KTNAME=FILE:/k"
            )
        );
        let expected = format!("KRB5CCNAME=FILE:/c {conf}");
        assert_eq!(variables(None, Some(&by_cache)), expected);
        assert_eq!(variables(None, Some(&by_default)), conf);
    }
}
