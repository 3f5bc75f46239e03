//! Random requests from a fixed seed: both servers must say the same to all of them.
//!
//! Either three connections act on a handful of paths, one request at a time, and after each request
//! every connection is asked for its events; or one connection sends all its requests before it reads
//! the first reply, while another watches. Nothing is asserted besides: the other server is the judge. What Apache leaves to
//! chance or what ends its process is not generated.

use std::env;

use compat_tests::wire::Body;

use crate::{
    conn::Conn,
    ops::{self, ADMIN, ALL, Acl, CREATE, DELETE, OPEN, READ, WRITE, op},
    runner::Scenario,
    target::Target,
};

/// For a server with `extendedTypesEnabled`, `enforceQuota` and the super user of `auth`, which cleans
/// no containers meanwhile.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("random_1", &[], |t| random(t, 1)),
    Scenario::both("random_2", &[], |t| random(t, 2)),
    Scenario::both("random_3", &[], |t| random(t, 3)),
    Scenario::both("random_4", &[], |t| random(t, 4)),
    Scenario::both("garbage_1", &[], |t| garbage(t, 1)),
    Scenario::both("garbage_2", &[], |t| garbage(t, 2)),
    Scenario::both("random_and_restart", &[], random_and_restart),
    Scenario::both("pipelined_1", &[], |t| pipelined(t, 1)),
    Scenario::both("pipelined_2", &[], |t| pipelined(t, 2)),
    Scenario::both("pipelined_3", &[], |t| pipelined(t, 3)),
];

const STEPS: usize = 600;
const TTL_MAX: i64 = 0xff_ffff_ffff;
const USER_HASH: &str = "u1:nFvEGvYVx+7rsqB/M8EDT2ldrU0=";

const NAMES: [&str; 16] = [
    "a", "b", "c", "a/x", "a/y", "b/x", "a/x/z", "b/x/z", "s-", "a/s-", "", "a/", "a//x", "a/.",
    "a\u{1}", "a\0b",
];

const WELL_FORMED: usize = 10;

