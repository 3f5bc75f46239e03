//! The table of configuration keys: one row per key that Apache 3.9 knows, and our own.
//!
//! A row says how the key is spelled in `zoo.cfg` and as a property, which values it takes, its
//! default in Apache's units and spelling, what this server does with it, and its meaning.
//! Everything else asks the table: no key is named in two places. A name that ends in `*` stands
//! for a family (`authProvider.*`).

pub(super) mod client;
pub(super) mod ensemble;
pub(super) mod security;
pub(super) mod storage;
pub(super) mod telemetry;
pub(super) mod tls;
pub(super) mod tree;

use super::value::{Kind, Parsed, Range, Reading};

/// One configuration key.
#[derive(Debug)]
pub(super) struct Key {
    /// As `zoo.cfg` spells it.
    pub(super) name: &'static str,
    /// The Java property is the bare name, not `zookeeper.` and the name; `-D` wins over `zoo.cfg`,
    /// which Apache never looks up for such a key.
    pub(super) bare: bool,
    /// Names that Apache's documents give but its code does not read; accepted with a warning.
    pub(super) aliases: &'static [&'static str],
    pub(super) kind: Kind,
    /// The value when nothing is written, as one would write it; empty when there is none.
    pub(super) default: &'static str,
    /// In a standalone server, and in an ensemble unless the next line says otherwise.
    pub(super) effect: Effect,
    /// In a member of an ensemble, where that is another one.
    pub(super) in_ensemble: Option<Effect>,
    /// The value is never shown.
    pub(super) secret: bool,
    /// One line for the listing.
    pub(super) doc: &'static str,
}

/// What this server does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It does what Apache's does.
    Used,
    /// Nothing, and there is nothing to tell: an Apache server would not behave otherwise for it
    /// either, or not so that anyone could tell.
    Quiet(&'static str),
    /// Nothing, which a warning says when the value asks for something.
    Ignored(&'static str),
    /// It will not start with a value that asks for something: without what the key asks for it
    /// would be unsafe, or another server than the one configured.
    Refused(&'static str),
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            bare: false,
            aliases: &[],
            kind,
            default,
            effect: Effect::Used,
            in_ensemble: None,
            secret: false,
            doc,
        }
    }

    const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn quiet(mut self, reason: &'static str) -> Self {
        self.effect = Effect::Quiet(reason);
        self
    }

    const fn ignored(mut self, reason: &'static str) -> Self {
        self.effect = Effect::Ignored(reason);
        self
    }

    const fn refused(mut self, reason: &'static str) -> Self {
        self.effect = Effect::Refused(reason);
        self
    }

    /// Does what Apache's does in an ensemble, and nothing else anywhere: for a standalone server the
    /// effect stays what it was made with.
    const fn used_in_ensemble(mut self) -> Self {
        self.in_ensemble = Some(Effect::Used);
        self
    }

    const fn refused_in_ensemble(mut self, reason: &'static str) -> Self {
        self.in_ensemble = Some(Effect::Refused(reason));
        self
    }

    const fn ignored_in_ensemble(mut self, reason: &'static str) -> Self {
        self.in_ensemble = Some(Effect::Ignored(reason));
        self
    }

    /// What a server does with the key, alone or in an ensemble.
    pub(super) fn effect(&self, in_ensemble: bool) -> Effect {
        match self.in_ensemble {
            Some(effect) if in_ensemble => effect,
            _ => self.effect,
        }
    }

    /// The default as a value; `None` when the key has none.
    pub(super) fn default_value(&self) -> Option<Parsed> {
        match self.kind.read(self.default) {
            Ok(Reading::Plain(value)) => Some(value),
            _ => None,
        }
    }

    /// Whether a value asks this server for something other than the default.
    pub(super) fn asks(&self, value: &Parsed) -> bool {
        self.default_value().as_ref() != Some(value)
    }

    /// The property that sets this key in Apache.
    pub(super) fn property(&self) -> String {
        if self.bare {
            self.name.to_owned()
        } else {
            format!("{PROPERTY_PREFIX}{}", self.name)
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => name == self.name,
        }
    }
}

