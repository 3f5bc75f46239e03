//! Kerberos names, `service[/host][@realm]`: what an id of the scheme `sasl` must look like, what a user is
//! called in access lists, and whether a server may be one of an ensemble. As `KerberosName`.

use std::collections::BTreeSet;

use super::rules::NameRules;

/// A name in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KerberosName<'a> {
    service: &'a str,
    host: Option<&'a str>,
    realm: Option<&'a str>,
}

impl<'a> KerberosName<'a> {
    /// `None` if there is an `@` and the name is no principal. Without one, all of it is the service.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let Some((principal, realm)) = name.split_once('@') else {
            return Some(Self {
                service: name,
                host: None,
                realm: None,
            });
        };
        let (service, host) = match principal.split_once('/') {
            Some((service, host)) => (service, Some(host)),
            None => (principal, None),
        };
        let is_simple = |part: &str| !part.contains(['/', '@']);
        let is_principal = is_simple(realm) && host.is_none_or(is_simple);
        is_principal.then_some(Self {
            service,
            host,
            realm: Some(realm),
        })
    }

    /// The name in access lists; `None` if no rule fits it, and the name stays what it is.
    pub(super) fn local(
        &self,
        rules: &NameRules,
        keeps_host: bool,
        keeps_realm: bool,
    ) -> Option<String> {
        // The first part of a name without a realm may hold a `/`, and is taken as it is.
        let mut local = match (self.realm, self.host) {
            (None, _) => self.service.to_owned(),
            (Some(realm), None) => rules.short_name(&[realm, self.service])?,
            (Some(realm), Some(host)) => rules.short_name(&[realm, self.service, host])?,
        };
        for (part, mark, keeps) in [(self.host, '/', keeps_host), (self.realm, '@', keeps_realm)] {
            if let Some(part) = part.filter(|_| keeps) {
                local.push(mark);
                local.push_str(part);
            }
        }
        Some(local)
    }
}

/// Whether a server with this Kerberos name is one of these hosts, as `SaslQuorumServerCallbackHandler` has
/// it: the name must have all three parts.
pub fn is_of_hosts(principal: &str, hosts: &BTreeSet<String>) -> bool {
    let mut parts: Vec<_> = principal.split(['/', '@']).collect();
    // As `String.split` does.
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    matches!(*parts, [_, host, _] if hosts.contains(host))
}

/// Whether an entry of an access list may have this id.
pub(in crate::auth) fn is_valid_id(id: &str) -> bool {
    KerberosName::parse(id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_up_to_three_parts() {
        for valid in [
            "bob",
            "",
            "bob/host",
            "a/b/c",
            "bob@",
            "@R",
            "/@",
            "bob@R",
            "bob/host@R",
        ] {
            assert!(is_valid_id(valid), "{valid}");
        }
        for invalid in ["@@", "bob@R@S", "a/b/c@R", "bob@R/x", "bob/h@R@S"] {
            assert!(!is_valid_id(invalid), "{invalid}");
        }
    }

    #[test]
    fn what_a_user_is_called() {
        let rules = NameRules::default();
        let local = |name, host, realm| {
            let name = KerberosName::parse(name).unwrap();
            name.local(&rules, host, realm)
        };
        let table = [
            ("bob", true, true, Some("bob")),
            ("bob/host", true, true, Some("bob/host")),
            ("bob/host@", true, true, Some("bob/host@")),
            ("bob/host@", false, true, Some("bob@")),
            ("bob/host@", true, false, Some("bob/host")),
            ("bob/host@", false, false, Some("bob")),
            ("bob@REALM", true, true, None),
        ];
        for (name, host, realm, expected) in table {
            let expected = expected.map(str::to_owned);
            assert_eq!(local(name, host, realm), expected, "{name} {host} {realm}");
        }
    }
    #[test]
    fn a_realm_and_rules_of_its_own() {
        let mut rules = NameRules::parse("RULE:[2:$1](zk)s/zk/keeper/ DEFAULT").unwrap();
        rules.default_realm = "EXAMPLE.COM".to_owned();
        let local = |name, host, realm| {
            let name = KerberosName::parse(name).unwrap();
            name.local(&rules, host, realm)
        };
        for (name, host, realm, expected) in [
            ("bob@EXAMPLE.COM", true, true, Some("bob@EXAMPLE.COM")),
            ("bob@EXAMPLE.COM", true, false, Some("bob")),
            ("zk/h@OTHER", true, true, Some("keeper/h@OTHER")),
            ("zk/h@OTHER", false, false, Some("keeper")),
            ("nn/h@EXAMPLE.COM", false, true, Some("nn@EXAMPLE.COM")),
            ("bob@OTHER", false, false, None),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(local(name, host, realm), expected, "{name} {host} {realm}");
        }
    }

    #[test]
    fn who_is_of_the_ensemble() {
        let hosts = BTreeSet::from(["zk1".to_owned(), "zk2".to_owned()]);
        for (name, expected) in [
            ("zkquorum/zk1@EXAMPLE.COM", true),
            ("learner/zk2@OTHER", true),
            ("zkquorum/zk3@EXAMPLE.COM", false),
            ("zkquorum/ZK1@EXAMPLE.COM", false),
            ("zkquorum@EXAMPLE.COM", false),
            ("zkquorum/zk1", false),
            ("zkquorum/zk1@", false),
            ("a/zk1/zk1@R", false),
            ("", false),
        ] {
            assert_eq!(is_of_hosts(name, &hosts), expected, "{name}");
        }
    }
}
