package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** One-shot, persistent and recursive watches: which events come, once or always, and in which order. */
final class Watches {
    private Watches() {}

    static void oneShot(World world) throws Exception {
        ZooKeeper zk = world.raw();
        ZooKeeper other = world.raw();
        String path = world.path("node");
        Log log = new Log(world.root());
        same(null, zk.exists(path, log), "a node that is not there");
        other.create(path, bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        log.expect("NodeCreated /node");

        zk.getData(path, log, null);
        zk.getChildren(path, log);
        other.setData(path, bytes("2"), -1);
        log.expect("NodeDataChanged /node");
        other.setData(path, bytes("3"), -1);
        other.create(path + "/child", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        log.expect("NodeChildrenChanged /node");
        other.create(path + "/second", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);

        World.sync(zk);
        // One watcher on data and on children of one node hears of its deletion once.
        zk.getData(path + "/child", log, null);
        zk.getChildren(path + "/child", log);
        zk.getChildren(path, log);
        other.delete(path + "/child", -1);
        log.expect("NodeDeleted /node/child");
        log.expect("NodeChildrenChanged /node");
        log.expectNothingMoreThrough(zk);
    }

    static void persistent(World world) throws Exception {
        CuratorFramework other = world.client();
        String path = world.path("node");
        other.create().forPath(path);
        CuratorFramework client = world.client();
        Log log = new Log(world.root());
        PersistentWatcher watcher = world.closing(new PersistentWatcher(client, path, false));
        watcher.getListenable().addListener(log);
        CountDownLatch set = new CountDownLatch(1);
        watcher.getResetListenable().addListener(set::countDown);
        watcher.start();
        require(set.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the watch is set");

        other.setData().forPath(path, bytes("1"));
        log.expect("NodeDataChanged /node");
        other.setData().forPath(path, bytes("2"));
        log.expect("NodeDataChanged /node");
        other.create().forPath(path + "/child");
        log.expect("NodeChildrenChanged /node");
        other.setData().forPath(path + "/child", bytes("not watched"));
        other.delete().forPath(path + "/child");
        log.expect("NodeChildrenChanged /node");
        other.delete().forPath(path);
        log.expect("NodeDeleted /node");
        other.create().forPath(path);
        log.expect("NodeCreated /node");
        log.expectNothingMoreThrough(client.getZookeeperClient().getZooKeeper());
    }

    static void recursive(World world) throws Exception {
        ZooKeeper zk = world.raw();
        ZooKeeper other = world.raw();
        String path = world.path("node");
        Log log = new Log(world.root());
        zk.addWatch(path, log, AddWatchMode.PERSISTENT_RECURSIVE);
        create(other, path);
        create(other, path + "/a");
        create(other, path + "/a/b");
        create(other, world.path("node2"));
        other.setData(path + "/a/b", bytes("1"), -1);
        other.setData(path, bytes("1"), -1);
        other.delete(path + "/a/b", -1);
        other.delete(path + "/a", -1);
        other.delete(path, -1);
        // No NodeChildrenChanged: a recursive watch hears of the child itself.
        for (String event : List.of("NodeCreated /node", "NodeCreated /node/a", "NodeCreated /node/a/b",
                "NodeDataChanged /node/a/b", "NodeDataChanged /node", "NodeDeleted /node/a/b", "NodeDeleted /node/a",
                "NodeDeleted /node")) {
            log.expect(event);
        }
        log.expectNothingMoreThrough(zk);
    }

    static void treeCache(World world) throws Exception {
        CuratorFramework other = world.client();
        String path = world.path("tree");
        other.create().creatingParentsIfNeeded().forPath(path + "/before/deep", bytes("0"));
        CuratorFramework client = world.client();
        BlockingQueue<String> log = new LinkedBlockingQueue<>();
        CountDownLatch loaded = new CountDownLatch(1);
        CuratorCache cache = world.closing(CuratorCache.build(client, path));
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forInitialized(loaded::countDown)
                .build());
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreatesAndChanges((old, now) -> log.add("is " + now.getPath()))
                .forDeletes(node -> log.add("gone " + node.getPath()))
                .afterInitialized()
                .build());
        cache.start();
        require(loaded.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the cache is loaded");
        same(3, cache.size(), "nodes in the cache");

        Map<String, String> expected = new TreeMap<>();
        for (int i = 0; i < 30; i++) {
            String node = path + "/before/n" + i % 10;
            if (i < 10) {
                other.create().forPath(node, bytes("0"));
                expected.put(node, "0");
            } else if (i % 3 == 0) {
                other.delete().forPath(node);
                expected.remove(node);
            } else if (expected.containsKey(node)) {
                other.setData().forPath(node, bytes(Integer.toString(i)));
                expected.put(node, Integer.toString(i));
            } else {
                other.create().forPath(node, bytes("again"));
                expected.put(node, "again");
            }
        }
        other.delete().deletingChildrenIfNeeded().forPath(path + "/before/deep");
        await("the cache is like the tree", () -> {
            Map<String, String> found = new TreeMap<>();
            cache.stream()
                    .filter(node -> node.getPath().startsWith(path + "/before/"))
                    .forEach(node -> found.put(node.getPath(), text(node.getData())));
            return found.equals(expected);
        });
        await("the deletion is told", () -> log.contains("gone " + path + "/before/deep"));
    }

    static void remove(World world) throws Exception {
        ZooKeeper zk = world.raw();
        ZooKeeper other = world.raw();
        String path = world.path("node");
        create(other, path);
        World.sync(zk);
        Log removed = new Log(world.root());
        Log kept = new Log(world.root());
        zk.getData(path, removed, null);
        zk.getData(path, kept, null);
        zk.addWatch(path, kept, AddWatchMode.PERSISTENT);
        zk.removeWatches(path, removed, WatcherType.Data, false);
        removed.expect("DataWatchRemoved /node");
        fails(KeeperException.NoWatcherException.class, () -> {
            zk.removeWatches(path, removed, WatcherType.Any, false);
            return null;
        });
        other.setData(path, bytes("1"), -1);
        kept.expect("NodeDataChanged /node");
        zk.removeAllWatches(path, WatcherType.Any, false);
        kept.expect("PersistentWatchRemoved /node");
        other.setData(path, bytes("2"), -1);
        kept.expectNothingMoreThrough(zk);
        removed.expectNothingMoreThrough(zk);
    }

    private static void create(ZooKeeper zk, String path) throws Exception {
        zk.create(path, bytes("0"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    /** The events a watcher got, in order, with paths relative to the scenario's folder. */
    static final class Log implements Watcher {
        private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
        private final String root;

        Log(String root) {
            this.root = root;
        }

        @Override
        public void process(WatchedEvent event) {
            if (event.getType() != EventType.None) {
                events.add(event.getType() + " " + event.getPath().substring(root.length()));
            }
        }

        void expect(String event) throws Exception {
            same(event, events.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the next event");
        }

        /** Passes over other events up to this one. */
        void await(String event) throws Exception {
            String next;
            do {
                next = events.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS);
                require(next != null, "the event " + event + " arrives");
            } while (!next.equals(event));
        }

        /**
         * Events precede the reply of a later request in a client's stream, and its callbacks come from the one
         * thread that gives out events, so that after one callback nothing older can still arrive.
         */
        void expectNothingMoreThrough(ZooKeeper zk) throws Exception {
            CountDownLatch reply = new CountDownLatch(1);
            zk.sync(root, (code, path, context) -> reply.countDown(), null);
            require(reply.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a sync is answered");
            same(List.of(), new ArrayList<>(events), "events left over");
        }
    }
}
