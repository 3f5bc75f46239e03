//! The shell of Apache's C client, fed a script: what it prints for each command is, to the letter, what it
//! prints with Apache's server.
//!
//! `testdata/cli_mt.expected` is what Apache's server gave, zxids included: each run starts on an empty
//! server, so both number their transactions alike. `REWRITE=1` on the Apache test writes it anew.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use compat_tests::{
    ensemble::can_run_or_skip,
    eventually::eventually,
    languages::Language,
    program::Program,
    server::{Kind, Server, ServerOptions},
};

/// Where Debian's package has it, as it is on nobody's path.
const SHELL: &str = "/usr/lib/zookeeper/bin/cli_mt";
const CONNECTED: &str = "Got a new session id: ";
const PATIENCE: Duration = Duration::from_secs(60);
/// Nodes that are not there; what is printed of one ends what is printed for a command.
const MARK: &str = "/mark-";

fn testdata(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/testdata", name]
        .iter()
        .collect()
}

fn compare(test: &str, kind: Kind) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    if !Path::new(SHELL).exists() {
        return Language::C.skip(test, &format!("{SHELL} is not there"));
    }
    let options = ServerOptions::new().config("extendedTypesEnabled", true);
    let server = Server::start(kind, &options);
    let script = fs::read_to_string(testdata("cli_mt.script")).expect("the script is there");
    let found = session(&server, &script);
    let golden = testdata("cli_mt.expected");
    if kind == Kind::Apache && std::env::var_os("REWRITE").is_some() {
        fs::write(&golden, &found).expect("the expected output is written");
    }
    let expected = fs::read_to_string(&golden).expect("the expected output is there");
    if found != expected {
        let differs = |(a, b): &(&str, &str)| a != b;
        let pairs = expected.lines().zip(found.lines());
        panic!(
            "differs first in (expected, found) {:?}; all that was found:\n{found}",
            pairs.clone().find(differs)
        );
    }
}

/// Runs the script, a command at a time: each is answered before the next is given.
fn session(server: &Server, script: &str) -> String {
    let output = tempfile::NamedTempFile::new().expect("a temporary file");
    let printed = || fs::read_to_string(output.path()).expect("the shell prints UTF-8");
    let mut command = Command::new(SHELL);
    command.args(["-h", &server.connect_string()]);
    let mut program = Program::start_into(command, output.as_file());
    eventually("the shell connects", PATIENCE, || {
        let printed = printed();
        let (_, id) = printed.split_once(CONNECTED)?;
        id.contains('\n').then_some(())
    });
    let mut text = String::new();
    let mut seen = printed().len();
    for (number, command) in script.lines().enumerate() {
        program.say(command);
        // It does not wait for answers, but they come in order.
        let mark = format!("{MARK}{number}: rc = ");
        program.say(&format!("delete {MARK}{number}"));
        let answer = eventually(&format!("an answer to {command:?}"), PATIENCE, || {
            let printed = printed();
            let (answer, _) = printed.get(seen..)?.split_once(&mark)?;
            Some(answer.to_owned())
        });
        seen += answer.len();
        let _ = write!(text, "> {command}\n{}", masked(&answer));
    }
    program.say("quit");
    assert!(program.finish_anyhow().success(), "the shell ends well");
    text
}

/// Leaves out what differs from run to run: the mark before, times, session ids, and the order of names,
/// which Apache gives out as its hash table has them.
fn masked(answer: &str) -> String {
    let mut masked = String::new();
    let mut names: Vec<&str> = Vec::new();
    let is_name = |line: &str| line.starts_with('\t') && !line.contains([' ', '=']);
    let mut lines = answer.lines().peekable();
    lines.next_if(|line| line.starts_with(MARK));
    for line in lines {
        if is_name(line) {
            names.push(line);
            continue;
        }
        names.sort_unstable();
        for name in names.drain(..) {
            let _ = writeln!(masked, "{name}");
        }
        let trimmed = line.trim_start();
        if trimmed.starts_with("time = ") {
            continue;
        }
        let line = match trimmed.split_once('=') {
            Some((name @ ("ctime " | "mtime"), _)) => format!("\t{name}= <time>"),
            Some(("ephemeralOwner ", owner)) if owner.trim() != "0" => {
                "\tephemeralOwner = <session>".to_owned()
            }
            _ => line.to_owned(),
        };
        let _ = writeln!(masked, "{line}");
    }
    masked
}

compat_tests::cases! {
    apache: compare(Kind::Apache);
    ours: compare(Kind::Ours);
}
