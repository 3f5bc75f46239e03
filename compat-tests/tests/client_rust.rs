//! The `zookeeper-client` crate: every kind of operation it has, and a lock, against either server, alone and
//! as an ensemble; and `examples/rust_steps.rs`, the steps of every client that need a process of their own.
//!
//! The same servers serve all scenarios of a test; each works below a path of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{future::Future, process::Command, time::Duration};

use compat_tests::{
    cargo, clients::Site, ensemble::can_run_or_skip, eventually::PATIENCE, program::Program,
    server::Kind,
};
use tokio::time::timeout;
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, AuthUser, Client, CreateMode, CreateOptions, Error, EventType,
    LockOptions, LockPrefix, MultiReadResult, MultiWriteError, MultiWriteResult, Permission,
    SessionState,
};

const PERSISTENT: &CreateOptions<'static> = &CreateMode::Persistent.with_acls(Acls::anyone_all());

const STEPS: [&str; 3] = ["moves", "leader", "expiry"];

fn run(test: &str, kind: Kind, site: fn(Kind) -> Site) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let mut site = site(kind);
    scenarios(&site.connect_string());

    let mut steps = site.steps(&[]);
    steps.retain(|step| STEPS.contains(step));
    let mut command = Command::new(cargo::build().join("examples/rust_steps"));
    command.arg(site.connect_string()).args(&steps);
    site.accompany(Program::start(command), &steps);
}

compat_tests::cases! {
    apache: run(Kind::Apache, Site::one);
    ours: run(Kind::Ours, Site::one);
    three_of_apache: run(Kind::Apache, Site::three);
    three_of_ours: run(Kind::Ours, Site::three);
}

fn scenarios(address: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        operations(&connect(address, "/operations").await).await;
        kinds_of_nodes(&connect(address, "/kinds").await).await;
        writes_as_one(&connect(address, "/writes").await).await;
        reads_as_one(&connect(address, "/reads").await).await;
        one_shot_watches(&connect(address, "/watches").await).await;
        persistent_watches(&connect(address, "/persistent").await).await;
        access_lists(address).await;
        lock_is_handed_on(address).await;
        ephemerals_end_with_session(address).await;
        configuration(&connect(address, "/configuration").await, address).await;
    });
}

/// A client that sees only what is below `folder`.
async fn connect(address: &str, folder: &str) -> Client {
    let client = soon(Client::connect(address))
        .await
        .expect("a client connects");
    match client.create(folder, b"", PERSISTENT).await {
        Ok(_) | Err(Error::NodeExists) => {}
        Err(error) => panic!("{folder}: {error}"),
    }
    client
        .chroot(folder)
        .expect("nothing else holds this client's root")
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("an answer comes in time")
}

async fn operations(client: &Client) {
    let (made, sequence) = client.create("/node", b"data", PERSISTENT).await.unwrap();
    assert_eq!(sequence.into_i64(), -1);
    assert_eq!(client.check_stat("/node").await.unwrap(), Some(made));
    assert_eq!(
        client.get_data("/node").await.unwrap(),
        (b"data".to_vec(), made)
    );
    let set = client.set_data("/node", b"other", Some(0)).await.unwrap();
    assert_eq!((set.version, set.data_length), (1, 5));
    assert_eq!(
        client.set_data("/node", b"", Some(0)).await,
        Err(Error::BadVersion)
    );
    assert_eq!(
        client.create("/node", b"", PERSISTENT).await,
        Err(Error::NodeExists)
    );
    assert_eq!(
        client.create("/no/child", b"", PERSISTENT).await,
        Err(Error::NoNode)
    );
    assert_eq!(client.get_data("/no").await, Err(Error::NoNode));
    assert_eq!(client.check_stat("/no").await, Ok(None));

    client.mkdir("/node/a/b/c", PERSISTENT).await.unwrap();
    assert_eq!(client.list_children("/node").await.unwrap(), ["a"]);
    let (children, stat) = client.get_children("/node").await.unwrap();
    assert_eq!((children, stat.cversion), (vec!["a".to_owned()], 1));
    assert_eq!(client.count_descendants_number("/node").await, Ok(3));
    assert_eq!(client.delete("/node", None).await, Err(Error::NotEmpty));
    assert_eq!(
        client.delete("/node/a/b/c", Some(7)).await,
        Err(Error::BadVersion)
    );
    client.sync("/").await.unwrap();

    // Requests leave in the order their futures are made, whatever order they are awaited in.
    let writes: Vec<_> = (0..100_u8)
        .map(|version| client.set_data("/node/a", &[version], Some(version.into())))
        .collect();
    let read = client.get_data("/node/a");
    assert_eq!(read.await.unwrap().0, [99]);
    for write in writes {
        write.await.unwrap();
    }
    for path in ["/node/a/b/c", "/node/a/b", "/node/a", "/node"] {
        client.delete(path, None).await.unwrap();
    }
}

