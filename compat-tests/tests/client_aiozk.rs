//! aiozk: `python/aiozk_scenarios.py` against either server, alone and as an ensemble.

use compat_tests::{
    clients::Site, ensemble::can_run_or_skip, python::python_or_skip, server::Kind,
};

/// What this client has beside what all have. Its containers are none: it asks for them with an operation that
/// makes plain nodes.
const FURTHER: [&str; 1] = ["election"];

fn run(test: &str, kind: Kind, site: fn(Kind) -> Site) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let mut site = site(kind);
    let steps = site.steps(&FURTHER);
    let connect = site.connect_string();
    let mut arguments = vec![connect.as_str()];
    arguments.extend(&steps);
    let program = python.start("aiozk_scenarios.py", &arguments);
    site.accompany(program, &steps);
}

compat_tests::cases! {
    apache: run(Kind::Apache, Site::one);
    ours: run(Kind::Ours, Site::one);
    three_of_apache: run(Kind::Apache, Site::three);
    three_of_ours: run(Kind::Ours, Site::three);
}
