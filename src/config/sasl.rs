//! Who may log in by SASL: what the settings and the JAAS file say together.
//!
//! In: the settings, and the file that `java.security.auth.login.config` names. Out: [`SaslLogin`]. What
//! asks for Kerberos is an error, since DIGEST-MD5 is all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    Files,
    jaas::{self, Section},
    keys::security,
    report::{ConfigError, Origin, Remark, shown},
    values::Values,
};
use crate::auth::SaslLogin;
use crate::auth::sasl::{Accounts, Service};

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