async fn kinds_of_nodes(client: &Client) {
    let numbered = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
    let own = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let (_, first) = client.create("/seq-", b"", &numbered).await.unwrap();
    let (stat, second) = client.create("/seq-", b"", &own).await.unwrap();
    assert_eq!((first.into_i64(), second.into_i64()), (0, 1));
    assert_eq!(stat.ephemeral_owner, client.session_id().0);
    let path = format!("/seq-{second}");
    assert_eq!(client.list_ephemerals("/").await.unwrap(), [path.as_str()]);
    let below = client.create(&format!("{path}/x"), b"", PERSISTENT).await;
    assert_eq!(below, Err(Error::NoChildrenForEphemerals));

    let container = CreateMode::Container.with_acls(Acls::anyone_all());
    client.create("/container", b"", &container).await.unwrap();
    client
        .create("/container/child", b"", PERSISTENT)
        .await
        .unwrap();
    let (_, gone) = client.check_and_watch_stat("/container").await.unwrap();
    client.delete("/container/child", None).await.unwrap();
    assert_eq!(
        soon(gone.changed()).await.event_type,
        EventType::NodeDeleted
    );

    let short = PERSISTENT.clone().with_ttl(Duration::from_millis(200));
    client.create("/ttl", b"", &short).await.unwrap();
    let (_, gone) = client.check_and_watch_stat("/ttl").await.unwrap();
    assert_eq!(
        soon(gone.changed()).await.event_type,
        EventType::NodeDeleted
    );
}

async fn writes_as_one(client: &Client) {
    let mut writer = client.new_multi_writer();
    writer.add_create("/a", b"1", PERSISTENT).unwrap();
    writer.add_set_data("/a", b"2", Some(0)).unwrap();
    writer.add_check_version("/a", 1).unwrap();
    writer.add_create("/gone", b"", PERSISTENT).unwrap();
    writer.add_delete("/gone", None).unwrap();
    let results = writer.commit().await.unwrap();
    assert!(matches!(&results[0], MultiWriteResult::Create { path, .. } if path == "/a"));
    assert!(matches!(&results[1], MultiWriteResult::SetData { stat } if stat.version == 1));
    assert_eq!(results[2], MultiWriteResult::Check);
    assert_eq!(results[4], MultiWriteResult::Delete);
    let (data, stat) = client.get_data("/a").await.unwrap();
    assert_eq!((data.as_slice(), stat.czxid), (&b"2"[..], stat.mzxid));

    let mut writer = client.new_multi_writer();
    writer.add_set_data("/a", b"never", None).unwrap();
    writer.add_create("/a", b"", PERSISTENT).unwrap();
    writer.add_delete("/a", None).unwrap();
    let failure = MultiWriteError::OperationFailed {
        index: 1,
        source: Error::NodeExists,
    };
    assert_eq!(writer.commit().await, Err(failure));
    assert_eq!(client.get_data("/a").await.unwrap(), (b"2".to_vec(), stat));

    let mut writer = client.new_check_writer("/a", Some(1)).unwrap();
    writer.add_set_data("/a", b"3", Some(1)).unwrap();
    assert_eq!(writer.commit().await.unwrap().len(), 1);
}

async fn reads_as_one(client: &Client) {
    client.create("/a", b"1", PERSISTENT).await.unwrap();
    client.create("/a/b", b"", PERSISTENT).await.unwrap();
    let mut reader = client.new_multi_reader();
    reader.add_get_data("/a").unwrap();
    reader.add_get_children("/a").unwrap();
    reader.add_get_data("/no").unwrap();
    let results = reader.commit().await.unwrap();
    assert!(
        matches!(&results[0], MultiReadResult::Data { data, stat } if data == b"1" && stat.num_children == 1)
    );
    assert!(matches!(&results[1], MultiReadResult::Children { children } if children == &["b"]));
    assert!(matches!(
        &results[2],
        MultiReadResult::Error { err: Error::NoNode }
    ));
}

