package gamekeeper.compat;

import static gamekeeper.compat.Check.DEADLINE_MS;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Much at once: what a client may pile up, a server must bear and answer in order. */
final class Load {
    private Load() {}

    /** Far more requests in flight than the server's limit: it may stop reading, but loses and reorders nothing. */
    static void pipeline(World world) throws Exception {
        int clients = 3;
        int requests = 3_000;
        AtomicInteger wrong = new AtomicInteger();
        List<CountDownLatch> done = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            ZooKeeper zk = world.raw();
            String path = world.path("node" + i);
            zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            CountDownLatch answered = new CountDownLatch(2 * requests);
            done.add(answered);
            for (int n = 0; n < requests; n++) {
                int number = n;
                byte[] data = bytes(Integer.toString(n));
                zk.setData(path, data, n, (code, at, context, stat) -> {
                    if (code != Code.OK.intValue() || stat.getVersion() != number + 1) {
                        wrong.incrementAndGet();
                    }
                    answered.countDown();
                }, null);
                // A read sees this session's own writes that went before it.
                zk.getData(path, false, (code, at, context, found, stat) -> {
                    if (code != Code.OK.intValue() || stat.getVersion() != number + 1) {
                        wrong.incrementAndGet();
                    }
                    answered.countDown();
                }, null);
            }
        }
        for (CountDownLatch answered : done) {
            require(answered.await(3 * DEADLINE_MS, TimeUnit.MILLISECONDS), "all requests are answered");
        }
        same(0, wrong.get(), "answers that are wrong or out of order");
    }

    /** A reply longer than any request may be; the client must be told to take it ({@code jute.maxbuffer}). */
    static void manyChildren(World world) throws Exception {
        int count = 11_000;
        ZooKeeper zk = world.raw();
        String name = "x".repeat(100) + "-";
        CountDownLatch made = new CountDownLatch(count);
        Set<String> expected = Collections.synchronizedSet(new HashSet<>());
        for (int n = 0; n < count; n++) {
            zk.create(world.path(name), null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL,
                    (code, at, context, path) -> {
                        expected.add(path.substring(world.root().length() + 1));
                        made.countDown();
                    }, null);
        }
        require(made.await(3 * DEADLINE_MS, TimeUnit.MILLISECONDS), "all creations are answered");
        same(count, expected.size(), "names");
        List<String> found = zk.getChildren(world.root(), false);
        same(count, found.size(), "children");
        same(expected, new HashSet<>(found), "children");
    }

    static void largeTransaction(World world) throws Exception {
        int count = 4_000;
        ZooKeeper zk = world.raw();
        List<Op> operations = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            operations.add(Op.create(world.path("n" + n), bytes("x"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        }
        List<OpResult> results = zk.multi(operations);
        same(count, results.size(), "results");
        long first = zk.exists(world.path("n0"), false).getCzxid();
        same(first, zk.exists(world.path("n" + (count - 1)), false).getCzxid(), "one transaction");
        operations.replaceAll(create -> Op.delete(create.getPath(), 0));
        same(count, zk.multi(operations).size(), "results");
        same(List.of(), zk.getChildren(world.root(), false), "children");
    }

    /** One session's end deletes all its nodes, and each deletion is told. */
    static void manyEphemerals(World world) throws Exception {
        int count = 1_500;
        ZooKeeper onlooker = world.raw();
        BlockingQueue<String> gone = new LinkedBlockingQueue<>();
        onlooker.addWatch(world.root(), event -> {
            if (event.getType() == EventType.NodeDeleted) {
                gone.add(event.getPath());
            }
        }, AddWatchMode.PERSISTENT_RECURSIVE);
        ZooKeeper owner = world.raw();
        CountDownLatch made = new CountDownLatch(count);
        Set<String> expected = new HashSet<>();
        for (int n = 0; n < count; n++) {
            expected.add(world.path("n" + n));
            owner.create(world.path("n" + n), null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL,
                    (code, at, context, path) -> made.countDown(), null);
        }
        require(made.await(DEADLINE_MS, TimeUnit.MILLISECONDS), "all creations are answered");
        same(count, owner.getEphemerals().size(), "own ephemeral nodes");
        owner.close();
        for (int n = 0; n < count; n++) {
            String path = gone.poll(DEADLINE_MS, TimeUnit.MILLISECONDS);
            require(expected.remove(path), path + " is deleted, and once");
        }
        same(List.of(), onlooker.getChildren(world.root(), false), "children");
    }
}
