//! The one table of the commands that the AdminServer runs.

macro_rules! commands {
    ($($(#[$meta:meta])* $id:ident = $name:literal $aliases:expr, $how:ident;)*) => {
        /// What can be asked of a server over HTTP.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[$meta])* $id,)*
        }

        impl Command {
            /// Every command, by name.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// The name that answers give.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$id => $name,)*
                }
            }

            /// The other names it goes by.
            pub fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$id => &$aliases,)*
                }
            }

            fn needs(self) -> Needs {
                match self {
                    $(Self::$id => Needs::$how,)*
                }
            }
        }
    };
}

/// What must be so for a command to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// The server serves.
    Serving,
    /// And whoever asks may do anything to the root.
    Rights,
}

commands! {
    /// The settings that matter to clients.
    Configuration = "configuration" ["conf", "config"], Serving;
    /// Resets what `connections` counts.
    ConnectionStatReset = "connection_stat_reset" ["crst"], Serving;
    /// Every connection in detail.
    Connections = "connections" ["cons"], Serving;
    /// Sizes of the data directories.
    Dirs = "dirs" [], Serving;
    /// Sessions and ephemeral nodes.
    Dump = "dump" [], Serving;
    /// Facts about the machine.
    Environment = "environment" ["env", "envi"], Nothing;
    /// The trace mask.
    GetTraceMask = "get_trace_mask" ["gtmk"], Nothing;
    /// Digests of the tree.
    Hash = "hash" [], Serving;
    /// The text of zoo.cfg.
    InitialConfiguration = "initial_configuration" ["icfg"], Serving;
    /// Whether writes are refused.
    IsReadOnly = "is_read_only" ["isro"], Serving;
    /// The newest snapshot on disk.
    LastSnapshot = "last_snapshot" ["lsnp"], Serving;
    /// Who leads.
    Leader = "leader" ["lead"], Serving;
    /// Everything that is measured.
    Monitor = "monitor" ["mntr"], Nothing;
    /// Resets what `observers` counts.
    ObserverConnectionStatReset = "observer_connection_stat_reset" ["orst"], Serving;
    /// The observers that learn from this server.
    Observers = "observers" ["obsr"], Serving;
    /// Puts a snapshot's state in the place of the server's.
    Restore = "restore" ["rest"], Rights;
    /// Whether the server serves.
    Ruok = "ruok" [], Serving;
    /// The server in brief.
    ServerStats = "server_stats" ["srvr"], Serving;
    /// Sets the trace mask.
    SetTraceMask = "set_trace_mask" ["stmk"], Nothing;
    /// Takes a snapshot and sends it.
    Snapshot = "snapshot" ["snap"], Rights;
    /// Resets what `server_stats` counts.
    StatReset = "stat_reset" ["srst"], Serving;
    /// The server in brief, with its connections.
    Stats = "stats" ["stat"], Serving;
    /// The properties the server was started with.
    SystemProperties = "system_properties" ["sysp"], Nothing;
    /// The voters of the ensemble.
    VotingView = "voting_view" [], Serving;
    /// Watches in numbers.
    WatchSummary = "watch_summary" ["wchs"], Serving;
    /// Watches by session.
    Watches = "watches" ["wchc"], Serving;
    /// Watches by path.
    WatchesByPath = "watches_by_path" ["wchp"], Serving;
    /// How far the server is in its ensemble.
    ZabState = "zabstate" [], Nothing;
}

impl Command {
    /// The command of this name or alias.
    pub fn from_name(name: &str) -> Option<Self> {
        let has_name =
            |command: &&Self| command.name() == name || command.aliases().contains(&name);
        Self::ALL.iter().find(has_name).copied()
    }

    /// Whether only a server that serves can run it.
    pub fn needs_serving(self) -> bool {
        self.needs() != Needs::Nothing
    }

    /// Whether who asks must have all permissions on the root.
    pub fn needs_rights(self) -> bool {
        self.needs() == Needs::Rights
    }

    /// Whether it is asked for by POST, with a body; all others by GET.
    pub fn is_posted(self) -> bool {
        self == Self::Restore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_of_one_command_each() {
        assert!(Command::ALL.is_sorted_by_key(|command| command.name()));
        let mut names: Vec<&str> = Command::ALL
            .iter()
            .flat_map(|command| command.aliases().iter().copied().chain([command.name()]))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in Command::ALL {
            assert_eq!(Command::from_name(command.name()), Some(*command));
            for alias in command.aliases() {
                assert_eq!(Command::from_name(alias), Some(*command));
            }
        }
        assert_eq!(Command::from_name("RUOK"), None);
        assert_eq!(Command::from_name(""), None);
    }
}
