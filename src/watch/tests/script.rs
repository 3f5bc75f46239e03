//! Runs the scripts of `testdata`: commands, a line of dashes, what they gave.
//!
//! `REWRITE=1` writes down what they give now; the difference is to be reviewed.
//!
//! | command | does |
//! |---|---|
//! | `data`, `child` conn path | a watch that fires once |
//! | `persistent`, `recursive` conn path | a lasting one, as `addWatch` sets it |
//! | `check`, `remove` conn kind path | asks, takes away |
//! | `close` conn | forgets the connection |
//! | `created`, `deleted`, `changed`, `children` path | an event: gives who is told |
//! | `counts`, `summary`, `by-connection`, `by-path` | reports |

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::base::ConnId;
use crate::proto::{EventType, NodeEvent};
use crate::watch::{Registry, WatchKind, WatchMode, WatchTable};

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/watch/testdata");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let text = std::fs::read_to_string(&script).unwrap();
        let now = run(&text);
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&script, now).unwrap();
        } else {
            assert_eq!(text, now, "{}", script.display());
        }
    }
}

/// The script with what its commands give now. Blocks are parted by empty lines; one that starts
/// with `#` is a comment and begins a new table.
fn run(script: &str) -> String {
    let mut table = WatchTable::new(3);
    let mut result = Vec::new();
    for block in script.trim_end().split("\n\n") {
        if block.starts_with('#') {
            table = WatchTable::new(3);
            result.push(block.to_owned());
            continue;
        }
        let commands = block.split("\n----").next().unwrap_or_default();
        let mut text = format!("{commands}\n----");
        for command in commands.lines() {
            let given = execute(&mut table, command);
            if !given.is_empty() {
                write!(text, "\n{given}").unwrap();
            }
        }
        result.push(text);
    }
    result.join("\n\n") + "\n"
}

fn execute(table: &mut WatchTable, command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    let conn = |word: &str| ConnId(word.parse().unwrap());
    match words[..] {
        ["data", id, path] => add(
            table,
            path,
            conn(id),
            &[Registry::Data],
            WatchMode::Standard,
        ),
        ["child", id, path] => add(
            table,
            path,
            conn(id),
            &[Registry::Child],
            WatchMode::Standard,
        ),
        ["persistent", id, path] => {
            let both = [Registry::Data, Registry::Child];
            add(table, path, conn(id), &both, WatchMode::Persistent)
        }
        ["recursive", id, path] => add(
            table,
            path,
            conn(id),
            &[Registry::Data],
            WatchMode::Recursive,
        ),
        ["check", id, kind, path] => table.check(path, conn(id), kind_of(kind)).to_string(),
        ["remove", id, kind, path] => table.remove(path, conn(id), kind_of(kind)).to_string(),
        ["close", id] => {
            table.remove_conn(conn(id));
            String::new()
        }
        ["counts"] => format!(
            "data {}, child {}",
            table.data_watch_count(),
            table.child_watch_count()
        ),
        ["summary"] => format!("{:?}", table.summary()),
        ["by-connection"] => format!("{:?}", table.by_connection()),
        ["by-path"] => format!("{:?}", table.by_path()),
        [event, path] => {
            let mut told = Vec::new();
            table.trigger(&event_of(event, path), &mut told);
            let mut told: Vec<_> = told.iter().map(ToString::to_string).collect();
            if told.is_empty() {
                told.push("nobody".to_owned());
            }
            format!("{event} {path}: {}", told.join(" "))
        }
        _ => panic!("no command: {command:?}"),
    }
}

fn add(
    table: &mut WatchTable,
    path: &str,
    conn: ConnId,
    registries: &[Registry],
    mode: WatchMode,
) -> String {
    for registry in registries {
        if let Err(error) = table.add(path, conn, *registry, mode) {
            return error.to_string();
        }
    }
    String::new()
}

fn kind_of(name: &str) -> WatchKind {
    let names = ["children", "data", "any", "persistent", "recursive"];
    let position = names.iter().position(|known| *known == name).unwrap();
    WatchKind::from_number(i32::try_from(position).unwrap() + 1).unwrap()
}

fn event_of(name: &str, path: &str) -> NodeEvent {
    let event_type = match name {
        "created" => EventType::NodeCreated,
        "deleted" => EventType::NodeDeleted,
        "changed" => EventType::NodeDataChanged,
        "children" => EventType::NodeChildrenChanged,
        _ => panic!("no command: {name:?}"),
    };
    NodeEvent {
        event_type,
        path: Arc::from(path),
        acl: None,
    }
}
