//! Scripts with golden output. A file is a row of blocks:
//!
//! ```text
//! command argument argument       (may be followed by lines of input)
//! ----
//! output
//! ```
//!
//! with a blank line after each; `#` starts a comment between blocks. `REWRITE=1` writes what came
//! out instead of comparing, for the difference to be reviewed.

use std::{fmt::Write as _, fs, path::Path};

/// One command with its input.
pub(crate) struct Block<'a> {
    pub(crate) command: &'a str,
    pub(crate) arguments: Vec<&'a str>,
    pub(crate) input: &'a str,
}

/// Runs the script of this name below `src`, giving each block to `run`.
pub(crate) fn check(name: &str, mut run: impl FnMut(&Block<'_>) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut actual = String::new();
    let mut blocks = 0;
    for paragraph in paragraphs(&expected) {
        if paragraph.starts_with('#') {
            writeln!(actual, "{}\n", paragraph.trim_end()).unwrap();
            continue;
        }
        let question = paragraph.split("----\n").next().unwrap_or_default();
        let (first, input) = question.split_once('\n').unwrap_or((question, ""));
        let mut words = first.split_whitespace();
        let block = Block {
            command: words.next().unwrap_or_default(),
            arguments: words.collect(),
            input,
        };
        let output = run(&block);
        let output = output.trim_end();
        let newline = if output.is_empty() { "" } else { "\n" };
        writeln!(actual, "{question}----\n{output}{newline}").unwrap();
        blocks += 1;
    }
    assert!(blocks > 0, "{name} has no blocks");
    let actual = format!("{}\n", actual.trim_end());
    if std::env::var_os("REWRITE").is_some() {
        fs::write(&path, &actual).unwrap();
    } else if actual != expected {
        panic!("{name} differs; run with REWRITE=1 and review:\n{actual}");
    }
}

/// Runs of lines with blank ones between them, each with a newline at its end.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        if line.is_empty() {
            paragraphs.push(String::new());
        } else if let Some(last) = paragraphs.last_mut() {
            *last += line;
            *last += "\n";
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}
