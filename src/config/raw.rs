//! What the user wrote: every setting with its place, reduced to one per key.
//!
//! In: the text of `zoo.cfg` and the command line. Out: [`RawConfig`], one [`Setting`] per key with
//! its row of the table, and remarks on what was overridden, misspelled or unknown. Values are not
//! looked at here.
//!
//! Which setting wins, as in Apache, where a line of the file is copied into the property it stands
//! for:
//! ```text
//! --client-port, --data-dir
//! zoo.cfg `key`               for a key whose property is `zookeeper.key`
//! -Dzookeeper.key, -Dkey
//! zoo.cfg `key`               for a key whose property has no prefix (`jute.maxbuffer`): Apache
//!                             reads the property only
//! ```
//! Between equals, a name Apache reads wins over one it does not, and the later one over the
//! earlier.

use std::{collections::BTreeMap, path::Path};

use super::{
    cli::CommandLine,
    keys::{self, Key, PROPERTY_PREFIX, client, storage},
    properties::{self, Malformed},
    report::{ConfigError, Origin, Remark, Warning, shown},
};

/// One key as the user set it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) key: &'static Key,
    /// The key's own name; for a member of a family the whole name.
    pub(super) name: String,
    /// As the user spelled it.
    pub(super) spelling: String,
    /// Trimmed.
    pub(super) value: String,
    pub(super) origin: Origin,
    weight: Weight,
}

/// The settings that count, by name, and what was met on the way to them.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) warnings: Vec<Warning>,
    pub(super) errors: Vec<ConfigError>,
}

impl Setting {
    /// A setting by a flag of our own, which wins over everything.
    fn flag(key: &'static Key, spelling: &str, value: &str) -> Self {
        Self {
            key,
            name: key.name.to_owned(),
            spelling: spelling.to_owned(),
            value: value.to_owned(),
            origin: Origin::CommandLine,
            weight: Weight::FLAG,
        }
    }

    /// Whether a flag of our own set it, which the file has no say in.
    pub(super) fn is_flag(&self) -> bool {
        self.weight == Weight::FLAG
    }

    /// The property that sets it in Apache.
    pub(super) fn property(&self) -> String {
        if self.key.bare {
            self.name.clone()
        } else {
            format!("{PROPERTY_PREFIX}{}", self.name)
        }
    }

    /// A remark about this setting; a secret value stays out of it.
    pub(super) fn remark(&self, text: impl Into<String>) -> Remark {
        Remark {
            origin: self.origin.clone(),
            key: self.spelling.clone(),
            value: (!self.key.secret).then(|| self.value.clone()),
            text: text.into(),
        }
    }
}

impl RawConfig {
    /// Takes in the file, if there is one, then the command line.
    pub(super) fn collect(file: Option<(&Path, &[u8])>, command_line: &CommandLine) -> Self {
        let mut raw = Self::default();
        if let Some((path, text)) = file {
            raw.read_file(path, text);
        }
        for property in &command_line.properties {
            raw.take(Written {
                source: Source::Property,
                spelling: &property.name,
                value: &property.value,
                origin: Origin::CommandLine,
            });
        }
        if let Some(port) = command_line.client_port {
            raw.place(Setting::flag(
                &client::CLIENT_PORT,
                "--client-port",
                &port.to_string(),
            ));
        }
        if let Some(dir) = &command_line.data_dir {
            raw.place(Setting::flag(&storage::DATA_DIR, "--data-dir", dir));
        }
        raw
    }

    fn read_file(&mut self, path: &Path, text: &[u8]) {
        for entry in properties::parse(text) {
            match entry {
                Ok(entry) => self.take(Written {
                    source: Source::File,
                    spelling: java_trim(&entry.key),
                    value: java_trim(&entry.value),
                    origin: Origin::file(path, entry.line),
                }),
                Err(entry) => self.errors.push(malformed(path, &entry)),
            }
        }
    }

