//! Three, five and seven servers of one kind: they elect a leader, serve, go on without any minority of
//! them, and take the lost ones back.

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions, can_run_or_skip, rounds},
    scenarios::{survive_minorities, tell},
    server::Kind,
};

fn elect_serve_and_survive(test: &str, kind: Kind, size: usize) {
    let kinds = vec![kind; size];
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let mut ensemble = Ensemble::start_at_once(&kinds, &EnsembleOptions::new());
    tell(test, &survive_minorities(&mut ensemble, rounds(3)));
}

compat_tests::cases! {
    three_of_apache: elect_serve_and_survive(Kind::Apache, 3);
    five_of_apache: elect_serve_and_survive(Kind::Apache, 5);
    seven_of_apache: elect_serve_and_survive(Kind::Apache, 7);
    three_of_ours: elect_serve_and_survive(Kind::Ours, 3);
    five_of_ours: elect_serve_and_survive(Kind::Ours, 5);
    seven_of_ours: elect_serve_and_survive(Kind::Ours, 7);
}
