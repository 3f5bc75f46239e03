//! The `server.N`, `group.N` and `weight.N` lines with their places, of `zoo.cfg` or of the
//! `dynamicConfigFile`.
//!
//! In: the settings, and the content of that file. Out: [`Lines`], in no order. What does not belong
//! there is reported; what the values say is not looked at here.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    Files,
    keys::{Key, ensemble},
    properties,
    raw::{Setting, java_trim, malformed},
    report::{ConfigError, Origin, Remark, Warning, shown},
    value::Parsed,
    values::Values,
};
use crate::quorum::{ConfigVersion, LineError, QuorumView, ViewError, ViewLines, ViewRules};

/// A line with its place.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: String,
    spelling: String,
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// The lines of one file.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    pub(super) version: ConfigVersion,
    /// Some were left out, which is reported.
    pub(super) are_broken: bool,
}

impl Values {
    /// The lines of `zoo.cfg`, or of the file that it names instead.
    pub(super) fn member_lines(&mut self, files: &Files<'_>) -> Lines {
        let families = [&ensemble::SERVERS, &ensemble::GROUPS, &ensemble::WEIGHTS];
        let is_line = |key: &Key| families.iter().any(|family| family.name == key.name);
        let inline = self.settings.values().filter(|s| is_line(s.key));
        let inline: Vec<Line> = inline.map(Line::from).collect();
        let Some(setting) = self.setting(&ensemble::DYNAMIC_CONFIG_FILE).cloned() else {
            return Lines {
                lines: inline,
                ..Lines::default()
            };
        };
        for line in &inline {
            let text = format!(
                "parameter: {} must be in a separate dynamic config file, since {} names one",
                shown(&line.name),
                ensemble::DYNAMIC_CONFIG_FILE.name
            );
            self.errors.push(line.error(text));
        }
        let broken = Lines {
            are_broken: true,
            ..Lines::default()
        };
        let Some(Parsed::Text(path)) = self.parsed.get(&setting.name).cloned() else {
            return broken;
        };
        match files(Path::new(&path)) {
            Ok(text) => self.dynamic_lines(Path::new(&path), &text),
            Err(error) => {
                let text = format!("cannot be read: {error}");
                self.errors.push(ConfigError::new(setting.remark(text)));
                broken
            }
        }
    }

    /// What the file of a proposed view has, which is beside a `zoo.cfg` that names a dynamic file.
    pub(super) fn proposed_view(
        &mut self,
        files: &Files<'_>,
        rules: ViewRules,
    ) -> Option<QuorumView> {
        self.setting(&ensemble::DYNAMIC_CONFIG_FILE)?;
        let Some(Origin::File { path, .. }) = &self.file else {
            return None;
        };
        let mut path = path.clone().into_os_string();
        path.push(".dynamic.next");
        let path = PathBuf::from(path);
        let text = match files(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                // It may be needed for an election to be safe.
                self.missing(Origin::file(&path, 0), format!("cannot be read: {error}"));
                return None;
            }
        };
        let mut view = ViewLines::default();
        for entry in properties::parse(&text) {
            let taken = match entry {
                Ok(entry) => view
                    .add(java_trim(&entry.key), java_trim(&entry.value), rules)
                    .map_err(|error| (Origin::file(&path, entry.line), error.to_string())),
                Err(entry) => {
                    self.errors.push(malformed(&path, &entry));
                    return None;
                }
            };
            if let Err((origin, text)) = taken {
                self.missing(origin, text);
                return None;
            }
        }
        match view.finish(rules) {
            Ok(view) => Some(view),
            Err(error) => {
                self.missing(Origin::file(&path, 0), error.to_string());
                None
            }
        }
    }

    /// The lines of a dynamic file, which has nothing but such lines. Of two for the same key the
    /// later one counts.
    fn dynamic_lines(&mut self, path: &Path, text: &[u8]) -> Lines {
        let mut lines = BTreeMap::new();
        let mut are_broken = false;
        for entry in properties::parse(text) {
            let line = match entry {
                Ok(entry) => Line {
                    name: java_trim(&entry.key).to_owned(),
                    spelling: java_trim(&entry.key).to_owned(),
                    value: java_trim(&entry.value).to_owned(),
                    origin: Origin::file(path, entry.line),
                },
                Err(entry) => {
                    self.errors.push(malformed(path, &entry));
                    are_broken = true;
                    continue;
                }
            };
            let wrong = match line.name.as_str() {
                "version" => {
                    Some("dynamic file shouldn't have version inside; its name ends with it")
                }
                name if !ViewLines::is_key(name) => Some(
                    "Unrecognised parameter: a dynamic file has server, group and weight lines",
                ),
                _ => None,
            };
            if let Some(text) = wrong {
                self.errors.push(line.error(text));
                are_broken = true;
                continue;
            }
            let number = entry_line(&line.origin);
            if let Some(lost) = lines.insert(line.name.clone(), line) {
                let text = format!("also set on line {number}, which counts");
                self.warnings.push(Warning::new(Remark {
                    value: None,
                    ..lost.remark(text)
                }));
            }
        }
        Lines {
            lines: lines.into_values().collect(),
            version: version_in_name(path),
            are_broken,
        }
    }
}

