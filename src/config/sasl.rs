//! Who may log in by SASL, and as whom this server does: what the settings and the JAAS file say together.
//!
//! In: the settings, and the file that `java.security.auth.login.config` names. Out: [`SaslLogin`] for
//! clients, [`PeerSaslOptions`] for servers. The mechanism follows from the module of a section, as there it
//! follows from what the module's login gives: `DigestLoginModule` is DIGEST-MD5, `Krb5LoginModule` is GSSAPI
//! (see `kerberos`), whatever stands beside it. The second is an error of a build without Kerberos.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    Files,
    jaas::{self, Module, Section},
    kerberos::{KerberosLogin, KerberosOptions, service_key},
    keys::{Key, ensemble, security, tls},
    report::{ConfigError, Origin, Remark, shown},
    values::Values,
};
use crate::auth::SaslLogin;
use crate::auth::sasl::{Acceptor, Accounts, Credentials, NameRules, Service, ServiceKey};
use crate::quorum::QuorumView;

/// How servers log in to each other (`quorum.auth.enableSasl`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSaslOptions {
    /// How those show who they are who dial in.
    pub acceptor: Acceptor,
    /// The hosts that may stand in the Kerberos name of who dials in: those of the servers that were members
    /// at the start, as there. Of a server with several addresses it is any of them.
    pub hosts: BTreeSet<String>,
    /// `kerberos.canonicalizeHostNames`: it is what the DNS calls them that counts. That is for the caller to
    /// ask.
    pub canonicalizes_hosts: bool,
    /// `quorum.auth.serverRequireSasl`: nobody else may. Without it who fails, or does not try, is let
    /// through.
    pub is_demanded: bool,
    /// `quorum.auth.learnerRequireSasl`: as whom to log in where this server dials. `None`: not at all.
    pub login: Option<PeerLogin>,
}

