//! A client program as a subprocess: its lines as they come, a line to it, and its end with a deadline.
//!
//! Standard output is read by a thread of its own, standard error goes to a file, so neither can fill
//! up and stall the program. The process dies with the value.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::{eventually::eventually, process};

/// How long a program may go without printing a line. Scenarios have deadlines of their own below this.
const SILENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: NamedTempFile,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let stderr = NamedTempFile::new().expect("a temporary file");
        command
            .stdout(Stdio::piped())
            .stderr(stderr.reopen().expect("a second handle of the file"));
        let mut child = spawn(&mut command);
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            stdin,
            lines,
            stderr,
        }
    }

    /// Starts a program that prints everything into `output`, so that the order of both streams is kept.
    /// It has no lines to read.
    pub fn start_into(mut command: Command, output: &fs::File) -> Self {
        let second = || output.try_clone().expect("a second handle of the file");
        command.stdout(second()).stderr(second());
        let mut child = spawn(&mut command);
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines: channel().1,
            stderr: NamedTempFile::new().expect("a temporary file"),
        }
    }

    /// The next line of its standard output, or `None` once that has ended.
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("a program says nothing more:\n{}", self.stderr())
            }
        }
    }

    /// The lines up to `wanted`; panics with what the program complained of if it ends first.
    pub fn expect_line(&mut self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        while let Some(line) = self.line() {
            if line == wanted {
                return before;
            }
            before.push(line);
        }
        panic!("the program ended without {wanted:?}:\n{}", self.stderr());
    }

    /// Gives it a line, whole and at once: the shell of Apache's C client loses what it has read of a line
    /// whose end comes later.
    pub fn say(&mut self, line: &str) {
        let stdin = self
            .stdin
            .as_mut()
            .expect("standard input is open until finish()");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .expect("the program reads its standard input");
        stdin.flush().expect("the program reads its standard input");
    }

    /// The program stands still, as one does that its machine has forgotten for a while.
    pub fn pause(&mut self) {
        process::pause(&mut self.child, "the program");
    }

    pub fn resume(&mut self) {
        process::resume(&mut self.child);
    }

    /// Closes its standard input, reads to the end and gives the remaining lines; panics unless it
    /// ended well.
    pub fn finish(mut self) -> Vec<String> {
        self.stdin = None;
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(line);
        }
        let status = self.wait();
        assert!(
            status.success(),
            "the program ended with {status} after {lines:#?}:\n{}",
            self.stderr()
        );
        lines
    }

    /// Closes its standard input and waits for its end, good or bad.
    pub fn finish_anyhow(mut self) -> ExitStatus {
        self.stdin = None;
        self.wait()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        process::signal(&mut self.child, Signal::KILL);
        self.wait();
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(mut self) -> ExitStatus {
        process::signal(&mut self.child, Signal::TERM);
        self.wait()
    }

    pub fn has_ended(&mut self) -> bool {
        process::has_ended(&mut self.child)
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.stderr.path()).unwrap_or_default()
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("the program ends", SILENCE, || {
            self.child.try_wait().expect("the child is ours")
        })
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; either way it must be reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; what it said is in the error.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
