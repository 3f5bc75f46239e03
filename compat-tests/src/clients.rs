//! The same scenario for client libraries of every language, one server or three, Apache's or ours.
//!
//! A program in the client's language is given where the servers are and the names of [`STEPS`], and takes
//! the steps one by one. It checks by itself what it sees, and prints `ok <step>`. What it cannot do itself
//! it asks for by a line, and goes on when it is answered `done`:
//!
//! | line | what happens |
//! |---|---|
//! | `move <session> <folder>` | The program stands still, the server that has the session is killed, four nodes in the folder are changed, and the program runs again. The one server of a site comes back before that. |
//! | `moved <session>` | The session must be on a server that runs. |
//! | `lose-leader` | The leader is killed. |
//! | `lose-leader-unseen` | The same, and the program stands still until another leads and all others serve. |
//! | `return` | The server that was killed is back and serves; the answer is `done <address>` of it. |
//! | `expire <node>` | The program stands still until the node of its session is gone. |

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::{
    calls::{
        CLOSE_SESSION, PERSISTENT, SET_DATA, call, create, delete, exists, set_data_body, sync,
    },
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions},
    eventually::eventually,
    program::Program,
    server::{Kind, Server, ServerOptions, four_letter_word},
    wire::{Body, Client},
};

/// What every client goes through, in this order. `leader` is for ensembles only; a program may have
/// further steps of its own.
pub const STEPS: [&str; 12] = [
    "session",
    "operations",
    "ephemerals",
    "sequences",
    "access",
    "transaction",
    "watches",
    "pipeline",
    "lock",
    "moves",
    "leader",
    "expiry",
];

/// The servers that a program talks to.
#[derive(Debug)]
pub enum Site {
    One {
        server: Server,
        options: ServerOptions,
        /// It outlives the servers that have it in turn.
        _data: TempDir,
    },
    Several {
        ensemble: Ensemble,
        killed: Option<usize>,
    },
}