/// The row a name belongs to: an exact name before a family, the longest family first.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all()
        .filter(|key| key.matches(name))
        .max_by_key(|key| (!key.name.ends_with('*'), key.name.len()))
}

/// The row whose documented but ineffective name this is.
pub(super) fn find_alias(name: &str) -> Option<&'static Key> {
    all().find(|key| key.aliases.contains(&name))
}

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let length = name.chars().count();
    let bound = (length / 4).clamp(1, 3);
    all()
        .filter(|key| !key.name.ends_with('*'))
        .filter(|key| key.name.len().abs_diff(length) <= bound)
        .map(|key| {
            let near = if key.name.eq_ignore_ascii_case(name) {
                0
            } else {
                distance(key.name, name)
            };
            (near, key.name)
        })
        .filter(|(near, _)| *near <= bound)
        .min()
        .map(|(_, name)| name)
}

/// Every row, in the order of the listing.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [
        client::ROWS,
        storage::ROWS,
        tree::ROWS,
        security::ROWS,
        tls::ROWS,
        telemetry::ROWS,
        ensemble::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// What `zoo.cfg` leaves out of a property's name.
pub(super) const PROPERTY_PREFIX: &str = "zookeeper.";

/// Edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, a) in a.chars().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        let mut left = row + 1;
        current.push(left);
        for (column, &cb) in b.iter().enumerate() {
            let above = last.get(column + 1).copied().unwrap_or(usize::MAX);
            let diagonal = last.get(column).copied().unwrap_or(usize::MAX);
            let mut cost = (left + 1)
                .min(above.saturating_add(1))
                .min(diagonal.saturating_add(usize::from(a != cb)));
            let swapped = column > 0 && previous_a == Some(cb) && b.get(column - 1) == Some(&a);
            if let (true, Some(two_back)) = (swapped, before_last.get(column.wrapping_sub(1))) {
                cost = cost.min(two_back.saturating_add(1));
            }
            current.push(cost);
            left = cost;
        }
        before_last = std::mem::replace(&mut last, current);
        previous_a = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

/// Declares named rows and collects them, with the unnamed ones after them, into the file's `ROWS`.
macro_rules! rows {
    ($($(#[doc = $doc:literal])+ $id:ident = $kind:expr, $name:literal, $default:literal
            $(, $with:ident($($arg:expr),*))*;)*
     $(unnamed { $($other:expr;)* })?) => {
        $($(#[doc = $doc])+ pub(in crate::config) static $id: Key =
            Key::new($name, $kind, $default, concat!($($doc),+)) $(.$with($($arg),*))*;)*

        /// Every row of this file.
        pub(super) static ROWS: &[&Key] = &[$(&$id,)* $($(&$other,)*)?];
    };
}
use rows;

/// Whole numbers as `Integer.getInteger` reads them.
const fn int(min: i32, noun: &'static str) -> Kind {
    Kind::Decoded(Range {
        min: min as i64,
        max: i32::MAX as i64,
        noun,
    })
}

/// Whole numbers as `Long.getLong` reads them, up to a bound.
const fn long(min: i64, max: i64, noun: &'static str) -> Kind {
    Kind::Decoded(Range { min, max, noun })
}

/// Whole numbers as `Integer.parseInt` reads them.
const fn decimal(min: i32, noun: &'static str) -> Kind {
    Kind::Decimal(Range {
        min: min as i64,
        max: i32::MAX as i64,
        noun,
    })
}

/// A port number.
const PORT: Kind = Kind::Decimal(Range {
    min: 0,
    max: 65535,
    noun: "",
});

/// "Any value below this means off", for the keys that Apache reads so.
const ANY: i32 = i32::MIN;

const MS: &str = "milliseconds";
const BYTES: &str = "bytes";
const KIB: &str = "KiB";
