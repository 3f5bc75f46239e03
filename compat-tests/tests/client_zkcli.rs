//! Apache's own command line client, fed a script and run for single commands: what an operator sees
//! from our server is, to the letter, what they see from Apache's.
//!
//! `testdata/zkcli.expected` is what Apache's server gave, zxids included: each run starts on an empty
//! server, so both number their transactions alike. `REWRITE=1` on the Apache test writes it anew.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use compat_tests::{
    eventually::eventually,
    java::{Java, java_or_skip},
    server::{Kind, Server, ServerOptions},
};

const SHELL: &str = "org.apache.zookeeper.ZooKeeperMain";
/// The shell mixes its own log into its output; jline complains when its input is no terminal.
const QUIET: [(&str, &str); 3] = [
    ("org.slf4j.simpleLogger.defaultLogLevel", "off"),
    ("org.jline.terminal.dumb", "true"),
    ("file.encoding", "UTF-8"),
];
const EVENT: &str = "WatchedEvent ";
const ZXID: &str = "zxid: ";
/// From here on the shell prints no event for a while.
const SILENCE: &str = "printwatches off";
const LAST_EVENT: &str = "type:NodeChildrenChanged path:/watched ";
const PATIENCE: Duration = Duration::from_secs(60);

fn testdata(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/testdata", name]
        .iter()
        .collect()
}

fn compare(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let options = ServerOptions::new().config("extendedTypesEnabled", true);
    let server = Server::start(kind, &options);
    let script = fs::read_to_string(testdata("zkcli.script")).expect("the script is there");
    let mut found = session(java, &server, &script);
    for command in [
        &["create", "/single", "data"][..],
        &["get", "-s", "/single"],
        &["get", "/missing"],
        &["ls", "-R", "/"],
        &["delete", "-v", "3", "/single"],
        &["bogus"],
    ] {
        single(java, &server, command, &mut found);
    }

    let golden = testdata("zkcli.expected");
    if kind == Kind::Apache && std::env::var_os("REWRITE").is_some() {
        fs::write(&golden, &found).expect("the expected output is written");
    }
    let expected = fs::read_to_string(&golden).expect("the expected output is there");
    assert!(found == expected, "{}", first_difference(&expected, &found));
}

/// Runs the script in one shell and pairs each command with what was printed for it.
fn session(java: &Java, server: &Server, script: &str) -> String {
    let output = tempfile::NamedTempFile::new().expect("a temporary file");
    let arguments = ["-server", &server.connect_string(), "-waitforconnection"];
    let mut program = java.start_into(SHELL, &QUIET, &arguments, output.as_file());
    for command in script.lines() {
        if command == SILENCE {
            // The thread of the events looks at the switch when it comes to one.
            eventually("the last event is printed", PATIENCE, || {
                let printed = fs::read_to_string(output.path()).unwrap_or_default();
                printed.contains(LAST_EVENT).then_some(())
            });
        }
        program.say(command);
    }
    program.finish_anyhow();
    let printed = fs::read_to_string(output.path()).expect("the shell prints UTF-8");
    let (printed, events) = without_events(&printed);
    let mut answers = printed.split("[zk: ");
    let mut text = format!("{}\n", masked(answers.next().unwrap_or_default(), server));
    for (command, answer) in script.lines().zip(answers) {
        let answer = answer.split_once("] ").map_or(answer, |(_, answer)| answer);
        let answer = masked(answer, server);
        let answer = if command == "whoami" {
            sorted_below_heading(&answer)
        } else {
            answer
        };
        let _ = write!(text, "> {command}\n{answer}");
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let _ = write!(text, "\nevents\n{events}");
    text
}

/// Runs the shell for one command.
fn single(java: &Java, server: &Server, command: &[&str], text: &mut String) {
    let output = tempfile::NamedTempFile::new().expect("a temporary file");
    let connect = server.connect_string();
    let mut arguments = vec!["-server", connect.as_str(), "-waitforconnection"];
    arguments.extend(command);
    let status = java
        .start_into(SHELL, &QUIET, &arguments, output.as_file())
        .finish_anyhow();
    let printed = fs::read_to_string(output.path()).expect("the shell prints UTF-8");
    let (printed, _) = without_events(&printed);
    let _ = write!(
        text,
        "\n$ {}\n{}exit code {}\n",
        command.join(" "),
        masked(&printed, server),
        status.code().expect("the shell exits by itself")
    );
}

/// Takes the events out of what was printed: their thread races with the one that runs the commands,
/// even between a line and its end, so only their own order is certain. Whether the event of the session's end still comes is a race with the exit.
fn without_events(printed: &str) -> (String, String) {
    let mut rest = printed.replace("WATCHER::", "");
    let mut events = String::new();
    while let Some(start) = rest.find(EVENT) {
        let zxid = rest[start..].find(ZXID).expect("an event ends with a zxid") + ZXID.len();
        let digits = rest[start + zxid..]
            .find(|symbol: char| symbol != '-' && !symbol.is_ascii_digit())
            .unwrap_or(rest.len() - start - zxid);
        let event = start..start + zxid + digits;
        if !rest[event.clone()].contains("state:Closed") {
            let _ = writeln!(events, "{}", &rest[event.clone()]);
        }
        rest.replace_range(event, "");
    }
    (rest, events)
}

/// Replaces what differs from run to run: the address, times, session ids. Empty lines go, since the
/// events brought some.
fn masked(text: &str, server: &Server) -> String {
    let text = text.replace(&server.connect_string(), "<address>");
    let mut masked = String::new();
    for line in text
        .split_inclusive('\n')
        .filter(|line| !line.trim().is_empty())
    {
        match line.split_once(" = ") {
            Some((name @ ("ctime" | "mtime"), _)) => {
                let _ = writeln!(masked, "{name} = <time>");
            }
            Some(("ephemeralOwner", value)) if value != "0x0\n" => {
                masked.push_str("ephemeralOwner = <session>\n");
            }
            _ => masked.push_str(line),
        }
    }
    masked
}

/// Apache gives out a client's identities in the order of a hash table, which says nothing.
fn sorted_below_heading(answer: &str) -> String {
    let mut lines: Vec<&str> = answer.split_inclusive('\n').collect();
    if let Some((_, identities)) = lines.split_first_mut() {
        identities.sort_unstable();
    }
    lines.concat()
}

fn first_difference(expected: &str, found: &str) -> String {
    let differs = expected
        .lines()
        .zip(found.lines())
        .position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    let around = |text: &str| -> String {
        let start = line.saturating_sub(6);
        text.lines()
            .skip(start)
            .take(12)
            .map(|line| format!("    {line}\n"))
            .collect()
    };
    format!(
        "line {} differs\nexpected\n{}found\n{}",
        line + 1,
        around(expected),
        around(found)
    )
}

compat_tests::cases! {
    apache: compare(Kind::Apache);
    ours: compare(Kind::Ours);
}
