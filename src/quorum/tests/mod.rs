//! The folder's tests: tables of texts and quorums in `testdata`, and properties.

pub(crate) mod script;

mod quorums;
mod texts;
