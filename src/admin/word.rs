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
}
