package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * What an older client library can do: {@code OldClient address version}, with that version's jars on the class path.
 *
 * <p>It is compiled with the newest library, and a method only calls what the version in its name has.
 */
public final class OldClient {
    private static final int TIMEOUT_MS = 10_000;

    private OldClient() {}

    public static void main(String[] args) throws Exception {
        int minor = Integer.parseInt(args[1].split("\\.")[1]);
        ZooKeeper zk = connect(args[0], 0, null);
        String root = "/old-" + minor;
        same(root, zk.create(root, bytes("root"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT), "the path");
        basics(zk, root);
        if (minor >= 5) {
            since5(zk, root);
            // Of a single server.
            boolean hasConfig = args[0].contains(",");
            same(hasConfig, zk.getConfig(false, null).length > 0, "whether there is a configuration");
        }
        if (minor >= 6) {
            since6(zk, root);
        }
        session(zk, root, args[0]);
        System.out.println("ok " + args[1]);
        System.exit(0);
    }

    private static void basics(ZooKeeper zk, String root) throws Exception {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        String path = root + "/node";
        same(null, zk.exists(path, event -> events.add(event.getType() + event.getPath())), "a missing node");
        zk.create(path, bytes("data"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        same(EventType.NodeCreated + path, events.poll(20, TimeUnit.SECONDS), "the event");
        Stat stat = new Stat();
        byte[] data = zk.getData(path, event -> events.add(event.getType() + event.getPath()), stat);
        same("data", text(data), "data");
        same(1, zk.setData(path, bytes("more"), stat.getVersion()).getVersion(), "the version");
        same(EventType.NodeDataChanged + path, events.poll(20, TimeUnit.SECONDS), "the event");
        fails(KeeperException.BadVersionException.class, () -> zk.setData(path, null, 0));
        List<String> made = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            made.add(zk.create(path + "/n-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL));
        }
        same(List.of(path + "/n-0000000000", path + "/n-0000000001", path + "/n-0000000002"), made, "names");
        same(3, zk.getChildren(path, false, stat).size(), "children");
        same(3, stat.getNumChildren(), "children in the stat");
        fails(KeeperException.NotEmptyException.class, () -> {
            zk.delete(path, -1);
            return null;
        });
        List<OpResult> results = zk.multi(Arrays.asList(
                Op.create(path + "/m", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.setData(path + "/m", bytes("2"), 0),
                Op.check(path + "/m", 1),
                Op.delete(made.get(0), 0)));
        same(path + "/m", ((OpResult.CreateResult) results.get(0)).getPath(), "the path made in a transaction");
        fails(KeeperException.NodeExistsException.class, () -> zk.multi(Arrays.asList(
                Op.delete(path + "/m", 1),
                Op.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT))));
        zk.addAuthInfo("digest", bytes("alice:secret"));
        zk.create(path + "/mine", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        same("alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=", zk.getACL(path + "/mine", stat).get(0).getId().getId(), "the id");
        same(1, zk.setACL(path + "/mine", Ids.READ_ACL_UNSAFE, 0).getAversion(), "the list's version");
        CountDownLatch synced = new CountDownLatch(1);
        zk.sync(path, (code, at, context) -> synced.countDown(), null);
        require(synced.await(20, TimeUnit.SECONDS), "a sync is answered");
    }

    private static void since5(ZooKeeper zk, String root) throws Exception {
        Stat stat = new Stat();
        String path = root + "/five";
        zk.create(path, bytes("data"), Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER, stat);
        same(4, stat.getDataLength(), "the stat of a new container");
        same(stat, zk.exists(path, event -> { }), "the same stat");
        zk.removeAllWatches(path, WatcherType.Any, false);
        fails(KeeperException.NoWatcherException.class, () -> {
            zk.removeAllWatches(path, WatcherType.Any, false);
            return null;
        });
    }

    private static void since6(ZooKeeper zk, String root) throws Exception {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        String path = root + "/six";
        zk.addWatch(path, event -> events.add(event.getType() + event.getPath()), AddWatchMode.PERSISTENT_RECURSIVE);
        zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create(path + "/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        same(EventType.NodeCreated + path, events.poll(20, TimeUnit.SECONDS), "the event");
        same(EventType.NodeCreated + path + "/a", events.poll(20, TimeUnit.SECONDS), "the event");
        same(List.of(path + "/a"), zk.getEphemerals(path), "own ephemeral nodes");
        same(1, zk.getAllChildrenNumber(path), "all children");
        List<OpResult> results = zk.multi(Arrays.asList(Op.getChildren(path), Op.getData(path)));
        same(List.of("a"), ((OpResult.GetChildrenResult) results.get(0)).getChildren(), "children");
    }

    /** A second handle takes the session over, and closing it takes the ephemeral nodes away. */
    private static void session(ZooKeeper zk, String root, String address) throws Exception {
        String path = root + "/session";
        zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        ZooKeeper heir = connect(address, zk.getSessionId(), zk.getSessionPasswd());
        same(zk.getSessionId(), heir.getSessionId(), "the session");
        same(heir.getSessionId(), heir.exists(path, false).getEphemeralOwner(), "the owner");
        ZooKeeper onlooker = connect(address, 0, null);
        CountDownLatch gone = new CountDownLatch(1);
        onlooker.exists(path, event -> {
            if (event.getType() == EventType.NodeDeleted) {
                gone.countDown();
            }
        });
        heir.close();
        require(gone.await(20, TimeUnit.SECONDS), "the ephemeral node goes with its session");
        onlooker.close();
    }

    private static ZooKeeper connect(String address, long session, byte[] password) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        var watcher = (org.apache.zookeeper.Watcher) event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
        };
        ZooKeeper zk = password == null
                ? new ZooKeeper(address, TIMEOUT_MS, watcher)
                : new ZooKeeper(address, TIMEOUT_MS, watcher, session, password);
        require(connected.await(20, TimeUnit.SECONDS), "a client connects");
        // On an ensemble others may have written what this client's server has not heard of.
        CountDownLatch synced = new CountDownLatch(1);
        zk.sync("/", (code, path, context) -> synced.countDown(), null);
        require(synced.await(20, TimeUnit.SECONDS), "a sync is answered");
        return zk;
    }
}