#[expect(
    deprecated,
    reason = "dropping a watcher removes it too, but hides the server's answer"
)]
async fn one_shot_watches(client: &Client) {
    let (stat, created) = client.check_and_watch_stat("/node").await.unwrap();
    assert_eq!(stat, None);
    let (made, _) = client.create("/node", b"", PERSISTENT).await.unwrap();
    let event = soon(created.changed()).await;
    assert_eq!(
        (event.event_type, event.path.as_str()),
        (EventType::NodeCreated, "/node")
    );
    assert_eq!(event.zxid, made.czxid, "the event names its transaction");

    let (_, _, changed) = client.get_and_watch_data("/node").await.unwrap();
    let (_, _, children) = client.get_and_watch_children("/node").await.unwrap();
    let (_, removed) = client.list_and_watch_children("/node").await.unwrap();
    removed.remove().await.unwrap();
    let set = client.set_data("/node", b"1", None).await.unwrap();
    let event = soon(changed.changed()).await;
    assert_eq!(
        (event.event_type, event.zxid),
        (EventType::NodeDataChanged, set.mzxid)
    );
    client.create("/node/child", b"", PERSISTENT).await.unwrap();
    assert_eq!(
        soon(children.changed()).await.event_type,
        EventType::NodeChildrenChanged
    );

    let (_, _, deleted) = client.get_and_watch_data("/node/child").await.unwrap();
    client.delete("/node/child", None).await.unwrap();
    assert_eq!(
        soon(deleted.changed()).await.event_type,
        EventType::NodeDeleted
    );
}

#[expect(
    deprecated,
    reason = "dropping a watcher removes it too, but hides the server's answer"
)]
async fn persistent_watches(client: &Client) {
    let mut one = client
        .watch("/node", AddWatchMode::Persistent)
        .await
        .unwrap();
    let mut all = client
        .watch("/node", AddWatchMode::PersistentRecursive)
        .await
        .unwrap();
    client.create("/node", b"", PERSISTENT).await.unwrap();
    client.create("/node/a", b"", PERSISTENT).await.unwrap();
    client.set_data("/node/a", b"1", None).await.unwrap();
    client.set_data("/node", b"1", None).await.unwrap();
    client.delete("/node/a", None).await.unwrap();
    client.delete("/node", None).await.unwrap();
    let expected_of_one = [
        (EventType::NodeCreated, "/node"),
        (EventType::NodeChildrenChanged, "/node"),
        (EventType::NodeDataChanged, "/node"),
        (EventType::NodeChildrenChanged, "/node"),
        (EventType::NodeDeleted, "/node"),
    ];
    let expected_of_all = [
        (EventType::NodeCreated, "/node"),
        (EventType::NodeCreated, "/node/a"),
        (EventType::NodeDataChanged, "/node/a"),
        (EventType::NodeDataChanged, "/node"),
        (EventType::NodeDeleted, "/node/a"),
        (EventType::NodeDeleted, "/node"),
    ];
    for (kind, path) in expected_of_one {
        let event = soon(one.changed()).await;
        assert_eq!((event.event_type, event.path.as_str()), (kind, path));
    }
    for (kind, path) in expected_of_all {
        let event = soon(all.changed()).await;
        assert_eq!((event.event_type, event.path.as_str()), (kind, path));
    }
    one.remove().await.unwrap();
    all.remove().await.unwrap();
}