    fn take(&mut self, written: Written<'_>) {
        let Some((setting, exact)) = written.resolve() else {
            self.warnings.push(written.unknown());
            return;
        };
        if !exact {
            let text = format!(
                "Apache ignores this name; taken as {}, which is the one it reads",
                setting.name
            );
            self.warnings.push(Warning::new(setting.remark(text)));
        }
        self.place(setting);
    }

    fn place(&mut self, setting: Setting) {
        match self.settings.remove(&setting.name) {
            None => {
                self.settings.insert(setting.name.clone(), setting);
            }
            Some(other) => self.decide(other, setting),
        }
    }

    /// Keeps the setting that counts and says so when the other one would have differed.
    fn decide(&mut self, earlier: Setting, later: Setting) {
        let (kept, lost) = if later.weight >= earlier.weight {
            (later, earlier)
        } else {
            (earlier, later)
        };
        let same_place = matches!(kept.origin, Origin::File { .. })
            == matches!(lost.origin, Origin::File { .. });
        if same_place || kept.value != lost.value {
            let mut remark = lost.remark(match &kept.origin {
                Origin::File { line, .. } if same_place => {
                    format!("also set on line {line}, which counts")
                }
                _ if same_place => format!("also set as {}, which counts", kept.spelling),
                origin => format!("overridden by {} on {origin}", kept.spelling),
            });
            remark.value = None;
            self.warnings.push(Warning::new(remark));
        }
        self.settings.insert(kept.name.clone(), kept);
    }
}

/// A setting before its key is known.
struct Written<'a> {
    source: Source,
    spelling: &'a str,
    value: &'a str,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    File,
    Property,
}

/// Who wins: the source first, then how the name was spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    source: u8,
    spelling: u8,
}

impl Weight {
    const FLAG: Self = Self {
        source: 4,
        spelling: 0,
    };
}

impl Written<'_> {
    /// The setting, and whether Apache or our own documents know the name it was written under.
    fn resolve(&self) -> Option<(Setting, bool)> {
        let stripped = self.spelling.strip_prefix(PROPERTY_PREFIX);
        let prefixed = stripped.is_some();
        let name = stripped.unwrap_or(self.spelling);
        let (key, name, exact) = match keys::find(name) {
            // In the file the prefix is one too many: Apache would set `zookeeper.zookeeper.key`.
            Some(key) => (key, name, !(prefixed && self.source == Source::File)),
            None => {
                let key = keys::find_alias(name)?;
                (key, key.name, false)
            }
        };
        let weight = Weight {
            source: match (self.source, key.bare) {
                (Source::File, false) => 3,
                (Source::Property, _) => 2,
                (Source::File, true) => 1,
            },
            spelling: match (exact, prefixed == key.bare) {
                (false, _) => 0,
                (true, true) if self.source == Source::Property => 1,
                (true, _) => 2,
            },
        };
        let setting = Setting {
            key,
            name: name.to_owned(),
            spelling: self.spelling.to_owned(),
            value: self.value.to_owned(),
            origin: self.origin.clone(),
            weight,
        };
        Some((setting, exact))
    }

    fn unknown(&self) -> Warning {
        let name = self
            .spelling
            .strip_prefix(PROPERTY_PREFIX)
            .unwrap_or(self.spelling);
        let text = match keys::nearest(name) {
            Some(known) => format!("unknown key, ignored; did you mean {known}?"),
            None => "unknown key, ignored".to_owned(),
        };
        // A value nobody knows the meaning of may be a password.
        Warning::new(Remark {
            origin: self.origin.clone(),
            key: if self.spelling.is_empty() {
                "(empty)".to_owned()
            } else {
                self.spelling.to_owned()
            },
            value: None,
            text,
        })
    }
}

/// Says what is wrong with an entry that is none.
pub(super) fn malformed(path: &Path, entry: &Malformed) -> ConfigError {
    let text = format!(
        "expected four hexadecimal digits after \\u in \"{}\"",
        shown(&entry.text)
    );
    ConfigError::new(Remark::about(Origin::file(path, entry.line), text))
}

/// `String.trim`: everything up to the blank, at both ends.
pub(super) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}