impl Line {
    pub(super) fn error(&self, text: impl Into<String>) -> ConfigError {
        ConfigError::new(self.remark(text))
    }

    fn remark(&self, text: impl Into<String>) -> Remark {
        Remark {
            origin: self.origin.clone(),
            key: self.spelling.clone(),
            value: Some(self.value.clone()),
            text: text.into(),
        }
    }

    fn is_server(&self) -> bool {
        self.name.starts_with("server.")
    }

    /// The error without what the remark says anyway.
    pub(super) fn what_is_wrong(&self, error: ViewError) -> String {
        // 3.10 has another port there.
        let names_tls = || self.value.split(';').nth(2).is_some_and(|s| !s.is_empty());
        match error {
            ViewError::Line { error, .. } => match error {
                LineError::Form(_) if names_tls() => {
                    "a port for TLS is not part of such a line in 3.9; expected secureClientPort in zoo.cfg"
                        .to_owned()
                }
                LineError::Form(_) => SERVER_LINE.to_owned(),
                other => other.to_string(),
            },
            ViewError::Id(_) => {
                let (kind, _) = self.name.split_once('.').unwrap_or((&self.name, ""));
                format!("expected a number after \"{kind}.\"")
            }
            ViewError::Weight { .. } => "expected a whole number, at least 0".to_owned(),
            ViewError::Group { .. } => {
                "expected numbers of servers with colons between them".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl From<&Setting> for Line {
    fn from(setting: &Setting) -> Self {
        Self {
            name: setting.name.clone(),
            spelling: setting.spelling.clone(),
            value: setting.value.clone(),
            origin: setting.origin.clone(),
        }
    }
}

impl Lines {
    pub(super) fn is_none(&self) -> bool {
        self.lines.is_empty() && !self.are_broken
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.is_server())
    }

    /// The first line in the file whose name begins so.
    pub(super) fn first(&self, prefix: &str) -> Option<&Line> {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.name.starts_with(prefix))
            .min_by(|a, b| a.origin.cmp(&b.origin))
    }
}

/// The version that the end of a dynamic file's name is; 0 when it is none.
fn version_in_name(path: &Path) -> ConfigVersion {
    let path = path.to_string_lossy();
    let suffix = path.rsplit_once('.').map(|(_, suffix)| suffix);
    let version = suffix.and_then(|hex| i64::from_str_radix(hex, 16).ok());
    ConfigVersion(version.filter(|version| *version >= 0).unwrap_or_default())
}

fn entry_line(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        Origin::CommandLine | Origin::Default => 0,
    }
}

const SERVER_LINE: &str = "expected host:port:port[:role][|host:port:port[:role]...][;[host:]port]";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::version_in_name;

    #[test]
    fn the_version_is_at_the_end_of_the_name() {
        let table = [
            ("/conf/zoo.cfg.dynamic.1a", 0x1a),
            ("/conf/zoo.cfg.dynamic.100000000", 0x1_0000_0000),
            ("/conf/zoo.cfg.dynamic", 0),
            ("/conf.d/members", 0),
            ("members", 0),
            ("zoo.cfg.dynamic.-1", 0),
            ("zoo.cfg.dynamic.", 0),
        ];
        for (path, version) in table {
            assert_eq!(version_in_name(Path::new(path)).0, version, "of {path}");
        }
    }
}
