//! Configuration: what the user wrote, read once, checked as a whole, handed out typed.
//!
//! In: the command line ([`CommandLine`]) and the `zoo.cfg` it names, in Apache's syntax with
//! Apache's keys, properties and defaults; where that describes an ensemble, also `dataDir/myid`
//! and the `dynamicConfigFile`. Out: a [`Config`] and the [`Warning`]s to log, or a [`Rejection`]
//! with every error at once, each of which names file, line, key, value and what was expected; the
//! caller prints it and exits with [`Rejection::EXIT_CODE`].
//!
//! ```text
//! bytes -> properties -> RawConfig (one setting per key, with its place) -> Values -> Config
//!                                                     server lines -> Standing --^
//! ```
//!
//! Invariants: every key this server knows is one row of `keys`; an unknown key is a warning and
//! never silence; a key whose absence would make this server unsafe or another one than was asked
//! for is an error; no value of a secret key is shown. Reading those files is the only I/O here.
//! Nothing is looked up later: there are no global settings.

mod admin;
mod build;
pub mod cli;
mod ensemble;
mod jaas;
mod kerberos;
mod keys;
mod lines;
mod listen;
mod member_lines;
mod membership;
mod options;
mod properties;
mod raw;
mod report;
mod sasl;
mod tls;
mod value;
mod values;

#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

pub use admin::{AdminOptions, AsWritten};
pub use cli::{Arguments, Command, CommandLine, Property};
pub use ensemble::{ElectionPortOptions, EnsembleOptions, ObserverOptions, SyncOptions};
pub use kerberos::{KerberosLogin, KerberosOptions, Tickets};
pub use member_lines::edit_static;
pub use options::{
    AuthOptions, ClientListen, Config, ConnectionThrottle, ContainerOptions, DigestAlgorithm,
    DigestOptions, LargeRequests, ListenAddress, ListenHost, PurgeOptions, RequestThrottle,
    SaslListOptions, Secret, SessionOptions, SessionWeights, SnapshotCompression, StorageOptions,
    ThrottleOptions, TreeOptions, Whitelist, WireLimits, X509Options,
};
pub use report::{ConfigError, Origin, Rejection, Warning};
pub use sasl::{PeerLogin, PeerSaslOptions};
pub use tls::{
    AdminTlsOptions, ClientAuth, ClientTlsOptions, OcspOptions, PeerTlsOptions, Revocation,
    StoreOptions, StorePassword, StoreType, TlsOptions, TlsVersions, TlsWith,
};

use raw::RawConfig;
use report::Remark;

impl Config {
    /// Reads the configuration the command line asks for.
    pub fn load(command_line: &CommandLine) -> Result<(Self, Vec<Warning>), Rejection> {
        let Some(path) = &command_line.config_file else {
            let raw = RawConfig::collect(None, command_line);
            return build::build(raw, None, &[], &read_file);
        };
        match read_file(path) {
            Ok(text) => Self::read(path, &text, command_line),
            Err(error) => Err(Rejection {
                errors: vec![ConfigError::new(Remark {
                    origin: Origin::file(path, 0),
                    key: String::new(),
                    value: None,
                    text: format!("cannot be read: {error}"),
                })],
                warnings: Vec::new(),
            }),
        }
    }

    /// Takes `text`, which may be any bytes, for the content of the zoo.cfg at `path`. Files that it
    /// names are read.
    pub fn read(
        path: &Path,
        text: &[u8],
        command_line: &CommandLine,
    ) -> Result<(Self, Vec<Warning>), Rejection> {
        Self::read_with(path, text, command_line, &read_file)
    }

    /// As [`read`](Self::read), with the files that `text` names from elsewhere.
    pub fn read_with(
        path: &Path,
        text: &[u8],
        command_line: &CommandLine,
        files: &Files<'_>,
    ) -> Result<(Self, Vec<Warning>), Rejection> {
        let raw = RawConfig::collect(Some((path, text)), command_line);
        build::build(raw, Some(Origin::file(path, 0)), text, files)
    }
}

/// The content of the file at a path.
pub type Files<'a> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'a;

/// Every key with its property, default, effect and meaning, one line each.
pub fn key_listing() -> String {
    let mut listing = String::new();
    for key in keys::all() {
        let effect = match (key.effect, key.in_ensemble) {
            (_, Some(keys::Effect::Used)) => " [in an ensemble only]".to_owned(),
            (effect, None) => listed(effect),
            (effect, Some(in_ensemble)) => {
                let in_ensemble = listed(in_ensemble).replacen('[', "[in an ensemble ", 1);
                format!("{}{in_ensemble}", listed(effect))
            }
        };
        let default = match key.default {
            "" => String::new(),
            default => format!(" = {default}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            listing,
            "{}{default}  ({}){effect}\n   {}",
            key.name,
            key.property(),
            key.doc.trim()
        );
    }
    listing
}

fn listed(effect: keys::Effect) -> String {
    match effect {
        keys::Effect::Used => String::new(),
        keys::Effect::Quiet(reason) | keys::Effect::Ignored(reason) => {
            format!(" [no effect: {reason}]")
        }
        keys::Effect::Refused(reason) => format!(" [refused: {reason}]"),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= FILE_BYTES_MAX => Ok(text),
        _ => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {FILE_BYTES_MAX} bytes, which no configuration is"),
        )),
    }
}

/// The longest file that is read; a mistaken path should not fill the memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
