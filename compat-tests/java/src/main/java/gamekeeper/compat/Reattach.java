package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;

import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/**
 * A client keeps its session, its ephemeral nodes, its watches and its identity when its server is restarted.
 *
 * <p>Prints {@code restart} when it is ready, and goes on after a line on standard input.
 */
final class Reattach {
    private Reattach() {}

    static void afterRestart(World world) throws Exception {
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        CuratorFramework client = world.start(world.builder().authorization("digest", bytes("carol:pw")));
        client.getConnectionStateListenable().addListener((unused, state) -> states.add(state));
        ZooKeeper zk = client.getZookeeperClient().getZooKeeper();
        long session = zk.getSessionId();
        String mine = world.path("mine");
        client.create().withMode(CreateMode.EPHEMERAL).withACL(Ids.CREATOR_ALL_ACL).forPath(mine, bytes("1"));
        InterProcessMutex lock = new InterProcessMutex(client, world.path("lock"));
        lock.acquire();

        String watched = world.path("watched");
        zk.create(watched, bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Watches.Log once = new Watches.Log(world.root());
        Watches.Log always = new Watches.Log(world.root());
        Watches.Log whole = new Watches.Log(world.root());
        CountDownLatch made = new CountDownLatch(1);
        zk.getData(watched, once, null);
        zk.getChildren(watched, once);
        zk.exists(world.path("later"), event -> {
            if (event.getType() == EventType.NodeCreated) {
                made.countDown();
            }
        });
        zk.addWatch(watched, always, AddWatchMode.PERSISTENT);
        zk.addWatch(world.root(), whole, AddWatchMode.PERSISTENT_RECURSIVE);

        serverRestarts();
        awaitReconnected(states);
        same(session, client.getZookeeperClient().getZooKeeper().getSessionId(), "the session");
        // Reading one's own protected node shows that the identity was given again.
        same("1", Check.text(client.getData().forPath(mine)), "own data");
        same(session, client.checkExists().forPath(mine).getEphemeralOwner(), "the owner");
        require(lock.isOwnedByCurrentThread(), "the lock is held");

        CuratorFramework other = world.client();
        InterProcessMutex taken = new InterProcessMutex(other, world.path("lock"));
        require(!taken.acquire(1, TimeUnit.MILLISECONDS), "the lock is taken for others");
        other.setData().forPath(watched, bytes("2"));
        other.create().forPath(watched + "/child");
        other.create().forPath(world.path("later"));
        once.expect("NodeDataChanged /watched");
        once.expect("NodeChildrenChanged /watched");
        always.expect("NodeDataChanged /watched");
        always.expect("NodeChildrenChanged /watched");
        require(made.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the watch on a missing node fires");
        whole.await("NodeDataChanged /watched");
        whole.await("NodeCreated /watched/child");
        whole.await("NodeCreated /later");

        lock.release();
        require(taken.acquire(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the lock comes free");
        taken.release();
        client.close();
        await("the ephemeral node goes with its session", () -> other.checkExists().forPath(mine) == null);
    }

    /** More watches than fit into one request: the client sends them again in several. */
    static void manyWatches(World world) throws Exception {
        int count = 4_000;
        ZooKeeper zk = world.raw();
        String prefix = world.path("a-name-that-makes-the-list-of-all-watches-long-enough-to-be-split-");
        BlockingQueue<String> fired = new LinkedBlockingQueue<>();
        CountDownLatch set = new CountDownLatch(count);
        for (int n = 0; n < count; n++) {
            zk.exists(prefix + n, event -> {
                if (event.getType() == EventType.NodeCreated) {
                    fired.add(event.getPath());
                }
            }, (code, path, context, stat) -> set.countDown(), null);
        }
        require(set.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "all watches are set");
        serverRestarts();
        ZooKeeper other = world.raw();
        for (int n = 0; n < count; n += 500) {
            other.create(prefix + n, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        }
        TreeSet<String> expected = new TreeSet<>();
        TreeSet<String> found = new TreeSet<>();
        for (int n = 0; n < count; n += 500) {
            expected.add(prefix + n);
            found.add(fired.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS));
        }
        same(expected, found, "watches that fired");
        same(null, fired.peek(), "another one that fired");
    }

    /** Waits until the client is back, which has not lost its session meanwhile. */
    static void awaitReconnected(BlockingQueue<ConnectionState> states) throws Exception {
        ConnectionState state;
        do {
            state = states.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS);
            require(state != null && state != ConnectionState.LOST, "the session lives on, not " + state);
        } while (state != ConnectionState.RECONNECTED);
    }

    private static void serverRestarts() throws Exception {
        ask("restart");
    }

    /** Asks the driver for something, and waits until it says that it is done. */
    static void ask(String what) throws Exception {
        System.out.println(what);
        System.out.flush();
        int read;
        do {
            read = System.in.read();
            require(read >= 0, "the driver does it: " + what);
        } while (read != '\n');
    }
}
