//! Kerberos names, `service[/host][@realm]`: what an id of the scheme `sasl` must look like, and what a
//! user is called in access lists. As `KerberosName`, of whose rules (`auth_to_local`) there is the default
//! one only: a name of the default realm, which without Kerberos is the empty one, is its first part.

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

    /// The name in access lists; `None` if no rule fits the realm, and the name stays what it is.
    pub(super) fn local(&self, keeps_host: bool, keeps_realm: bool) -> Option<String> {
        let is_local = self.realm.is_none_or(|realm| realm == DEFAULT_REALM);
        // The first part of a name without a realm may hold a `/`, and is taken as it is.
        let mut local = is_local.then(|| self.service.to_owned())?;
        for (part, mark, keeps) in [(self.host, '/', keeps_host), (self.realm, '@', keeps_realm)] {
            if let Some(part) = part.filter(|_| keeps) {
                local.push(mark);
                local.push_str(part);
            }
        }
        Some(local)
    }
}

/// There is no Kerberos configuration that would name another.
const DEFAULT_REALM: &str = "";

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
        let local = |name, host, realm| KerberosName::parse(name).unwrap().local(host, realm);
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
}
