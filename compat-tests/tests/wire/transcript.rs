//! What a server said, as lines of text that must be equal for both servers.
//!
//! Frames go in; out comes one line each, fully decoded, with what legitimately differs masked: wall
//! times become `now`, session ids `S0`, `S1`... in order of appearance, passwords `ok` when they are
//! what the session id demands, zxids the distance from where the scenario began. Lists whose order
//! the protocol leaves open are sorted. Bytes that are left over after decoding are always shown.

use std::time::{SystemTime, UNIX_EPOCH};

use compat_tests::{
    tree::Stat,
    wire::{Reader, Session},
};

use crate::ops::op;

#[derive(Debug, Default)]
pub(crate) struct Transcript {
    lines: Vec<String>,
    base_zxid: i64,
    sessions: Vec<Session>,
    closed: Vec<i64>,
    conns: usize,
}

impl Transcript {
    pub(crate) fn new(base_zxid: i64) -> Self {
        Self {
            base_zxid,
            ..Self::default()
        }
    }

    pub(crate) fn next_conn(&mut self) -> usize {
        self.conns += 1;
        self.conns - 1
    }

    pub(crate) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(crate) fn session(&mut self, conn: usize, session: &Session) {
        if session.id != 0 && !self.sessions.iter().any(|known| known.id == session.id) {
            self.sessions.push(session.clone());
        }
        let line = format!(
            "c{conn} connected version={} timeout={} session={} password={} readOnly={:?}",
            session.protocol_version,
            session.timeout_ms,
            self.session_name(session.id),
            password_text(session),
            session.read_only,
        );
        self.lines.push(line);
    }

    pub(crate) fn session_closed(&mut self, id: i64) {
        self.closed.push(id);
    }

    pub(crate) fn reply(&mut self, conn: usize, reply: &ReplyFrame<'_>) {
        let body = match reply.err {
            0 => self.body_text(reply.op, reply.body),
            _ => hex(reply.body),
        };
        let zxid = self.zxid_text(reply.zxid);
        let line = format!(
            "c{conn} op={} xid={} zxid={zxid} err={} {body}",
            reply.op, reply.xid, reply.err
        );
        self.lines.push(line.trim_end().to_owned());
    }

    pub(crate) fn event(&mut self, conn: usize, zxid: i64, err: i32, body: &[u8]) {
        let mut reader = Reader::new(body);
        let text = (|| {
            let (kind, state) = (reader.int()?, reader.int()?);
            Some(format!(
                "type={kind} state={state} path={}",
                text(&reader.string()?)
            ))
        })();
        let zxid = self.zxid_text(zxid);
        let text = text.unwrap_or_else(|| hex(body));
        self.lines.push(format!(
            "c{conn} EVENT zxid={zxid} err={err} {text}{}",
            left(&reader)
        ));
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The sessions that nobody has been seen closing.
    pub(crate) fn open_sessions(&self) -> Vec<Session> {
        let is_open = |session: &&Session| !self.closed.contains(&session.id);
        self.sessions.iter().filter(is_open).cloned().collect()
    }

    fn session_name(&self, id: i64) -> String {
        match self.sessions.iter().position(|session| session.id == id) {
            Some(index) => format!("S{index}"),
            None => format!("{id:#x}"),
        }
    }

    fn zxid_text(&self, zxid: i64) -> String {
        match zxid {
            ..=0 => zxid.to_string(),
            old if old <= self.base_zxid => "old".to_owned(),
            new => format!("+{}", new - self.base_zxid),
        }
    }

    fn stat_text(&self, stat: &Stat) -> String {
        format!(
            "stat(c={} m={} ctime={} mtime={} v={} cv={} av={} owner={} len={} n={} p={})",
            self.zxid_text(stat.czxid),
            self.zxid_text(stat.mzxid),
            time_text(stat.ctime),
            time_text(stat.mtime),
            stat.version,
            stat.cversion,
            stat.aversion,
            self.session_name(stat.ephemeral_owner),
            stat.data_length,
            stat.num_children,
            self.zxid_text(stat.pzxid),
        )
    }

    fn body_text(&self, op: i32, body: &[u8]) -> String {
        let mut reader = Reader::new(body);
        match self.fields(op, &mut reader) {
            Some(text) => format!("{text}{}", left(&reader)),
            None => format!("UNDECODABLE {}", hex(body)),
        }
    }

    fn fields(&self, op: i32, reader: &mut Reader<'_>) -> Option<String> {
        Some(match op {
            op::CREATE | op::SYNC => text(&reader.string()?),
            op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
                format!("{} {}", text(&reader.string()?), self.stat(reader)?)
            }
            op::EXISTS | op::SET_DATA | op::SET_ACL => self.stat(reader)?,
            op::GET_DATA | op::RECONFIG => {
                format!(
                    "data={} {}",
                    data_text(reader.buffer()?),
                    self.stat(reader)?
                )
            }
            op::GET_ACL => format!("{} {}", acl(reader)?, self.stat(reader)?),
            op::GET_CHILDREN | op::GET_EPHEMERALS => names(reader)?,
            op::GET_CHILDREN2 => format!("{} {}", names(reader)?, self.stat(reader)?),
            op::GET_ALL_CHILDREN_NUMBER | op::ADD_WATCH => reader.int()?.to_string(),
            op::MULTI | op::MULTI_READ => self.multi(reader)?,
            op::WHO_AM_I => client_infos(reader)?,
            op::SASL => format!("token={}", data_text(reader.buffer()?)),
            _ => String::new(),
        })
    }

