//! Runs steps of the `zookeeper-client` crate against a server or an ensemble: `rust_steps host:port,... step...`
//!
//! These are those of the steps of every client that `tests/client_rust.rs` does not have, as they need a
//! process of their own. Prints `ok step` after each that passes; the first that fails panics. Steps ask
//! the test to do something to the servers or to this process by a line of its own, and go on after a line
//! that starts with `done`. Everything that waits has a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step fails by panicking, and talks to its test"
)]

use std::{
    env,
    future::Future,
    io,
    time::{Duration, Instant},
};

use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use zookeeper_client::{
    Acls, Client, CreateMode, CreateOptions, Error, EventType, LockOptions, LockPrefix,
    OneshotWatcher, SessionState,
};

const PATIENCE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(40);
const SHORT_TIMEOUT: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(10);
const PERSISTENT: &CreateOptions<'static> = &CreateMode::Persistent.with_acls(Acls::anyone_all());
const EPHEMERAL: &CreateOptions<'static> = &CreateMode::Ephemeral.with_acls(Acls::anyone_all());

fn main() {
    let mut arguments = env::args().skip(1);
    let hosts = arguments.next().expect("the servers");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        for step in arguments {
            let world = World::new(&hosts, &step).await;
            match step.as_str() {
                "moves" => moves(&world).await,
                "leader" => leader(&world).await,
                "expiry" => expiry(&world).await,
                _ => panic!("there is no step {step}"),
            }
            println!("ok {step}");
        }
    });
}

/// The servers, and the folder of the step that runs.
struct World {
    hosts: String,
    root: String,
}

impl World {
    async fn new(hosts: &str, step: &str) -> Self {
        let maker = connect(hosts, TIMEOUT).await;
        let prefix = format!("/rust-{step}-");
        let numbered = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
        let (_, sequence) = maker.create(&prefix, b"", &numbered).await.unwrap();
        Self {
            hosts: hosts.to_owned(),
            root: format!("{prefix}{sequence}"),
        }
    }

    async fn client(&self) -> Client {
        connect(&self.hosts, TIMEOUT).await
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root)
    }
}

/// A client that knows what was written before.
async fn connect(hosts: &str, session_timeout: Duration) -> Client {
    let connector = Client::connector().with_session_timeout(session_timeout);
    let client = soon(connector.connect(hosts)).await.expect("it connects");
    assert_eq!(
        client.session_timeout(),
        session_timeout,
        "what it asked for"
    );
    client.sync("/").await.unwrap();
    client
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it comes in time")
}

/// Repeats an action for as long as the connection is lost.
async fn insist<T, F: Future<Output = Result<T, Error>>>(action: impl Fn() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match soon(action()).await {
            Err(Error::ConnectionLoss) if Instant::now() < deadline => sleep(PAUSE).await,
            result => return result.expect("a connection"),
        }
    }
}

/// Says a line to the test and gives its answer.
async fn ask(line: String) -> String {
    println!("{line}");
    let read = || io::stdin().lines().next();
    let answer = spawn_blocking(read).await.expect("it reads");
    let answer = answer.expect("the test answers").expect("text");
    let rest = answer.strip_prefix("done").expect("the test has done it");
    rest.trim().to_owned()
}

async fn expect(watcher: OneshotWatcher, kind: EventType, path: &str) -> i64 {
    let event = soon(watcher.changed()).await;
    assert_eq!((event.event_type, event.path.as_str()), (kind, path));
    event.zxid
}

async fn expect_owner(client: &Client, path: &str) {
    let stat = insist(|| client.check_stat(path)).await;
    let owner = stat.map(|stat| stat.ephemeral_owner);
    assert_eq!(owner, Some(client.session_id().0), "the owner of {path}");
}

