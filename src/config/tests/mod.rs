//! The whole way from a file and a command line to options, errors and warnings.

mod command_line;
mod ensemble;
mod errors;
mod options;
mod sasl;
mod warnings;

use std::{fs, path::PathBuf};

use clap::Parser as _;

use super::{Arguments, Command, Config, Rejection};

/// A `zoo.cfg` in a directory of its own, with what every one needs.
struct ZooCfg {
    dir: tempfile::TempDir,
}

impl ZooCfg {
    /// The file is `text` and nothing else.
    fn whole(text: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("zoo.cfg"), text).unwrap();
        Self { dir }
    }

    /// Two lines that make a configuration, then `text` from line 3 on.
    fn with(text: &str) -> Self {
        Self::whole(format!("dataDir=/data\nclientPort=2181\n{text}"))
    }

    /// A member of an ensemble: `myid` says 1, then `text` from line 4 on. Its last line is
    /// `dataDir`, which is another one in each test.
    fn member(text: &str) -> Self {
        Self::member_with_id("1\n", text)
    }

    /// The same with another content of `myid`.
    fn member_with_id(id: &str, text: &str) -> Self {
        let file = Self::whole(format!("clientPort=2181\ninitLimit=5\nsyncLimit=2\n{text}"));
        file.live_here(id);
        file
    }

    /// Makes its directory that of the data, with this content of `myid`.
    fn live_here(&self, id: &str) {
        self.write("myid", id);
        self.append(&format!("dataDir={}\n", self.dir.path().display()));
    }

    /// Puts another file beside it.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn append(&self, text: &str) {
        let mut whole = fs::read_to_string(self.path()).unwrap();
        whole.push_str(text);
        self.write("zoo.cfg", &whole);
    }

    fn load(&self, arguments: &[&str]) -> Result<(Config, Vec<String>), Rejection> {
        let path = self.path();
        let arguments = ["gamekeeper", "serve", path.to_str().unwrap()]
            .into_iter()
            .chain(arguments.iter().copied());
        let Command::Serve(command_line) = Arguments::try_parse_from(arguments).unwrap().command
        else {
            panic!("serve is what was asked for");
        };
        let (config, warnings) = Config::load(&command_line)?;
        let warnings = warnings
            .iter()
            .map(|warning| self.shorten(&warning.to_string()));
        Ok((config, warnings.collect()))
    }

    fn config(&self) -> Config {
        self.load(&[]).unwrap().0
    }

    fn errors(&self, arguments: &[&str]) -> Vec<String> {
        let rejection = self.load(arguments).unwrap_err();
        let errors = rejection.errors.iter();
        errors
            .map(|error| self.shorten(&error.to_string()))
            .collect()
    }

    fn warnings(&self, arguments: &[&str]) -> Vec<String> {
        self.load(arguments).unwrap().1
    }

    fn shorten(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("zoo.cfg")
    }
}