const ACLS: [&[Acl<'static>]; 7] = [
    OPEN,
    OPEN,
    &[(ALL, "auth", ""), (READ, "world", "anyone")],
    &[(ALL & !DELETE & !WRITE, "world", "anyone")],
    &[
        (READ | WRITE | CREATE, "world", "anyone"),
        (ALL, "digest", USER_HASH),
    ],
    &[
        (ADMIN, "world", "anyone"),
        (ALL, "ip", "127.0.0.0/8"),
        (ADMIN, "world", "anyone"),
    ],
    &[],
];

struct Dice(u64);

impl Dice {
    /// `GAMEKEEPER_WIRE_SEED=number` makes all rolls others: for a search beyond the fixed seeds.
    fn new(seed: u64) -> Self {
        let shift = env::var("GAMEKEEPER_WIRE_SEED").map_or(0, |text| {
            text.parse::<u64>()
                .expect("GAMEKEEPER_WIRE_SEED is a number")
        });
        Self((seed + (shift << 16)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// xorshift64*: small, and the same everywhere.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits") % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

fn random(t: &mut Target, seed: u64) {
    for mut conn in act(t, seed) {
        conn.quietly(|conn| conn.close().ok());
    }
    walk(t);
}

/// What was there before a crash is there after it, to the last Stat and ACL.
fn random_and_restart(t: &mut Target) {
    let conns = act(t, 5);
    t.crash_and_restart();
    drop(conns);
    walk(t);
}

/// Records everything below the scenario's node and below its quota.
fn walk(t: &Target) {
    let mut conn = t.conn();
    conn.auth("digest", b"super:secret").ok();
    let quota = format!("/zookeeper/quota{}", t.root());
    let mut paths = vec!["/zookeeper".to_owned(), quota, t.root()];
    while let Some(path) = paths.pop() {
        let children = conn.call(op::GET_CHILDREN2, &ops::path_watch(&path, false));
        conn.get(&path);
        conn.get_acl(&path);
        // The scenario may have deleted its own node; of /zookeeper, only its part is walked.
        if children.err == 0 && path != "/zookeeper" {
            paths.extend(children.names().iter().map(|name| format!("{path}/{name}")));
        }
    }
    conn.close().ok();
}

/// Random requests on three connections, which are handed back open.
fn act(t: &mut Target, seed: u64) -> Vec<Conn> {
    let mut requests = Requests::new(t, seed, false);
    let mut conns = vec![t.conn_at_root(), t.conn(), t.conn()];
    with_quota(&mut conns[0], t);
    for step in 0..STEPS {
        let actor = requests.dice.roll(conns.len());
        if requests.dice.one_in(60) {
            replace(t, &mut requests.dice, &mut conns, actor);
        } else {
            let (op, body) = requests.maybe_torn();
            t.note(format!(
                "step {step} c{actor} op {op} {} bytes",
                body.bytes().len()
            ));
            conns[actor].call(op, &body);
        }
        for conn in &mut conns {
            conn.ping();
        }
    }
    conns
}

fn pipelined(t: &mut Target, seed: u64) {
    let mut requests = Requests::new(t, seed, true);
    let mut conn = t.conn_at_root();
    let mut bytes = Vec::new();
    for _ in 0..STEPS {
        let (op, body) = requests.maybe_torn();
        bytes.extend_from_slice(&conn.framed(op, &body));
    }
    let mut watcher = t.conn();
    watcher.add_watch(&t.root(), ops::RECURSIVE).ok();
    watcher.add_watch(&t.path("a"), ops::PERSISTENT).ok();
    conn.client().send_raw(&bytes);
    for _ in 0..STEPS {
        conn.reply();
    }
    // The sender has seen all its replies, so all that was to be told is on its way.
    watcher.ping();
    conn.quietly(|conn| conn.close().ok());
    walk(t);
}

/// Bodies that are nothing but numbers and texts in a row, some of which happen to be requests.
fn garbage(t: &mut Target, seed: u64) {
    const OPS: [i32; 23] = [
        op::CREATE,
        op::DELETE,
        op::EXISTS,
        op::GET_DATA,
        op::SET_DATA,
        op::GET_ACL,
        op::SET_ACL,
        op::GET_CHILDREN,
        op::SYNC,
        op::PING,
        op::GET_CHILDREN2,
        op::MULTI,
        op::CREATE2,
        op::RECONFIG,
        op::CHECK_WATCHES,
        op::REMOVE_WATCHES,
        op::CREATE_CONTAINER,
        op::MULTI_READ,
        op::SET_WATCHES,
        op::GET_EPHEMERALS,
        op::GET_ALL_CHILDREN_NUMBER,
        op::SET_WATCHES2,
        op::ADD_WATCH,
    ];
    let mut dice = Dice::new(seed);
    let mut conn = t.conn_at_root();
    for _ in 0..STEPS {
        let op = dice.pick(&OPS);
        let mut body = Body::new();
        for _ in 0..dice.roll(9) {
            body = match dice.roll(6) {
                0 | 1 => body.int(dice.pick(&[-1, 0, 1, 1, 2, 4, 5, 13, 15, 100, i32::MAX, -2])),
                2 => body.long(dice.pick(&[-1, 0, 1, i64::MAX])),
                3 => body.byte(dice.pick(&[0, 1, 1, 0xff])),
                4 => body.string(dice.pick(&["world", "anyone", "digest", "", "/", "/\0"])),
                _ => body.string(&t.path(dice.pick(&["a", "b", "a/b"]))),
            };
        }
        t.note(format!("{op} {:02x?}", body.bytes()));
        conn.call(op, &body);
    }
    conn.quietly(|conn| conn.close().ok());
    walk(t);
}

fn with_quota(conn: &mut Conn, t: &Target) {
    conn.create(&t.path("b"), b"").ok();
    let quota = format!("/zookeeper/quota{}", t.root());
    conn.create(&quota, b"").ok();
    conn.create(&format!("{quota}/b"), b"").ok();
    let limits = b"count=-1,bytes=-1=;byteHardLimit=30;countHardLimit=4";
    conn.create(&format!("{quota}/b/zookeeper_limits"), limits)
        .ok();
    conn.create(&format!("{quota}/b/zookeeper_stats"), b"").ok();
}

/// A connection authenticates, comes back on a new one, or closes its session and opens another.
fn replace(t: &Target, dice: &mut Dice, conns: &mut [Conn], actor: usize) {
    let conn = &mut conns[actor];
    match dice.roll(3) {
        0 => {
            // One identity for each, since `auth` expands to several in no particular order.
            conn.auth("digest", format!("u{actor}:p").as_bytes());
        }
        1 => {
            let (again, _) = t.reattach(&conn.session().clone(), 40_000);
            conn.closed();
            conns[actor] = again;
        }
        _ => {
            // In which order its ephemerals go is open; so is that of the events.
            conn.quietly(|conn| conn.close().ok());
            conns[actor] = t.conn();
            for conn in conns.iter_mut() {
                let mut events = conn.quietly(Conn::events);
                events.sort();
                t.note(format!("{events:?}"));
            }
        }
    }
}

/// Makes requests up, all below `root`.
struct Requests {
    dice: Dice,
    root: String,
    base_zxid: i64,
    /// Without what Apache checks against the state of the moment: permissions and quotas.
    pipelined: bool,
}

impl Requests {
    fn new(t: &Target, seed: u64, pipelined: bool) -> Self {
        Self {
            dice: Dice::new(seed),
            root: t.root(),
            base_zxid: t.base_zxid(),
            pipelined,
        }
    }

    /// A request; now and then only the first part of its body.
    fn maybe_torn(&mut self) -> (i32, Body) {
        let (op, body) = self.request();
        let whole = body.into_bytes();
        let torn = self.dice.one_in(25);
        let kept = if torn {
            self.dice.roll(whole.len() + 1)
        } else {
            whole.len()
        };
        (op, Body::new().raw(&whole[..kept]))
    }

    fn request(&mut self) -> (i32, Body) {
        match self.dice.roll(20) {
            0..=8 => self.write(),
            9 => {
                let count = self.dice.roll(5);
                let records: Vec<_> = (0..count).map(|_| self.write_in_multi()).collect();
                (op::MULTI, ops::multi(&records))
            }
            10 => {
                let count = self.dice.roll(4);
                let records: Vec<_> = (0..count).map(|_| self.read_in_multi()).collect();
                (op::MULTI_READ, ops::multi(&records))
            }
            11..=15 => self.read(),
            _ => self.watch(),
        }
    }

    fn write(&mut self) -> (i32, Body) {
        let path = self.path();
        // The usage node is only read: what Apache does with strange text in it is a hazard.
        let path = if path.ends_with("zookeeper_stats") {
            self.root.clone()
        } else {
            path
        };
        match self.dice.roll(10) {
            0..=4 => self.create(&path),
            5 | 6 => (
                op::DELETE,
                ops::path_int(&path, self.dice.pick(&[-1, -1, 0, 1, 2])),
            ),
            9 if !self.pipelined => {
                let version = self.dice.pick(&[-1, -1, 0, 1]);
                let acl = self.acl();
                // Other scenarios want to create elsewhere.
                let is_own = path.starts_with(&self.root);
                let path = if is_own { &path } else { &self.root };
                (op::SET_ACL, ops::set_acl(path, acl, version))
            }
            _ => {
                let data = self.data();
                let version = self.dice.pick(&[-1, -1, -1, 0, 1]);
                (op::SET_DATA, ops::set_data(&path, &data, version))
            }
        }
    }

    fn create(&mut self, path: &str) -> (i32, Body) {
        let flags = self.dice.pick(&[0, 0, 0, 1, 1, 2, 3, 4, 5, 6, -1, 7]);
        let data = self.data();
        let body = |acl, flags| ops::create(path, &data, acl, flags);
        let acl = self.acl();
        match self.dice.pick(&[
            op::CREATE,
            op::CREATE2,
            op::CREATE_CONTAINER,
            op::CREATE_TTL,
        ]) {
            op::CREATE_TTL => {
                // Negative values with other modes end Apache's process.
                let ttl = self.dice.pick(&[TTL_MAX, TTL_MAX, 0, TTL_MAX + 1]);
                (op::CREATE_TTL, body(acl, flags).long(ttl))
            }
            // See the deviation in `create`: Apache is of two minds about these.
            op::CREATE_CONTAINER if matches!(flags, 1 | 3) => {
                (op::CREATE_CONTAINER, body(acl, flags - 1))
            }
            other => (other, body(acl, flags)),
        }
    }

    fn write_in_multi(&mut self) -> (i32, Body) {
        match self.dice.roll(8) {
            0 => {
                let path = self.path();
                (op::CHECK, ops::path_int(&path, self.dice.pick(&[-1, 0, 1])))
            }
            1 if self.dice.one_in(4) => self.read_in_multi(),
            _ => self.write(),
        }
    }

    fn read_in_multi(&mut self) -> (i32, Body) {
        let op = self.dice.pick(&[op::GET_DATA, op::GET_CHILDREN]);
        (op, ops::path_watch(&self.path(), self.dice.one_in(2)))
    }

    fn read(&mut self) -> (i32, Body) {
        let path = self.path();
        match self.dice.roll(12) {
            0 => (op::GET_ACL, ops::path_only(&path)),
            1 => (op::SYNC, ops::path_only(&path)),
            2 => (op::GET_EPHEMERALS, ops::path_only(&path)),
            3 => (op::GET_ALL_CHILDREN_NUMBER, ops::path_only(&path)),
            4 => (op::WHO_AM_I, Body::new()),
            _ => {
                let reads = [
                    op::EXISTS,
                    op::GET_DATA,
                    op::GET_CHILDREN,
                    op::GET_CHILDREN2,
                ];
                (
                    self.dice.pick(&reads),
                    ops::path_watch(&path, self.dice.one_in(2)),
                )
            }
        }
    }

    fn watch(&mut self) -> (i32, Body) {
        let path = self.path();
        match self.dice.roll(5) {
            0 | 1 => (
                op::ADD_WATCH,
                ops::path_int(&path, self.dice.pick(&[0, 1, 0, 1, 2])),
            ),
            2 => (
                op::CHECK_WATCHES,
                ops::path_int(&path, self.dice.pick(&[1, 2, 3, 4, 5, 6])),
            ),
            3 => (
                op::REMOVE_WATCHES,
                ops::path_int(&path, self.dice.pick(&[1, 2, 3, 4, 5, 0])),
            ),
            _ => {
                let op = self.dice.pick(&[op::SET_WATCHES, op::SET_WATCHES2]);
                let lists = if op == op::SET_WATCHES { 3 } else { 5 };
                let ago = i64::try_from(self.dice.roll(STEPS)).expect("small");
                let mut body = Body::new().long(self.base_zxid + ago);
                for _ in 0..lists {
                    let count = self.dice.roll(3);
                    let paths: Vec<_> = (0..count).map(|_| self.path()).collect();
                    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
                    body = body.strings(&paths);
                }
                (op, body)
            }
        }
    }

    fn path(&mut self) -> String {
        let name = match self.dice.roll(12) {
            0 => return self.root.clone(),
            1 => {
                let special = ["/", "", "no-slash", "/zookeeper/config", "/zookeeper/quota"];
                return self.dice.pick(&special).to_owned();
            }
            2 if !self.pipelined => {
                return format!("/zookeeper/quota{}/b/zookeeper_stats", self.root);
            }
            3 => self.dice.pick(&NAMES),
            // Mostly the well-formed ones, or nothing would ever exist.
            _ => self.dice.pick(&NAMES[..WELL_FORMED]),
        };
        format!("{}/{name}", self.root)
    }

    fn data(&mut self) -> Vec<u8> {
        vec![b'd'; self.dice.roll(14)]
    }

    fn acl(&mut self) -> &'static [Acl<'static>] {
        if self.pipelined {
            OPEN
        } else {
            self.dice.pick(&ACLS)
        }
    }
}
