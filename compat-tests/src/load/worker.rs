//! One client of a load.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{END, REGISTERS, ROOT, RUN, Shared, ephemeral_path, home, milliseconds, register_path};
use crate::{
    calls::{
        CLOSE_SESSION, CREATE, DELETE, EPHEMERAL, GET_DATA, PERSISTENT, PING, SET_DATA,
        SET_WATCHES, SYNC, create_body, header,
    },
    eventually::pace,
    history::{Answer, Call, Event, Record, Seen},
    tree::Stat,
    wire::{Body, Client, Inbound, Reader, Session, connect_request},
};

const LIVE_EPHEMERALS_MAX: usize = 3;
/// How long one server may take to accept a client, or to answer it, before the next is tried.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

const NOTIFICATION_XID: i32 = -1;
const PING_XID: i32 = -2;
const SET_WATCHES_XID: i32 = -8;
/// These end the connection, whatever becomes of the operation: connection loss, session expired,
/// session moved.
const ERRORS_OF_THE_CONNECTION: [i32; 3] = [-4, -112, -118];

/// One client.
pub(super) struct Worker {
    number: usize,
    shared: Arc<Shared>,
    records: Vec<Record>,
    /// The last operation's number.
    sent: u64,
    in_flight: VecDeque<(u64, Call)>,
    /// Index of the server to try next.
    server: usize,
    session: Option<Session>,
    last_zxid: i64,
    /// When any server last said something.
    heard: Instant,
    batches: u64,
    /// The versions it believes the registers to have.
    versions: BTreeMap<usize, i32>,
    watched: BTreeSet<usize>,
    ephemerals: VecDeque<u64>,
}

/// The connection is gone, or is to be given up.
struct Lost;

