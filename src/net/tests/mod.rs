//! The ports between servers over real loopback sockets, against peers made of bytes.

mod election_port;
mod peer_sasl;
mod quorum_port;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::auth::sasl::{Acceptor, Accounts, Credentials, Service};
use crate::auth::{AuthOptions, Policy};
use crate::base::{Monotonic, Now, WallMillis};
use crate::config::{CommandLine, Config, ListenAddress, ListenHost, PeerLogin, PeerSaslOptions};
use crate::net::{Clock, NetOptions, Server, Words};
use crate::peer::Input;
use crate::quorum::{Address, Host};
use crate::tree::{Database, TreeOptions};

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Now {
        let passed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Now {
            monotonic: Monotonic(passed),
            wall: WallMillis(0),
        }
    }
}

struct NoWords;

impl Words for NoWords {
    fn is_known(&self, _: [u8; 4]) -> bool {
        false
    }

    fn argument_bytes(&self, _: [u8; 4]) -> usize {
        0
    }

    fn answer(&self, _: &Arc<Server>, _: [u8; 4], _: &[u8], _: SocketAddr) -> JoinHandle<Bytes> {
        unreachable!("no word is known")
    }
}

/// Magic and status of a token that is not the last, as servers log in to each other.
const SASL_IN_PROGRESS: &[u8] = b"\x5f\x24\x35\x01\x35\x01\xed\xcc\0\0\0\0";

/// One user, who this server is too.
fn sasl(is_demanded: bool) -> PeerSaslOptions {
    let passwords = [("test".to_owned(), "mypassword".to_owned())];
    PeerSaslOptions {
        acceptor: Acceptor::Digest(Accounts::new(Service::SERVERS, passwords.into())),
        hosts: BTreeSet::new(),
        canonicalizes_hosts: false,
        is_demanded,
        login: Some(PeerLogin::Digest(Credentials {
            user: "test".to_owned(),
            password: "mypassword".to_owned(),
        })),
    }
}

/// A server without a writer: what comes for it is looked at here.
struct Stage {
    runtime: Runtime,
    server: Arc<Server>,
    inputs: std::collections::VecDeque<Input>,
}

impl Stage {
    fn new() -> Self {
        let command_line = CommandLine {
            client_port: Some(0),
            data_dir: Some("data".to_owned()),
            ..CommandLine::default()
        };
        let config = Config::load(&command_line).unwrap().0;
        let options = NetOptions {
            listen: config.listen,
            wire: config.wire,
            throttle: config.throttle,
            tls: None,
            seed: 0,
        };
        let policy = Arc::new(Policy::new(&AuthOptions::default()).unwrap());
        let database = Database::new(TreeOptions::default());
        let clock = Arc::new(TestClock(Instant::now()));
        let server = Server::new(database, policy, options, clock, Arc::new(NoWords));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self {
            runtime,
            server: Arc::new(server),
            inputs: std::collections::VecDeque::new(),
        }
    }

    /// The next input.
    fn next(&mut self) -> Input {
        while self.inputs.is_empty() {
            let mut taken = Vec::new();
            self.server.submissions.take(&mut taken, Some(PATIENCE));
            assert!(!taken.is_empty(), "nothing comes");
            self.inputs.extend(taken);
        }
        self.inputs.pop_front().unwrap()
    }

    /// The first input that `wanted` makes something of; those before it are dropped.
    fn until<T>(&mut self, wanted: impl Fn(&Input) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next()) {
                return found;
            }
        }
    }
}

/// An address of this machine that nobody else uses.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = number.to_be_bytes();
    let ip = Ipv4Addr::new(127, std::process::id().to_be_bytes()[3], high, low);
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn to_address(at: SocketAddr) -> Address {
    Address {
        host: Host::Ip(at.ip()),
        port: at.port(),
    }
}

fn to_listen(at: SocketAddr) -> ListenAddress {
    ListenAddress {
        host: ListenHost::Ip(at.ip()),
        port: at.port(),
    }
}

/// The other end of a connection.
struct Wire(TcpStream);

impl Wire {
    /// Dials until the port is open.
    fn dial(at: SocketAddr) -> Self {
        let stream = eventually(|| TcpStream::connect(at).ok());
        Self::over(stream)
    }

    fn accept(listener: &TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let stream = eventually(|| listener.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What one `read` gives.
    fn receive_once(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.0.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    /// Waits for the other side to close; nothing may come before.
    fn expect_closed(&mut self) {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("expected the end, found {other:?} {byte:?}"),
        }
    }
}

/// An address that answers nobody, as that of a host that is gone: what dials it waits.
struct SilentAddress {
    at: SocketAddr,
    _listener: rustix::fd::OwnedFd,
    _callers: Vec<TcpStream>,
}

impl SilentAddress {
    fn new() -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&listener, 0).unwrap();
        let at: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
        // Until those that nobody accepts are as many as may wait.
        let call = || TcpStream::connect_timeout(&at, Duration::from_millis(200)).ok();
        let callers = std::iter::from_fn(call).collect();
        Self {
            at,
            _listener: listener,
            _callers: callers,
        }
    }
}

/// Asks again and again, giving way to others in between.
fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it does not happen");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