    fn stat(&self, reader: &mut Reader<'_>) -> Option<String> {
        Stat::decode(reader).map(|stat| self.stat_text(&stat))
    }

    fn multi(&self, reader: &mut Reader<'_>) -> Option<String> {
        let mut text = String::new();
        loop {
            let (kind, done, err) = (reader.int()?, reader.byte()?, reader.int()?);
            text.push_str(&format!("[{kind} {done} {err}"));
            if done != 0 {
                return Some(text + "]");
            }
            let body = match kind {
                -1 => format!(" error={}", reader.int()?),
                op::DELETE | op::CHECK => String::new(),
                other => format!(" {}", self.fields(other, reader)?),
            };
            text.push_str(&body);
            text.push_str("] ");
        }
    }
}

/// A reply frame taken apart as far as every reply has it.
#[derive(Debug)]
pub(crate) struct ReplyFrame<'a> {
    pub(crate) op: i32,
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) err: i32,
    pub(crate) body: &'a [u8],
}

/// The password `ZooKeeperServer.generatePasswd` gives a session: java.util.Random seeded with the id
/// xor a constant, sixteen bytes, least significant byte of each draw first.
pub(crate) fn password_of(session_id: i64) -> Vec<u8> {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let seed = session_id.cast_unsigned() ^ 0xB341_5C00;
    let mut state = (seed ^ MULTIPLIER) & MASK;
    let mut password = Vec::with_capacity(16);
    for _ in 0..4 {
        state = (state.wrapping_mul(MULTIPLIER) + 0xB) & MASK;
        // Bits 47 to 16 of the state, which fill bytes 2 to 5 of its little-endian form.
        password.extend_from_slice(&state.to_le_bytes()[2..6]);
    }
    password
}

fn password_text(session: &Session) -> String {
    if session.password == password_of(session.id) {
        return "ok".to_owned();
    }
    hex(&session.password)
}

fn time_text(millis: i64) -> String {
    const DAY_MS: u128 = 24 * 60 * 60 * 1000;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_millis();
    match u128::try_from(millis) {
        Ok(time) if time != 0 && now.abs_diff(time) < DAY_MS => "now".to_owned(),
        _ => millis.to_string(),
    }
}

fn text(string: &Option<String>) -> String {
    const SHOWN: usize = 120;
    match string {
        None => "null".to_owned(),
        Some(long) if long.len() > SHOWN => {
            let head: String = long.chars().take(20).collect();
            format!(
                "{head:?}...({} bytes, sum {})",
                long.len(),
                sum(long.as_bytes())
            )
        }
        Some(short) => format!("{short:?}"),
    }
}

fn data_text(data: Option<&[u8]>) -> String {
    match data {
        None => "null".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(string) => text(&Some(string.to_owned())),
            Err(_) => hex(bytes),
        },
    }
}

fn names(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.int()?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(text(&reader.string()?));
    }
    names.sort();
    Some(format!("{count}:[{}]", names.join(",")))
}

fn acl(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.int()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let perms = reader.int()?;
        entries.push(format!(
            "{perms}:{}:{}",
            text(&reader.string()?),
            text(&reader.string()?)
        ));
    }
    Some(format!("acl{entries:?}"))
}

fn client_infos(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.int()?;
    let mut infos = Vec::new();
    for _ in 0..count {
        infos.push(format!(
            "{}={}",
            text(&reader.string()?),
            text(&reader.string()?)
        ));
    }
    infos.sort();
    Some(infos.join(","))
}

fn left(reader: &Reader<'_>) -> String {
    match reader.remaining() {
        [] => String::new(),
        rest => format!(" LEFT OVER {}", hex(rest)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    })
}

#[test]
fn passwords_match_the_published_vectors() {
    let vectors: [(i64, &str); 4] = [
        (0x0100_000e_bfc3_0000, "1f77f74bc0c38c2c95a4ce0c093ad8a0"),
        (0x0100_000e_bfc3_0001, "3298f14b600f6c718ae73538ddc2ec6d"),
        (1, "054cc74a37327db215e702e20c73f005"),
        (
            0xff00_0000_0000_0001_u64.cast_signed(),
            "054cc74a37327db215e702e20c73f005",
        ),
    ];
    for (id, password) in vectors {
        assert_eq!(hex(&password_of(id)), password, "session {id:#x}");
    }
}