/// As whom a server logs in to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerLogin {
    /// By DIGEST-MD5.
    Digest(Credentials),
    /// By GSSAPI.
    Kerberos(KerberosLogin),
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
        let rules = self.name_rules();
        let jaas = jaas?;
        let Some(found) = self.section(jaas, &name)? else {
            if self.set_text(&security::SASL_SECTION).is_some() {
                let text =
                    "there is no such section in the JAAS file: clients cannot log in by SASL";
                self.warn(&security::SASL_SECTION, text.to_owned());
            }
            return None;
        };
        let acceptor = match found {
            Found::Kerberos(module) => Acceptor::Kerberos(self.service_key(jaas, module)?),
            Found::Digest(options) => {
                let mut passwords = passwords(&options);
                // Only who is in the file can have it, as `SaslServerCallbackHandler`.
                let super_password = self.set_text(&security::SASL_SUPER_PASSWORD);
                if let (Some(known), Some(other)) = (passwords.get_mut("super"), super_password) {
                    *known = other;
                }
                Acceptor::Digest(Accounts::new(Service::CLIENTS, passwords))
            }
        };
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
            acceptor,
            super_users,
            keeps_failed: self.bool(&security::ALLOW_SASL_FAILED),
            keeps_host: !self.bool(&security::REMOVE_HOST),
            keeps_realm: !self.bool(&security::REMOVE_REALM),
            rules: rules?,
        })
    }

    /// How servers log in to each other; `None` when they do not, or something is wrong, which is
    /// reported.
    pub(super) fn peer_sasl(
        &mut self,
        jaas: Option<&Jaas>,
        view: Option<&QuorumView>,
    ) -> Option<PeerSaslOptions> {
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
        let (server, learner) = (server?.0, learner?);
        let acceptor = match server {
            Found::Digest(options) => {
                let accounts = Accounts::new(Service::SERVERS, passwords(&options));
                Some(Acceptor::Digest(accounts))
            }
            Found::Kerberos(module) => self.service_key(jaas, module).map(Acceptor::Kerberos),
        };
        let is_asked = self.bool(&ensemble::SASL_LEARNER_REQUIRED);
        let login = is_asked.then(|| self.peer_login(jaas, learner));
        let members = view.into_iter().flat_map(|view| view.members().values());
        let hosts = members.flat_map(|member| member.addresses());
        Some(PeerSaslOptions {
            acceptor: acceptor?,
            hosts: hosts.map(|address| address.host.to_string()).collect(),
            canonicalizes_hosts: self.bool(&ensemble::CANONICALIZE_HOSTS),
            is_demanded: self.bool(&ensemble::SASL_SERVER_REQUIRED),
            login: login.flatten(),
        })
    }

    /// As whom to log in to other servers; `None` if something is wrong, which is reported.
    fn peer_login(&mut self, jaas: &Jaas, (found, line): (Found<'_>, usize)) -> Option<PeerLogin> {
        let options = match found {
            Found::Digest(options) => options,
            Found::Kerberos(module) => {
                let service = self.text(&ensemble::SASL_SERVICE_PRINCIPAL);
                let realm = self.set_text(&ensemble::SERVER_REALM);
                let canonicalizes_hosts = self.bool(&ensemble::CANONICALIZE_HOSTS);
                let login = KerberosLogin::of(module, service, realm, canonicalizes_hosts);
                return self.of_module(jaas, module, login).map(PeerLogin::Kerberos);
            }
        };
        let option = |key: &str| options.get(key).cloned();
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
        credentials.map(|(user, password)| PeerLogin::Digest(Credentials { user, password }))
    }

    /// What the Kerberos library has to be told.
    pub(super) fn kerberos(
        &mut self,
        files: &Files<'_>,
        jaas: Option<&Jaas>,
        clients: Option<&SaslLogin>,
        peers: Option<&PeerSaslOptions>,
    ) -> KerberosOptions {
        let configuration = self.set_text(&security::KERBEROS_FILE);
        if let Some(path) = &configuration
            && let Err(error) = files(Path::new(path))
        {
            let text = format!("cannot be read: {error}");
            self.error(&security::KERBEROS_FILE, text);
        }
        let key_of = |acceptor: Option<&Acceptor>| match acceptor {
            Some(Acceptor::Kerberos(key)) => Some(key.clone()),
            _ => None,
        };
        let of_clients = key_of(clients.map(|clients| &clients.acceptor));
        let of_peers = key_of(peers.map(|peers| &peers.acceptor));
        if let (Some(clients), Some(peers), Some(jaas)) = (&of_clients, &of_peers, jaas)
            && clients.keytab != peers.keytab
        {
            let name = self.text(&ensemble::SASL_SERVER_SECTION);
            let others = self.text(&security::SASL_SECTION);
            let text = format!(
                "expected the keyTab that section {} has: the Kerberos library takes one for all \
                 services of a process",
                shown(&others)
            );
            self.jaas_error(&jaas.path, jaas.line_of(&name), text);
        }
        let login = match peers.and_then(|peers| peers.login.as_ref()) {
            Some(PeerLogin::Kerberos(login)) => Some(login),
            _ => None,
        };
        let key = of_clients.or(of_peers);
        KerberosOptions::new(configuration, key.as_ref(), login)
    }

    /// `None` if they cannot be read, which is reported.
    fn name_rules(&mut self) -> Option<NameRules> {
        match NameRules::parse(&self.text(&security::NAME_RULES)) {
            Ok(rules) => Some(rules),
            Err(error) => {
                self.error(&security::NAME_RULES, error.to_string());
                None
            }
        }
    }

    fn service_key(&mut self, jaas: &Jaas, module: &Module) -> Option<ServiceKey> {
        self.of_module(jaas, module, service_key(module))
    }

    /// What a module says; `None` if that is wrong, which is reported.
    fn of_module<T>(&mut self, jaas: &Jaas, module: &Module, said: Result<T, String>) -> Option<T> {
        match said {
            Ok(said) => Some(said),
            Err(text) => {
                self.jaas_error(&jaas.path, module.line, text);
                None
            }
        }
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

    /// What the section that `key` names says, and its line. An error if it is not there.
    fn needed_section<'j>(
        &mut self,
        jaas: &'j Jaas,
        key: &'static Key,
    ) -> Option<(Found<'j>, usize)> {
        let name = self.text(key);
        let found = self.section(jaas, &name)?;
        if found.is_none() {
            let text = format!("expected a section {} for {}", shown(&name), key.name);
            self.jaas_error(&jaas.path, 0, text);
        }
        Some((found?, jaas.line_of(&name)))
    }

    /// What the modules of a section say, if it has any; `None` if one is none that this server can do,
    /// which is reported.
    #[expect(clippy::option_option, reason = "wrong is not the same as not there")]
    fn section<'j>(&mut self, jaas: &'j Jaas, name: &str) -> Option<Option<Found<'j>>> {
        let modules = jaas.sections.iter().filter(|section| section.name == name);
        let modules: Vec<_> = modules.flat_map(|section| &section.modules).collect();
        for module in &modules {
            let text = match module.class.as_str() {
                DIGEST_MODULE => continue,
                KERBEROS_MODULE if IS_BUILT => continue,
                KERBEROS_MODULE => {
                    format!(
                        "expected {DIGEST_MODULE}, as this server is built without Kerberos; {HOW_TO_BUILD}"
                    )
                }
                class => format!("expected {DIGEST_MODULE}, found {}", shown(class)),
            };
            self.jaas_error(&jaas.path, module.line, text);
            return None;
        }
        let is_kerberos = |module: &&&Module| module.class == KERBEROS_MODULE;
        if let Some(module) = modules.iter().find(is_kerberos) {
            return Some(Some(Found::Kerberos(module)));
        }
        let options = modules.iter().flat_map(|module| module.options.clone());
        let options = (!modules.is_empty()).then(|| options.collect());
        Some(options.map(Found::Digest))
    }

    fn jaas_error(&mut self, path: &Path, line: usize, text: impl Into<String>) {
        let remark = Remark::about(Origin::file(path, line), text);
        self.errors.push(ConfigError::new(remark));
    }
}

/// What a section says.
enum Found<'j> {
    /// The options of all its modules.
    Digest(BTreeMap<String, String>),
    Kerberos(&'j Module),
}

impl Jaas {
    /// Where a section begins; 0 if there is none.
    fn line_of(&self, name: &str) -> usize {
        let mut sections = self.sections.iter();
        let section = sections.find(|section| section.name == name);
        section.map_or(0, |section| section.line)
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
const KERBEROS_MODULE: &str = "com.sun.security.auth.module.Krb5LoginModule";

/// Whether this server can do Kerberos.
const IS_BUILT: bool = cfg!(feature = "gssapi");
const HOW_TO_BUILD: &str = "`cargo build --release --features gssapi` makes one with it";
