//! The one table of four-letter words.

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// A question of four bytes, asked as the first ones of a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Word {
            $($(#[$meta])* $name,)*
        }

        impl Word {
            /// Every word there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word as it is sent, and named in `4lw.commands.whitelist`.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

words! {
    /// The settings that matter to clients.
    Conf = "conf";
    /// Every connection in detail.
    Cons = "cons";
    /// Resets what `cons` counts.
    Crst = "crst";
    /// Sizes of the data directories.
    Dirs = "dirs";
    /// Sessions, ephemeral nodes, connections.
    Dump = "dump";
    /// Facts about the machine.
    Envi = "envi";
    /// The trace mask.
    Gtmk = "gtmk";
    /// Whether the process is there.
    Ruok = "ruok";
    /// Sets the trace mask.
    Stmk = "stmk";
    /// Resets what `srvr` counts.
    Srst = "srst";
    /// The server in brief.
    Srvr = "srvr";
    /// The same with its connections.
    Stat = "stat";
    /// Watches by session.
    Wchc = "wchc";
    /// Watches by path.
    Wchp = "wchp";
    /// Watches in numbers.
    Wchs = "wchs";
    /// Everything that is measured.
    Mntr = "mntr";
    /// Whether writes are taken.
    Isro = "isro";
    /// Digests of the tree.
    Hash = "hash";
}

/// What a telnet client sends when it is interrupted. It is no word, but refused like one.
pub const TELNET_INTERRUPT: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];

/// Its name in that refusal.
pub const TELNET_NAME: &str = "telnet close";

/// Bytes after `stmk`: the mask.
pub const MASK_BYTES: usize = 8;

impl Word {
    /// The word with these bytes.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|word| word.text().as_bytes() == bytes)
    }

    /// Bytes after the word that belong to it.
    pub fn argument_bytes(self) -> usize {
        if self == Self::Stmk { MASK_BYTES } else { 0 }
    }
}

/// Says that a word is not in `4lw.commands.whitelist`.
pub fn refusal(name: &str) -> String {
    format!("{name} is not executed because it is not in the whitelist.\n")
}

/// What a server answers while it takes no clients; `None` for the words that it answers as always.
pub fn not_serving(word: Word) -> Option<&'static str> {
    match word {
        Word::Ruok | Word::Envi | Word::Gtmk | Word::Stmk => None,
        Word::Isro => Some("null"),
        Word::Hash => Some(NOT_SERVING.trim_ascii_end()),
        _ => Some(NOT_SERVING),
    }
}

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_bytes() {
        for word in Word::ALL {
            let bytes = word.text().as_bytes().try_into().unwrap();
            assert_eq!(Word::from_bytes(bytes), Some(*word));
        }
        assert_eq!(Word::from_bytes(*b"ruoK"), None);
        assert_eq!(Word::from_bytes(TELNET_INTERRUPT), None);
    }

    /// As a running Apache server answers that looks for a leader.
    #[test]
    fn words_of_a_server_that_takes_no_clients() {
        let always: Vec<_> = Word::ALL
            .iter()
            .filter(|word| not_serving(**word).is_none())
            .map(|word| word.text())
            .collect();
        assert_eq!(always, ["envi", "gtmk", "ruok", "stmk"]);
        let refusal = "This ZooKeeper instance is not currently serving requests";
        for word in [
            "conf", "cons", "crst", "dirs", "dump", "mntr", "srst", "srvr", "stat",
        ] {
            let word = Word::from_bytes(word.as_bytes().try_into().unwrap()).unwrap();
            assert_eq!(not_serving(word), Some(format!("{refusal}\n").as_str()));
        }
        assert_eq!(not_serving(Word::Hash), Some(refusal));
        assert_eq!(not_serving(Word::Isro), Some("null"));
    }
}
