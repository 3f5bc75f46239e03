//! Tests that are the same for several kinds of server, written once.

use crate::{ensemble::can_run_or_skip, server::Kind};

/// One test each: a scenario, which takes the test's name and what else stands in the parentheses.
#[macro_export]
macro_rules! cases {
    ($($name:ident: $scenario:ident($($argument:expr),* $(,)?);)*) => {
        $(#[test]
        fn $name() {
            $scenario(concat!(module_path!(), "::", stringify!($name)), $($argument),*);
        })*
    };
}

/// Scenarios that take the test's name and a [`Kind`](crate::server::Kind): `<name>::apache` and
/// `<name>::ours`. Those without a colon take the kind alone, and are skipped where it cannot run.
#[macro_export]
macro_rules! pairs {
    ($($scenario:ident),* $(,)?) => {
        $crate::pairs! {
            $($scenario: |test, kind| $crate::kinds::run_or_skip(test, kind, $scenario);)*
        }
    };
    ($($name:ident: $scenario:expr;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn apache() {
                let scenario: fn(&str, $crate::server::Kind) = $scenario;
                scenario(concat!(module_path!(), "::apache"), $crate::server::Kind::Apache);
            }

            #[test]
            fn ours() {
                let scenario: fn(&str, $crate::server::Kind) = $scenario;
                scenario(concat!(module_path!(), "::ours"), $crate::server::Kind::Ours);
            }
        })*
    };
}

/// Scenarios that take the test's name and the kinds of an ensemble's members.
#[macro_export]
macro_rules! ensembles {
    ($($scenario:ident { $($name:ident: $kinds:expr;)* })*) => {
        $(mod $scenario {
            use super::*;

            $(#[test]
            fn $name() {
                super::$scenario(concat!(module_path!(), "::", stringify!($name)), &$kinds);
            })*
        })*
    };
}

/// Runs a scenario on servers of this kind if they can run here; else it says why not.
pub fn run_or_skip(test: &str, kind: Kind, scenario: fn(Kind)) {
    if can_run_or_skip(test, &[kind]) {
        scenario(kind);
    }
}
