//! Who may log in by SASL, and as whom this server does: what the settings and the JAAS file say together.
//!
//! In: the settings, and the file that `java.security.auth.login.config` names. Out: [`SaslLogin`] for
//! clients, [`PeerSaslOptions`] for servers. What asks for Kerberos is an error, since DIGEST-MD5 is all
//! there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    Files,
    jaas::{self, Section},
    keys::{Key, ensemble, security, tls},
    report::{ConfigError, Origin, Remark, shown},
    values::Values,
};
use crate::auth::SaslLogin;
use crate::auth::sasl::{Accounts, Credentials, Service};

/// How servers log in to each other (`quorum.auth.enableSasl`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSaslOptions {
    /// Who may dial in.
    pub accounts: Accounts,
    /// `quorum.auth.serverRequireSasl`: nobody else may. Without it who fails, or does not try, is let
    /// through.
    pub is_demanded: bool,
    /// `quorum.auth.learnerRequireSasl`: as whom to log in where this server dials. `None`: not at all.
    pub credentials: Option<Credentials>,
}

/// The JAAS file, or nothing of one that is wrong, which is reported.
pub(super) struct Jaas {
    path: PathBuf,
    sections: Vec<Section>,
}

impl Values {
    /// Reads the JAAS file, if one is named.
    pub(super) fn jaas(&mut self, files: &Files<'_>) -> Option<Jaas> {
        let written = self.set_text(&security::JAAS_FILE)?;
        // `-Djava.security.auth.login.config==file` has the JVM look nowhere else, as is the case here.
        let path = written.strip_prefix('=').unwrap_or(&written);
        let path = PathBuf::from(path.strip_prefix("file:").unwrap_or(path));
        let read = files(&path).map_err(|error| format!("cannot be read: {error}"));
        let text = read.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| "expected a file in UTF-8".to_owned())
        });
        let sections = match text.map(|text| jaas::parse(&text)) {
            Ok(Ok(sections)) => sections,
            Ok(Err(malformed)) => {
                self.jaas_error(&path, malformed.line, malformed.text);
                return None;
            }
            Err(text) => {
                self.error(&security::JAAS_FILE, text);
                return None;
            }
        };
        Some(Jaas { path, sections })
    }

    /// How clients log in; `None` without a section for it, as in Apache.
    pub(super) fn sasl_login(&mut self, jaas: Option<&Jaas>) -> Option<SaslLogin> {
        let name = self.text(&security::SASL_SECTION);
        let Some(options) = self.section(jaas?, &name)? else {
            if self.set_text(&security::SASL_SECTION).is_some() {
                let text =
                    "there is no such section in the JAAS file: clients cannot log in by SASL";
                self.warn(&security::SASL_SECTION, text.to_owned());
            }
            return None;
        };
        let mut passwords = passwords(&options);
        // Only who is in the file can have it, as `SaslServerCallbackHandler`.
        let super_password = self.set_text(&security::SASL_SUPER_PASSWORD);
        if let (Some(known), Some(other)) = (passwords.get_mut("super"), super_password) {
            *known = other;
        }
        let all = self.settings.values();
        let super_users: BTreeSet<_> = all
            .filter(|it| {
                [&security::SUPER_USER, &security::SUPER_USERS]
                    .map(|key| key.name)
                    .contains(&it.key.name)
            })
            .map(|it| it.value.clone())
            .collect();
        Some(SaslLogin {
            accounts: Accounts::new(Service::CLIENTS, passwords),
            super_users,
            keeps_failed: self.bool(&security::ALLOW_SASL_FAILED),
            keeps_host: !self.bool(&security::REMOVE_HOST),
            keeps_realm: !self.bool(&security::REMOVE_REALM),
        })
    }

    /// How servers log in to each other; `None` when they do not, or something is wrong, which is
    /// reported.
    pub(super) fn peer_sasl(&mut self, jaas: Option<&Jaas>) -> Option<PeerSaslOptions> {
        if !self.bool(&ensemble::SASL_ENABLED) {
            return None;
        }
        let Some(jaas) = jaas else {
            if self.set_text(&security::JAAS_FILE).is_none() {
                let text = "expected java.security.auth.login.config to name a JAAS file";
                self.error(&ensemble::SASL_ENABLED, text.to_owned());
            }
            return None;
        };
        let server = self.needed_section(jaas, &ensemble::SASL_SERVER_SECTION);
        let learner = self.needed_section(jaas, &ensemble::SASL_LEARNER_SECTION);
        let (server, (learner, line)) = (server?.0, learner?);
        let credentials = if self.bool(&ensemble::SASL_LEARNER_REQUIRED) {
            let option = |key: &str| learner.get(key).cloned();
            let credentials = option("username").zip(option("password"));
            if credentials.is_none() {
                let text = "expected the options username and password";
                self.jaas_error(&jaas.path, line, text);
            }
            if self.bool(&tls::FIPS_MODE) {
                let text = "expected fips-mode=false beside it: DIGEST-MD5, which the JAAS file asks \
                    for, is refused in FIPS mode";
                self.error(&ensemble::SASL_LEARNER_REQUIRED, text.to_owned());
            }
            credentials.map(|(user, password)| Credentials { user, password })
        } else {
            None
        };
        Some(PeerSaslOptions {
            accounts: Accounts::new(Service::SERVERS, passwords(&server)),
            is_demanded: self.bool(&ensemble::SASL_SERVER_REQUIRED),
            credentials,
        })
    }

    /// As `QuorumPeerConfig`, for a server of its own too: each needs the one before it.
    pub(super) fn check_peer_sasl(&mut self) {
        let steps = [
            &ensemble::SASL_ENABLED,
            &ensemble::SASL_LEARNER_REQUIRED,
            &ensemble::SASL_SERVER_REQUIRED,
        ];
        let mut missing: Option<&Key> = None;
        for key in steps {
            match (self.bool(key), missing) {
                (false, _) => missing = missing.or(Some(key)),
                (true, None) => {}
                (true, Some(before)) => {
                    self.error(key, format!("expected {} to be true as well", before.name));
                }
            }
        }
    }

    /// The options of the section that `key` names, and its line. An error if it is not there.
    fn needed_section(
        &mut self,
        jaas: &Jaas,
        key: &'static Key,
    ) -> Option<(BTreeMap<String, String>, usize)> {
        let name = self.text(key);
        let options = self.section(jaas, &name)?;
        if options.is_none() {
            let text = format!("expected a section {} for {}", shown(&name), key.name);
            self.jaas_error(&jaas.path, 0, text);
        }
        let line = jaas.sections.iter().find(|section| section.name == name);
        Some((options?, line.map_or(0, |section| section.line)))
    }

    /// The options of all modules of a section, if it has any; `None` if they are none that this server
    /// can do, which is reported.
    #[expect(clippy::option_option, reason = "wrong is not the same as not there")]
    fn section(&mut self, jaas: &Jaas, name: &str) -> Option<Option<BTreeMap<String, String>>> {
        let modules = jaas.sections.iter().filter(|section| section.name == name);
        let modules: Vec<_> = modules.flat_map(|section| &section.modules).collect();
        for module in &modules {
            let text = match module.class.as_str() {
                DIGEST_MODULE => continue,
                class if class.ends_with("Krb5LoginModule") => {
                    format!("Kerberos is not supported by this version; expected {DIGEST_MODULE}")
                }
                class => format!("expected {DIGEST_MODULE}, found {}", shown(class)),
            };
            self.jaas_error(&jaas.path, module.line, text);
            return None;
        }
        let options = modules.iter().flat_map(|module| module.options.clone());
        Some((!modules.is_empty()).then(|| options.collect()))
    }

    fn jaas_error(&mut self, path: &Path, line: usize, text: impl Into<String>) {
        let remark = Remark::about(Origin::file(path, line), text);
        self.errors.push(ConfigError::new(remark));
    }
}

/// Who may log in: the options `user_<name>`.
fn passwords(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let users = options.iter().filter_map(|(key, password)| {
        let user = key.strip_prefix("user_")?;
        Some((user.to_owned(), password.clone()))
    });
    users.collect()
}

const DIGEST_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
