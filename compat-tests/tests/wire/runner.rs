//! Runs the scenarios of one option set on both servers and compares what they said.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    rc::Rc,
    thread,
};

use compat_tests::{
    maven,
    server::{Kind, Server, ServerOptions},
};
use tempfile::TempDir;

use crate::target::Target;

/// One behaviour: bytes in, transcript out.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The rows of the checklist it stands for.
    pub(crate) rows: &'static [u16],
    pub(crate) run: fn(&mut Target),
    pub(crate) on: On,
}

/// Which servers a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Both,
    /// Where we deviate from Apache on purpose: the scenario states ours, and why.
    OursOnly,
}

/// Scenarios that share a server started with certain options.
pub(crate) struct OptionSet {
    pub(crate) name: &'static str,
    pub(crate) options: fn() -> ServerOptions,
    pub(crate) scenarios: &'static [&'static [Scenario]],
}

impl Scenario {
    pub(crate) const fn both(
        name: &'static str,
        rows: &'static [u16],
        run: fn(&mut Target),
    ) -> Self {
        Self {
            name,
            rows,
            run,
            on: On::Both,
        }
    }

    pub(crate) const fn ours_only(
        name: &'static str,
        rows: &'static [u16],
        run: fn(&mut Target),
    ) -> Self {
        Self {
            name,
            rows,
            run,
            on: On::OursOnly,
        }
    }
}

/// What each scenario ended with: its transcript, or why it failed.
type Outcomes = BTreeMap<&'static str, Result<Vec<String>, String>>;

/// Runs a whole set; panics with every failure and every difference in it.
pub(crate) fn run(set: &OptionSet) {
    let kinds = kinds_to_run(set.name);
    let outcomes = run_on_all(&kinds, set);
    let mut report = failures(&outcomes);
    if let [(_, ours), (_, apache)] = outcomes.as_slice() {
        report.extend(differences(ours, apache));
    }
    assert!(
        report.is_empty(),
        "set {}:\n{}",
        set.name,
        report.join("\n")
    );
}

fn kinds_to_run(set: &str) -> Vec<Kind> {
    match env::var("GAMEKEEPER_WIRE").as_deref() {
        Ok("apache") => vec![Kind::Apache],
        Ok("ours") => vec![Kind::Ours],
        // Two equal servers must leave equal transcripts: shows what the masking misses.
        Ok("apache-twice") => vec![Kind::Apache, Kind::Apache],
        Ok(other) => panic!("GAMEKEEPER_WIRE={other}: `apache`, `ours`, `apache-twice` or unset"),
        Err(_) if maven::apache_or_skip(&format!("wire set {set}")).is_some() => {
            vec![Kind::Ours, Kind::Apache]
        }
        Err(_) => vec![Kind::Ours],
    }
}

/// Both servers work at the same time; each has a thread that runs one scenario after the other.
fn run_on_all(kinds: &[Kind], set: &OptionSet) -> Vec<(Kind, Outcomes)> {
    thread::scope(|scope| {
        let mut running = Vec::new();
        for &kind in kinds {
            running.push((kind, scope.spawn(move || run_on(kind, set))));
        }
        let join = |(kind, thread): (Kind, thread::ScopedJoinHandle<'_, Outcomes>)| {
            (kind, thread.join().expect("a server of each kind starts"))
        };
        running.into_iter().map(join).collect()
    })
}

fn run_on(kind: Kind, set: &OptionSet) -> Outcomes {
    let data = TempDir::new().expect("a temporary directory");
    let options = (set.options)().data_dir(data.path());
    let server = Rc::new(RefCell::new(Server::start(kind, &options)));
    let mut outcomes = Outcomes::new();
    for scenario in set
        .scenarios
        .iter()
        .copied()
        .flatten()
        .filter(|one| wanted(one, kind))
    {
        let outcome = run_scenario(&server, &options, scenario);
        dump(kind, scenario.name, &outcome);
        let outcome = outcome.map_err(|why| {
            let ended = server.borrow_mut().has_ended();
            if ended {
                format!("{why}\nTHE SERVER ENDED:\n{}", server.borrow().log())
            } else {
                why
            }
        });
        assert!(
            outcomes.insert(scenario.name, outcome).is_none(),
            "{} twice",
            scenario.name
        );
        if server.borrow_mut().has_ended() {
            *server.borrow_mut() = Server::start(kind, &options);
        }
    }
    outcomes
}

/// `GAMEKEEPER_WIRE_ONLY=word` runs the scenarios whose name contains the word: for working on one.
fn wanted(scenario: &Scenario, kind: Kind) -> bool {
    let named = env::var("GAMEKEEPER_WIRE_ONLY").is_ok_and(|word| !scenario.name.contains(&word));
    !named && (scenario.on == On::Both || kind == Kind::Ours)
}

/// `GAMEKEEPER_WIRE_DUMP=directory` keeps every transcript there: for reading what was compared.
fn dump(kind: Kind, scenario: &str, outcome: &Result<Vec<String>, String>) {
    if let (Some(directory), Ok(lines)) = (env::var_os("GAMEKEEPER_WIRE_DUMP"), outcome) {
        let file = Path::new(&directory).join(format!("{scenario}.{kind}"));
        fs::write(&file, lines.join("\n")).expect("the directory for transcripts exists");
    }
}

fn run_scenario(
    server: &Rc<RefCell<Server>>,
    options: &ServerOptions,
    scenario: &Scenario,
) -> Result<Vec<String>, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut target = Target::new(Rc::clone(server), options.clone(), scenario.name);
        let result = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&mut target)));
        (result, target.finish())
    }));
    match caught {
        Ok((Ok(()), lines)) => Ok(lines),
        Ok((Err(panic), lines)) => Err(format!("{}\n{}", reason(&*panic), indented(&lines))),
        Err(panic) => Err(format!("while cleaning up: {}", reason(&*panic))),
    }
}

fn failures(outcomes: &[(Kind, Outcomes)]) -> Vec<String> {
    let of_kind = |(kind, outcomes): &(Kind, Outcomes)| -> Vec<String> {
        let failed = outcomes.iter().filter_map(|(name, outcome)| {
            let why = outcome.as_ref().err()?;
            Some(format!("--- {name} fails on {kind}: {why}"))
        });
        failed.collect()
    };
    outcomes.iter().flat_map(of_kind).collect()
}

fn differences(ours: &Outcomes, apache: &Outcomes) -> Vec<String> {
    apache
        .iter()
        .filter_map(|(name, outcome)| {
            let (Ok(expected), Some(Ok(actual))) = (outcome, ours.get(name)) else {
                return None;
            };
            (expected != actual).then(|| format!("--- {name} differs:\n{}", diff(expected, actual)))
        })
        .collect()
}

/// Both transcripts side by side from a little before their first different line.
fn diff(apache: &[String], ours: &[String]) -> String {
    const BEFORE: usize = 3;
    const SHOWN: usize = 12;
    let first = apache
        .iter()
        .zip(ours)
        .take_while(|(left, right)| left == right)
        .count();
    let window = |lines: &[String]| -> Vec<String> {
        lines
            .iter()
            .skip(first.saturating_sub(BEFORE))
            .take(SHOWN)
            .cloned()
            .collect()
    };
    format!(
        "  Apache:\n{}\n  ours:\n{}",
        indented(&window(apache)),
        indented(&window(ours))
    )
}

fn indented(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn reason(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
