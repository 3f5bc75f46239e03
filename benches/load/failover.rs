//! The write gap: how long nobody can write after the leader of three servers is killed.
//!
//! In: ensembles to start. Out: one gap for each round. A client with one session writes, one request at
//! a time; then the leader is killed with SIGKILL, and the client tries all servers, one after the other,
//! until a write is acknowledged. Where it is connected before changes from round to round, so that it
//! loses the leader itself in some of them. Ensembles take turns, as in a comparison.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    conn,
    error::{Doing as _, LoadError},
    server::{Installation, Server},
    wire::{self, Credentials},
    workload::create_all,
};

const SIZE: usize = 3;
const PATH: &str = "/failover";
/// Long enough that a session outlives the turns of the other ensembles.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// Writes before each kill, so that the client is where it should be and all is well.
const WRITES_BEFORE: usize = 20;
/// A server that accepts and does not answer is given up for the next.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Between two servers that refuse.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);
/// An ensemble that takes longer has failed.
const GAP_MAX: Duration = Duration::from_secs(60);

/// The gaps of one ensemble, one for each round.
pub(crate) struct Gaps {
    pub(crate) server: &'static str,
    pub(crate) gaps: Vec<Duration>,
}

/// Kills each ensemble's leader `rounds` times; `progress` is told each gap.
pub(crate) fn run(
    installations: &[Installation],
    rounds: usize,
    scratch: &Path,
    progress: &mut impl FnMut(String),
) -> Result<Vec<Gaps>, LoadError> {
    let mut subjects = Vec::new();
    for installation in installations {
        let server = Server::start(installation, SIZE, scratch, None)?;
        let targets = server.subject().targets;
        create_all(&targets, std::iter::once((PATH.to_owned(), Vec::new())))?;
        let gaps = Gaps {
            server: installation.name,
            gaps: Vec::new(),
        };
        subjects.push((server, Client::new(targets), gaps));
    }
    for round in 0..rounds {
        for (server, client, gaps) in &mut subjects {
            let gap = kill_leader(server, client, round)?;
            progress(format!("{} {round}: {gap:?}", server.name()));
            gaps.gaps.push(gap);
        }
    }
    Ok(subjects.into_iter().map(|(_, _, gaps)| gaps).collect())
}

fn kill_leader(
    server: &mut Server<'_>,
    client: &mut Client,
    round: usize,
) -> Result<Duration, LoadError> {
    client.move_to(round);
    for _ in 0..WRITES_BEFORE {
        client.write()?;
    }
    let leader = server
        .leader()
        .ok_or_else(|| LoadError::Failed("nobody leads".to_owned()))?;
    let killed = Instant::now();
    server.kill(leader)?;
    client.write()?;
    let gap = killed.elapsed();
    server.revive(leader)?;
    Ok(gap)
}

/// A client of all servers, with one session.
struct Client {
    targets: Vec<SocketAddr>,
    /// Counts the servers tried.
    target: usize,
    stream: Option<TcpStream>,
    session: Option<Credentials>,
    xid: i32,
}

impl Client {
    fn new(targets: Vec<SocketAddr>) -> Self {
        Self {
            targets,
            target: 0,
            stream: None,
            session: None,
            xid: 0,
        }
    }

    fn move_to(&mut self, target: usize) {
        self.target = target;
        self.stream = None;
    }

    /// Writes until a server has acknowledged it.
    fn write(&mut self) -> Result<(), LoadError> {
        let begun = Instant::now();
        while let Err(error) = self.try_to_write() {
            if begun.elapsed() > GAP_MAX {
                return Err(error);
            }
            self.move_to(self.target + 1);
            thread::sleep(RETRY_INTERVAL);
        }
        Ok(())
    }

    fn try_to_write(&mut self) -> Result<(), LoadError> {
        if self.stream.is_none() {
            let target = self
                .targets
                .iter()
                .cycle()
                .nth(self.target % self.targets.len());
            let target = *target.ok_or(LoadError::Protocol("no address"))?;
            let (stream, session) = conn::open_session(
                target,
                SESSION_TIMEOUT_MS,
                self.session.as_ref(),
                ANSWER_MAX,
            )?;
            self.stream = Some(stream);
            self.session = Some(session);
        }
        let stream = self
            .stream
            .as_mut()
            .ok_or(LoadError::Protocol("no stream"))?;
        self.xid = self.xid.checked_add(1).unwrap_or(1);
        let mut request = Vec::new();
        wire::set_data(&mut request, self.xid, PATH, b"x");
        stream.write_all(&request).doing("send a write")?;
        let payload = conn::read_frame(stream)?;
        let reply = wire::reply(&payload)?;
        if reply.error == 0 {
            return Ok(());
        }
        Err(LoadError::Refused {
            xid: reply.xid,
            error: reply.error,
        })
    }
}
