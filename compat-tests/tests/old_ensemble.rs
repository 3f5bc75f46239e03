//! Servers of older releases of Apache as peers: two of them and a newer one, once with the newer one as
//! the leader and once with an old one. Rows QP-047 and QP-148.

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions, can_run_or_skip, rounds},
    scenarios::{survive_minorities, tell},
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
};

fn old_peers(test: &str, version: &'static str, newer: Kind) {
    let old = Kind::Old(version);
    for kinds in [[old, old, newer], [newer, old, old]] {
        if !can_run_or_skip(test, &kinds) {
            return;
        }
        let mut ensemble = Ensemble::start(&kinds, &EnsembleOptions::new());
        tell(test, &survive_minorities(&mut ensemble, rounds(2)));
    }
}

compat_tests::cases! {
    apache_3_5_and_apache: old_peers("3.5.10", Apache);
    apache_3_6_and_apache: old_peers("3.6.4", Apache);
    apache_3_7_and_apache: old_peers("3.7.2", Apache);
    apache_3_8_and_apache: old_peers("3.8.6", Apache);
    apache_3_5_and_ours: old_peers("3.5.10", Ours);
    apache_3_6_and_ours: old_peers("3.6.4", Ours);
    apache_3_7_and_ours: old_peers("3.7.2", Ours);
    apache_3_8_and_ours: old_peers("3.8.6", Ours);
}