async fn access_lists(address: &str) {
    let owner = connect(address, "/acl").await;
    let creator = CreateMode::Persistent.with_acls(Acls::creator_all());
    assert_eq!(
        owner.create("/mine", b"", &creator).await,
        Err(Error::InvalidAcl)
    );
    owner.auth("digest", b"alice:secret").await.unwrap();
    owner.create("/mine", b"data", &creator).await.unwrap();
    let users = owner.list_auth_users().await.unwrap();
    assert!(
        users.contains(&AuthUser::new("digest", "alice")),
        "{users:?}"
    );
    let (list, _) = owner.get_acl("/mine").await.unwrap();
    let digest = AuthId::new("digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    assert_eq!(list, [Acl::new(Permission::ALL, digest)]);

    let stranger = connect(address, "/acl").await;
    assert_eq!(stranger.get_data("/mine").await, Err(Error::NoAuth));
    assert_eq!(
        stranger.set_data("/mine", b"", None).await,
        Err(Error::NoAuth)
    );
    let open = [Acl::new(Permission::ALL, AuthId::anyone())];
    assert_eq!(
        stranger.set_acl("/mine", &open, None).await,
        Err(Error::NoAuth)
    );
    assert_eq!(
        owner.set_acl("/mine", &open, Some(3)).await,
        Err(Error::BadVersion)
    );
    assert_eq!(
        owner
            .set_acl("/mine", &open, Some(0))
            .await
            .unwrap()
            .aversion,
        1
    );
    stranger.sync("/").await.unwrap();
    assert_eq!(stranger.get_data("/mine").await.unwrap().0, b"data");
    assert_eq!(
        stranger.auth("unheard", b"of").await,
        Err(Error::AuthFailed)
    );
}

async fn lock_is_handed_on(address: &str) {
    let first = connect(address, "/locks").await;
    let second = connect(address, "/locks").await;
    let options = || {
        LockOptions::new(Acls::anyone_all())
            .with_ancestor_options(PERSISTENT.clone())
            .expect("plain options")
    };
    let prefix = || LockPrefix::new_curator("/lock", "lock-").expect("a legal prefix");
    let held = first.lock(prefix(), b"", options()).await.unwrap();
    let waiting = tokio::spawn(async move {
        let held = second.lock(prefix(), b"", options()).await?;
        held.create("/result", b"second", PERSISTENT)
            .await
            .map(|_| ())
    });
    let mut queue = first
        .watch("/lock", AddWatchMode::Persistent)
        .await
        .unwrap();
    while first.list_children("/lock").await.unwrap().len() < 2 {
        soon(queue.changed()).await;
    }
    assert_eq!(first.check_stat("/result").await, Ok(None));
    drop(held);
    soon(waiting)
        .await
        .expect("the task ends")
        .expect("the second gets the lock");
    first.sync("/").await.unwrap();
    assert_eq!(first.get_data("/result").await.unwrap().0, b"second");
}

async fn ephemerals_end_with_session(address: &str) {
    let onlooker = connect(address, "/session").await;
    let ephemeral = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

    let leaving = connect(address, "/session").await;
    leaving.create("/closes", b"", &ephemeral).await.unwrap();
    onlooker.sync("/").await.unwrap();
    let (_, gone) = onlooker.check_and_watch_stat("/closes").await.unwrap();
    drop(leaving);
    assert_eq!(
        soon(gone.changed()).await.event_type,
        EventType::NodeDeleted
    );

    // A detached client leaves its session behind, and another takes it up.
    let detached = Client::connector()
        .with_detached()
        .connect(address)
        .await
        .unwrap();
    detached
        .create("/session/moves", b"", &ephemeral)
        .await
        .unwrap();
    let session = detached.into_session();
    let id = session.id();
    let heir = Client::connector()
        .with_session(session.clone())
        .connect(address)
        .await
        .unwrap();
    assert_eq!(heir.session_id(), id);
    heir.sync("/").await.unwrap();
    let stat = heir.check_stat("/session/moves").await.unwrap();
    assert_eq!(stat.map(|stat| stat.ephemeral_owner), Some(id.0));
    onlooker.sync("/").await.unwrap();
    let (_, gone) = onlooker.check_and_watch_stat("/moves").await.unwrap();
    drop(heir);
    assert_eq!(
        soon(gone.changed()).await.event_type,
        EventType::NodeDeleted
    );
    let late = Client::connector()
        .with_session(session)
        .with_fail_eagerly();
    assert!(
        soon(late.connect(address)).await.is_err(),
        "a closed session cannot be taken up"
    );
    assert_eq!(onlooker.state(), SessionState::SyncConnected);
}

async fn configuration(client: &Client, address: &str) {
    let (config, stat) = client.get_config().await.unwrap();
    let config = String::from_utf8(config).unwrap();
    assert_eq!(usize::try_from(stat.data_length), Ok(config.len()));
    if address.contains(',') {
        let members = address.split(',').count();
        assert_eq!(config.lines().count(), members + 1, "{config}");
        assert!(config.ends_with("version=0"), "{config}");
    } else {
        assert_eq!(config, "");
    }
    let joining = std::iter::once("server.9=localhost:1:2;3");
    let refused = client
        .update_ensemble(
            zookeeper_client::EnsembleUpdate::New { ensemble: joining },
            None,
        )
        .await;
    assert_eq!(refused, Err(Error::ReconfigDisabled));
}
