//! Tests that are the same for several kinds of server, written once.

/// Scenarios that take the test's name and a [`Kind`](crate::server::Kind): `<name>::apache` and
/// `<name>::ours`.
#[macro_export]
macro_rules! pairs {
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