impl Site {
    pub fn one(kind: Kind) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let options = ServerOptions::new()
            .config("tickTime", 500)
            .config("maxSessionTimeout", 60_000)
            .config("4lw.commands.whitelist", "*")
            .config("extendedTypesEnabled", true)
            .property("znode.container.checkIntervalMs", 200)
            .data_dir(data.path());
        Self::One {
            server: Server::start(kind, &options),
            options,
            _data: data,
        }
    }

    pub fn three(kind: Kind) -> Self {
        let options = EnsembleOptions::new()
            .config("extendedTypesEnabled", true)
            .property("znode.container.checkIntervalMs", 200);
        Self::Several {
            ensemble: Ensemble::start(&[kind; 3], &options),
            killed: None,
        }
    }

    /// What client libraries are told to connect to.
    pub fn connect_string(&self) -> String {
        match self {
            Self::One { server, .. } => server.connect_string(),
            Self::Several { ensemble, .. } => ensemble.connect_string(),
        }
    }

    /// The steps of every client that this site has the servers for, and further ones.
    pub fn steps(&self, further: &[&'static str]) -> Vec<&'static str> {
        let fits = |step: &&str| *step != "leader" || matches!(self, Self::Several { .. });
        let steps = STEPS.into_iter().chain(further.iter().copied());
        steps.filter(fits).collect()
    }

    /// Goes with a program that was told to take these steps, and expects it to pass each.
    pub fn accompany(&mut self, mut program: Program, steps: &[&str]) {
        for step in steps {
            let passed = format!("ok {step}");
            loop {
                let Some(line) = program.line() else {
                    panic!("the step {step} fails:\n{}", program.stderr());
                };
                if line == passed {
                    break;
                }
                self.serve(&mut program, &line);
            }
        }
        let more = program.finish();
        assert!(more.is_empty(), "{more:#?}");
    }

    fn serve(&mut self, program: &mut Program, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["move", session, folder] => self.move_session(program, session, folder),
            ["moved", session] => drop(self.server_of(session)),
            ["lose-leader"] => self.lose_leader(),
            ["lose-leader-unseen"] => {
                program.pause();
                self.lose_leader();
                self.await_all();
                program.resume();
            }
            ["return"] => {
                let returned = self.take_back();
                return program.say(&format!("done {returned}"));
            }
            ["expire", node] => self.outwait(program, node),
            _ => panic!("a program says {line:?}:\n{}", program.stderr()),
        }
        program.say("done");
    }

    /// The program cannot hear of what is changed from its server, nor from the next before it has come
    /// back and set its watches again.
    fn move_session(&mut self, program: &mut Program, session: &str, folder: &str) {
        let at = self.server_of(session);
        program.pause();
        match self {
            Self::One {
                server, options, ..
            } => {
                server.kill();
                *server = Server::start(server.kind(), &options.clone().port_of(server));
            }
            Self::Several { ensemble, killed } => {
                ensemble.kill(at);
                *killed = Some(at);
                self.await_all();
            }
        }
        self.change(folder);
        program.resume();
    }

    fn change(&self, folder: &str) {
        let mut client = self.client();
        let changed = set_data_body(&format!("{folder}/changed"), b"1");
        assert_eq!(call(&mut client, SET_DATA, &changed).error, 0);
        delete(&mut client, &format!("{folder}/deleted"));
        create(&mut client, &format!("{folder}/created"), b"", PERSISTENT);
        let child = format!("{folder}/parent/child");
        create(&mut client, &child, b"", PERSISTENT);
        // Whichever server the program comes back to must not be behind what it has seen, and it is told
        // of what was missed only by one that has it.
        if let Self::Several { ensemble, .. } = self {
            for member in (0..ensemble.len()).filter(|member| ensemble.is_running(*member)) {
                let (mut client, _) = Client::open_session(ensemble.address(member), TIMEOUT_MS);
                sync(&mut client, folder);
                close(client);
            }
        }
        close(client);
    }

    fn lose_leader(&mut self) {
        let Self::Several { ensemble, killed } = self else {
            panic!("one server has no leader");
        };
        let leader = ensemble.await_leader();
        ensemble.kill(leader);
        *killed = Some(leader);
    }

    fn await_all(&mut self) {
        if let Self::Several { ensemble, .. } = self {
            ensemble.await_leader();
            ensemble.await_all();
        }
    }

    fn take_back(&mut self) -> SocketAddr {
        match self {
            Self::One { server, .. } => server.address(),
            Self::Several { ensemble, killed } => {
                let member = killed.take().expect("a server was killed");
                ensemble.restart(member);
                ensemble.await_all();
                ensemble.address(member)
            }
        }
    }

    fn outwait(&self, program: &mut Program, node: &str) {
        let mut client = self.client();
        assert!(exists(&mut client, node), "{node} is there");
        program.pause();
        eventually("a session expires", ENSEMBLE_PATIENCE, || {
            sync(&mut client, node);
            (!exists(&mut client, node)).then_some(())
        });
        close(client);
        program.resume();
    }

    /// The number of the server on which the session is connected.
    fn server_of(&self, session: &str) -> usize {
        let entry = format!("sid={session},");
        let addresses = self.running();
        eventually("the session is connected", ENSEMBLE_PATIENCE, || {
            let has_it = |(_, address): &&(usize, SocketAddr)| {
                four_letter_word(*address, "cons").is_ok_and(|answer| answer.contains(&entry))
            };
            addresses.iter().find(has_it).map(|(server, _)| *server)
        })
    }

    fn running(&self) -> Vec<(usize, SocketAddr)> {
        match self {
            Self::One { server, .. } => vec![(0, server.address())],
            Self::Several { ensemble, .. } => (0..ensemble.len())
                .filter(|member| ensemble.is_running(*member))
                .map(|member| (member, ensemble.address(member)))
                .collect(),
        }
    }

    /// A client of our own that knows all that is committed.
    fn client(&self) -> Client {
        let (_, address) = self.running()[0];
        let (mut client, _) = Client::open_session(address, TIMEOUT_MS);
        sync(&mut client, "/");
        client
    }
}

const TIMEOUT_MS: i32 = 30_000;

fn close(mut client: Client) {
    let reply = call(&mut client, CLOSE_SESSION, &Body::new());
    assert_eq!(reply.error, 0, "a session is closed");
}
