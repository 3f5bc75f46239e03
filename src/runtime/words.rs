//! Four-letter words: which are allowed, and the facts each answer takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::admin::word::{TELNET_INTERRUPT, TELNET_NAME, refusal};
use crate::admin::{self, Word};
use crate::config::Whitelist;
use crate::net::{Server, Words};
use crate::runtime::facts::{self, Facts};
use crate::runtime::watches;

/// Answers four-letter words from facts.
pub(super) struct FourLetterWords {
    whitelist: Whitelist,
    sources: Arc<Sources>,
}

struct Sources {
    facts: Arc<Facts>,
    trace_mask: Arc<TraceMask>,
}

/// What `stmk` set. It has no effect: what is traced is up to the log's filter.
#[derive(Debug)]
pub(super) struct TraceMask(pub(super) AtomicI64);

impl Default for TraceMask {
    fn default() -> Self {
        Self(AtomicI64::new(TRACE_MASK_DEFAULT))
    }
}

impl FourLetterWords {
    pub(super) fn new(whitelist: Whitelist, facts: Arc<Facts>, trace_mask: Arc<TraceMask>) -> Self {
        let sources = Sources { facts, trace_mask };
        Self {
            whitelist,
            sources: Arc::new(sources),
        }
    }

    fn allows_all(&self) -> bool {
        Word::ALL
            .iter()
            .all(|word| self.whitelist.allows(word.text()))
    }
}

impl Words for FourLetterWords {
    fn is_known(&self, word: [u8; 4]) -> bool {
        // Where all words are allowed nobody answers this one, and it reads as a length.
        (word == TELNET_INTERRUPT && !self.allows_all()) || Word::from_bytes(word).is_some()
    }

    fn argument_bytes(&self, word: [u8; 4]) -> usize {
        // One that is not allowed is refused as soon as it is known.
        Word::from_bytes(word)
            .filter(|word| self.whitelist.allows(word.text()))
            .map_or(0, Word::argument_bytes)
    }

    fn answer(
        &self,
        server: &Arc<Server>,
        word: [u8; 4],
        argument: &[u8],
        from: SocketAddr,
    ) -> JoinHandle<Bytes> {
        let Some(word) = Word::from_bytes(word) else {
            return tokio::spawn(async { Bytes::from(refusal(TELNET_NAME)) });
        };
        if !self.whitelist.allows(word.text()) {
            return tokio::spawn(async move { Bytes::from(refusal(word.text())) });
        }
        tracing::info!("Processing {} command from /{from}", word.text());
        let (server, sources) = (server.clone(), self.sources.clone());
        let mask = argument
            .first_chunk()
            .map(|bytes| i64::from_be_bytes(*bytes));
        // Facts may take long to gather, and none of it waits for anything but the disk.
        tokio::task::spawn_blocking(move || Bytes::from(sources.answer(word, mask, &server)))
    }
}

impl Sources {
    fn answer(&self, word: Word, mask: Option<i64>, server: &Server) -> String {
        let facts = &self.facts;
        let quorum = facts.quorum(server);
        if !quorum.is_serving()
            && let Some(answer) = admin::not_serving(word)
        {
            return answer.to_owned();
        }
        match word {
            Word::Ruok => "imok".to_owned(),
            Word::Envi => admin::envi(&facts::environment()),
            Word::Gtmk => self.trace_mask.0.load(Ordering::Relaxed).to_string(),
            Word::Stmk => self.set_trace_mask(mask.unwrap_or_default()),
            Word::Isro if quorum.is_read_only() => "ro".to_owned(),
            Word::Isro => "rw".to_owned(),
            Word::Conf => admin::conf(&facts.conf(&quorum)),
            Word::Cons => admin::cons(&facts.connections(server)),
            Word::Crst => {
                server.reset_connection_figures();
                "Connection stats reset.\n".to_owned()
            }
            Word::Srst => {
                facts.reset(server);
                "Server stats reset.\n".to_owned()
            }
            Word::Dirs => {
                let (snapshot_bytes, log_bytes) = facts.dir_bytes();
                admin::dirs(snapshot_bytes, log_bytes)
            }
            Word::Dump => admin::dump(&facts.sessions(server, &quorum)),
            Word::Srvr => admin::srvr(&facts.server(server, &quorum)),
            Word::Stat => admin::stat(&facts.server(server, &quorum), &facts.connections(server)),
            Word::Mntr => admin::mntr(&facts.monitor(server, &quorum)),
            Word::Hash => {
                let digests: Vec<_> = server.state.read().digest_history().collect();
                admin::hash(&digests)
            }
            _ => watch_words(word, server),
        }
    }

    fn set_trace_mask(&self, mask: i64) -> String {
        self.trace_mask.0.store(mask, Ordering::Relaxed);
        mask.to_string()
    }
}

/// The mask Apache's server starts with: client requests, server packets, sessions, warnings.
const TRACE_MASK_DEFAULT: i64 = 306;

/// The words about watches, which tell of those on data only.
fn watch_words(word: Word, server: &Server) -> String {
    match word {
        Word::Wchs => {
            let summary = server.watches.lock().summary();
            admin::wchs(summary.connections, summary.paths, summary.watches)
        }
        Word::Wchp => admin::wchp(&watches::by_path(server)),
        _ => admin::wchc(&watches::by_session(server)),
    }
}