async fn moves(world: &World) {
    let connector = Client::connector().with_session_timeout(TIMEOUT);
    let connector = connector.with_auth("digest", b"alice:secret");
    let client = soon(connector.connect(&world.hosts)).await.unwrap();
    let id = client.session_id();
    let creator = CreateMode::Persistent.with_acls(Acls::creator_all());
    let [secret, mine, changed, deleted, created, parent, untouched] = [
        "secret",
        "mine",
        "changed",
        "deleted",
        "created",
        "parent",
        "untouched",
    ]
    .map(|name| world.at(name));
    client.create(&secret, b"s", &creator).await.unwrap();
    client.create(&mine, b"", EPHEMERAL).await.unwrap();
    for path in [&changed, &deleted, &parent, &untouched] {
        client.create(path, b"0", PERSISTENT).await.unwrap();
    }
    let (_, _, changed_watch) = client.get_and_watch_data(&changed).await.unwrap();
    let (_, deleted_watch) = client.check_and_watch_stat(&deleted).await.unwrap();
    let (_, created_watch) = client.check_and_watch_stat(&created).await.unwrap();
    let (_, parent_watch) = client.list_and_watch_children(&parent).await.unwrap();
    let (_, _, untouched_watch) = client.get_and_watch_data(&untouched).await.unwrap();

    ask(format!("move 0x{:x} {}", id.0, world.root)).await;
    expect(changed_watch, EventType::NodeDataChanged, &changed).await;
    expect(deleted_watch, EventType::NodeDeleted, &deleted).await;
    expect(created_watch, EventType::NodeCreated, &created).await;
    expect(parent_watch, EventType::NodeChildrenChanged, &parent).await;
    let mut state = client.state_watcher();
    while state.peek_state() != SessionState::SyncConnected {
        soon(state.changed()).await;
    }
    ask(format!("moved 0x{:x}", id.0)).await;

    assert_eq!(client.session_id(), id, "the session");
    expect_owner(&client, &mine).await;
    assert_eq!(client.get_data(&changed).await.unwrap().0, b"1");
    assert_eq!(client.get_data(&secret).await.unwrap().0, b"s");
    // Only this is told of what was not touched before.
    let set = client.set_data(&untouched, b"1", None).await.unwrap();
    let zxid = expect(untouched_watch, EventType::NodeDataChanged, &untouched).await;
    assert_eq!(zxid, set.mzxid, "the event names its transaction");
    ask("return".to_owned()).await;
}

async fn leader(world: &World) {
    let client = world.client().await;
    let id = client.session_id();
    let (folder, data, mine) = (world.at("lock"), world.at("data"), world.at("mine"));
    for path in [&folder, &data] {
        client.create(path, b"0", PERSISTENT).await.unwrap();
    }
    client.create(&mine, b"", EPHEMERAL).await.unwrap();
    let prefix = || LockPrefix::new_curator(&folder, "lock-").expect("a legal prefix");
    let options = || LockOptions::new(Acls::anyone_all());
    let held = soon(client.lock(prefix(), b"", options())).await.unwrap();

    ask("lose-leader".to_owned()).await;
    insist(|| client.set_data(&data, b"without", None)).await;
    assert_eq!(client.session_id(), id, "without the old leader");
    expect_owner(&client, &mine).await;

    let returned = ask("return".to_owned()).await;
    let next = connect(&returned, TIMEOUT).await;
    assert_eq!(next.get_data(&data).await.unwrap().0, b"without");
    let contender = next.clone();
    let (path, is_held) = (folder.clone(), world.at("is-held"));
    let waiting = tokio::spawn(async move {
        let prefix = LockPrefix::new_curator(&path, "lock-").expect("a legal prefix");
        let options = LockOptions::new(Acls::anyone_all());
        let held = contender.lock(prefix, b"", options).await?;
        held.create(&is_held, b"", PERSISTENT).await.map(|_| ())
    });
    let deadline = Instant::now() + PATIENCE;
    while insist(|| next.list_children(&folder)).await.len() < 2 {
        assert!(Instant::now() < deadline, "it queues");
        sleep(PAUSE).await;
    }
    let given = insist(|| next.check_stat(&world.at("is-held"))).await;
    assert_eq!(given, None, "a held lock is not given");
    drop(held);
    soon(waiting)
        .await
        .expect("the task ends")
        .expect("the lock is handed on");
    next.set_data(&data, b"back", None).await.unwrap();
    client.sync("/").await.unwrap();
    assert_eq!(client.get_data(&data).await.unwrap().0, b"back");
    assert_eq!(client.session_id(), id, "the session");
}

async fn expiry(world: &World) {
    let onlooker = world.client().await;
    let client = connect(&world.hosts, SHORT_TIMEOUT).await;
    let mine = world.at("mine");
    client.create(&mine, b"", EPHEMERAL).await.unwrap();
    onlooker.sync("/").await.unwrap();
    let (_, gone) = onlooker.check_and_watch_stat(&mine).await.unwrap();
    let mut state = client.state_watcher();
    ask(format!("expire {mine}")).await;
    while state.peek_state() != SessionState::Expired {
        soon(state.changed()).await;
    }
    expect(gone, EventType::NodeDeleted, &mine).await;
    let late = client.get_data(&world.root).await;
    assert_eq!(late.map(|_| ()), Err(Error::SessionExpired));
    let next = connect(&world.hosts, SHORT_TIMEOUT).await;
    assert_ne!(next.session_id(), client.session_id());
    next.create(&mine, b"", EPHEMERAL).await.unwrap();
    expect_owner(&next, &mine).await;
}
