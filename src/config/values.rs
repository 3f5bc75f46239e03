//! Settings with their values read, and the reports so far.
//!
//! In: [`RawConfig`]. Out: for each key its value, written or by default. A value that cannot be
//! read is reported and counts as its default from then on, so that one mistake does not hide
//! another. What a value asks for and cannot have is reported once it is known whether the server
//! is one of an ensemble.

use std::collections::BTreeMap;

use super::{
    keys::{Effect, Key},
    raw::{RawConfig, Setting},
    report::{ConfigError, Origin, Remark, Warning},
    value::{Parsed, Reading},
};

/// Every setting with its value, and the reports so far.
pub(super) struct Values {
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) parsed: BTreeMap<String, Parsed>,
    pub(super) file: Option<Origin>,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

impl Values {
    pub(super) fn read(raw: RawConfig, file: Option<Origin>) -> Self {
        let mut values = Self {
            settings: raw.settings,
            parsed: BTreeMap::new(),
            file,
            errors: raw.errors,
            warnings: raw.warnings,
        };
        for setting in values.settings.values() {
            let reading = match setting.key.kind.read(&setting.value) {
                Ok(reading) => reading,
                Err(expected) => {
                    let text = format!("expected {expected}");
                    values.errors.push(ConfigError::new(setting.remark(text)));
                    continue;
                }
            };
            let (value, odd) = match reading {
                Reading::Plain(value) => (Some(value), None),
                Reading::Odd(value, text) => (Some(value), Some(text)),
                Reading::Unset(text) => (None, Some(text)),
            };
            if let Some(text) = odd {
                values.warnings.push(Warning::new(setting.remark(text)));
            }
            if let Some(value) = value {
                values.parsed.insert(setting.name.clone(), value);
            }
        }
        values
    }

    /// Reports what is asked for and not there.
    pub(super) fn check_effects(&mut self, in_ensemble: bool) {
        for setting in self.settings.values() {
            let asked = self.parsed.get(&setting.name);
            if !asked.is_some_and(|value| setting.key.asks(value)) {
                continue;
            }
            match setting.key.effect(in_ensemble) {
                Effect::Ignored(reason) => {
                    let text = format!("ignored: {reason}");
                    self.warnings.push(Warning::new(setting.remark(text)));
                }
                Effect::Refused(reason) => {
                    self.errors.push(ConfigError::new(setting.remark(reason)));
                }
                Effect::Used | Effect::Quiet(_) => {}
            }
        }
    }

    pub(super) fn setting(&self, key: &Key) -> Option<&Setting> {
        self.settings.get(key.name)
    }

    /// Whether every one of these keys has a value, written or by default: relations between others
    /// are not worth a report on top of the one there is.
    pub(super) fn readable(&self, keys: &[&Key]) -> bool {
        keys.iter()
            .all(|key| self.setting(key).is_none() || self.parsed.contains_key(key.name))
    }

    pub(super) fn bool(&self, key: &Key) -> bool {
        match self.parsed.get(key.name) {
            Some(Parsed::Bool(value)) => *value,
            _ => key.default_value() == Some(Parsed::Bool(true)),
        }
    }

    pub(super) fn int(&self, key: &Key) -> i64 {
        self.set_int(key).unwrap_or_else(|| default_int(key))
    }

    /// The number that was written, for keys whose default is no fixed number.
    pub(super) fn set_int(&self, key: &Key) -> Option<i64> {
        match self.parsed.get(key.name) {
            Some(Parsed::Int(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn fraction(&self, key: &Key) -> f64 {
        match self
            .parsed
            .get(key.name)
            .cloned()
            .or_else(|| key.default_value())
        {
            Some(Parsed::Fraction(value)) => value,
            _ => 0.0,
        }
    }

    pub(super) fn text(&self, key: &Key) -> String {
        self.set_text(key).unwrap_or_else(|| key.default.to_owned())
    }

    /// As it was written; `None` when it was not.
    pub(super) fn set_text(&self, key: &Key) -> Option<String> {
        match self.parsed.get(key.name) {
            Some(Parsed::Text(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Raises a number to the least that makes sense, as Apache does, and says so.
    pub(super) fn at_least(&mut self, key: &'static Key, written: i64, least: i64) -> i64 {
        if written < least {
            self.warn(key, format!("less than {least}; raised to {least}"));
        }
        written.max(least)
    }

    pub(super) fn warn(&mut self, key: &Key, text: String) {
        if let Some(setting) = self.settings.get(key.name) {
            self.warnings.push(Warning::new(setting.remark(text)));
        }
    }

    pub(super) fn error(&mut self, key: &Key, text: String) {
        let remark = match self.setting(key) {
            Some(setting) => setting.remark(text),
            None => Remark {
                origin: self.file.clone().unwrap_or(Origin::Default),
                key: key.name.to_owned(),
                value: None,
                text,
            },
        };
        self.errors.push(ConfigError::new(remark));
    }

    /// An error about a file, or about something that should stand in it.
    pub(super) fn missing(&mut self, origin: Origin, text: impl Into<String>) {
        self.errors
            .push(ConfigError::new(Remark::about(origin, text)));
    }
}

/// The default of a key as a number; 0 for a key without one.
pub(super) fn default_int(key: &Key) -> i64 {
    match key.default_value() {
        Some(Parsed::Int(value)) => value,
        _ => 0,
    }
}