impl Worker {
    pub(super) fn new(number: usize, shared: Arc<Shared>) -> Self {
        Self {
            number,
            server: number,
            shared,
            records: Vec::new(),
            sent: 0,
            in_flight: VecDeque::new(),
            session: None,
            last_zxid: 0,
            heard: Instant::now(),
            batches: 0,
            versions: BTreeMap::new(),
            watched: BTreeSet::new(),
            ephemerals: VecDeque::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<Record> {
        let mut settled = false;
        while self.phase() != END {
            let Some(mut client) = self.connect() else {
                self.server += 1;
                // A refusal comes at once.
                pace();
                continue;
            };
            // It ends only with the connection or the load.
            let _ = self.use_connection(&mut client, &mut settled);
            if self.phase() != END {
                self.record(Event::Disconnected);
                self.in_flight.clear();
                self.server += 1;
            }
        }
        self.records
    }

    /// Tries one server. `None` if it is not there, does not answer, or says that the session is over.
    fn connect(&mut self) -> Option<Client> {
        let addresses = &self.shared.addresses;
        let address = addresses[self.server % addresses.len()];
        let mut client = Client::connect_within(address, SERVER_PATIENCE).ok()?;
        let timeout_ms = milliseconds(self.shared.options.session_timeout);
        let known = self.session.as_ref();
        let request = connect_request(
            self.last_zxid,
            timeout_ms,
            known.map_or(0, |session| session.id),
            Some(known.map_or(&[0; 16], |session| &session.password)),
            Some(false),
        );
        client.send_frame(request.bytes());
        let Inbound::Frame(frame) = client.read_frame_within(SERVER_PATIENCE) else {
            return None;
        };
        let session = Session::decode(&frame).expect("a ConnectResponse");
        if session.timeout_ms <= 0 {
            self.lose_session();
            return None;
        }
        if let Some(known) = &self.session {
            assert_eq!(session.id, known.id, "the session that was asked for");
        }
        self.heard = Instant::now();
        self.record(Event::Connected {
            session: session.id,
            timeout: Duration::from_millis(u64::try_from(session.timeout_ms).unwrap_or_default()),
        });
        self.session = Some(session);
        Some(client)
    }

    fn lose_session(&mut self) {
        if self.session.take().is_none() {
            // The server could not make a new one.
            return;
        }
        let away = self.heard.elapsed();
        self.record(Event::SessionOver { away });
        self.last_zxid = 0;
        self.watched.clear();
        self.ephemerals.clear();
        self.versions.clear();
    }

    /// Tells a server which watches the session had on another one.
    fn rearm(&mut self, client: &mut Client) -> Result<(), Lost> {
        if self.watched.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = self.watched.iter().map(|it| register_path(*it)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let body = Body::new()
            .long(self.last_zxid)
            .strings(&paths)
            .int(0)
            .int(0);
        client.request(SET_WATCHES_XID, SET_WATCHES, &body);
        self.await_xid(client, SET_WATCHES_XID)
    }

    fn use_connection(&mut self, client: &mut Client, settled: &mut bool) -> Result<(), Lost> {
        self.rearm(client)?;
        while self.phase() == RUN {
            self.send_batch(client);
            self.drain(client)?;
            self.listen(client, self.shared.options.pause)?;
        }
        if !*settled {
            self.last_look(client)?;
            *settled = true;
            let closes = self.number.is_multiple_of(2);
            if closes {
                self.send(client, Call::Close);
                // An answer and an end of the connection are the same to it.
                let _ = self.drain(client);
            }
            self.shared.settled.fetch_add(1, Ordering::Relaxed);
            if closes {
                while self.phase() != END {
                    pace();
                }
            }
        }
        while self.phase() != END {
            self.listen(client, self.shared.options.session_timeout / 8)?;
            client.request(PING_XID, PING, &Body::new());
            self.await_xid(client, PING_XID)?;
        }
        Ok(())
    }

    fn send_batch(&mut self, client: &mut Client) {
        self.batches += 1;
        let registers = self.shared.options.registers;
        // Another register in each batch, another one for each client.
        let turn = usize::try_from(self.batches).expect("a few batches") + self.number;
        let (register, other) = (turn % registers, (turn + 1) % registers);
        self.send(client, Call::Create);
        let expected = self.versions.get(&register).copied().unwrap_or(0);
        self.send(client, Call::Swap { register, expected });
        self.send(client, Call::Set);
        if self.batches.is_multiple_of(2) {
            self.send(client, Call::Sync);
        }
        let watch = !self.watched.contains(&other);
        self.send(
            client,
            Call::Read {
                register: other,
                watch,
            },
        );
        if self.batches.is_multiple_of(4) {
            self.send(client, Call::CreateEphemeral);
            if self.ephemerals.len() > LIVE_EPHEMERALS_MAX
                && let Some(created) = self.ephemerals.pop_front()
            {
                self.send(client, Call::DeleteEphemeral { created });
            }
        }
        self.send(client, Call::Set);
    }

    /// Reads every register, so that an event that was never sent shows.
    fn last_look(&mut self, client: &mut Client) -> Result<(), Lost> {
        for register in 0..self.shared.options.registers {
            self.send(client, Call::Sync);
            let watch = false;
            self.send(client, Call::Read { register, watch });
        }
        self.drain(client)
    }

    fn send(&mut self, client: &mut Client, call: Call) {
        self.sent += 1;
        let number = self.sent;
        self.record(Event::Sent(number, call));
        self.in_flight.push_back((number, call));
        let value = format!("{}.{number}", self.number);
        let home = home(self.number);
        let (op, body) = match call {
            Call::Create => {
                let path = format!("{home}/{number}");
                (CREATE, create_body(&path, value.as_bytes(), PERSISTENT))
            }
            Call::Set => (SET_DATA, Body::new().string(&home).string(&value).int(-1)),
            Call::Swap { register, expected } => {
                let body = Body::new().string(&register_path(register));
                (SET_DATA, body.string(&value).int(expected))
            }
            Call::Read { register, watch } => {
                let body = Body::new().string(&register_path(register));
                (GET_DATA, body.boolean(watch))
            }
            Call::Sync => (SYNC, Body::new().string(ROOT)),
            Call::CreateEphemeral => {
                let path = ephemeral_path(self.number, number);
                (CREATE, create_body(&path, b"", EPHEMERAL))
            }
            Call::DeleteEphemeral { created } => {
                let path = ephemeral_path(self.number, created);
                (DELETE, Body::new().string(&path).int(-1))
            }
            Call::Close => (CLOSE_SESSION, Body::new()),
        };
        let xid = i32::try_from(number).expect("a few operations");
        // A connection that is gone shows when the answer is awaited.
        client.request(xid, op, &body);
    }

    /// Waits for the answers to all that was sent.
    fn drain(&mut self, client: &mut Client) -> Result<(), Lost> {
        while !self.in_flight.is_empty() {
            if self.take(client, SERVER_PATIENCE)?.is_none() {
                return Err(Lost);
            }
        }
        Ok(())
    }

    fn await_xid(&mut self, client: &mut Client, wanted: i32) -> Result<(), Lost> {
        loop {
            match self.take(client, SERVER_PATIENCE)? {
                Some(xid) if xid == wanted => return Ok(()),
                Some(_) => {}
                None => return Err(Lost),
            }
        }
    }

    /// Takes what comes during a pause.
    fn listen(&mut self, client: &mut Client, pause: Duration) -> Result<(), Lost> {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.phase() == END {
                return Ok(());
            }
            self.take(client, left)?;
        }
    }

    /// Takes one frame and gives its xid; `None` if there was none.
    fn take(&mut self, client: &mut Client, patience: Duration) -> Result<Option<i32>, Lost> {
        let frame = match client.read_frame_within(patience) {
            Inbound::Frame(frame) => frame,
            Inbound::Silent => return Ok(None),
            Inbound::Closed => return Err(Lost),
        };
        let mut reader = Reader::new(&frame);
        let (xid, zxid, error) = header(&mut reader);
        self.heard = Instant::now();
        match xid {
            NOTIFICATION_XID => self.take_event(&mut reader),
            PING_XID | SET_WATCHES_XID => {}
            _ => self.take_answer(xid, zxid, error, &mut reader)?,
        }
        if xid != NOTIFICATION_XID && zxid > 0 {
            self.last_zxid = self.last_zxid.max(zxid);
        }
        Ok(Some(xid))
    }

    fn take_event(&mut self, reader: &mut Reader<'_>) {
        let _kind_and_state = reader.raw(8).expect("a WatcherEvent");
        let path = reader.string().flatten().expect("a WatcherEvent's path");
        let register = path
            .strip_prefix(REGISTERS)
            .and_then(|number| number.parse().ok());
        let register = register.unwrap_or_else(|| panic!("nobody watches {path}"));
        self.record(Event::Fired { register });
        self.watched.remove(&register);
    }

    fn take_answer(
        &mut self,
        xid: i32,
        zxid: i64,
        error: i32,
        reader: &mut Reader<'_>,
    ) -> Result<(), Lost> {
        let (number, call) = self
            .in_flight
            .pop_front()
            .expect("an answer that was asked for");
        assert_eq!(u64::try_from(xid), Ok(number), "answers come in order");
        if ERRORS_OF_THE_CONNECTION.contains(&error) {
            return Err(Lost);
        }
        let seen = (error == 0).then(|| decode_seen(call, reader)).flatten();
        match (call, &seen) {
            (Call::Read { register, watch }, Some(seen)) => {
                self.versions.insert(register, seen.version);
                if watch {
                    self.watched.insert(register);
                }
            }
            (Call::Swap { register, .. }, Some(seen)) => {
                self.versions.insert(register, seen.version);
            }
            (Call::CreateEphemeral, _) if error == 0 => self.ephemerals.push_back(number),
            _ => {}
        }
        if error == 0 && call.is_write() {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.record(Event::Answered(number, Answer { zxid, error, seen }));
        Ok(())
    }

    fn record(&mut self, event: Event) {
        let at = self.shared.started.elapsed();
        self.records.push(Record { at, event });
    }

    fn phase(&self) -> u8 {
        self.shared.phase.load(Ordering::Relaxed)
    }
}

fn decode_seen(call: Call, reader: &mut Reader<'_>) -> Option<Seen> {
    let value = match call {
        Call::Read { .. } => reader.string().expect("data").unwrap_or_default(),
        Call::Set | Call::Swap { .. } => String::new(),
        _ => return None,
    };
    let stat = Stat::decode(reader).expect("a stat");
    Some(Seen {
        value,
        version: stat.version,
        mzxid: stat.mzxid,
    })
}
